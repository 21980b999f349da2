"""Answers already given, so that a repeated request starts nothing twice.

PyWSD sends CreateScanJob again after two seconds, with the same MessageID (clients.md, 3.2).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from device.clock import Clock
from device.soap.dispatch import OK

KEPT = 500
KEPT_S = 600.0


class Written(NamedTuple):
    """An answer as it goes on the wire: the envelope in pieces, which have so many `octets`.

    `outcome` is as an `Exchange` has it.
    """

    status: int
    envelope: tuple[bytes, ...]
    octets: int
    outcome: str = OK


class AnswerMemory:
    """Remembers answers by peer, MessageID and content; bounded in number and age.

    What we could not do just now we may be able to do later: that is forgotten once it is told.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[str, str, bytes], tuple[float, asyncio.Future[Written]]]
        self._known = OrderedDict()

    async def once(
        self, peer: str, message_id: str, body: bytes, make: Callable[[], Awaitable[Written]]
    ) -> Written:
        """The answer to this request: made now, or the one made for its first copy."""
        key = (peer, message_id, hashlib.sha256(body).digest())
        self._forget()
        if key in self._known:
            return await asyncio.shield(self._known[key][1])
        future: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._known[key] = (self._clock.monotonic(), future)
        try:
            written = await make()
        except BaseException:
            del self._known[key]
            future.cancel()
            raise
        future.set_result(written)
        if written.status >= 500:  # it failed through us
            del self._known[key]
        return written

    def _forget(self) -> None:
        oldest = self._clock.monotonic() - KEPT_S
        while self._known:
            key = next(iter(self._known))
            made, future = self._known[key]
            if not future.done() or (made >= oldest and len(self._known) < KEPT):
                return
            del self._known[key]
