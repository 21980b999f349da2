"""The last requests, answers and events, for those who want to know what was said.

Kept in memory only, bounded in number and in size.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import NamedTuple

from device.clock import Clock

KEPT = 500
MAX_XML = 16_384
"""Octets that are kept of one message."""
MAX_ALL = 2 << 20
"""Octets that are kept of all of them; the oldest go for it, too."""
MAX_LISTED = 500
MAX_WAIT_S = 60.0
"""What one question gets at most, and how long it waits for it."""


class Direction(StrEnum):
    """Who speaks first."""

    REQUEST = "request"  # a client asks us
    EVENT = "event"  # we tell a subscriber


class Entry(NamedTuple):
    """One exchange. `outcome` is `ok`, or what went wrong; sizes are octets of XML and image.

    `peer` is the client's address, or the URL of the sink.
    """

    number: int
    time: datetime
    direction: Direction
    peer: str
    action: str
    outcome: str
    seconds: float
    sent_octets: int
    received_octets: int
    request: bytes = b""
    reply: bytes = b""

    @property
    def request_xml(self) -> str:
        """The request as text; it is decoded when somebody looks."""
        wide = self.request[:2] in (b"\xff\xfe", b"\xfe\xff")
        return self.request.decode("utf-16" if wide else "utf-8", errors="replace")

    @property
    def reply_xml(self) -> str:
        """The envelope of the reply; none was sent to an event, or to who had gone."""
        return self.reply.decode(errors="replace")

    @property
    def name(self) -> str:
        """The last segment of the action."""
        return self.action.rpartition("/")[2]

    def holds(self, text: str) -> bool:
        """Whether `text` stands in it or in its XML, in capitals or small letters."""
        told = (self.action, self.peer, self.outcome, self.request_xml, self.reply_xml)
        return any(text.lower() in one.lower() for one in told)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted; what is empty does not matter.

    `action` may be a bare name. `text` may stand anywhere, in capitals or small letters.
    """

    action: str = ""
    direction: str = ""
    peer: str = ""
    outcome: str = ""
    text: str = ""
    after: int = 0

    def passes(self, entry: Entry) -> bool:
        """Whether this entry is wanted."""
        return (
            entry.number > self.after
            and self.action in ("", entry.action, entry.name)
            and self.direction in ("", entry.direction)
            and self.peer in ("", entry.peer)
            and self.outcome in ("", entry.outcome)
            and (not self.text or entry.holds(self.text))
        )


_Noted = tuple[int, datetime, Direction, str, str, str, float, int, int, bytes, bytes]
"""What an Entry is made of, when somebody looks: each request leaves one, and few are read."""


def _size(noted: _Noted) -> int:
    *_, request, reply = noted
    return len(request) + len(reply)


class Journal:
    """The last entries, oldest first. `noted` is told of each."""

    def __init__(
        self, clock: Clock, kept: int = KEPT, noted: Callable[[], None] = lambda: None
    ) -> None:
        self._clock = clock
        self._noted = noted
        self._kept = kept
        self._entries: deque[_Noted] = deque()
        self._octets = 0
        self._numbers = count(1)
        self._waiting: set[asyncio.Future[None]] = set()

    def add(
        self,
        direction: Direction,
        peer: str,
        action: str,
        outcome: str,
        *,
        seconds: float,
        sent_octets: int = 0,
        received_octets: int = 0,
        request: bytes = b"",
        reply: bytes = b"",
    ) -> None:
        """Note one exchange that is over."""
        self._entries.append(
            (
                next(self._numbers),
                self._clock.now(),
                direction,
                peer,
                action,
                outcome,
                seconds,
                sent_octets,
                received_octets,
                request[:MAX_XML],
                reply[:MAX_XML],
            )
        )
        self._octets += _size(self._entries[-1])
        while len(self._entries) > self._kept or self._octets > MAX_ALL:
            self._octets -= _size(self._entries.popleft())
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._noted()

    def find(self, wanted: Filter) -> list[Entry]:
        """The entries that pass, oldest first."""
        return [entry for entry in map(Entry._make, self._entries) if wanted.passes(entry)]

    def entry(self, number: int) -> Entry | None:
        """One entry, None if it is gone or was never there."""
        return next((Entry._make(noted) for noted in self._entries if noted[0] == number), None)

    async def wait(self, wanted: Filter, seconds: float) -> list[Entry]:
        """The entries that pass, as soon as there is one; none when `seconds` are over."""
        try:
            async with asyncio.timeout(seconds):
                return await self._until(lambda: self.find(wanted))
        except TimeoutError:
            return []

    async def _until(self, found: Callable[[], list[Entry]]) -> list[Entry]:
        while not (entries := found()):
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiting)
            try:
                await waiting
            finally:
                self._waiting.discard(waiting)
        return entries
