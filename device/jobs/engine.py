"""Queue, pages, cancel, deadlines, history. Not who is asking."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from device.clock import Clock
from device.errors import (
    InvalidJobToken,
    JobCancelled,
    JobIdNotFound,
    NoImagesAvailable,
    NotAcceptingJobs,
    OperationFailed,
)
from device.imaging.spec import ImageSpec
from device.jobs.machine import (
    RETRIEVE_TIMEOUT_S,
    Effect,
    Job,
    JobInput,
    step,
)
from device.jobs.request import image_spec, scan_request
from device.jobs.scanner import Scanner
from device.jobs.tray import Tray
from device.model.capabilities import ADF, ADF_DUPLEX, MULTI_PAGE_FORMATS
from device.model.changes import (
    Change,
    ConditionCleared,
    ConditionRaised,
    JobChanged,
    JobEnded,
    StatusChanged,
)
from device.model.job import JobRecord, JobState, JobStateReason
from device.model.status import Component, ConditionName, ScannerStatus
from device.model.ticket import DocumentFinalParameters, ImageInformation, ScanTicket
from scanner_backends.base import Description, ScanRequest, TrayPage
from scanner_backends.errors import BackendError, Cancelled, CoverOpen, Jammed, NoDocs

log = logging.getLogger(__name__)

_CONDITIONS: dict[type[BackendError], ConditionName] = {
    Jammed: ConditionName.MEDIA_JAM,
    CoverOpen: ConditionName.COVER_OPEN,
}


class Image(Protocol):
    """The bytes of one image, as the page line gives them."""

    media_type: str

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Pages(Protocol):
    """The page line, as far as the engine uses it."""

    async def page(
        self, job_id: int, page: int | None, request: ScanRequest, spec: ImageSpec
    ) -> Image: ...

    async def cancel(self, job_id: int) -> None: ...

    async def describe(self) -> Description: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs may wait behind the one at work, and how many ended ones are remembered."""

    waiting: int = 8
    history: int = 100


