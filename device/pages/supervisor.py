"""Starts, feeds, cancels, kills and replaces the worker of one source.

Nothing here runs in the background: whoever wants bytes reads the pipe. A peer that does not read
so stops the worker, through the pipe, and a few bands are all that is in memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from device.clock import Clock
from device.imaging.spec import MEDIA_TYPES, ImageSpec
from device.pages import frames
from device.pages.child import Child, ChildDied
from device.pages.frames import (
    CancelOrder,
    DescribeOrder,
    FinishOrder,
    Frame,
    Kind,
    Order,
    PageOrder,
    Part,
    PollOrder,
)
from device.pages.room import Room
from scanner_backends.base import Description, Pressed, ScanRequest
from scanner_backends.errors import BackendError, Cancelled, IoError, NoDocs

log = logging.getLogger(__name__)

T = TypeVar("T")

Wish = tuple[int | None, ScanRequest, ImageSpec]
"""A page, as `PageLine.page` takes it."""


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A page that was ordered before it was asked for."""

    job_id: int
    wish: Wish
    child: Child


Following = Callable[[BackendError | None], Awaitable[Wish | None]]
"""Gives the next page of a document, None if it is complete.

Called when a page is done. When one could not begin, called with the reason: it may give that page
again, or raise, which ends the image.
"""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the worker may take, in seconds, and how large it may be."""

    describe_s: float = 60.0  # a large folder on a small machine
    poll_s: float = 10.0  # the scanner may have to be opened
    cancel_s: float = 2.0
    term_s: float = 1.0
    worker_mb: float = 128.0
    """What a worker may hold between two jobs; most hold a quarter of it."""

    def within(self, seconds: float) -> Patience:
        """The same, with a cancel, a request to leave and a SIGTERM in so many seconds at most."""
        most = seconds / 3
        return replace(self, cancel_s=min(self.cancel_s, most), term_s=min(self.term_s, most))


class PageLine:
    """The pages of one source. Its worker is started when it is first needed, and kept warm until
    it is told to `rest`.

    One page is under way at a time; a second `page` waits until the first has ended, was closed
    or was cancelled.

    Args:
        room: shared with others, it bounds how many workers there are.
    """

    def __init__(
        self,
        source: str,
        *,
        clock: Clock,
        spool_dir: Path | None = None,
        laid_dir: Path | None = None,
        patience: Patience | None = None,
        room: Room | None = None,
    ) -> None:
        self._folders = [str(folder or "") for folder in (spool_dir, laid_dir)]
        self._source = source
        self._room = room or Room()
        self._clock = clock
        self._patience = patience or Patience()
        self._turn = asyncio.Lock()
        self._child: Child | None = None
        self._child_source = ""
        self._run: int | None = None  # the job that may want further pages
        self._image: PageImage | None = None
        self._ahead: _Ahead | None = None
        """Keeps the turn for its job, between two images."""
        self._unwanted: _Ahead | None = None
        self.warming: Callable[[int], None] = lambda job_id: None
        """Told when the page of that job waits for the lamp to be warm."""
        self.watched = False
        """Whether somebody polls it, and will want its worker again at once."""
        self.pictured: Callable[[int, bytes], None] | None = None
        """Gets a job and a small JPEG, for every page that is scanned; none is made for nobody."""

    async def start(self) -> Description:
        """Start the worker and describe the source.

        Raises:
            SourceError: the source cannot be opened; the sentence says why.
            IoError: the worker died, or did not answer in time.
        """
        return await self.describe()

    async def describe(self, file: int | None = None) -> Description:
        """Read the source afresh, or look at the file of that number in `laid_dir`.

        Waits for the page under way, and for one ordered ahead. Raises as `start` does.
        """
        async with self._turn:
            return await self._ask(DescribeOrder(file), self._described, self._patience.describe_s)

    async def poll(self) -> tuple[Pressed, ...]:
        """The buttons that were pressed since the last call; none while there is a job.

        Raises:
            BackendError: nobody can tell.
        """
        if self._turn.locked() or self._run is not None:
            return ()
        async with self._turn:
            return await self._ask(PollOrder(), self._polled, self._patience.poll_s)

    async def page(
        self,
        job_id: int,
        page: int | None,
        request: ScanRequest,
        spec: ImageSpec,
        following: Following | None = None,
    ) -> PageImage:
        """Scan one page. Returns when its first bytes are there.

        With `following` the image is a document of that page and the ones that follow. It ends
        with the last of them, or where real media have no further page.

        The image must be read to its end, closed, or cancelled, before another can begin.

        Raises:
            NoDocs: there is no such page.
            BackendError: whatever else keeps the page from beginning.
        """
        wish = (page, request, spec)
        child = await self._ordered_ahead(job_id, wish)
        if child is None:
            await self._turn.acquire()
            try:
                if self._run != job_id:
                    await self._begin_small()
                self._run = job_id
                child = await self._ready()
            except BaseException:
                self._turn.release()
                raise
            part = Part.FIRST if following else Part.WHOLE
            child.send(self._order(job_id, wish, part))
        image = self._image = PageImage(self, child, job_id, spec, following)
        try:
            await image._begin()
        except BaseException:
            await image.aclose()
            raise
        return image

    def order_ahead(
        self, job_id: int, page: int | None, request: ScanRequest, spec: ImageSpec
    ) -> None:
        """Have the next page scanned while the one of that job under way is fetched.

        `page` takes it up when it is called with the very same wish. Until then, or until the job
        is over, no other page has its turn.
        """
        image = self._image
        if image is None or image.job_id != job_id or image._stopped or self._ahead is not None:
            return
        wish = (page, request, spec)
        image._child.send(self._order(job_id, wish, Part.WHOLE, ahead=True))
        self._ahead = _Ahead(job_id, wish, image._child)

    def _order(self, job_id: int, wish: Wish, part: Part, *, ahead: bool = False) -> PageOrder:
        return PageOrder(job_id, *wish, part, ahead, picture=self.pictured is not None)

    async def cancel(self, job_id: int) -> None:
        """End the page of that job; returns when the worker holds none of it.

        The worker is asked first. When it does not obey it is ended, and another takes its place.
        """
        if self._image is not None and self._image.job_id == job_id:
            await self._stop(self._image)
        if self._ahead is not None and self._ahead.job_id == job_id:
            self._unwanted, self._ahead = self._ahead, None
            try:
                self._unwanted.child.send(CancelOrder(job_id))
                await self._settle()
            finally:
                self._turn.release()

    def job_over(self, job_id: int) -> None:
        """No further page is asked for that job: real media may come to rest. Does not wait."""
        if self._child is not None and self._child.alive:
            self._child.send(CancelOrder(job_id))
        if self._ahead is not None and self._ahead.job_id == job_id:
            self._unwanted, self._ahead = self._ahead, None
            if self._image is None:
                self._turn.release()
        if self._run == job_id:
            self._run = None
            self._room.changed()

    def turn_to(self, source: str) -> None:
        """Take the next page from another source: it is the same one by another name."""
        self._source = source

    @property
    def resting(self) -> bool:
        """Whether there is a worker, and nothing for it to do."""
        busy = self._turn.locked() or self._run is not None or self.watched
        return self._child is not None and not busy

    async def rest(self) -> None:
        """End a worker that has nothing to do; the next page starts another."""
        if not self.resting:
            return
        async with self._turn:
            await self._quit()

    def hurry(self, within_s: float) -> None:
        """Have patience with the worker for so many seconds at most, from now on."""
        self._patience = self._patience.within(within_s)

    async def close(self, within_s: float | None = None) -> None:
        """End the page under way, and the worker; by force before `within_s` seconds are over."""
        if within_s is not None:
            self.hurry(within_s)
        if self._image is not None:
            await self._stop(self._image)
        if self._ahead is not None:
            self.job_over(self._ahead.job_id)
        await self._quit()

    async def _quit(self) -> None:
        """Let the worker go."""
        child, self._child = self._child, None
        if child is not None:
            try:
                await child.quit(self._patience.term_s)
            finally:
                self._room.leave(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        return self._child.pid if self._child is not None and self._child.alive else None

    async def _ready(self) -> Child:
        """The worker, started anew if the last one died, or is the source's by another name."""
        if self._child is not None and not (
            self._child.alive and self._child_source == self._source
        ):
            await self._replace()
        await self._settle()
        if self._child is None:
            await self._room.enter(self)
            try:
                self._child = await Child.start([self._source, *self._folders])
            except BaseException:
                self._room.leave(self)
                raise
            self._child_source = self._source
        return self._child

    async def _begin_small(self) -> None:
        """Let a worker go that has grown: drivers lose memory, and not all have it to lose."""
        if self._child is not None and self._child.memory_mb > self._patience.worker_mb:
            log.info("the worker of %s has grown large: another takes its place", self._source)
            await self._quit()

    async def _ordered_ahead(self, job_id: int, wish: Wish) -> Child | None:
        """The worker that has this very page in hand, with the turn; None if it must be ordered.

        Raises:
            IoError: it broke off with a page of real media, of which nobody can have it again.
        """
        ahead = self._ahead
        if ahead is None or ahead.job_id != job_id:
            return None
        assert self._image is None, "the image before has not ended"
        if ahead.wish == wish and ahead.child.alive:
            self._ahead = None
            return ahead.child
        if ahead.wish == wish and wish[0] is None:
            self.job_over(job_id)
            raise IoError("The worker broke off with a page that was fed.")
        await self.cancel(job_id)
        return None

    async def _settle(self) -> None:
        """See the end of a page that was ordered ahead and that nobody wants. Needs the turn."""
        ahead, self._unwanted = self._unwanted, None
        if ahead is None or ahead.child is not self._child:
            return
        try:
            async with asyncio.timeout(self._patience.cancel_s):
                last = await self._last_of(ahead)
        except (TimeoutError, ChildDied, frames.FrameError) as error:
            log.warning("the worker of %s does not obey (%r); it is replaced", self._source, error)
            await self._replace()
            return
        begun = last.kind is Kind.END or (
            last.kind is Kind.ERROR and frames.json_of(last).get("begun")
        )
        if begun and ahead.wish[0] is None:
            log.warning("job %d: a page was fed that nobody fetched", ahead.job_id)

    async def _last_of(self, ahead: _Ahead) -> Frame:
        while True:
            async with ahead.child.reading:
                frame = await ahead.child.read()
            if frame.job == ahead.job_id and frame.kind in (Kind.END, Kind.NONE, Kind.ERROR):
                return frame

    async def _replace(self) -> None:
        """End the worker; the next call starts another."""
        child, self._child = self._child, None
        if child is not None:
            try:
                await child.end(self._patience.term_s)
            finally:
                self._room.leave(self)

    async def _ask(
        self, order: Order, answer: Callable[[Child], Awaitable[T]], patience_s: float
    ) -> T:
        """Give an order and wait for its answer. Raises BackendError."""
        child = await self._ready()
        child.send(order)
        try:
            async with asyncio.timeout(patience_s), child.reading:
                return await answer(child)
        except TimeoutError:
            await self._replace()
            raise IoError(f"{self._source} did not answer within {patience_s:g} s.") from None
        except (ChildDied, frames.FrameError) as error:
            await self._replace()
            raise IoError(f"The worker of {self._source} failed: {error}.") from error
        except asyncio.CancelledError:
            # Its answer would be taken for the next one's.
            await self._replace()
            raise

    async def _polled(self, child: Child) -> tuple[Pressed, ...]:
        while True:
            frame = await child.read()
            if frame.kind is Kind.PRESSED:
                return frames.pressed_of(frame)
            if frame.kind is Kind.ERROR and frame.job == 0:
                raise frames.error_of(frame)

    async def _described(self, child: Child) -> Description:
        text = b""
        while True:
            frame = await child.read()
            if frame.kind is Kind.DESCRIBED:
                if not frame.payload:
                    return frames.description_of(text)
                text += frame.payload
            elif frame.kind is Kind.ERROR and frame.job == 0:
                raise frames.error_of(frame)

    async def _stop(self, image: PageImage) -> None:
        """Ask, wait while draining what is under way, then use force."""
        if image.over:
            return
        image._stopped = True
        try:
            image._child.send(CancelOrder(image.job_id))
            async with asyncio.timeout(self._patience.cancel_s):
                while not image.over:
                    await image._advance()
        except TimeoutError:
            log.warning("the worker of %s does not obey; it is replaced", self._source)
        finally:
            if not image.over:
                try:
                    if self._child is image._child:
                        await self._replace()
                finally:
                    image._finish()

    def _ended(self, image: PageImage) -> None:
        if self._image is image:
            self._image = None
            if self._ahead is None:
                self._turn.release()


