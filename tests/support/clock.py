"""A clock that only moves when a test turns it."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 5, 4, 8, 15, tzinfo=UTC)


class ManualClock:
    """Starts at `START`, with an arbitrary monotonic zero."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._monotonic = 1000.0

    def monotonic(self) -> float:
        return self._monotonic

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)
