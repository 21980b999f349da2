"""What happened how often, and a line in the log now and then: a flood must not fill it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Hashable

from device.clock import Clock
from device.discovery.limits import Remembered

MENTIONED_FOR_S = 60.0


class Tally:
    """Counts by name, and mentions each kind of trouble once per minute."""

    def __init__(self, clock: Clock, logger: logging.Logger) -> None:
        self._clock = clock
        self._logger = logger
        self._mentioned = Remembered(lifetime_s=MENTIONED_FOR_S, limit=100)
        self.counts: Counter[str] = Counter()

    def dropped(self, why: str, source: object = "") -> None:
        """A datagram from `source` was not answered."""
        self.counts[f"dropped: {why}"] += 1
        if self._logger.isEnabledFor(logging.DEBUG) and self._is_new(source):
            self._logger.debug("dropped a datagram from %s: %s", source, why)

    def crashed(self) -> None:
        """A datagram met an error of ours; called while that is handled."""
        self.counts["dropped: our error"] += 1
        if self._is_new("our error"):
            self._logger.exception("a datagram could not be dealt with")

    def failed(self, what: str, error: OSError, level: int = logging.DEBUG) -> None:
        """The system refused something."""
        self.counts[f"{what}: {error.strerror}"] += 1
        if self._is_new((what, error.errno)):
            self._logger.log(level, "%s: %s", what, error)

    def _is_new(self, key: Hashable) -> bool:
        now = self._clock.monotonic()
        if self._mentioned.knows(key, now):
            return False
        self._mentioned.add(key, now)
        return True
