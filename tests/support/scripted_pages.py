"""A page line that does as it is told: what a source does is up to the test."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from device.imaging.spec import MEDIA_TYPES, ImageSpec
from device.jobs.ports import Following
from scanner_backends.base import Description, ScanRequest, TrayPage
from scanner_backends.errors import BackendError, Cancelled, NoDocs


@dataclass
class Act:
    """What one page does.

    Attributes:
        error: raised instead of a page.
        hold: the page does not begin before `gate` is set.
        pause: the page stops after its first chunk until `gate` is set.
        breaks: raised after the first chunk; instead of the page where pages are held.
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


NextAct = Callable[[BackendError | None], Awaitable[Act | None]]


class ScriptedPages:
    """Implements `device.jobs.ports.Pages`. Each page takes the next act, or a plain one."""

    def __init__(self, *, platen: int = 1, sheets: int = 0, virtual: bool = True) -> None:
        self.platen = platen
        self.sheets = sheets
        self.virtual = virtual
        self.acts: deque[Act] = deque()
        self.asked: list[Asked] = []
        self.ahead: list[Asked] = []
        """What was ordered before it was asked for. Nothing comes of it here."""
        self.cancels: list[int] = []
        self.given: list[bytes] = []
        """Every chunk that was taken from us."""
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
        self,
        job_id: int,
        page: int | None,
        request: ScanRequest,
        spec: ImageSpec,
        following: Following | None = None,
        *,
        held: bool = False,
    ) -> "ScriptedImage":
        stop = self._stops[job_id] = asyncio.Event()
        act = await self._next_act(Asked(job_id, page, request, spec), stop, held=held)

        async def next_act(trouble: BackendError | None) -> Act | None:
            wish = await following(trouble) if following else None
            return await self._next_act(Asked(job_id, *wish), stop, held=held) if wish else None

        return ScriptedImage(MEDIA_TYPES[spec.format], act, stop, next_act, self.given)

    async def _next_act(self, asked: Asked, stop: asyncio.Event, *, held: bool) -> Act:
        self.asked.append(asked)
        act = self.acts.popleft() if self.acts else Act()
        if act.hold:
            await first(act.gate, stop)
        if stop.is_set():
            raise Cancelled("as told")
        if act.error is not None:
            raise act.error
        if held and act.breaks is not None:
            raise act.breaks
        return act

    def order_ahead(
        self, job_id: int, page: int | None, request: ScanRequest, spec: ImageSpec
    ) -> None:
        self.ahead.append(Asked(job_id, page, request, spec))

    async def cancel(self, job_id: int) -> None:
        self.cancels.append(job_id)
        if job_id in self._stops:
            self._stops[job_id].set()
        await self.let_go.wait()


class ScriptedImage:
    """The bytes of one page, or of the pages of a document."""

    def __init__(
        self,
        media_type: str,
        act: Act,
        stop: asyncio.Event,
        next_act: NextAct,
        given: list[bytes],
    ) -> None:
        self.media_type = media_type
        self._given = given
        self._act = act
        self._stop = stop
        self._next_act = next_act

    async def __aiter__(self) -> AsyncIterator[bytes]:
        act: Act | None = self._act
        while act is not None:
            async for chunk in self._page(act):
                yield chunk
            act = await self._following()

    async def _following(self) -> Act | None:
        """The next page's act; a page that cannot begin is told of, and asked for again."""
        trouble: BackendError | None = None
        while True:
            try:
                return await self._next_act(trouble)
            except NoDocs:
                return None
            except Cancelled:
                raise
            except BackendError as error:
                if error is trouble:
                    raise  # whoever orders the pages has given up
                trouble = error

    async def _page(self, act: Act) -> AsyncIterator[bytes]:
        for number, chunk in enumerate(act.chunks):
            if number == 1:
                if act.pause:
                    await first(act.gate, self._stop)
                if act.breaks is not None:
                    raise act.breaks
            if self._stop.is_set():
                raise Cancelled("as told")
            self._given.append(chunk)
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
