"""What changes, streamed to the browser as server-sent events.

A client first gets everything (`event: all`), then the sections that are not as it knows them
(`event: change`). Nothing is queued for it: what it knows is compared with what there is, so one
that reads slowly misses what was overtaken, and costs nothing but that knowledge.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web

from device.clock import Clock
from device.panel import views
from device.panel.journal import Filter, Journal
from device.panel.problems import Problem

MAX_CLIENTS = 16
PAUSE_S = 0.1
"""What happens within it is told at once."""
BEAT_S = 1.0
"""What changes without a ring (a subscription lapses, a folder is read again) is seen by then."""
PING_S = 15.0
WRITE_S = 20.0
"""A client that takes nothing for so long is gone."""
ENTRIES = 100
"""Entries of the journal in one event, the newest ones."""

log = logging.getLogger(__name__)


class Bell:
    """Rings when something may have changed. Whoever rings does not care who listens."""

    def __init__(self) -> None:
        self.rung = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake whoever waits."""
        self.rung += 1
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def wait(self, rung: int, seconds: float) -> None:
        """Wait until it has rung more than `rung` times, or the time is over."""
        if self.rung != rung:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            async with asyncio.timeout(seconds):
                await waiting
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(waiting)


class Watched(Protocol):
    """A device that is watched. It may go away."""

    clock: Clock
    bell: Bell
    journal: Journal

    def sections(self) -> Mapping[str, Any]:
        """Everything that is shown but the journal, by name; asked once in PAUSE_S at most."""
        ...

    def is_there(self) -> bool: ...


class Live:
    """The streams, for as many clients as may be."""

    def __init__(self) -> None:
        self._bells: Counter[Bell] = Counter()
        self._closing = False

    def close(self) -> None:
        """Let every client go."""
        self._closing = True
        for bell in self._bells:
            bell.ring()

    async def serve(self, request: web.Request, watched: Watched) -> web.StreamResponse:
        """Tell one client until it leaves. Raises Problem when there are too many."""
        if self._bells.total() >= MAX_CLIENTS:
            raise Problem(
                503,
                f"{MAX_CLIENTS} pages watch already; close one.",
                kind="watchers",
                headers={"Retry-After": "5"},
            )
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        self._bells[watched.bell] += 1
        try:
            await response.prepare(request)
            await self._tell(request, response, watched)
        except (ConnectionError, TimeoutError) as error:
            log.debug("a page is gone: %r", error)
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._bells -= Counter((watched.bell,))
        return response

    async def _tell(
        self, request: web.Request, response: web.StreamResponse, watched: Watched
    ) -> None:
        told: dict[str, str] = {}
        last = 0
        name, spoke_at = "all", watched.clock.monotonic()
        while not self._closing and request.transport is not None and watched.is_there():
            rung = watched.bell.rung
            now = {key: _text(value) for key, value in watched.sections().items()}
            changed = {key: text for key, text in now.items() if told.get(key) != text}
            told |= changed
            entries = watched.journal.find(Filter(after=last))[-ENTRIES:]
            if entries or name == "all":
                last = entries[-1].number if entries else last
                changed["journal"] = _text([views.entry(one) for one in entries])
            if changed:
                body = ",".join(f"{_text(key)}:{value}" for key, value in changed.items())
                await _write(response, f"event: {name}\ndata: {{{body}}}\n\n")
                name, spoke_at = "change", watched.clock.monotonic()
            elif watched.clock.monotonic() - spoke_at >= PING_S:
                # A comment alone reaches no script, which could not tell silence from a dead line.
                await _write(response, ": ping\nevent: ping\ndata: {}\n\n")
                spoke_at = watched.clock.monotonic()
            await watched.bell.wait(rung, BEAT_S)
            if not self._closing:
                await asyncio.sleep(PAUSE_S)


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_S):
        await response.write(text.encode())


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