class PageImage:
    """The bytes of one image, as they come. An async iterator.

    Breaks off with a BackendError when the page does; after `cancel`, with Cancelled.
    `width_px`, `height_px` and `bytes_sent` tell what the worker delivered, once it has ended well.
    """

    def __init__(
        self,
        line: PageLine,
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
        self._child = child
        self._following = following
        self._awaits_page = False
        self._trouble: BackendError | None = None
        self._pieces: deque[bytes] = deque()
        self._error: Exception | None = None
        self._stopped = False
        self._began_s = line._clock.monotonic()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces and not self.over and not self._stopped:
            await (self._order_next() if self._awaits_page else self._advance())
        if self._stopped:
            raise Cancelled("The scan was cancelled.")
        if self._pieces:
            return self._pieces.popleft()
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give the image up. Before its end that cancels the page."""
        await self._line._stop(self)
        self._stopped = True
        self._pieces.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _begin(self) -> None:
        """Wait for the first bytes, or for the reason why there are none.

        They come for certain, even if it was told already that the page is scanned.
        """
        while not self._pieces and not self.over:
            await self._advance()
        if self._stopped:
            raise Cancelled("The scan was cancelled.")
        if self._error is not None and not self._pieces:
            raise self._error

    async def _order_next(self) -> None:
        """Order what the document goes on with. The worker holds still until then."""
        assert self._following is not None
        wish = await self._following(self._trouble)
        if self._stopped or self.over:
            return
        self._awaits_page = False
        if wish is None:
            self._child.send(FinishOrder(self.job_id))
        else:
            self._child.send(self._line._order(self.job_id, wish, Part.NEXT))

    async def _advance(self) -> None:
        """Take one frame from the pipe. Any task may: frames are read one at a time."""
        try:
            async with self._child.reading:
                if self.over:
                    return
                frame = await self._child.read()
                if frame.job == self.job_id:
                    self._take(frame)
        except (ChildDied, frames.FrameError) as error:
            await self._broken(error)

    def _take(self, frame: Frame) -> None:
        if frame.kind is Kind.DATA:
            if not self._stopped:
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
            took_s = self._line._clock.monotonic() - self._began_s
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
            if self._line._child is self._child:
                await self._line._replace()
        finally:
            self._finish()

    def _finish(self) -> None:
        if not self.over:
            self.over = True
            self._line._ended(self)
