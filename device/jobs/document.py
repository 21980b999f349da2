"""A file of many pages on its way: which page goes into it next."""

from __future__ import annotations

import logging
from typing import Protocol

from device.jobs.machine import Job, JobInput
from device.jobs.ports import Order
from device.jobs.queue import JobQueue
from device.jobs.tray import Tray
from device.model.capabilities import ADF_DUPLEX
from device.model.job import JobState
from scanner_backends.base import TrayPage
from scanner_backends.errors import BackendError, Cancelled

log = logging.getLogger(__name__)


class _Engine(Protocol):
    queue: JobQueue
    tray: Tray

    def take(self, source: str, *, back: bool) -> TrayPage | None: ...

    def raise_condition_of(self, source: str, error: BackendError) -> bool: ...

    def source_is_well(self) -> None: ...

    async def going(self, job_id: int) -> None: ...

    def order_of(self, job: Job, page: TrayPage | None, *, back: bool) -> Order: ...

    async def mended(self, job_id: int) -> None: ...


class DocumentPages:
    """Feeds one document: page after page, until the feeder is empty or enough images are in it.

    The page line calls it after each page (`device.jobs.ports.Following`). `taken` holds the pages
    that were fed, in their order.
    """

    def __init__(self, engine: _Engine, job: Job, first: TrayPage | None) -> None:
        self.taken = [] if first is None else [first]
        self._engine = engine
        self._job = job
        self._source = job.parameters.input_source.value
        self._count = 1
        self._uncounted = False
        self._wish: Order | None = None

    async def __call__(self, trouble: BackendError | None) -> Order | None:
        """The next page, None after the last; the same one again when what kept it is mended.

        Rests while the scanner is stopped.

        Raises:
            BackendError: `trouble` is nothing that a person can mend.
            Cancelled: the job has ended.
        """
        queue, job_id = self._engine.queue, self._job.job_id
        if trouble is None:
            self.count()
            self._uncounted = True
            self._engine.source_is_well()
            await self._engine.going(job_id)
        elif self._engine.raise_condition_of(self._source, trouble):
            log.warning("job %d: %s", job_id, trouble)
            queue.give_if_active(job_id, JobInput.SCANNER_STOPPED)
            await self._engine.mended(job_id)
        else:
            raise trouble
        if not queue.is_active(job_id) or queue.find(job_id).state is JobState.TERMINATING:
            raise Cancelled("The job has ended.")
        if trouble is None:
            self._wish = self._next()
        if self._wish is not None:
            queue.give(job_id, JobInput.FIRST_BYTES)
        return self._wish

    def count(self) -> None:
        """Tell of the last page that is done.

        It is told of late, when another is done: only then it is certain not to be the last, which
        the end of the transfer tells of.
        """
        if self._uncounted:
            self._engine.queue.give_if_active(self._job.job_id, JobInput.IMAGE_SCANNED)
            self._uncounted = False

    def _next(self) -> Order | None:
        if self._count == self._job.images_left:
            return None
        back = self._source == ADF_DUPLEX and self._count % 2 == 1
        page = self._engine.take(self._source, back=back)
        if page is None and self._engine.tray.virtual:
            return None
        self._count += 1
        if page is not None:
            self.taken.append(page)
        return self._engine.order_of(self._job, page, back=back)
