"""All post-scan jobs: applies inputs, remembers, and hands on the effects.

The records are the jobs; nothing of them is kept here but what is of this run: who is receiving,
whose idle time ends when, and which filters to stop. They are asked in a thread of their own, one
thing after the other, so that a slow disk or database holds up nobody, and changes are told in
their order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from device.clock import Clock
from device.dsp.words import FINAL_STATES, FilterState, JobStateReason
from device.dsp.words import PostScanJobState as S
from device.errors import JobTokenNotFound, OperationFailed, TemporaryError
from scan_server.database import DatabaseTrouble
from scan_server.filters.stop import Stop
from scan_server.post_scan_jobs import (
    WORKING,
    Document,
    Effect,
    Given,
    I,
    NotInThisState,
    PostScanJob,
    create,
    step,
)
from scan_server.records import Change, Move, Records
from scan_server.storage import Storage

log = logging.getLogger(__name__)
T = TypeVar("T")

HISTORY_JOBS = 1_000
"""Enough that a device finds out how its job ended, however many end together."""
HISTORY_AGE = timedelta(days=7)
SWEEP_S = 3_600.0
_WELL = (FilterState.COMPLETED_SUCCESSFULLY, FilterState.COMPLETED_WITH_WARNINGS)
_FAILED = (JobStateReason.PROCESSING_FAILED, JobStateReason.COMPLETED_WITH_ERRORS)
RETRY_S = 5.0
"""Pause before something that could not be recorded is tried again."""

Heard = Callable[[PostScanJob | None, PostScanJob], None]


class Jobs:
    """The jobs. `heard` is told each change of one: as it was, None for a new one, and as it is.

    Where others change jobs as well, somebody else knows the order in which all that happened, and
    tells it by `happened`.

    Source: ws-dsp section 7.3 for the bounds of the history.
    """

    def __init__(
        self,
        records: Records,
        storage: Storage,
        clock: Clock,
        *,
        idle_s: float,
        history: int,
        keep_failed_s: float = 0.0,
        heard: Heard = lambda before, after: None,
        alone: bool = True,
    ) -> None:
        self._records = records
        self._storage = storage
        self._clock = clock
        self._history = history
        self._keep_failed_s = keep_failed_s
        self._sweep_at = 0.0
        self._heard = heard
        self._alone = alone
        self._thread = ThreadPoolExecutor(1, "records")
        self._receiving: Counter[str] = Counter()
        self._deadlines: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._hints: asyncio.Queue[None] = asyncio.Queue()
        self._begun: deque[str] = deque()
        self.idle_s = idle_s
        self.stopping: dict[str, Stop] = {}
        """Set to make the filter of a job stop."""

    async def restart(self) -> None:
        """Go on with what a former run left."""
        known = [*await self.active(), *filter(self.is_kept, await self.ended())]
        self._storage.tidy((job.token for job in known), self._clock.now())
        for job in await self.ask(self._records.mine):
            log.info("job %s goes on: %s", job.token, job.state)
            await self.apply(job.token, Given(I.RESTART))
        await self._forget()

    def is_kept(self, job: PostScanJob) -> bool:
        """Whether the documents of a job are still here though it has ended: its filters failed."""
        if job.reason not in _FAILED or not job.completed:
            return False
        return job.completed > self._clock.now() - timedelta(seconds=self._keep_failed_s)

    def close(self) -> None:
        """Let what is under way come to its end."""
        self._thread.shutdown()

    # ---- what there is

    async def get(self, token: str) -> PostScanJob | None:
        """A job by its token; tokens have no case, being GUIDs."""
        return await self.ask(lambda: self._records.get(token.lower()))

    async def active(self) -> list[PostScanJob]:
        """The jobs that have not ended, oldest first."""
        return await self.ask(self._records.active)

    async def ended(self) -> list[PostScanJob]:
        """The jobs that have ended and are remembered, oldest first."""
        return await self.ask(self._records.ended)

    async def delivered(self, token: str) -> list[tuple[str, int, str]]:
        """What certainly was delivered of a job: target, DocumentId, and the name there."""
        return await self.ask(lambda: self._records.delivered(token))

    async def count_active(self) -> int:
        """How many jobs have not ended."""
        return await self.ask(self._records.count_active)

    # ---- what happens

    async def add(self, job: PostScanJob) -> None:
        """Take a new job.

        Raises:
            TemporaryError: it cannot be recorded now.
        """
        await self._change(lambda: self._records.add(job))

    async def apply(self, token: str, given: Given, *, holder: str | None = None) -> PostScanJob:
        """Move a job by one input; with a `holder`, only while it is in that server's care.

        Raises:
            NotInThisState: the input cannot happen in this state.
            JobTokenNotFound: there is no such job, or it is in another server's care.
            TemporaryError: it cannot be recorded now, and so has not happened.
        """
        if given.kind in (I.BEGIN, I.FILTER, I.IDLE):
            holder = self._records.server
        change = await self._change(
            lambda: self._records.change(token, self._move(given), holder=holder)
        )
        if change is None:
            raise JobTokenNotFound(token)
        return change.after

    async def stored(self, token: str, document: Document) -> PostScanJob:
        """A document is whole on the disk."""
        return await self.apply(token, Given(I.STORED, document=document))

    async def retry(self, token: str) -> PostScanJob:
        """Do what failed of a job once more, as a job of its own with the documents that were kept.

        Raises:
            JobTokenNotFound: there is no such job.
            OperationFailed: nothing of it failed, or its documents are gone.
            TemporaryError: it cannot be recorded now.
        """
        job = await self.get(token)
        if job is None:
            raise JobTokenNotFound(token)
        if not self.is_kept(job) or not self._storage.has(job.token):
            raise OperationFailed("Nothing of this job can be done once more.")
        undone = [n for n, one in enumerate(job.filters) if one.state not in _WELL]
        again = replace(
            create(
                token=str(uuid.uuid4()),
                user=job.user,
                psp_identifier=job.psp_identifier,
                instructions=job.instructions.only(undone),
                owner=job.owner,
                user_name=job.user_name,
                user_mail=job.user_mail,
                display_name=job.display_name,
                now=self._clock.monotonic(),
                at=self._clock.now(),
                idle_s=self.idle_s,
            ),
            documents=job.documents,
        )
        old, new = job.token, again.token
        await asyncio.to_thread(self._storage.hand_over, old, new)
        try:
            if await self._change(lambda: self._records.take_up(old, again, undone)) is None:
                raise OperationFailed("This job is done once more already.")
        except (TemporaryError, OperationFailed):
            await asyncio.to_thread(self._storage.take_back, old, new)
            raise
        self._storage.discard(old)
        log.info("job %s is done once more, as %s", job.token, again.token)
        return await self.apply(again.token, Given(I.END))

    async def next_turn(self, allowed: Callable[[], Awaitable[None]]) -> PostScanJob:
        """Wait for a job whose filters are to run; it is begun, or goes on where it was.

        `allowed` waits until any may.
        """
        while True:
            await self._hints.get()
            await allowed()
            try:
                if self._begun:
                    job = await self.get(self._begun[0])
                    self._begun.popleft()
                    if job and job.state in WORKING:
                        return job
                elif change := await self._change(
                    lambda: self._records.claim(self._move(Given(I.TURN)))
                ):
                    return change.after
            except TemporaryError:
                await asyncio.sleep(RETRY_S)
                self._hints.put_nowait(None)

    def happened(self, change: Change, *, here: bool) -> None:
        """A job was changed, here or by another server; what this server did is done already."""
        job = change.after
        self._heard(change.before, job)
        if here:
            return
        # An idle time that runs here stays: such news may be older than what has begun it.
        if job.state is S.PENDING:
            self.look()
        if job.state in (S.TERMINATING, *FINAL_STATES) and job.token in self.stopping:
            self.stopping.pop(job.token).set()

    def look(self) -> None:
        """Perhaps a job waits for its turn."""
        self._hints.put_nowait(None)

    def again(self, token: str) -> None:
        """Let a job that is at work have its turn once more."""
        self._begun.append(token)
        self._hints.put_nowait(None)

    @contextmanager
    def receiving(self, token: str) -> Iterator[None]:
        """While a document of this job comes in, it is not idle, however long that takes."""
        self._receiving[token] += 1
        try:
            yield
        finally:
            self._receiving[token] -= 1
            if not self._receiving[token]:
                del self._receiving[token]

    async def watch_idle(self) -> None:
        """End the jobs that nobody goes on with, until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self.end_idle()
            except TemporaryError:
                await asyncio.sleep(RETRY_S)
                continue
            due = min([*self._deadlines.values(), self._sweep_at])
            wait_s = max(0.0, due - self._clock.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    async def end_idle(self) -> None:
        """End the jobs whose idle time is over now; now and then throw away what was kept long.

        Raises:
            TemporaryError: the records cannot be had.
        """
        now = self._clock.monotonic()
        if self._sweep_at <= now:
            self._sweep_at = now + SWEEP_S
            await self._sweep()
        for token in [token for token, due in self._deadlines.items() if due <= now]:
            if token in self._receiving:
                self._deadlines[token] = now + self.idle_s
                continue
            with contextlib.suppress(JobTokenNotFound, NotInThisState):
                await self.apply(token, Given(I.IDLE))
            self._deadlines.pop(token, None)

    # ---- inside

    def _move(self, given: Given) -> Move:
        now, at = self._clock.monotonic(), self._clock.now()
        return lambda job: step(replace(job, idle_s=self.idle_s), given, now, at)

    async def ask(self, work: Callable[[], T]) -> T:
        """Ask the records. What was begun is done, even if nobody waits for it any more."""
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        return await _settled(future)

    async def _change(self, work: Callable[[], Change | None]) -> Change | None:
        """Change a job. Its effects follow even if nobody waits for it any more."""
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        future.add_done_callback(self._follow)
        return await _settled(future)

    def _follow(self, future: asyncio.Future[Change | None]) -> None:
        """What a change of a job brings with it."""
        if future.cancelled() or future.exception() or (change := future.result()) is None:
            return
        job = change.after
        self._deadlines.pop(job.token, None)
        if job.deadline is not None:
            self._deadlines[job.token] = job.deadline
        if self._alone:
            self._heard(change.before, job)
        for effect in change.effects:
            match effect:
                case Effect.QUEUE if job.state is S.PENDING:
                    self.look()
                case Effect.QUEUE:
                    self.again(job.token)
                case Effect.STOP_FILTER:
                    self.stopping.setdefault(job.token, Stop()).set()
                case Effect.DISCARD:
                    self._end(job)
        self._changed.set()

    def _end(self, job: PostScanJob) -> None:
        log.info("job %s ended: %s, %s", job.token, job.state, job.reason)
        if not self.is_kept(job):
            self._storage.discard(job.token)
        self.stopping.pop(job.token, None)
        forgetting = asyncio.get_running_loop().run_in_executor(self._thread, self._forget_now)
        forgetting.add_done_callback(_tell_trouble)

    async def _forget(self) -> None:
        await self.ask(self._forget_now)

    def _forget_now(self) -> None:
        """Keep the history of ended jobs in its bounds."""
        oldest = self._clock.now() - HISTORY_AGE
        for token in self._records.forget(keep=self._history, oldest=oldest):
            self._storage.discard(token)

    async def _sweep(self) -> None:
        """Throw away documents of jobs that have ended and were kept for long enough."""
        for token in await asyncio.to_thread(self._storage.tokens):
            job = await self.get(token)
            if job and job.state.final and not self.is_kept(job):
                self._storage.discard(token)


async def _settled(future: asyncio.Future[T]) -> T:
    """The result of what the records were asked.

    Raises:
        TemporaryError: they cannot be had now.
    """
    try:
        return await asyncio.shield(future)
    except DatabaseTrouble as error:
        log.error("the records cannot be had: %s", error)
        raise TemporaryError("The server cannot record this now.") from error


def _tell_trouble(future: asyncio.Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()):
        log.error("the history could not be cut: %s", error)
