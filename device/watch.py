"""Tells when to look for scanners again: the kernel has word of USB, or somebody has a reason."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from device.clock import Clock
from scanner_backends.sane import hotplug

LOOK_AGAIN_S = 30.0
LOOK_SELDOM_S = 480.0
"""How soon, and how seldom at last, to look without a reason for what no event tells of."""

log = logging.getLogger(__name__)


class Watch:
    """Hears of what is plugged in and out.

    Args:
        subscribe: gives the socket that becomes readable then.
    """

    def __init__(
        self, clock: Clock, subscribe: Callable[[], socket.socket] = hotplug.subscribe
    ) -> None:
        self._clock = clock
        self._subscribe = subscribe
        self._quiet = hotplug.Quiet()
        self._heard = asyncio.Event()
        self._again_s = LOOK_AGAIN_S
        self._socket: socket.socket | None = None

    @property
    def hears(self) -> bool:
        """Whether the kernel tells us what is plugged in."""
        return self._socket is not None

    def start(self) -> None:
        """Begin to listen."""
        try:
            self._socket = self._subscribe()
        except OSError as error:
            log.warning("scanners that are plugged in are not noticed by themselves: %s", error)
            return
        asyncio.get_running_loop().add_reader(self._socket, self._on_readable)

    def stop(self) -> None:
        """Listen no more."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def look_soon(self) -> None:
        """There is a reason to look again."""
        self._again_s = LOOK_AGAIN_S
        self._quiet.heard(self._clock.monotonic())
        self._heard.set()

    async def wait(self, *, ask: bool) -> None:
        """Return when there is a reason to look, and all has been quiet for a while since.

        Args:
            ask: return without a reason, too, each time after a longer while: listing scanners is
                work for this machine and for others.
        """
        latest = None
        if ask:
            latest = self._clock.monotonic() + self._again_s
            self._again_s = min(2 * self._again_s, LOOK_SELDOM_S)
        while True:
            now = self._clock.monotonic()
            if self._quiet.ready(now) or (latest is not None and now >= latest):
                return
            due = min((at for at in (self._quiet.due, latest) if at is not None), default=None)
            self._heard.clear()
            try:
                async with asyncio.timeout(None if due is None else due - now):
                    await self._heard.wait()
            except TimeoutError:
                continue

    def _on_readable(self) -> None:
        assert self._socket is not None
        for event in hotplug.received(self._socket):
            log.debug("%s: %s", event.action, event.bus_path)
            self.look_soon()
