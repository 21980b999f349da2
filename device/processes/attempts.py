"""How often somebody may try to log on. Pure: time goes in."""

from __future__ import annotations

from collections import deque

from device.errors import TooManyAttempts

WINDOW_S = 60.0
PER_NAME = 5
IN_ALL = 30


class Attempts:
    """Failed logons of the last minute, and those still under way, by name and in all.

    A directory locks an account after some; a name that fails here is stopped well before, for a
    moment only.
    """

    def __init__(self) -> None:
        self._all: deque[tuple[float, str]] = deque()

    def begin(self, name: str, now: float) -> tuple[float, str]:
        """One more attempt; it counts as failed until it is `taken_back`.

        Raises:
            TooManyAttempts: it must wait.
        """
        while self._all and self._all[0][0] <= now - WINDOW_S:
            self._all.popleft()
        of_name = [at for at, one in self._all if one == name]
        for counted, most in ((of_name, PER_NAME), ([at for at, _ in self._all], IN_ALL)):
            if len(counted) >= most:
                raise TooManyAttempts(max(1.0, counted[-most] + WINDOW_S - now))
        attempt = (now, name)
        self._all.append(attempt)
        return attempt

    def taken_back(self, attempt: tuple[float, str]) -> None:
        """It has not failed."""
        if attempt in self._all:
            self._all.remove(attempt)
