"""The queue: takes jobs in the order of their End and runs their filters, in threads."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from threading import Event

from device.dsp import filters
from device.dsp.words import FilterState, FilterStateReason
from device.dsp.words import PostScanJobState as S
from device.errors import TemporaryError
from scan_server import records
from scan_server.filters.file_share import FileShare, Halted, Outcome
from scan_server.jobs import RETRY_S, Jobs
from scan_server.post_scan_jobs import Given, I, PostScanJob, running_filter
from scan_server.shares import Shares
from scan_server.storage import Storage

log = logging.getLogger(__name__)

DIALECTS = frozenset({filters.FILE_SHARE})
"""The filters that this server has."""
WORKERS = 2


class Processing:
    """Runs the filters of the jobs in `jobs.queue`."""

    def __init__(self, jobs: Jobs, shares: Shares, storage: Storage, database: Path) -> None:
        self._jobs = jobs
        self._shares = shares
        self._storage = storage
        self._database = database
        self._closing = Event()
        self._umask = os.umask(0o077)
        os.umask(self._umask)

    def close(self) -> None:
        """Let running filters stop where they are; they go on at the next start."""
        self._closing.set()

    async def work(self) -> None:
        """Take one job after the other. Several may work at once."""
        while True:
            token = await self._jobs.queue.get()
            job = self._jobs.get(token)
            if job is None:
                continue
            try:
                await self._process(job)
            except TemporaryError:
                await asyncio.sleep(RETRY_S)
                self._jobs.queue.put_nowait(token)

    async def _process(self, job: PostScanJob) -> None:
        if job.state is S.PENDING:
            job = self._jobs.apply(job.token, Given(I.TURN))
        if job.state is S.STARTED:
            job = self._jobs.apply(job.token, Given(I.BEGIN))
        stopping = self._jobs.stopping.setdefault(job.token, Event())
        while job.state in (S.PROCESSING, S.TERMINATING):
            position = running_filter(job)
            assert position is not None
            outcome = await asyncio.to_thread(self._run, job, position, stopping)
            if outcome is None:
                return  # the server is stopping
            job = self._jobs.apply(
                job.token,
                Given(I.FILTER, filter_state=outcome.state, filter_reasons=outcome.reasons),
            )

    def _run(self, job: PostScanJob, position: int, stopping: Event) -> Outcome | None:
        """Run one filter, in a thread of its own; None when the server stops meanwhile."""
        if job.instructions.filters[position].dialect not in DIALECTS:
            return Outcome(FilterState.COMPLETED_WITH_ERRORS, (FilterStateReason.INVALID_ARGS,))

        def halted() -> bool:
            return stopping.is_set() or self._closing.is_set()

        try:
            with records.opened(self._database) as own:
                share = FileShare(self._shares, self._storage, own, self._umask)
                return share.run(job, position, halted)
        except Halted:
            return Outcome(FilterState.CANCELED) if stopping.is_set() else None
        except Exception:
            log.exception("filter %d of job %s failed", position + 1, job.token)
            return Outcome(FilterState.COMPLETED_WITH_ERRORS, (FilterStateReason.UNKNOWN_ERROR,))
