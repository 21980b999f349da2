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
from device.soap.dispatch import Exchange

KEPT = 500
MAX_XML = 16_384
"""Octets that are shown of one message."""
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
    """One exchange, of our number and time. Its `peer` is a client's address, or a sink's URL."""

    number: int
    time: datetime
    direction: Direction
    exchange: Exchange

    @property
    def sent_octets(self) -> int:
        """Octets of XML and image that went out."""
        if self.direction is Direction.EVENT:
            return len(self.exchange.request)
        return self.exchange.reply_octets + self.exchange.attachment_octets

    @property
    def received_octets(self) -> int:
        """Octets of XML that came in; what is answered to events is not looked at."""
        return len(self.exchange.request) if self.direction is Direction.REQUEST else 0

    @property
    def request_xml(self) -> str:
        """The request as text; it is decoded when somebody looks."""
        request = self.exchange.request[:MAX_XML]
        wide = request[:2] in (b"\xff\xfe", b"\xfe\xff")
        return request.decode("utf-16" if wide else "utf-8", errors="replace")

    @property
    def reply_xml(self) -> str:
        """The envelope of the reply; none was sent to an event, or to who had gone."""
        return b"".join(self.exchange.reply)[:MAX_XML].decode(errors="replace")

    @property
    def name(self) -> str:
        """The last segment of the action."""
        return self.exchange.action.rpartition("/")[2]

    def holds(self, text: str) -> bool:
        """Whether `text` stands in it or in its XML, in capitals or small letters."""
        peer, action, outcome, *_ = self.exchange
        told = (action, peer, outcome, self.request_xml, self.reply_xml)
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
            and self.action in ("", entry.exchange.action, entry.name)
            and self.direction in ("", entry.direction)
            and self.peer in ("", entry.exchange.peer)
            and self.outcome in ("", entry.exchange.outcome)
            and (not self.text or entry.holds(self.text))
        )


_Noted = tuple[int, datetime, Direction, Exchange]
"""What an Entry is made of, when somebody looks: each request leaves one, and few are read."""


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

    def add(self, direction: Direction, exchange: Exchange) -> None:
        """Note one exchange that is over."""
        entries = self._entries
        entries.append((next(self._numbers), self._clock.now(), direction, exchange))
        self._octets += len(exchange.request) + exchange.reply_octets
        while self._octets > MAX_ALL or len(entries) > self._kept:
            *_, oldest = entries.popleft()
            self._octets -= len(oldest.request) + oldest.reply_octets
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
