"""Waiting for a condition, never for a while."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], timeout_s: float, what: str, *, every_s: float = 0.02
) -> T:
    """The first true value of `condition`, asked again and again until `timeout_s` is over."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"no {what} within {timeout_s:g} s")
        time.sleep(every_s)
