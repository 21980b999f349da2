"""What all jobs of a scanner share: the queue, the conditions, the tray, and who waits for whom."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from device.clock import Clock
from device.jobs.history import HistoryStore
from device.jobs.machine import JobInput
from device.jobs.ports import Limits, Pages
from device.jobs.queue import JobQueue
from device.jobs.scanner import Scanner
from device.jobs.tray import Tray
from device.model.capabilities import ADF_DUPLEX, is_feeder
from device.model.changes import (
    Change,
    ConditionCleared,
    ConditionRaised,
    PagesLaidIn,
    StatusChanged,
)
from device.model.job import JobState, JobStateReason
from device.model.status import UNPLUGGED, Component, ConditionName, ScannerStatus, Severity
from scanner_backends.base import Description, TrayPage
from scanner_backends.errors import (
    BackendError,
    CoverOpen,
    Jammed,
    SourceError,
)

log = logging.getLogger(__name__)

_CONDITIONS: dict[type[BackendError], ConditionName] = {
    Jammed: ConditionName.MEDIA_JAM,
    CoverOpen: ConditionName.COVER_OPEN,
}
"""What a person can mend, so that the page is tried again when it is."""

TRY_AGAIN_S = 3.0
"""How often a real scanner is tried again: it tells nobody when it is mended."""


class EngineRoom:
    """Everything of the job engine but what becomes of a single job.

    Args:
        job_ids: gives the next JobId; never the same one soon again.
        token: gives a token that nobody can guess.
        publish: told of every change, in order.
        history: keeps ended jobs over restarts.
        made_by: manufacturer and model, for images that tell.
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
        made_by: tuple[str, str] = ("", ""),
    ) -> None:
        self.made_by = made_by
        self.pages = pages
        self.tray = tray
        self.scanner = Scanner()
        self._said_by_source: set[int] = set()  # conditions that a real scanner told of
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

    def status(self) -> ScannerStatus:
        """The scanner's status."""
        return self.scanner.status(busy=bool(len(self.queue)))

    # ---- the scanner, and what is the matter with it

    def pause(self, *, paused: bool) -> None:
        """Stop the scanner from outside, or let it go on."""
        self.scanner.pause(paused=paused)
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
        self._said_by_source.discard(condition_id)
        cleared = self.scanner.clear_condition(condition_id, self._clock.now())
        if cleared is not None:
            self._publish(ConditionCleared(cleared))
            self._conditions_changed()

    def can_be_mended(self, error: BackendError) -> bool:
        """Whether a person can mend what an error of the source tells of."""
        return type(error) in _CONDITIONS

    def raise_condition_of(self, source: str, error: BackendError) -> bool:
        """Raise the condition that an error of the source tells of; False if it tells of none."""
        condition = _CONDITIONS.get(type(error))
        if condition is None:
            return False
        self._source_says(condition, source)
        return True

    def warming_up(self, job_id: int) -> None:
        """The scanner's lamp warms up for a job."""
        if self.queue.is_active(job_id):
            source = self.queue.find(job_id).parameters.input_source.value
            self._source_says(ConditionName.LAMP_WARMING, source)

    def source_is_empty(self, source: str) -> None:
        """A real feeder has no sheet; of a virtual one the tray knows."""
        if is_feeder(source) and not self.tray.virtual:
            self._source_says(ConditionName.INPUT_TRAY_EMPTY, source)

    def _source_says(self, name: ConditionName, source: str) -> None:
        component = Component.ADF if is_feeder(source) else Component.PLATEN
        self.raise_condition(name, component)
        found = self.scanner.find(name, component)
        if found is not None and not self.tray.virtual:
            self._said_by_source.add(found.condition_id)

    def source_is_well(self) -> None:
        """Nothing that a real scanner told of is known to be the matter any more."""
        for condition_id in sorted(self._said_by_source):
            self.clear_condition(condition_id)

    @property
    def halted(self) -> bool:
        """Whether it makes no sense to try. What a real scanner has told of may be mended."""
        return self.scanner.stopped_besides(self._said_by_source)

    def unplugged(self) -> None:
        """The scanner is not there: jobs wait, and no further one is taken."""
        self.raise_condition(UNPLUGGED, Component.MEDIA_PATH, Severity.CRITICAL)

    def plugged_in(self) -> None:
        """The scanner is there again."""
        self.source_is_well()
        condition = self.scanner.find(UNPLUGGED, Component.MEDIA_PATH)
        if condition is not None:
            self.clear_condition(condition.condition_id)

    def _conditions_changed(self) -> None:
        self._moved()  # the scanner's state is told before that of its jobs (ws-scan section 9.6)
        given = JobInput.SCANNER_STOPPED if self.scanner.stopped else JobInput.SCANNER_RESUMED
        for job in self.queue.active():
            if self.scanner.stopped or JobStateReason.SCANNER_STOPPED in job.reasons:
                self.queue.give(job.job_id, given)
        self._moved()

    # ---- the tray

    async def reload(self) -> Description:
        """Read the source afresh and fill the feeder.

        Raises:
            SourceError: it has no pages any more; neither have the platen and the feeder then.
            BackendError: it cannot be read; all stays as it was.
        """
        try:
            description = await self.pages.describe()
        except SourceError:
            if self.tray.virtual:
                self.tray.load(Description("", virtual=True))
                self._tray_changed()
            raise
        self.tray.load(description)
        self._tray_changed()
        return description

    def lay_in(self, pages: Sequence[TrayPage]) -> None:
        """Lay pages under the stack in the feeder."""
        self.tray.add(pages)
        self._tray_changed()
        self._publish(PagesLaidIn())

    def lay_on_platen(self, pages: Sequence[TrayPage]) -> None:
        """Put pages on the glass, one after the other, in place of what lies there."""
        self.tray.lay_on_platen(pages)
        self._publish(PagesLaidIn())

    def take_out(self, number: int) -> bool:
        """Take a sheet out of the feeder; see `Tray.take_out`."""
        found = self.tray.take_out(number)
        self._tray_changed()
        return found

    def empty_feeder(self) -> None:
        """Take all sheets out of the feeder."""
        self.tray.empty_feeder()
        self._tray_changed()

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

    def _tray_changed(self) -> None:
        """Keep the condition of the empty feeder in step with the tray."""
        empty = self.scanner.find(ConditionName.INPUT_TRAY_EMPTY, Component.ADF)
        if self.tray.feeder_empty:
            self.raise_condition(ConditionName.INPUT_TRAY_EMPTY, Component.ADF)
        elif empty is not None:
            self.clear_condition(empty.condition_id)

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

    def _spawn_stop(self, job_id: int) -> None:
        assert self._group is not None, "the engine is not running"
        self._group.create_task(self._stop_backend(job_id))

    async def _stop_backend(self, job_id: int) -> None:
        try:
            await self.pages.cancel(job_id)
        except BackendError as error:
            log.error("job %d: %s", job_id, error)
        self.queue.give_if_active(job_id, JobInput.BACKEND_STOPPED)

    # ---- waiting

    async def going(self, job_id: int) -> None:
        """Wait while the scanner is halted and this job could still go on."""
        await self._until(lambda: not self.halted or self._is_over(job_id))

    async def mended(self, job_id: int) -> None:
        """Wait until what is the matter is over, or, with a real scanner, may be over."""
        try:
            async with asyncio.timeout(None if self.tray.virtual else TRY_AGAIN_S):
                await self._until(lambda: not self.scanner.stopped or self._is_over(job_id))
        except TimeoutError:
            await self.going(job_id)

    def _is_over(self, job_id: int) -> bool:
        return not self.queue.is_active(job_id) or self._terminating(job_id)

    def _terminating(self, job_id: int) -> bool:
        return self.queue.find(job_id).state is JobState.TERMINATING

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
