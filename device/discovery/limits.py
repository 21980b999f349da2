"""Bounded memories: who was answered already, and how often anybody may be.

Source: dpws sections 4.7 and 10.2.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass


class Remembered:
    """Keys seen in the last `lifetime_s` seconds, at most `limit` of them; the oldest go first."""

    def __init__(self, *, lifetime_s: float, limit: int) -> None:
        self._lifetime_s = lifetime_s
        self._limit = limit
        self._seen: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def knows(self, key: Hashable, now: float) -> bool:
        """Whether `key` was added within the lifetime."""
        added = self._seen.get(key)
        return added is not None and now - added < self._lifetime_s

    def add(self, key: Hashable, now: float) -> None:
        """Remember `key` from `now` on."""
        self._seen[key] = now
        self._seen.move_to_end(key)
        while self._seen:
            oldest = next(iter(self._seen.values()))
            if len(self._seen) <= self._limit and now - oldest < self._lifetime_s:
                break
            self._seen.popitem(last=False)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float


class Buckets:
    """One token bucket per key, for at most `limit` keys; those used longest ago are forgotten."""

    def __init__(self, *, per_second: float, burst: float, limit: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._limit = limit
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def has_token(self, key: Hashable, now: float) -> bool:
        """Whether `take` would find a token."""
        return self._filled(key, now) >= 1

    def take(self, key: Hashable, now: float) -> None:
        """Take one token; there must be one."""
        self._buckets[key] = _Bucket(self._filled(key, now) - 1, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._limit:
            self._buckets.popitem(last=False)

    def _filled(self, key: Hashable, now: float) -> float:
        bucket = self._buckets.get(key)
        if bucket is None:
            return self._burst
        return min(self._burst, bucket.tokens + (now - bucket.filled) * self._per_second)
