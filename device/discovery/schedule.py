"""Copies of messages, in the order of their times. Knows neither what they are nor a clock.

Source: dpws section 4.4; SOAP-over-UDP, appendix I.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeVar

P = TypeVar("P")
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Copies:
    """How often a message is sent. The first gap is random, each further one twice the last."""

    count: int
    first_gap_s: tuple[float, float]
    longest_gap_s: float


@dataclass(order=True, slots=True)
class _Entry(Generic[P, M]):
    at: float
    order: int
    planned: P = field(compare=False)
    copies: Copies = field(compare=False)
    left: int = field(compare=False)
    gap_s: float = field(compare=False)
    message: M | None = field(compare=False, default=None)


class Schedule(Generic[P, M]):
    """What waits to be sent. A planned P is made into a message M when its first copy is due."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._entries: list[_Entry[P, M]] = []
        self._order = 0

    def add(self, planned: P, copies: Copies, at: float) -> None:
        """Send `planned` at time `at`, and again after each gap."""
        self._order += 1
        gap_s = self._random.uniform(*copies.first_gap_s)
        entry: _Entry[P, M] = _Entry(at, self._order, planned, copies, copies.count, gap_s)
        heapq.heappush(self._entries, entry)

    def drop(self, unwanted: Callable[[P], bool]) -> None:
        """Forget what is unwanted, copies that remain included."""
        self._entries = [entry for entry in self._entries if not unwanted(entry.planned)]
        heapq.heapify(self._entries)

    def count(self, wanted: Callable[[P], bool]) -> int:
        """How many wait that are `wanted`."""
        return sum(wanted(entry.planned) for entry in self._entries)

    def next_deadline(self) -> float | None:
        """The time of the next copy."""
        return self._entries[0].at if self._entries else None

    def due(self, now: float, make: Callable[[P], M]) -> list[tuple[P, M]]:
        """Every copy whose time has come, oldest first; all copies of one message are one object.

        A gap counts from `now`: after a sleep of the machine, too, copies leave one by one.
        """
        out: list[tuple[P, M]] = []
        while self._entries and self._entries[0].at <= now:
            entry = heapq.heappop(self._entries)
            if entry.message is None:
                entry.message = make(entry.planned)
            out.append((entry.planned, entry.message))
            entry.left -= 1
            if entry.left:
                entry.at = now + entry.gap_s
                entry.gap_s = min(entry.gap_s * 2, entry.copies.longest_gap_s)
                heapq.heappush(self._entries, entry)
        return out
