"""A page line that does as it is told: what a source does is up to the test."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from device.imaging.spec import MEDIA_TYPES, ImageSpec
from scanner_backends.base import Description, ScanRequest, TrayPage
from scanner_backends.errors import Cancelled


@dataclass
class Act:
    """What one page does.

    Attributes:
        error: raised instead of a page.
        hold: the page does not begin before `gate` is set.
        pause: the page stops after its first chunk until `gate` is set.
        breaks: raised after the first chunk.
    """

    error: Exception | None = None
    hold: bool = False
    pause: bool = False
    breaks: Exception | None = None
    chunks: Sequence[bytes] = (b"first half, ", b"second half")
    gate: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Asked:
    """One call of `page`."""

    job_id: int
    page: int | None
    request: ScanRequest
    spec: ImageSpec


class ScriptedPages:
    """Implements `device.jobs.ports.Pages`. Each page takes the next act, or a plain one."""

    def __init__(self, *, platen: int = 1, sheets: int = 0, virtual: bool = True) -> None:
        self.platen = platen
        self.sheets = sheets
        self.virtual = virtual
        self.acts: deque[Act] = deque()
        self.asked: list[Asked] = []
        self.cancels: list[int] = []
        self.let_go = asyncio.Event()
        self.let_go.set()
        """Cleared, the source does not stop when a job is cancelled, until it is set again."""
        self._stops: dict[int, asyncio.Event] = {}
        self._busy = asyncio.Lock()

    def then(self, *acts: Act) -> tuple[Act, ...]:
        self.acts.extend(acts)
        return acts

    async def describe(self) -> Description:
        sides = (
            TrayPage(2 * n - 1 + back, f"sheet {n}", bool(back))
            for n in range(1, self.sheets + 1)
            for back in (0, 1)
        )
        glass = tuple(TrayPage(1000 + n, f"glass {n}") for n in range(self.platen))
        return Description("scripted", self.virtual, glass, tuple(sides))

    async def page(
        self, job_id: int, page: int | None, request: ScanRequest, spec: ImageSpec
    ) -> "ScriptedImage":
        self.asked.append(Asked(job_id, page, request, spec))
        act = self.acts.popleft() if self.acts else Act()
        stop = self._stops[job_id] = asyncio.Event()
        if act.hold:
            await first(act.gate, stop)
        if stop.is_set():
            raise Cancelled("as told")
        if act.error is not None:
            raise act.error
        return ScriptedImage(MEDIA_TYPES[spec.format], act, stop)

    async def cancel(self, job_id: int) -> None:
        self.cancels.append(job_id)
        if job_id in self._stops:
            self._stops[job_id].set()
        await self.let_go.wait()


class ScriptedImage:
    """The bytes of one page."""

    def __init__(self, media_type: str, act: Act, stop: asyncio.Event) -> None:
        self.media_type = media_type
        self._act = act
        self._stop = stop

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number, chunk in enumerate(self._act.chunks):
            if number == 1:
                if self._act.pause:
                    await first(self._act.gate, self._stop)
                if self._act.breaks is not None:
                    raise self._act.breaks
            if self._stop.is_set():
                raise Cancelled("as told")
            yield chunk

    async def aclose(self) -> None:
        pass


async def first(*events: asyncio.Event) -> None:
    """Wait for any of several events."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