class Engine:
    """All jobs of one scanner.

    Args:
        job_ids: gives the next JobId; never the same one soon again.
        token: gives a token that nobody can guess.
        publish: told of every change, in order.
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
        component_of: Callable[[str], Component] = lambda source: (
            Component.ADF if source in (ADF, ADF_DUPLEX) else Component.PLATEN
        ),
    ) -> None:
        self.pages = pages
        self.tray = tray
        self.scanner = Scanner()
        self._clock = clock
        self._job_ids = job_ids
        self._token = token
        self._publish = publish
        self._limits = limits or Limits()
        self._component_of = component_of
        self._active: OrderedDict[int, Job] = OrderedDict()
        self._ended: OrderedDict[int, Job] = OrderedDict()
        self._last_retrieve: dict[int, str] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._kick = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._closing = False
        self._last_status: ScannerStatus | None = None
        self._tray_changed()

    # ---- what others may ask

    def active(self) -> tuple[JobRecord, ...]:
        """All jobs not yet finished, oldest first."""
        return tuple(job.record for job in self._active.values())

    def history(self) -> tuple[JobRecord, ...]:
        """The finished jobs that are remembered, newest first."""
        return tuple(job.record for job in reversed(self._ended.values()))

    def record(self, job_id: int | str) -> JobRecord:
        """One job, live or finished.

        Raises:
            JobIdNotFound: there is none, or it is forgotten.
        """
        return self._find(job_id).record

    def status(self) -> ScannerStatus:
        """The scanner's status."""
        return self.scanner.status(busy=bool(self._active))

    def check_accepting(self) -> None:
        """Refuse while no further job can be taken.

        Raises:
            NotAcceptingJobs: as many jobs wait as may, or we are going down.
        """
        if self._closing or len(self._active) > self._limits.waiting:
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
        if source in (ADF, ADF_DUPLEX) and self.tray.feeder_empty:
            raise NoImagesAvailable
        job = Job(
            job_id=self._job_ids(),
            token=self._token(),
            ticket=ticket,
            parameters=parameters,
            images=images,
            created=self._clock.now(),
            deadline=self._clock.monotonic() + RETRIEVE_TIMEOUT_S,
            images_left=self._wanted(parameters),
            overridden=overridden,
        )
        self._active[job.job_id] = job
        log.info("job %d created: %s, %s", job.job_id, source, parameters.format.value)
        self._publish(JobChanged(job.record))
        self._moved()
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
        """
        job = self._find(job_id)
        if token != job.token:
            raise InvalidJobToken
        self._check_retrievable(job, message_id)
        number = job.job_id
        self._last_retrieve[number] = message_id
        self._give(number, JobInput.WAIT)
        try:
            await self._until(lambda: self._has_turn(number))
            self._check_live(number)
            self._give(number, JobInput.RETRIEVE)
            return await self._begin(number, document_name)
        except asyncio.CancelledError:
            self._give_if_active(number, JobInput.TRANSFER_BROKEN)
            raise

    def cancel(self, job_id: int | str, *, at_device: bool = False) -> None:
        """Cancel a job. Answers at once; the page under way ends soon after.

        Raises:
            JobIdNotFound: there is none, or it has ended.
        """
        job = self._find(job_id)
        if job.state.final:
            raise JobIdNotFound(job_id)
        given = JobInput.CANCEL_AT_DEVICE if at_device else JobInput.CANCEL
        self._give(job.job_id, given)

    def hold(self, job_id: int) -> None:
        """Keep a waiting job from being scheduled.

        Raises:
            JobIdNotFound: there is none.
            OperationFailed: it does not wait.
        """
        if self._find(job_id).state is not JobState.PENDING:
            raise OperationFailed
        self._give(job_id, JobInput.HOLD)

    def release(self, job_id: int) -> None:
        """Let a held job be scheduled again. Raises as `hold` does."""
        if self._find(job_id).state is not JobState.HELD:
            raise OperationFailed
        self._give(job_id, JobInput.RELEASE)

    async def reload(self) -> Description:
        """Read the source afresh and fill the feeder."""
        description = await self.pages.describe()
        self.tray.load(description)
        self._tray_changed()
        return description

    def raise_condition(self, name: ConditionName, component: Component) -> None:
        """Something is the matter; jobs at work stop if it is critical."""
        condition = self.scanner.raise_condition(name, component, self._clock.now())
        if condition is not None:
            log.warning("%s at %s", name, component)
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
                self.tick()
                self._kick.clear()
                due = self._next_deadline()
                wait = None if due is None else max(0.0, due - self._clock.monotonic())
                try:
                    async with asyncio.timeout(wait):
                        await self._kick.wait()
                except TimeoutError:
                    continue

    async def close(self, patience_s: float = 3.0) -> None:
        """End all jobs, and wait until the page line has let go of them."""
        self._closing = True
        for job_id in list(self._active):
            self._give(job_id, JobInput.SHUTDOWN)
        try:
            async with asyncio.timeout(patience_s):
                await self._until(lambda: not self._active)
        except TimeoutError:
            log.warning("%d jobs did not end in time", len(self._active))

    def tick(self) -> None:
        """Abort the jobs whose clients have waited too long."""
        now = self._clock.monotonic()
        for job in list(self._active.values()):
            if job.deadline is not None and job.deadline <= now:
                log.info("job %d: nobody fetched its image in time", job.job_id)
                self._give(job.job_id, JobInput.DEADLINE)

    # ---- inside

    def _find(self, job_id: int | str) -> Job:
        job = None
        if isinstance(job_id, int):
            job = self._active.get(job_id) or self._ended.get(job_id)
        if job is None:
            raise JobIdNotFound(job_id)
        return job

    @staticmethod
    def _wanted(parameters: DocumentFinalParameters) -> int | None:
        if parameters.input_source.value not in (ADF, ADF_DUPLEX):
            return 1
        return parameters.images_to_transfer.value or None

    @staticmethod
    def _check_state(job: Job) -> None:
        """Refuse a job that has no more images, with the reason that its client needs."""
        if job.state is JobState.COMPLETED:
            raise NoImagesAvailable
        if job.state is JobState.CANCELED or (
            job.state is JobState.TERMINATING and job.ending[0] is JobState.CANCELED
        ):
            raise JobCancelled
        if job.state in (JobState.ABORTED, JobState.TERMINATING):
            raise JobIdNotFound(job.job_id)

    def _check_retrievable(self, job: Job, message_id: str) -> None:
        self._check_state(job)
        if job.retrieving:
            raise OperationFailed("An image of this job is being retrieved already.")
        if message_id and self._last_retrieve.get(job.job_id) == message_id:
            raise OperationFailed("This request was answered already.")

    def _check_live(self, job_id: int) -> None:
        """Refuse to go on with a job that ended while its RetrieveImage waited."""
        job = self._find(job_id)
        if job.state is JobState.ABORTED and self._closing:
            raise OperationFailed
        self._check_state(job)

    def _has_turn(self, job_id: int) -> bool:
        """Whether the job is over, or may scan now."""
        job = self._active.get(job_id)
        if job is None or job.state is JobState.TERMINATING:
            return True
        if self.scanner.stopped or job.state is JobState.HELD:
            return False
        first = next(
            (other for other in self._active.values() if other.state is not JobState.HELD), None
        )
        return first is job

    async def _begin(self, job_id: int, document_name: str) -> ImageTransfer:
        """Scan the next page, waiting out what a person can mend."""
        job = self._active[job_id]
        source = job.parameters.input_source.value
        duplex = source == ADF_DUPLEX
        back = duplex and job.images_sent % 2 == 1
        if source in (ADF, ADF_DUPLEX):
            page = self.tray.take_feeder(duplex=duplex, back=back)
            self._tray_changed()
        else:
            page = self.tray.take_platen()
        if page is None and self.tray.virtual:
            self._give(job_id, JobInput.NO_MORE_IMAGES)
            raise NoImagesAvailable
        request = scan_request(job.parameters, back=back)
        spec = image_spec(job.parameters, job.images, back=back)
        number = None if page is None else page.number
        while True:
            try:
                image = await self.pages.page(job_id, number, request, spec)
                break
            except NoDocs:
                self._give_if_active(job_id, JobInput.NO_MORE_IMAGES)
                raise NoImagesAvailable from None
            except Cancelled:
                self._put_back(source, page)
                self._check_live(job_id)
                raise OperationFailed from None
            except BackendError as error:
                condition = _CONDITIONS.get(type(error))
                if condition is None:
                    log.error("job %d: %s", job_id, error)
                    self._give_if_active(job_id, JobInput.SOURCE_FAILED)
                    raise OperationFailed("The scanner could not scan the page.") from error
                self.raise_condition(condition, self._component_of(source))
                await self._until(lambda: self._has_turn(job_id))
                self._check_live(job_id)
            except asyncio.CancelledError:
                self._put_back(source, page)
                raise
        self._check_live(job_id)
        return ImageTransfer(self, job_id, image, document_name, source, page)

    def _put_back(self, source: str, page: TrayPage | None) -> None:
        """A page that nobody got lies in the feeder again."""
        if source in (ADF, ADF_DUPLEX) and page is not None:
            self.tray.put_back(page)
            self._tray_changed()

    def _give_if_active(self, job_id: int, given: JobInput) -> None:
        if job_id in self._active:
            self._give(job_id, given)

    def _give(self, job_id: int, given: JobInput) -> None:
        """Move a job, keep it where it belongs now, and do what the step asks for."""
        job, effects = step(self._active[job_id], given, self._clock.monotonic(), self._clock.now())
        self._active[job_id] = job
        for effect in effects:
            match effect:
                case Effect.STARTED:
                    started = replace(job, state=JobState.STARTED, reasons=(JobStateReason.NONE,))
                    self._publish(JobChanged(started.record))
                case Effect.CHANGED:
                    self._publish(JobChanged(job.record))
                case Effect.STOP_BACKEND:
                    assert self._group is not None, "the engine is not running"
                    self._group.create_task(self._stop_backend(job_id))
                case Effect.ENDED:
                    self._end(job)
        self._moved()

    def _end(self, job: Job) -> None:
        del self._active[job.job_id]
        self._ended[job.job_id] = job
        while len(self._ended) > self._limits.history:
            forgotten, _ = self._ended.popitem(last=False)
            self._last_retrieve.pop(forgotten, None)
        reason = "" if job.reasons == (JobStateReason.NONE,) else f" ({', '.join(job.reasons)})"
        log.info("job %d %s%s, %d images", job.job_id, job.state, reason, job.images_sent)
        self._publish(JobEnded(job.record))

    async def _stop_backend(self, job_id: int) -> None:
        try:
            await self.pages.cancel(job_id)
        except BackendError as error:
            log.error("job %d: %s", job_id, error)
        self._give_if_active(job_id, JobInput.BACKEND_STOPPED)

    def _conditions_changed(self) -> None:
        given = JobInput.SCANNER_STOPPED if self.scanner.stopped else JobInput.SCANNER_RESUMED
        for job in list(self._active.values()):
            if job.retrieving or JobStateReason.SCANNER_STOPPED in job.reasons:
                self._give(job.job_id, given)
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
        status = self.status()
        last = self._last_status
        if last is None or (status.state, status.reasons) != (last.state, last.reasons):
            self._last_status = status
            if last is not None:
                self._publish(StatusChanged(status))
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

    def _next_deadline(self) -> float | None:
        return min(
            (job.deadline for job in self._active.values() if job.deadline is not None),
            default=None,
        )


class ImageTransfer:
    """One image on its way to the client; the attachment of a RetrieveImageResponse."""

    def __init__(
        self,
        engine: Engine,
        job_id: int,
        image: Image,
        document_name: str,
        source: str,
        page: TrayPage | None,
    ) -> None:
        self.media_type = image.media_type
        self._engine = engine
        self._job_id = job_id
        self._image = image
        self._document_name = document_name
        self._source = source
        self._page = page

    async def chunks(self) -> AsyncIterator[bytes]:
        """The image's bytes; breaks off with a BackendError when the page does."""
        engine, job_id = self._engine, self._job_id
        engine._give_if_active(job_id, JobInput.FIRST_BYTES)
        try:
            async for chunk in self._image:
                yield chunk
        except Cancelled:
            raise
        except BackendError as error:
            log.error("job %d: %s", job_id, error)
            engine._give_if_active(job_id, JobInput.SOURCE_FAILED)
            raise
        engine._give_if_active(job_id, JobInput.IMAGE_SCANNED)

    async def finished(self, *, delivered: bool) -> None:
        """Tell the engine whether the client took every byte."""
        engine, job_id = self._engine, self._job_id
        await self._image.aclose()
        if not delivered:
            engine._put_back(self._source, self._page)
            engine._give_if_active(job_id, JobInput.TRANSFER_BROKEN)
            return
        job = engine._active.get(job_id)
        if job is None:
            return
        engine._active[job_id] = replace(
            job, document_names=(*job.document_names, self._document_name)
        )
        multi = job.parameters.format.value in MULTI_PAGE_FORMATS
        last = job.images_left == 1 or multi
        engine._give(job_id, JobInput.LAST_IMAGE_SENT if last else JobInput.IMAGE_SENT)
