"""The options of a device by what we use them for."""

from __future__ import annotations

import re
from collections.abc import Iterable

from scanner_backends.base import Source
from scanner_backends.sane.controls import Controls
from scanner_backends.sane.options import NAMES, Role
from scanner_backends.sane.words import Option, Range

FEEDERS = (Source.ADF, Source.ADF_DUPLEX)


def find(controls: Controls, role: Role) -> Option | None:
    """The option for `role` that is there now."""
    return controls.find(*NAMES[role])


def put(controls: Controls, role: Role, value: bool | int | str) -> None:
    """Set the option for `role`, if there is one."""
    option = find(controls, role)
    if option is not None:
        controls.put(option.name, value)


def texts(option: Option | None) -> list[str]:
    """The texts that an option can be set to."""
    constraint = option.constraint if option else None
    words = constraint if isinstance(constraint, tuple) else ()
    return [word for word in words if isinstance(word, str)]


def matching(words: Iterable[str], pattern: str) -> str | None:
    """The first text in which the pattern is found, whatever its capitals."""
    return next((word for word in words if re.search(pattern, word.casefold())), None)


def highest(option: Option) -> float:
    """The largest number that an option can be set to."""
    if isinstance(option.constraint, Range):
        return option.constraint.high
    numbers = [word for word in option.constraint or () if isinstance(word, int | float)]
    return max(numbers, default=float("inf"))


def depths(controls: Controls) -> list[int]:
    """The bits per sample that can be chosen now; nothing if there is no choice."""
    option = find(controls, Role.DEPTH)
    if option is None:
        return []
    if isinstance(option.constraint, Range):
        low, high = option.constraint.low, option.constraint.high
        return [depth for depth in (1, 8, 16) if low <= depth <= high]
    return [int(word) for word in option.constraint or ()]
