"""Tells work in a thread to stop, also while it waits for another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class Stop:
    """Set once, from any thread; never taken back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._set = False
        self._calls: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        """Say stop, and make the calls that wait for it."""
        with self._lock:
            self._set = True
            calls, self._calls = self._calls, []
        for call in calls:
            call()

    @contextmanager
    def calling(self, hang_up: Callable[[], None]) -> Iterator[None]:
        """While this is open, `set` calls `hang_up`, at once if it was set before.

        `hang_up` runs in the thread that says stop: it must not block or raise.
        """
        with self._lock:
            already = self._set
            if not already:
                self._calls.append(hang_up)
        if already:
            hang_up()
        try:
            yield
        finally:
            with self._lock:
                if hang_up in self._calls:
                    self._calls.remove(hang_up)
