"""The queue: takes jobs in the order of their End and runs their filters, in threads.

The filters of one job run in document order, one after another; several jobs are at work at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from threading import Thread

from device.dsp import filters
from device.dsp.words import FilterState, FilterStateReason
from device.dsp.words import PostScanJobState as S
from device.errors import InvalidArgs, JobTokenNotFound, TemporaryError
from scan_server import records
from scan_server.database import Database, DatabaseTrouble
from scan_server.filters.base import INVALID_INSTRUCTIONS, Halted, Outcome, Run, Work
from scan_server.filters.settings import Filters
from scan_server.filters.stop import Stop
from scan_server.identity import User, Users
from scan_server.jobs import RETRY_S, Jobs
from scan_server.post_scan_jobs import Given, I, PostScanJob, running_filter
from scan_server.storage import Storage

log = logging.getLogger(__name__)

WORKERS = 4
"""Jobs at work at once; one that waits for its next try is not at work."""
STOP_S = 2.0
"""How long a filter that was told to stop may take; one that hangs ends with the process."""

UNKNOWN_TROUBLE = Outcome(
    FilterState.COMPLETED_WITH_ERRORS, (FilterStateReason.UNKNOWN_ERROR,), again=True
)
Wait = Callable[[asyncio.Event, float], Awaitable[None]]


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Until the event or the end of the time, whichever comes first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def at_once() -> None:
    """Wait for nothing."""


class Processing:
    """Runs the filters of the jobs whose turn comes.

    `wait` waits between two tries, `turn` until jobs may have their turn at all.
    """

    def __init__(
        self,
        jobs: Jobs,
        known: Filters,
        users: Users,
        storage: Storage,
        database: Database,
        wait: Wait = wait_for,
        turn: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self._jobs = jobs
        self._filters = known
        self._users = users
        self._storage = storage
        self._database = database
        self._wait = wait
        self._turn = turn
        self._slots = asyncio.Semaphore(WORKERS)
        self._closing = False
        self._at_work: dict[asyncio.Future[Outcome | None], Stop] = {}

    async def close(self) -> None:
        """Let running filters stop where they are; they go on at the next start."""
        self._closing = True
        for stop in self._at_work.values():
            stop.set()
        if self._at_work:
            await asyncio.wait(list(self._at_work), timeout=STOP_S)

    async def work(self) -> None:
        """Take one job after the other, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._slots.acquire()
                job = await self._jobs.next_turn(self._turn)
                group.create_task(self._serve(job))

    async def _serve(self, job: PostScanJob) -> None:
        try:
            await self._process(job)
        except TemporaryError:
            await asyncio.sleep(RETRY_S)
            self._jobs.again(job.token)
        except JobTokenNotFound:
            log.warning("job %s is in another server's care now", job.token)
        finally:
            self._storage.let_go(job.token)
            self._slots.release()

    async def _process(self, job: PostScanJob) -> None:
        if job.state is S.STARTED:
            job = await self._jobs.apply(job.token, Given(I.BEGIN))
        stop = self._jobs.stopping.setdefault(job.token, Stop())
        while job.state in (S.PROCESSING, S.TERMINATING):
            position = running_filter(job)
            assert position is not None
            outcome = await self._filter(job, position, stop)
            if outcome is None:
                return  # the server is stopping
            job = await self._jobs.apply(
                job.token,
                Given(I.FILTER, filter_state=outcome.state, filter_reasons=outcome.reasons),
            )

    async def _filter(self, job: PostScanJob, position: int, stop: Stop) -> Outcome | None:
        """Run one filter, as often as it takes and may; None when the server stops meanwhile."""
        entry = job.instructions.filters[position]
        found = self._filters.get(entry.dialect)
        if found is None:
            log.warning("job %s: no filter has the dialect %s", job.token, entry.dialect)
            return INVALID_INSTRUCTIONS
        try:
            run = Run(found, filters.read(entry.dialect, entry.instructions))
        except InvalidArgs:
            return INVALID_INSTRUCTIONS
        tries = found.retry.tries
        for attempt in range(1, tries + 1):
            outcome = await self._in_thread(run, job, position, stop, last=attempt == tries)
            if outcome is None or not outcome.again or attempt == tries:
                return outcome
            pause_s = found.retry.pause_after(attempt)
            log.warning(
                "job %s: filter %d did not get through; try %d of %d follows in %g s",
                job.token, position + 1, attempt + 1, tries, pause_s,
            )  # fmt: skip
            await self._pause(pause_s, stop)
        raise AssertionError("a filter has at least one try")

    async def _pause(self, seconds: float, stop: Stop) -> None:
        """Wait for the next try, or the end; meanwhile another job may work."""
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()

        def stop_waiting() -> None:
            loop.call_soon_threadsafe(stopped.set)

        self._slots.release()
        try:
            with stop.calling(stop_waiting):
                await self._wait(stopped, seconds)
        finally:
            await self._slots.acquire()

    async def _in_thread(
        self, run: Run, job: PostScanJob, position: int, stop: Stop, *, last: bool
    ) -> Outcome | None:
        """Run a filter once, in a thread of its own that does not hold up the process's end.

        None when the server stops meanwhile.
        """
        if self._closing:
            return None
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome | None] = loop.create_future()

        def report(outcome: Outcome | None) -> None:
            if not future.done():
                future.set_result(outcome)

        def work() -> None:
            outcome = self._run(run, job, position, stop, last)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server has ended
                loop.call_soon_threadsafe(report, outcome)

        self._at_work[future] = stop
        future.add_done_callback(self._at_work.pop)
        Thread(target=work, name=f"filter-{job.token[:8]}-{position}", daemon=True).start()
        return await asyncio.shield(future)

    def _run(
        self, run: Run, job: PostScanJob, position: int, stop: Stop, last: bool
    ) -> Outcome | None:
        user = self._users.of_sid(job.user) or User(
            job.user, job.user_name or job.user, job.user_mail
        )
        try:
            self._storage.fetch(job.token, job.documents)
            with records.opened(self._database) as own:
                return run.once(Work(job, position, user, own, self._storage, stop, last))
        except Halted:
            return None if self._closing else Outcome(FilterState.CANCELED)
        except DatabaseTrouble as error:
            log.error("filter %d of job %s has no records: %s", position + 1, job.token, error)
            return UNKNOWN_TROUBLE
        except TemporaryError:  # the storage has logged why
            return UNKNOWN_TROUBLE
        except Exception:
            log.exception("filter %d of job %s failed", position + 1, job.token)
            return Outcome(FilterState.COMPLETED_WITH_ERRORS, (FilterStateReason.UNKNOWN_ERROR,))
