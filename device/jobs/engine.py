"""Jobs at work: pages, cancel, deadlines. Not who is asking."""

from __future__ import annotations

import asyncio
import logging

from device.errors import (
    DeviceError,
    InvalidJobToken,
    JobCancelled,
    JobIdNotFound,
    NoImagesAvailable,
    NotAcceptingJobs,
    OperationFailed,
    TemporaryError,
)
from device.jobs.document import DocumentPages
from device.jobs.engine_room import EngineRoom
from device.jobs.machine import RETRIEVE_TIMEOUT_S, Job, JobInput
from device.jobs.page_size import as_it_lies
from device.jobs.ports import Following, Image, Order
from device.jobs.queue import check_has_images
from device.jobs.request import image_spec, scan_request
from device.jobs.transfer import ImageTransfer
from device.model.capabilities import ADF_DUPLEX, MULTI_PAGE_FORMATS, is_feeder
from device.model.job import JobRecord, JobState, JobStateReason
from device.model.ticket import DocumentFinalParameters, ImageInformation, ScanTicket
from scanner_backends.base import TrayPage
from scanner_backends.errors import (
    BackendError,
    Cancelled,
    DeviceBusy,
    Inval,
    NoDocs,
)

log = logging.getLogger(__name__)


class Engine(EngineRoom):
    """The job engine of one scanner."""

    # ---- what others may ask

    def active(self) -> tuple[JobRecord, ...]:
        """All jobs not yet finished, oldest first."""
        return tuple(job.record for job in self.queue.active())

    def history(self) -> tuple[JobRecord, ...]:
        """The finished jobs that are remembered, newest first."""
        return self.queue.history()

    def record(self, job_id: int | str) -> JobRecord:
        """One job, live or finished. Raises JobIdNotFound."""
        return self.queue.find(job_id).record

    def is_active(self, job_id: int) -> bool:
        """Whether that job is not finished."""
        return self.queue.is_active(job_id)

    def check_accepting(self) -> None:
        """Refuse while no further job can be taken.

        Raises:
            NotAcceptingJobs: as many jobs wait as may, the scanner is unplugged, or we are going
                down.
        """
        if self._closing or self.scanner.unplugged or len(self.queue) > self._limits.waiting:
            raise NotAcceptingJobs

    # ---- what others may do

    def create(
        self,
        ticket: ScanTicket,
        parameters: DocumentFinalParameters,
        images: ImageInformation,
        *,
        overridden: bool,
    ) -> Job:
        """Take a job into the queue.

        Raises:
            NotAcceptingJobs: see `check_accepting`.
            NoImagesAvailable: it wants the feeder or the platen, and that is empty.
        """
        self.check_accepting()
        source = parameters.input_source.value
        if self.tray.feeder_empty if is_feeder(source) else self.tray.platen_empty:
            raise NoImagesAvailable
        job = Job(
            job_id=self._job_ids(),
            token=self._token(),
            ticket=ticket,
            parameters=parameters,
            images=images,
            created=self._clock.now(),
            deadline=self._clock.monotonic() + RETRIEVE_TIMEOUT_S,
            images_left=(parameters.images_to_transfer.value or None) if is_feeder(source) else 1,
            overridden=overridden,
        )
        log.info("job %d created: %s, %s", job.job_id, source, parameters.format.value)
        self.queue.add(job)
        if self.scanner.stopped:
            self.queue.give(job.job_id, JobInput.SCANNER_STOPPED)
        return job

    async def retrieve(
        self,
        job_id: int | str,
        token: str,
        document_name: str,
        message_id: str,
        *,
        repeatable: bool = False,
    ) -> ImageTransfer:
        """Fetch the next image of a job. Returns when its first bytes are there.

        Waits for the job's turn, and while the scanner is stopped. A caller that is cancelled has
        lost its peer: the job is aborted. One that can take an image again, from its beginning,
        says so (`repeatable`): a jam in mid-page is waited out then.

        Raises:
            JobIdNotFound, InvalidJobToken, NoImagesAvailable, JobCancelled: as WS-Scan has them.
            OperationFailed: the job is sending an image already, this very request was answered
                before, or the source failed for good.
            TemporaryError: somebody else holds the scanner; the request may be repeated.
        """
        job = self.queue.find(job_id)
        if token != job.token:
            raise InvalidJobToken
        number = job.job_id
        await self._tidied_up(number)
        check_has_images(self.queue.find(number))
        if message_id and self._last_retrieve.get(number) == message_id:
            raise OperationFailed("This request was answered already.")
        self._last_retrieve[number] = message_id
        self.queue.give(number, JobInput.WAIT)
        try:
            await self._turn(number)
            self.queue.give(number, JobInput.RETRIEVE)
            return await self._begin(self.queue.find(number), document_name, repeatable=repeatable)
        except asyncio.CancelledError:
            self.queue.give_if_active(number, JobInput.TRANSFER_BROKEN)
            raise
        except DeviceError:
            raise
        except Exception:
            self.queue.give_if_active(number, JobInput.SOURCE_FAILED)
            raise

    def cancel(self, job_id: int | str, *, at_device: bool = False) -> None:
        """Cancel a job. Answers at once; the page under way ends soon after.

        Raises:
            JobIdNotFound: there is none, or it has ended.
        """
        job = self.queue.find(job_id)
        if job.state.final:
            raise JobIdNotFound(job_id)
        self.queue.give(job.job_id, JobInput.CANCEL_AT_DEVICE if at_device else JobInput.CANCEL)

    def hold(self, job_id: int) -> None:
        """Keep a waiting job from being scheduled.

        Raises:
            JobIdNotFound: there is none.
            OperationFailed: it does not wait.
        """
        if self.queue.find(job_id).state is not JobState.PENDING:
            raise OperationFailed
        self.queue.give(job_id, JobInput.HOLD)

    def release(self, job_id: int) -> None:
        """Let a held job be scheduled again. Raises as `hold` does."""
        if self.queue.find(job_id).state is not JobState.HELD:
            raise OperationFailed
        self.queue.give(job_id, JobInput.RELEASE)

    def order_ahead(self, job_id: int) -> None:
        """Have the next page of a feeder's job scanned while the client fetches the one before.

        A virtual page stays in the tray until it is asked for: as far as anybody can see, nothing
        has happened if it never is.
        """
        if not self.queue.is_active(job_id) or self.scanner.stopped:
            return
        job = self.queue.find(job_id)
        source = job.parameters.input_source.value
        if not is_feeder(source) or job.images_left == 1 or self._closing:
            return
        if job.parameters.format.value in MULTI_PAGE_FORMATS:
            return  # pages of a document are ordered by `DocumentPages`
        back = source == ADF_DUPLEX and job.images_sent % 2 == 0
        page = self.tray.next_in_feeder(duplex=source == ADF_DUPLEX, back=back)
        if page is None and self.tray.virtual:
            return
        self.pages.order_ahead(job_id, *self.order_of(job, page, back=back))

    def order_of(self, job: Job, page: TrayPage | None, *, back: bool) -> Order:
        """How a page is scanned for that job, and what is made of it; always the same."""
        parameters = as_it_lies(job.parameters, page, back=back)
        return (
            None if page is None else page.number,
            scan_request(parameters, back=back),
            image_spec(parameters, back=back, made_by=self.made_by, made_at=job.created),
        )

    # ---- inside

    async def _tidied_up(self, job_id: int) -> None:
        """Wait until the image before is done with, if all of it has left us.

        Its client may have every byte, and ask for the next one, before we know that
        (sane-airscan does so within a millisecond).

        Raises:
            OperationFailed: that image is still under way.
        """

        def over() -> bool:
            job = self.queue.find(job_id)
            if job.retrieving and job.reasons != (JobStateReason.JOB_TRANSFERRING,):
                raise OperationFailed("An image of this job is being retrieved already.")
            return not job.retrieving

        await self._until(over)

    async def _turn(self, job_id: int) -> None:
        """Wait until this job may scan.

        Raises:
            OperationFailed: we are going down.
            JobCancelled, JobIdNotFound: it has ended meanwhile.
        """

        def ready() -> bool:
            job = self.queue.find(job_id)
            if job.state.final or job.state is JobState.TERMINATING:
                return True
            return self.queue.has_turn(job_id) and not self.halted

        await self._until(ready)
        if self._closing:
            raise OperationFailed
        check_has_images(self.queue.find(job_id))

    async def _begin(self, job: Job, document_name: str, *, repeatable: bool) -> ImageTransfer:
        """Scan the next page, waiting out what a person can mend."""
        source = job.parameters.input_source.value
        back = source == ADF_DUPLEX and job.images_sent % 2 == 1
        page = self.take(source, back=back)
        if page is None and self.tray.virtual:
            self.queue.give(job.job_id, JobInput.NO_MORE_IMAGES)
            raise NoImagesAvailable
        multi = is_feeder(source) and job.parameters.format.value in MULTI_PAGE_FORMATS
        document = DocumentPages(self, job, page) if multi else None
        held = multi and repeatable
        try:
            order = self.order_of(job, page, back=back)
            image = await self._scan(job, order, following=document, held=held)
        except Cancelled:
            self.put_back(source, page)
            check_has_images(self.queue.find(job.job_id))
            raise OperationFailed from None
        except (asyncio.CancelledError, JobCancelled, JobIdNotFound, TemporaryError):
            self.put_back(source, page)
            raise
        if not self.queue.is_active(job.job_id) or self._terminating(job.job_id):
            # Cancelled while the page waited behind a reload, where cancelling reaches no page.
            await image.aclose()
            self.put_back(source, page)
            check_has_images(self.queue.find(job.job_id))
        return ImageTransfer(
            self,
            job.job_id,
            image,
            document_name,
            source,
            page,
            document,
            repeatable=repeatable,
        )

    async def _scan(
        self,
        job: Job,
        order: Order,
        *,
        following: Following | None,
        held: bool,
    ) -> Image:
        while True:
            try:
                image = await self.pages.page(job.job_id, *order, following, held=held)
                self.source_is_well()
                return image
            except NoDocs:
                self.source_is_well()
                self.source_is_empty(job.parameters.input_source.value)
                self.queue.give_if_active(job.job_id, JobInput.NO_MORE_IMAGES)
                raise NoImagesAvailable from None
            except Cancelled:
                raise
            except DeviceBusy as error:
                self.source_is_well()
                log.warning("job %d: %s", job.job_id, error)
                self.queue.give_if_active(job.job_id, JobInput.SOURCE_BUSY)
                self._last_retrieve.pop(job.job_id, None)
                raise TemporaryError("Another program holds the scanner.") from error
            except BackendError as error:
                if not self.raise_condition_of(job.parameters.input_source.value, error):
                    self.source_is_well()
                    log.error("job %d: %s", job.job_id, error)
                    unusable = isinstance(error, Inval)
                    given = JobInput.TICKET_UNUSABLE if unusable else JobInput.SOURCE_FAILED
                    self.queue.give_if_active(job.job_id, given)
                    raise OperationFailed("The scanner could not scan the page.") from error
                self.queue.give_if_active(job.job_id, JobInput.SCANNER_STOPPED)
                await self.mended(job.job_id)
                await self._turn(job.job_id)
