"""Keeps the worker of one source: starts it when it is needed, asks it, ends and replaces it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from device.pages import frames
from device.pages.child import Child, ChildDied
from device.pages.frames import DescribeOrder, Kind, Order, PollOrder
from device.pages.room import Guest, Room
from scanner_backends.base import Description, Pressed
from scanner_backends.errors import IoError

log = logging.getLogger(__name__)

T = TypeVar("T")


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


class WorkerKeeper:
    """Has the one worker of a source, or none.

    Args:
        guest: who is in the room while there is a worker.
        more: what the worker is told beside the source.
    """

    def __init__(
        self, guest: Guest, source: str, more: list[str], room: Room, patience: Patience
    ) -> None:
        self.source = source
        """Where pages come from. Another name takes effect when the worker is used again."""
        self.patience = patience
        self.child: Child | None = None
        self._child_source = ""
        self._guest = guest
        self._more = more
        self._room = room

    @property
    def pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        return self.child.pid if self.child is not None and self.child.alive else None

    def send(self, order: Order) -> None:
        """Give an order that has no answer; without a worker it is nobody's."""
        if self.child is not None and self.child.alive:
            self.child.send(order)

    async def end_stale(self) -> None:
        """End a worker that has died, or that is the source's by another name."""
        if self.child is not None and not (self.child.alive and self._child_source == self.source):
            await self.end(self.child)

    async def started(self) -> Child:
        """The worker. Waits for room where there is none."""
        if self.child is None:
            await self._room.enter(self._guest)
            try:
                self.child = await Child.start([self.source, *self._more])
            except BaseException:
                self._room.leave(self._guest)
                raise
            self._child_source = self.source
        return self.child

    async def describe(self, child: Child, file: int | None) -> Description:
        """Have the source read afresh, or a file that is laid in looked at. Raises BackendError."""
        order = DescribeOrder(file)
        return await self._ask(child, order, self._described, self.patience.describe_s)

    async def poll(self, child: Child) -> tuple[Pressed, ...]:
        """The buttons that were pressed. Raises BackendError."""
        return await self._ask(child, PollOrder(), self._polled, self.patience.poll_s)

    async def end_large(self) -> None:
        """Let a worker go that has grown: drivers lose memory, and not all have it to lose."""
        if self.child is not None and self.child.memory_mb > self.patience.worker_mb:
            log.info("the worker of %s has grown large: another takes its place", self.source)
            await self.quit()

    async def quit(self) -> None:
        """Let the worker release its source and leave."""
        if self.child is not None:
            await self._gone(self.child, self.child.quit)

    async def end(self, child: Child) -> None:
        """End that worker, if it is ours still; the next use starts another."""
        if self.child is child:
            await self._gone(child, child.end)

    async def _gone(self, child: Child, leave: Callable[[float], Awaitable[None]]) -> None:
        self.child = None
        try:
            await leave(self.patience.term_s)
        finally:
            self._room.leave(self._guest)

    async def _ask(
        self,
        child: Child,
        order: Order,
        answer: Callable[[Child], Awaitable[T]],
        patience_s: float,
    ) -> T:
        """Give an order and wait for its answer. Raises BackendError."""
        child.send(order)
        try:
            async with asyncio.timeout(patience_s), child.reading:
                return await answer(child)
        except TimeoutError:
            await self.end(child)
            raise IoError(f"{self.source} did not answer within {patience_s:g} s.") from None
        except (ChildDied, frames.FrameError) as error:
            await self.end(child)
            raise IoError(f"The worker of {self.source} failed: {error}.") from error
        except asyncio.CancelledError:
            # Its answer would be taken for the next one's.
            await self.end(child)
            raise

    @staticmethod
    async def _polled(child: Child) -> tuple[Pressed, ...]:
        while True:
            frame = await child.read()
            if frame.kind is Kind.PRESSED:
                return frames.pressed_of(frame)
            if frame.kind is Kind.ERROR and frame.job == 0:
                raise frames.error_of(frame)

    @staticmethod
    async def _described(child: Child) -> Description:
        text = b""
        while True:
            frame = await child.read()
            if frame.kind is Kind.DESCRIBED:
                if not frame.payload:
                    return frames.description_of(text)
                text += frame.payload
            elif frame.kind is Kind.ERROR and frame.job == 0:
                raise frames.error_of(frame)
