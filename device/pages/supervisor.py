"""Starts, feeds, cancels, kills and replaces the worker of one source.

Nothing here runs in the background: whoever wants bytes reads the pipe. A peer that does not read
so stops the worker, through the pipe, and a few bands are all that is in memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from device.child_process import NICENESS
from device.clock import Clock
from device.imaging.spec import ImageSpec
from device.pages import frames
from device.pages.child import Child, ChildDied
from device.pages.frames import CancelOrder, Frame, Kind, PageOrder, Part
from device.pages.keeper import Patience, WorkerKeeper
from device.pages.page_image import Following, PageImage, Wish
from device.pages.room import Room
from scanner_backends.base import Description, Pressed, ScanRequest
from scanner_backends.errors import IoError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A page that was ordered before it was asked for."""

    job_id: int
    wish: Wish
    child: Child


class PageLine:
    """The pages of one source. Its worker is started when it is first needed, and kept warm until
    it is told to `rest`.

    One page is under way at a time; a second `page` waits until the first has ended, was closed
    or was cancelled.

    Args:
        room: shared with others, it bounds how many workers there are.
        niceness: how much the worker gives way to other programs.
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
        niceness: int = NICENESS,
    ) -> None:
        more = [*(str(folder or "") for folder in (spool_dir, laid_dir)), str(niceness)]
        self._room = room or Room()
        self.clock = clock
        self.keeper = WorkerKeeper(self, source, more, self._room, patience or Patience())
        self._turn = asyncio.Lock()
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
            return await self.keeper.describe(await self._ready(), file)

    async def poll(self) -> tuple[Pressed, ...]:
        """The buttons that were pressed since the last call; none while there is a job.

        Raises:
            BackendError: nobody can tell.
        """
        if self._turn.locked() or self._run is not None:
            return ()
        async with self._turn:
            return await self.keeper.poll(await self._ready())

    async def page(
        self,
        job_id: int,
        page: int | None,
        request: ScanRequest,
        spec: ImageSpec,
        following: Following | None = None,
        *,
        held: bool = False,
    ) -> PageImage:
        """Scan one page. Returns when its first bytes are there.

        With `following` the image is a document of that page and the ones that follow. It ends
        with the last of them, or where real media have no further page. If they are `held`, a
        page goes into it only when all of it is scanned: one that breaks off is to `following` as
        one that could not begin.

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
                    await self.keeper.end_large()
                self._run = job_id
                child = await self._ready()
            except BaseException:
                self._turn.release()
                raise
            part = Part.FIRST if following else Part.WHOLE
            child.send(replace(self.order(job_id, wish, part), held=held))
        image = self._image = PageImage(self, child, job_id, spec, following)
        try:
            await image.begin()
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
        if image is None or image.job_id != job_id or image.stopped or self._ahead is not None:
            return
        wish = (page, request, spec)
        image.child.send(self.order(job_id, wish, Part.WHOLE, ahead=True))
        self._ahead = _Ahead(job_id, wish, image.child)

    def order(self, job_id: int, wish: Wish, part: Part, *, ahead: bool = False) -> PageOrder:
        """The order for a page, with a picture of it if somebody gets those."""
        return PageOrder(job_id, *wish, part, ahead, picture=self.pictured is not None)

    async def cancel(self, job_id: int) -> None:
        """End the page of that job; returns when the worker holds none of it.

        The worker is asked first. When it does not obey it is ended, and another takes its place.
        """
        if self._image is not None and self._image.job_id == job_id:
            await self._image.stop()
        if self._ahead is not None and self._ahead.job_id == job_id:
            self._unwanted, self._ahead = self._ahead, None
            try:
                self._unwanted.child.send(CancelOrder(job_id))
                await self._settle()
            finally:
                self._turn.release()

    def job_over(self, job_id: int) -> None:
        """No further page is asked for that job: real media may come to rest. Does not wait."""
        self.keeper.send(CancelOrder(job_id))
        if self._ahead is not None and self._ahead.job_id == job_id:
            self._unwanted, self._ahead = self._ahead, None
            if self._image is None:
                self._turn.release()
        if self._run == job_id:
            self._run = None
            self._room.changed()

    def turn_to(self, source: str) -> None:
        """Take the next page from another source: it is the same one by another name."""
        self.keeper.source = source

    @property
    def resting(self) -> bool:
        """Whether there is a worker, and nothing for it to do."""
        busy = self._turn.locked() or self._run is not None or self.watched
        return self.keeper.child is not None and not busy

    async def rest(self) -> None:
        """End a worker that has nothing to do; the next page starts another."""
        if not self.resting:
            return
        async with self._turn:
            await self.keeper.quit()

    def hurry(self, within_s: float) -> None:
        """Have patience with the worker for so many seconds at most, from now on."""
        self.keeper.patience = self.keeper.patience.within(within_s)

    async def close(self, within_s: float | None = None) -> None:
        """End the page under way, and the worker; by force before `within_s` seconds are over."""
        if within_s is not None:
            self.hurry(within_s)
        if self._image is not None:
            await self._image.stop()
        if self._ahead is not None:
            self.job_over(self._ahead.job_id)
        await self.keeper.quit()

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
        return self.keeper.pid

    async def _ready(self) -> Child:
        """The worker, started anew if the last one died, or is the source's by another name."""
        await self.keeper.end_stale()
        await self._settle()
        return await self.keeper.started()

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
        if ahead is None or ahead.child is not self.keeper.child:
            return
        try:
            async with asyncio.timeout(self.keeper.patience.cancel_s):
                last = await self._last_of(ahead)
        except (TimeoutError, ChildDied, frames.FrameError) as error:
            source = self.keeper.source
            log.warning("the worker of %s does not obey (%r); it is replaced", source, error)
            await self.keeper.end(ahead.child)
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

    def ended(self, image: PageImage) -> None:
        """The worker holds nothing of that image any more: the next may have its turn."""
        if self._image is image:
            self._image = None
            if self._ahead is None:
                self._turn.release()
