"""One image on its way from the worker to whoever reads it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Protocol, Self

from device.clock import Clock
from device.imaging.spec import MEDIA_TYPES, ImageSpec
from device.pages import frames
from device.pages.child import Child, ChildDied
from device.pages.frames import CancelOrder, FinishOrder, Frame, Kind, PageOrder, Part
from device.pages.keeper import WorkerKeeper
from scanner_backends.base import ScanRequest
from scanner_backends.errors import BackendError, Cancelled, IoError, NoDocs

log = logging.getLogger(__name__)

Wish = tuple[int | None, ScanRequest, ImageSpec]
"""A page, as `PageLine.page` takes it."""

Following = Callable[[BackendError | None], Awaitable[Wish | None]]
"""Gives the next page of a document, None if it is complete.

Called when a page is done. When one could not begin, called with the reason: it may give that page
again, or raise, which ends the image.
"""


class Line(Protocol):
    """What an image needs of the line that it is of."""

    clock: Clock
    keeper: WorkerKeeper
    warming: Callable[[int], None]
    pictured: Callable[[int, bytes], None] | None

    def order(self, job_id: int, wish: Wish, part: Part) -> PageOrder:
        """The order for a page of that job."""
        ...

    def ended(self, image: PageImage) -> None:
        """The worker holds nothing of it any more."""
        ...


class PageImage:
    """The bytes of one image, as they come. An async iterator.

    Breaks off with a BackendError when the page does; after `cancel`, with Cancelled.
    `width_px`, `height_px` and `bytes_sent` tell what the worker delivered, once it has ended well.
    """

    def __init__(
        self,
        line: Line,
        child: Child,
        job_id: int,
        spec: ImageSpec,
        following: Following | None,
    ) -> None:
        self.job_id = job_id
        self.media_type = MEDIA_TYPES[spec.format]
        self.width_px = 0
        self.height_px = 0
        self.bytes_sent = 0
        self.over = False
        """Whether the worker holds nothing of this image any more."""
        self._line = line
        self.child = child
        self._following = following
        self._awaits_page = False
        self._trouble: BackendError | None = None
        self._pieces: deque[bytes] = deque()
        self._error: Exception | None = None
        self.stopped = False
        """Whether nobody wants the rest of it."""
        self._began_s = line.clock.monotonic()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces and not self.over and not self.stopped:
            await (self._order_next() if self._awaits_page else self._advance())
        if self.stopped:
            raise Cancelled("The scan was cancelled.")
        if self._pieces:
            return self._pieces.popleft()
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give the image up. Before its end that cancels the page."""
        await self.stop()
        self.stopped = True
        self._pieces.clear()

    async def stop(self) -> None:
        """Ask the worker, wait while draining what is under way, then use force."""
        if self.over:
            return
        self.stopped = True
        keeper = self._line.keeper
        try:
            self.child.send(CancelOrder(self.job_id))
            async with asyncio.timeout(keeper.patience.cancel_s):
                while not self.over:
                    await self._advance()
        except TimeoutError:
            log.warning("the worker of %s does not obey; it is replaced", keeper.source)
        finally:
            if not self.over:
                try:
                    await keeper.end(self.child)
                finally:
                    self._finish()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def begin(self) -> None:
        """Wait for the first bytes, or raise the reason why there are none.

        They come for certain, even if it was told already that the page is scanned.
        """
        while not self._pieces and not self.over:
            await self._advance()
        if self.stopped:
            raise Cancelled("The scan was cancelled.")
        if self._error is not None and not self._pieces:
            raise self._error

    async def _order_next(self) -> None:
        """Order what the document goes on with. The worker holds still until then."""
        assert self._following is not None
        wish = await self._following(self._trouble)
        if self.stopped or self.over:
            return
        self._awaits_page = False
        if wish is None:
            self.child.send(FinishOrder(self.job_id))
        else:
            self.child.send(self._line.order(self.job_id, wish, Part.NEXT))

    async def _advance(self) -> None:
        """Take one frame from the pipe. Any task may: frames are read one at a time."""
        try:
            async with self.child.reading:
                if self.over:
                    return
                frame = await self.child.read()
                if frame.job == self.job_id:
                    self._take(frame)
        except (ChildDied, frames.FrameError) as error:
            await self._broken(error)

    def _take(self, frame: Frame) -> None:
        if frame.kind is Kind.DATA:
            if not self.stopped:
                self._pieces.append(frame.payload)
            return
        if frame.kind is Kind.NEXT and self._following is not None:
            self._trouble = frames.error_of(frame) if frame.payload else None
            self._awaits_page = True
            return
        if frame.kind is Kind.WARMING:
            self._line.warming(self.job_id)
            return
        if frame.kind is Kind.PICTURE and self._line.pictured is not None:
            self._line.pictured(self.job_id, frame.payload)
            return
        if frame.kind is Kind.END:
            told = frames.json_of(frame)
            self.width_px, self.height_px = int(told["width_px"]), int(told["height_px"])
            self.bytes_sent = int(told["bytes_sent"])
            took_s = self._line.clock.monotonic() - self._began_s
            log.info(
                "job %d: %d x %d px, %d bytes in %.2f s",
                self.job_id,
                self.width_px,
                self.height_px,
                self.bytes_sent,
                took_s,
            )
        elif frame.kind is Kind.NONE:
            self._error = NoDocs("There is no further page.")
        elif frame.kind is Kind.ERROR:
            self._error = frames.error_of(frame)
        else:
            raise frames.FrameError(f"a {frame.kind.name} frame inside a page")
        self._finish()

    async def _broken(self, error: Exception) -> None:
        """The worker died or talks nonsense; neither is to be trusted with another page."""
        if self.over:
            return
        self._error = IoError(f"The worker broke off: {error}.")
        try:
            await self._line.keeper.end(self.child)
        finally:
            self._finish()

    def _finish(self) -> None:
        if not self.over:
            self.over = True
            self._line.ended(self)
