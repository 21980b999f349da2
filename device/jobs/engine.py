"""Jobs at work: pages, cancel, deadlines. Not who is asking."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from device.clock import Clock
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
from device.jobs.history import HistoryStore
from device.jobs.machine import RETRIEVE_TIMEOUT_S, Job, JobInput
from device.jobs.ports import Following, Image, Limits, Pages
from device.jobs.queue import JobQueue, check_has_images
from device.jobs.request import image_spec, scan_request
from device.jobs.scanner import Scanner
from device.jobs.transfer import ImageTransfer
from device.jobs.tray import Tray
from device.model.capabilities import ADF, ADF_DUPLEX, MULTI_PAGE_FORMATS
from device.model.changes import Change, ConditionCleared, ConditionRaised, StatusChanged
from device.model.job import JobRecord, JobState, JobStateReason
from device.model.status import Component, ConditionName, ScannerStatus, Severity
from device.model.ticket import DocumentFinalParameters, ImageInformation, ScanTicket
from scanner_backends.base import Description, TrayPage
from scanner_backends.errors import (
    BackendError,
    Cancelled,
    CoverOpen,
    DeviceBusy,
    Inval,
    Jammed,
    NoDocs,
)

log = logging.getLogger(__name__)

_CONDITIONS: dict[type[BackendError], ConditionName] = {
    Jammed: ConditionName.MEDIA_JAM,
    CoverOpen: ConditionName.COVER_OPEN,
}
"""What a person can mend, so that the page is tried again when it is."""


def is_feeder(source: str) -> bool:
    """Whether an InputSource takes its pages from the feeder."""
    return source in (ADF, ADF_DUPLEX)


class Engine:
    """The job engine of one scanner.

    Args:
        job_ids: gives the next JobId; never the same one soon again.
        token: gives a token that nobody can guess.
        publish: told of every change, in order.
        history: keeps ended jobs over restarts.
    """

    def __init__(
        self,
        pages: Pages,
        tray: Tray,
        *,
        clock: Clock,
        job_ids: Callable[[], int],
        token: Callable[[], str],
        publish: Callable[[Change], None],
        limits: Limits | None = None,
        history: HistoryStore | None = None,
    ) -> None:
        self.pages = pages
        self.tray = tray
        self.scanner = Scanner()
        self._clock = clock
        self._job_ids = job_ids
        self._token = token
        self._publish = publish
        self._limits = limits or Limits()
        self.queue = JobQueue(
            clock=clock,
            remembered=self._limits.history,
            store=history,
            publish=publish,
            stop_backend=self._spawn_stop,
            moved=self._moved,
        )
        self._last_retrieve: dict[int, str] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._kick = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._closing = False
        self._last_status = self.status()
        self._tray_changed()

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

    def status(self) -> ScannerStatus:
        """The scanner's status."""
        return self.scanner.status(busy=bool(len(self.queue)))

    def check_accepting(self) -> None:
        """Refuse while no further job can be taken.

        Raises:
            NotAcceptingJobs: as many jobs wait as may, or we are going down.
        """
        if self._closing or len(self.queue) > self._limits.waiting:
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
            NoImagesAvailable: it wants the feeder, and that is empty.
        """
        self.check_accepting()
        source = parameters.input_source.value
        if is_feeder(source) and self.tray.feeder_empty:
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
        self, job_id: int | str, token: str, document_name: str, message_id: str
    ) -> ImageTransfer:
        """Fetch the next image of a job. Returns when its first bytes are there.

        Waits for the job's turn, and while the scanner is stopped. A caller that is cancelled has
        lost its peer: the job is aborted.

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
            return await self._begin(self.queue.find(number), document_name)
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

    async def reload(self) -> Description:
        """Read the source afresh and fill the feeder. Raises BackendError."""
        description = await self.pages.describe()
        self.tray.load(description)
        self._tray_changed()
        return description

    def pause(self, *, paused: bool) -> None:
        """Stop the scanner from outside, or let it go on."""
        self.scanner.paused = paused
        self._conditions_changed()

    def raise_condition(self, name: str, component: str, severity: Severity | None = None) -> None:
        """Something is the matter; jobs at work stop if it is critical.

        Name and component are keywords of the standard, or a vendor's. Without a severity the
        condition has its usual one.
        """
        condition = self.scanner.raise_condition(name, component, self._clock.now(), severity)
        if condition is not None:
            log.info("%s at %s", name, component)
            self._publish(ConditionRaised(condition))
            self._conditions_changed()

    def clear_condition(self, condition_id: int) -> None:
        """A condition is gone; jobs that it stopped go on."""
        cleared = self.scanner.clear_condition(condition_id, self._clock.now())
        if cleared is not None:
            self._publish(ConditionCleared(cleared))
            self._conditions_changed()

    # ---- lifetime

    async def run(self) -> None:
        """Watch deadlines and let go of cancelled pages, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            while True:
                self.queue.tick()
                self._kick.clear()
                due = self.queue.next_deadline()
                wait = None if due is None else max(0.0, due - self._clock.monotonic())
                try:
                    async with asyncio.timeout(wait):
                        await self._kick.wait()
                except TimeoutError:
                    continue

    async def close(self, patience_s: float = 3.0) -> None:
        """End all jobs, and wait until the page line has let go of them."""
        self._closing = True
        for job in self.queue.active():
            self.queue.give(job.job_id, JobInput.SHUTDOWN)
        try:
            async with asyncio.timeout(patience_s):
                await self._until(lambda: not len(self.queue))
        except TimeoutError:
            log.warning("%d jobs did not end in time", len(self.queue))

    # ---- for the transfers

    async def going(self, job_id: int) -> None:
        """Wait while the scanner is stopped and this job could still go on."""

        def free() -> bool:
            active = self.queue.is_active(job_id)
            return not self.scanner.stopped or not active or self._terminating(job_id)

        if not free():
            await self._until(free)

    def raise_condition_of(self, source: str, error: BackendError) -> bool:
        """Raise the condition that an error of the source tells of; False if it tells of none."""
        condition = _CONDITIONS.get(type(error))
        if condition is None:
            return False
        self.raise_condition(condition, Component.ADF if is_feeder(source) else Component.PLATEN)
        return True

    def take(self, source: str, *, back: bool) -> TrayPage | None:
        """The next page of the source; None with real media, or when none is left."""
        if not is_feeder(source):
            return self.tray.take_platen()
        page = self.tray.take_feeder(duplex=source == ADF_DUPLEX, back=back)
        self._tray_changed()
        return page

    def put_back(self, source: str, page: TrayPage | None) -> None:
        """A page that nobody got: it lies in the feeder, or on the platen, again."""
        if page is None:
            return
        if is_feeder(source):
            self.tray.put_back(page)
            self._tray_changed()
        else:
            self.tray.keep_platen()

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

    def _terminating(self, job_id: int) -> bool:
        return self.queue.find(job_id).state is JobState.TERMINATING

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
            return self.queue.has_turn(job_id) and not self.scanner.stopped

        await self._until(ready)
        if self._closing:
            raise OperationFailed
        check_has_images(self.queue.find(job_id))

    async def _begin(self, job: Job, document_name: str) -> ImageTransfer:
        """Scan the next page, waiting out what a person can mend."""
        source = job.parameters.input_source.value
        back = source == ADF_DUPLEX and job.images_sent % 2 == 1
        page = self.take(source, back=back)
        if page is None and self.tray.virtual:
            self.queue.give(job.job_id, JobInput.NO_MORE_IMAGES)
            raise NoImagesAvailable
        multi = is_feeder(source) and job.parameters.format.value in MULTI_PAGE_FORMATS
        document = DocumentPages(self, job, page) if multi else None
        try:
            number = None if page is None else page.number
            image = await self._scan(job, number, back=back, following=document)
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
        return ImageTransfer(self, job.job_id, image, document_name, source, page, document)

    async def _scan(
        self, job: Job, number: int | None, *, back: bool, following: Following | None
    ) -> Image:
        request = scan_request(job.parameters, back=back)
        spec = image_spec(job.parameters, job.images, back=back)
        while True:
            try:
                return await self.pages.page(job.job_id, number, request, spec, following)
            except NoDocs:
                self.queue.give_if_active(job.job_id, JobInput.NO_MORE_IMAGES)
                raise NoImagesAvailable from None
            except Cancelled:
                raise
            except DeviceBusy as error:
                log.warning("job %d: %s", job.job_id, error)
                self.queue.give_if_active(job.job_id, JobInput.SOURCE_BUSY)
                raise TemporaryError("Another program holds the scanner.") from error
            except BackendError as error:
                if not self.raise_condition_of(job.parameters.input_source.value, error):
                    log.error("job %d: %s", job.job_id, error)
                    unusable = isinstance(error, Inval)
                    given = JobInput.TICKET_UNUSABLE if unusable else JobInput.SOURCE_FAILED
                    self.queue.give_if_active(job.job_id, given)
                    raise OperationFailed("The scanner could not scan the page.") from error
                await self._turn(job.job_id)

    def _spawn_stop(self, job_id: int) -> None:
        assert self._group is not None, "the engine is not running"
        self._group.create_task(self._stop_backend(job_id))

    async def _stop_backend(self, job_id: int) -> None:
        try:
            await self.pages.cancel(job_id)
        except BackendError as error:
            log.error("job %d: %s", job_id, error)
        self.queue.give_if_active(job_id, JobInput.BACKEND_STOPPED)

    def _conditions_changed(self) -> None:
        given = JobInput.SCANNER_STOPPED if self.scanner.stopped else JobInput.SCANNER_RESUMED
        for job in self.queue.active():
            if self.scanner.stopped or JobStateReason.SCANNER_STOPPED in job.reasons:
                self.queue.give(job.job_id, given)
        self._moved()

    def _tray_changed(self) -> None:
        """Keep the condition of the empty feeder in step with the tray."""
        empty = self.scanner.find(ConditionName.INPUT_TRAY_EMPTY, Component.ADF)
        if self.tray.feeder_empty:
            self.raise_condition(ConditionName.INPUT_TRAY_EMPTY, Component.ADF)
        elif empty is not None:
            self.clear_condition(empty.condition_id)

    def _moved(self) -> None:
        """Wake whoever waits, and tell of a new state of the scanner."""
        status, last = self.status(), self._last_status
        if (status.state, status.reasons) != (last.state, last.reasons):
            self._last_status = status
            self._publish(StatusChanged(status))
        if len(self._last_retrieve) > len(self.queue):
            live = (job.job_id for job in self.queue.active())
            self._last_retrieve = {n: self._last_retrieve.get(n, "") for n in live}
        self._kick.set()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
