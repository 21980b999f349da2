"""How much of the disk pages may take until they are delivered."""

from __future__ import annotations

import asyncio

from device.errors import DeliveryError


class SpoolFull(DeliveryError):
    """No more page can be kept, and nothing that is under way will make room."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the spool is full: it may take {limit // 1_000_000} MB")


class Room:
    """`limit` bytes, shared by all deliveries.

    Who scans when they are used up waits while other deliveries are under way, for their pages go
    when they are delivered. Pages of one's own never go before their job has ended well: a scan
    that is larger than the room ends there.
    """

    def __init__(self, limit: int) -> None:
        """A delivery is known by any key; the spool's own is its folder."""
        self._limit = limit
        self._taken: dict[object, int] = {}
        self._under_way: set[object] = set()
        self._changed = asyncio.Event()

    @property
    def taken(self) -> int:
        """Bytes in use."""
        return sum(self._taken.values())

    def enter(self, delivery: object, size: int) -> None:
        """A delivery is under way that takes `size` bytes already."""
        self._taken[delivery] = size
        self._under_way.add(delivery)

    def leave(self, delivery: object, *, gone: bool = False) -> None:
        """It is no longer under way; its pages stay, unless they are `gone`."""
        self._under_way.discard(delivery)
        if gone:
            self._taken.pop(delivery, None)
        self._changed.set()

    async def take(self, delivery: object, size: int) -> None:
        """Take `size` bytes more, when there is room for them.

        Raises:
            SpoolFull: there is none, and nothing is under way that would make some.
        """
        while self.taken + size > self._limit:
            if not self._under_way - {delivery}:
                raise SpoolFull(self._limit)
            self._changed.clear()
            await self._changed.wait()
        self._taken[delivery] = self._taken.get(delivery, 0) + size

    def give_back(self, delivery: object, size: int) -> None:
        """`size` bytes are not needed after all."""
        self._taken[delivery] = max(0, self._taken.get(delivery, 0) - size)
        self._changed.set()
