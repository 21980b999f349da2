"""One image on its way to the client."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Protocol

from device.jobs.document import DocumentPages
from device.jobs.machine import JobInput
from device.jobs.ports import Image, PageSpoiled
from device.jobs.queue import JobQueue
from device.jobs.scanner import Scanner
from device.model.capabilities import MULTI_PAGE_FORMATS
from scanner_backends.base import TrayPage
from scanner_backends.errors import BackendError, Cancelled

log = logging.getLogger(__name__)


class _Engine(Protocol):
    queue: JobQueue
    scanner: Scanner

    def put_back(self, source: str, page: TrayPage | None) -> None: ...

    def can_be_mended(self, error: BackendError) -> bool: ...

    def raise_condition_of(self, source: str, error: BackendError) -> bool: ...

    async def going(self, job_id: int) -> None: ...

    def order_ahead(self, job_id: int) -> None: ...


class ImageTransfer:
    """The attachment of a RetrieveImageResponse: tells the engine how it went.

    Args:
        repeatable: whether its taker can throw away what came of an image that breaks off. Then a
            jam does not end the job: PageSpoiled, and the same page is retrieved again. (A document
            does not break off then: each page is held until it is scanned.)
    """

    def __init__(
        self,
        engine: _Engine,
        job_id: int,
        image: Image,
        document_name: str,
        source: str,
        page: TrayPage | None,
        document: DocumentPages | None = None,
        *,
        repeatable: bool = False,
    ) -> None:
        self.media_type = image.media_type
        self._engine = engine
        self._queue = engine.queue
        self._job_id = job_id
        self._image = image
        self._document_name = document_name
        self._source = source
        self._pages = [page] if document is None else document.taken
        self._document = document
        self._repeatable = repeatable
        self._spoiled = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """The image's bytes; they rest while the scanner is stopped.

        Breaks off with a BackendError when the page does. What was sent over a network cannot be
        taken back, so even a jam that somebody mends ends the job then.
        """
        self._queue.give_if_active(self._job_id, JobInput.FIRST_BYTES)
        self._engine.order_ahead(self._job_id)
        try:
            async for chunk in self._image:
                await self._engine.going(self._job_id)
                yield chunk
        except Cancelled:
            raise
        except BackendError as error:
            log.error("job %d: %s", self._job_id, error)
            if self._repeatable and self._document is None and self._engine.can_be_mended(error):
                self._spoil()
                self._engine.raise_condition_of(self._source, error)
                raise PageSpoiled(str(error)) from error
            if self._document is not None:
                self._document.count()
            self._queue.give_if_active(self._job_id, JobInput.TRANSFER_BROKEN)
            self._engine.raise_condition_of(self._source, error)
            raise
        self._queue.give_if_active(self._job_id, JobInput.IMAGE_SCANNED)

    def _spoil(self) -> None:
        """Lay the page back; the job waits for it to be retrieved again."""
        self._spoiled = True
        for page in reversed(self._pages):
            self._engine.put_back(self._source, page)
        self._queue.give_if_active(self._job_id, JobInput.SOURCE_BUSY)

    def resting(self) -> bool:
        """Whether the scanner is stopped, so that the client waits for us."""
        return self._engine.scanner.stopped

    async def finished(self, *, delivered: bool) -> None:
        """Tell the engine whether the client took every byte.

        An image that it did not take ends the job, and its pages lie in the feeder again.
        """
        await self._image.aclose()
        if self._spoiled:
            return
        if not delivered:
            for page in reversed(self._pages):
                self._engine.put_back(self._source, page)
            self._queue.give_if_active(self._job_id, JobInput.TRANSFER_BROKEN)
            return
        if not self._queue.is_active(self._job_id):
            return
        job = self._queue.find(self._job_id)
        last = job.images_left == 1 or job.parameters.format.value in MULTI_PAGE_FORMATS
        given = JobInput.LAST_IMAGE_SENT if last else JobInput.IMAGE_SENT
        self._queue.give(self._job_id, given, self._document_name)
