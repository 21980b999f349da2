"""The points of a run at which something happens, and the rule that must hold whatever does.

A point is a message and what happens to it: it, or what is in the middle of it, is lost; it comes
late, twice, or once more after the next; or one of the two is killed just before it arrives. After
that, and after as many resumes as it takes, every page is delivered once, or is named as never
scanned.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

from chaos.parties import Device, Server, page, spooled
from chaos.wire import Lost, Message, Wire

ACTIONS = (
    "kill server",
    "kill device",
    "lose",
    "cut",
    "delay",
    "double",
    "double late",
)
DELAY_S = 0.15
RESUMES = 6


@dataclass(frozen=True)
class Point:
    """What happens at which message: `SendImage 2 request`."""

    message: str
    action: str

    def __str__(self) -> str:
        return f"{self.action} at {self.message}"


@dataclass(frozen=True)
class Run:
    """A stack of pages and what happens on its way."""

    seed: int
    pages: int
    octets: int
    points: tuple[Point, ...]

    def __str__(self) -> str:
        what = ", ".join(map(str, self.points)) or "nothing happens"
        return f"{self.pages} pages of {self.octets} octets, seed {self.seed}: {what}"


def messages(pages: int) -> list[str]:
    """The messages of a run in which nothing happens, as far as they are certain."""
    operations = ["Probe 1", "Get 1", "CreatePostScanJob 1"]
    operations += [f"SendImage {number}" for number in range(1, pages + 1)]
    operations += ["EndPostScanJob 1", "GetPostScanJobElements 1"]
    return [f"{one} {kind}" for one in operations for kind in ("request", "answer")]


def every_point(pages: int, octets: int, seed: int = 0) -> list[Run]:
    """One run for each message and each thing that can happen to it."""
    return [
        Run(seed + number, pages, octets, (Point(message, action),))
        for number, (message, action) in enumerate(
            (message, action) for message in messages(pages) for action in ACTIONS
        )
    ]


def random_runs(seed: int, count: int) -> list[Run]:
    """Runs with two or three points each, by chance."""
    chance = Random(seed)
    runs = []
    for number in range(count):
        pages = chance.randrange(1, 8)
        points = tuple(
            Point(chance.choice(messages(pages)), chance.choice(ACTIONS))
            for _ in range(chance.choice((2, 2, 3)))
        )
        runs.append(Run(seed * 10_000 + number, pages, chance.choice((1, 900, 150_000)), points))
    return runs


class _Happening:
    """Carries out the points of a run."""

    def __init__(self, run: Run, server: Server) -> None:
        self._left = list(run.points)
        self._chance = Random(run.seed)
        self._server = server
        self._again: list[bytes] = []
        self.device: Device | None = None
        self.wire: Wire | None = None

    async def disturb(self, message: Message) -> bytes | None:
        again, self._again = self._again, []
        for request in again:
            await self._repeat(request)
        for point in [point for point in self._left if point.message == str(message)]:
            self._left.remove(point)
            begun = await self._happen(point.action, message)
            if begun is not None:
                return begun
        return None

    async def _happen(self, action: str, message: Message) -> bytes | None:
        match action:
            case "kill server":
                self._server.kill()
                await self._server.begin()
                if message.is_answer:
                    raise Lost
            case "kill device":
                assert self.device is not None
                self.device.kill()
            case "lose":
                raise Lost
            case "cut":
                return message.data[: self._chance.randrange(1, len(message.data))]
            case "delay":
                await asyncio.sleep(DELAY_S)
            case "double" if not message.is_answer:
                await self._repeat(message.data)
            case "double late" if not message.is_answer:
                self._again.append(message.data)
        return None

    async def _repeat(self, request: bytes) -> None:
        assert self.wire is not None
        with contextlib.suppress(Lost, OSError, asyncio.IncompleteReadError):
            await self.wire.send(request)  # nobody waits for this answer


async def carry_out(run: Run, root: Path) -> None:
    """Do a run. Raises AssertionError when a page is lost, doubled, or not told of."""
    server = Server(root)
    await server.begin()
    happening = _Happening(run, server)
    try:
        async with Wire(lambda: server.port, happening.disturb) as wire:
            happening.wire = wire
            await _deliver(run, root, happening, server)
    finally:
        server.kill()


async def _deliver(run: Run, root: Path, happening: _Happening, server: Server) -> None:
    wire = happening.wire
    assert wire is not None
    url = f"http://127.0.0.1:{wire.port}/ScanServer"
    device = happening.device = Device(url, root, (run.seed, run.pages, run.octets))
    by_itself = await device.ended()
    told = [device.result()] if by_itself else []
    there, whole = spooled(root)
    expected = run.pages if by_itself or (not there and server.delivered()) else there
    if not there and not by_itself and not server.delivered():
        expected = 0
    for _ in range(RESUMES):
        if not spooled(root)[0]:
            break
        device = happening.device = Device(url, root, None)
        if await device.ended():
            told.append(device.result())
    delivered = server.delivered()
    pages = Counter(page(run.seed, number, run.octets) for number in range(1, expected + 1))
    story = f"{run}\n{wire.messages}\n{told}"
    assert spooled(root)[0] == 0, f"pages stay in the spool: {story}"
    assert delivered == pages, f"{sorted(delivered.values())} of {expected} pages: {story}"
    if there and not whole:
        assert any("broke off" in sentence for _, sentence in told), f"not told: {story}"
    elif told:
        assert told[-1][0] == 0, f"delivered, and told otherwise: {story}"
