"""How many workers there may be at once: as many as memory has room for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

RESERVE_MB = 100.0
"""What is left to everybody else."""
WORKER_MB = 50.0
LOOK_AGAIN_S = 5.0
"""Memory that other programs give back is not told to us."""

log = logging.getLogger(__name__)


class Guest(Protocol):
    """Who has a worker."""

    @property
    def resting(self) -> bool:
        """Whether its worker does nothing."""
        ...

    async def rest(self) -> None:
        """End a worker that does nothing."""
        ...


def available_mb() -> float:
    """The memory that a new process can have without any other being swapped out."""
    try:
        text = Path("/proc/meminfo").read_text()
        line = next(line for line in text.splitlines() if line.startswith("MemAvailable:"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration, ValueError, IndexError):  # then nobody can tell
        return float("inf")


class Room:
    """Lets workers in. One there may be always; a further one only where there is memory for it.

    Source: performance.md section 9: (MemAvailable - 100 MB) / 50 MB workers.
    """

    def __init__(self, available_mb: Callable[[], float] = available_mb) -> None:
        self._available_mb = available_mb
        self._inside: list[Guest] = []
        self._change = asyncio.Event()

    async def enter(self, guest: Guest) -> None:
        """Wait until there is room for the worker of `guest`; one that does nothing makes room."""
        while not self._has_room():
            resting = next((one for one in self._inside if one.resting), None)
            if resting is not None:
                await resting.rest()
                continue
            log.info("memory is short: a scan waits for another one's end")
            await self._changed()
        self._inside.append(guest)

    def leave(self, guest: Guest) -> None:
        """The worker of `guest` is gone."""
        if guest in self._inside:
            self._inside.remove(guest)
        self.changed()

    def changed(self) -> None:
        """Somebody's worker does nothing now."""
        self._change.set()

    def _has_room(self) -> bool:
        return not self._inside or self._available_mb() >= RESERVE_MB + WORKER_MB

    async def _changed(self) -> None:
        self._change.clear()
        try:
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self._change.wait()
        except TimeoutError:
            return
