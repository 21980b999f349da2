"""The deliveries of this device: those under way, those that failed and are kept, and the last ones
that are over.

Each has a scan job of the engine, whose images go into the spool and from there to the scan server.
After a restart, what is left in the spool goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Protocol
from urllib.parse import urlsplit

from device.clock import Clock
from device.dsp import deliver, spool
from device.dsp.deliver import Manner, Outcome, SendResult
from device.dsp.room import Room
from device.dsp.spool import JobSpool, Journal
from device.errors import ConfigError, DeviceError, NoSuchDelivery, NotNow
from device.jobs.machine import Job
from device.model.ticket import DocumentFinalParameters, ImageInformation, ScanTicket
from device.processes import scanning
from device.processes.under_way import Shown, Standing, Work
from device.scan.validation import Verdict

log = logging.getLogger(__name__)

REMEMBERED = 50
AT_ONCE = 4
"""Resumed deliveries under way at a time."""


_STANDINGS = {
    Outcome.DELIVERED: Standing.DELIVERED,
    Outcome.BROKEN_OFF: Standing.BROKEN_OFF,
    Outcome.CANCELED: Standing.CANCELED,
    Outcome.FAILED: Standing.FAILED,
}


class Engine(scanning.Engine, Protocol):
    """The job engine, as far as deliveries use it."""

    def create(
        self,
        ticket: ScanTicket,
        parameters: DocumentFinalParameters,
        images: ImageInformation,
        *,
        overridden: bool,
    ) -> Job: ...

    def cancel(self, job_id: int | str, *, at_device: bool = False) -> None: ...

    def is_active(self, job_id: int) -> bool: ...


class Deliveries:
    """All deliveries of one device.

    Args:
        state_dir: where the spool is.
        manner: how they are made.
        changed: rung whenever something is shown otherwise.
        at_panel: whether the user with this SID is logged on.
    """

    def __init__(
        self,
        engine: Engine,
        state_dir: Path,
        *,
        manner: Manner,
        room: Room,
        clock: Clock,
        random: Random,
        changed: Callable[[], None],
        at_panel: Callable[[str], bool],
    ) -> None:
        self._at_panel = at_panel
        self._engine = engine
        self._state_dir = state_dir
        self._manner = manner
        self._room = room
        self._clock = clock
        self._random = random
        self._changed = changed
        self._works: dict[int, Work] = {}
        self._last = 0
        self._group: asyncio.TaskGroup | None = None
        self._turn = asyncio.Semaphore(AT_ONCE)

    def open(self, group: asyncio.TaskGroup, *, resume: bool) -> None:
        """Begin to work; with `resume` go on with what is left in the spool.

        Raises:
            ConfigError: the spool cannot be read.
        """
        self._group = group
        for job in spool.left_over(self._state_dir) if resume else ():
            self._resume(job)

    async def close(self) -> None:
        """Interrupt all of them; the spool holds what is not delivered."""
        tasks = [work.task for work in self._works.values() if work.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def all(self) -> list[Shown]:
        """All deliveries that are remembered, newest first."""
        return [work.shown for work in reversed(self._works.values())]

    def find(self, number: int) -> Shown:
        """One of them. Raises NoSuchDelivery."""
        return self._find(number).shown

    async def start(self, journal: Journal, ticket: ScanTicket, verdict: Verdict) -> Shown:
        """Scan, and deliver as the journal says.

        Raises:
            NoImagesAvailable, NotAcceptingJobs: the engine does not take the job.
            ConfigError: the spool, or a file of certificates, cannot be used.
        """
        deliver.check_trust(journal)
        job = spool.new_spool(self._state_dir, self._clock.now().strftime("%Y%m%dT%H%M%S.%fZ"))
        try:
            await job.save(journal)
            scan_job = self._engine.create(
                ticket, verdict.parameters, verdict.images, overridden=bool(verdict.changed)
            )
        except BaseException:
            job.remove()
            raise
        work = self._add(job, journal)
        work.show(scan_job=scan_job.job_id)
        self._begin(work, job, scan_job)
        return work.shown

    def cancel(self, number: int) -> Shown:
        """Cancel one that is under way; the scan ends, and the server is told. Raises NotNow."""
        work = self._find(number)
        if work.task is None:
            raise NotNow("The delivery is over; what it keeps can be sent again or thrown away.")
        self._end_scan(work)
        work.cancel.set()
        return work.shown

    def retry(self, number: int) -> Shown:
        """Send again what a failed one keeps. Raises NotNow."""
        work, job = self._reopened(number)
        work.cancel = asyncio.Event()
        work.show(standing=Standing.UNDER_WAY, summary="", trouble="")
        self._begin(work, job, None)
        return work.shown

    def discard(self, number: int) -> None:
        """Throw away what a failed one keeps. Raises NotNow."""
        _, job = self._reopened(number)
        job.room = self._room
        job.remove()
        del self._works[number]
        self._changed()

    # ---- inside

    def _end_scan(self, work: Work) -> None:
        job_id = work.shown.scan_job
        if job_id is not None and self._engine.is_active(job_id):
            self._engine.cancel(job_id, at_device=True)

    def _find(self, number: int) -> Work:
        work = self._works.get(number)
        if work is None:
            raise NoSuchDelivery
        return work

    def _reopened(self, number: int) -> tuple[Work, JobSpool]:
        work = self._find(number)
        if work.shown.standing is not Standing.FAILED:
            raise NotNow("Only a delivery that failed keeps pages.")
        job = spool.reopen(work.folder)
        if job is None:
            raise NotNow("Another program works on it, or has delivered it meanwhile.")
        return work, job

    def _add(self, job: JobSpool, journal: Journal) -> Work:
        self._last += 1
        shown = Shown(
            number=self._last,
            process=journal.process_name,
            principal=journal.principal,
            sid=journal.user,
            server=urlsplit(journal.server).hostname or "",
            began=datetime.fromisoformat(journal.began) if journal.began else self._clock.now(),
            pages=len(job.pages()),
            received=len(journal.stored),
        )
        work = self._works[self._last] = Work(shown, job.folder, self._changed, self._at_panel)
        over = [n for n, one in self._works.items() if one.shown.standing in _FORGETTABLE]
        for number in over[: max(0, len(over) - REMEMBERED)]:
            del self._works[number]
        self._changed()
        return work

    def _resume(self, job: JobSpool) -> None:
        try:
            self._begin(self._add(job, job.journal), job, None)
        except DeviceError as error:
            log.error("%s", error)
            job.close()

    def _begin(self, work: Work, job: JobSpool, scan_job: Job | None) -> None:
        assert self._group is not None
        work.task = self._group.create_task(self._deliver(work, job, scan_job))

    async def _deliver(self, work: Work, job: JobSpool, scan_job: Job | None) -> None:
        pages = None
        if scan_job is not None:
            pages = scanning.scanned_pages(self._engine, scan_job, work.cancel)
        job.room = self._room
        self._room.enter(job.folder, sum(page.size for page in job.pages()))
        try:
            if scan_job is None:
                await self._turn.acquire()
            try:
                result = await deliver.deliver(
                    job,
                    self._manner,
                    pages,
                    clock=self._clock,
                    random=self._random,
                    stop=asyncio.Event(),
                    cancel=work.cancel,
                    observer=work,
                )
            finally:
                if scan_job is None:
                    self._turn.release()
        except (ConfigError, DeviceError) as error:
            result = SendResult(Outcome.FAILED, kept=job.folder, summary=str(error))
        finally:
            self._end_scan(work)
            self._room.leave(job.folder)
            job.close()
            work.task = None
        log.info("delivery %d: %s", work.shown.number, result.summary)
        work.show(standing=_STANDINGS[result.outcome], summary=result.summary, doing="")


_FORGETTABLE = frozenset(Standing) - {Standing.UNDER_WAY, Standing.FAILED}
