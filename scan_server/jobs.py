"""All post-scan jobs of this server: applies inputs, remembers, and hands on the effects."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from device.clock import Clock
from device.errors import TemporaryError
from scan_server.filters.stop import Stop
from scan_server.post_scan_jobs import Document, Effect, Given, I, PostScanJob, step
from scan_server.records import Records
from scan_server.storage import Storage

log = logging.getLogger(__name__)

HISTORY_JOBS = 1_000
"""Enough that a device finds out how its job ended, however many end together."""
HISTORY_AGE = timedelta(days=7)
RETRY_S = 5.0
"""Pause before something that could not be recorded is tried again."""


class Jobs:
    """The jobs, in the order of their creation. `queue` holds those whose turn may come.

    `heard` is told each change of a job: as it was, None for a new one, and as it is.

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
        heard: Callable[[PostScanJob | None, PostScanJob], None] = lambda before, after: None,
    ) -> None:
        self._records = records
        self._storage = storage
        self._clock = clock
        self._history = history
        self._heard = heard
        self._receiving: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self._jobs = {job.token: replace(job, idle_s=idle_s) for job in records.jobs()}
        self.idle_s = idle_s
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.stopping: dict[str, Stop] = {}
        """Set to make the filter of a job stop."""

    def restart(self) -> None:
        """Go on with what a former run left."""
        living = self.active()
        self._storage.tidy(job.token for job in living)
        for job in living:
            log.info("job %s goes on: %s", job.token, job.state)
            self.apply(job.token, Given(I.RESTART))
        self._forget()

    def get(self, token: str) -> PostScanJob | None:
        """A job by its token; tokens have no case, being GUIDs."""
        return self._jobs.get(token.lower())

    def active(self) -> list[PostScanJob]:
        """The jobs that have not ended, oldest first."""
        return [job for job in self._jobs.values() if not job.state.final]

    def ended(self) -> list[PostScanJob]:
        """The jobs that have ended and are remembered, oldest first."""
        return [job for job in self._jobs.values() if job.state.final]

    def add(self, job: PostScanJob) -> None:
        """Take a new job.

        Raises:
            TemporaryError: it cannot be recorded now.
        """
        self._save(job)
        self._jobs[job.token] = job
        self._heard(None, job)
        self._forget()
        self._changed.set()

    def _save(self, job: PostScanJob, document: Document | None = None) -> None:
        try:
            self._records.save(job, document)
        except sqlite3.Error as error:
            log.error("job %s cannot be recorded: %s", job.token, error)
            raise TemporaryError("The server cannot record this now.") from error

    def apply(self, token: str, given: Given) -> PostScanJob:
        """Move a job by one input.

        Raises:
            NotInThisState: the input cannot happen in this state.
            TemporaryError: it cannot be recorded now, and so has not happened.
        """
        before = self._jobs[token]
        job, effects = step(before, given, self._clock.monotonic(), self._clock.now())
        if given.kind is not I.RECEIVING:
            self._save(job, given.document)
        self._jobs[token] = job
        self._heard(before, job)
        for effect in effects:
            match effect:
                case Effect.QUEUE:
                    self.queue.put_nowait(token)
                case Effect.STOP_FILTER:
                    self.stopping.setdefault(token, Stop()).set()
                case Effect.DISCARD:
                    log.info("job %s ended: %s, %s", token, job.state, job.reason)
                    self._storage.discard(token)
                    self.stopping.pop(token, None)
                    self._forget()
        self._changed.set()
        return job

    def stored(self, token: str, document: Document) -> PostScanJob:
        """A document is whole on the disk."""
        return self.apply(token, Given(I.STORED, document=document))

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
        """End the jobs that nobody goes on with."""
        while True:
            self._changed.clear()
            now = self._clock.monotonic()
            for job in list(self._jobs.values()):
                if job.deadline is not None and job.deadline <= now:
                    busy = job.token in self._receiving
                    try:
                        self.apply(job.token, Given(I.RECEIVING if busy else I.IDLE))
                    except TemporaryError:
                        await asyncio.sleep(RETRY_S)
            deadlines = [job.deadline for job in self._jobs.values() if job.deadline is not None]
            wait_s = max(0.0, min(deadlines) - now) if deadlines else None
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _forget(self) -> None:
        """Keep the history of ended jobs in its bounds."""
        ended = self.ended()
        oldest = self._clock.now() - HISTORY_AGE
        over = ended[: max(0, len(ended) - self._history)]
        over += [job for job in ended[len(over) :] if job.completed and job.completed < oldest]
        if over:
            self._records.forget(job.token for job in over)
            for job in over:
                del self._jobs[job.token]
