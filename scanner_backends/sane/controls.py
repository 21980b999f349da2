"""The options of an open device by their names: set, read back, kept up to date."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from math import ceil, floor

from scanner_backends.errors import Inval, SourceError
from scanner_backends.sane.device_file import Wishes
from scanner_backends.sane.words import Cap, Handle, Info, Kind, Option, Parameters, Range, Value

log = logging.getLogger(__name__)

Rounding = Callable[[float], int]

MM_QUANT = 1 / (1 << 16)
"""What a SANE_Fixed resolves: less than that is no difference."""

WORD_BYTES = 4
LARGEST = {Kind.INT: (1 << 31) - 1, Kind.FIXED: (1 << 15) - 1}
"""Of the numbers that a word holds."""


class Controls:
    """The options that a device has now, as its file wants them seen.

    A fixed option can be read and never set, and has one value only; a hidden one is not there.

    Raises:
        SourceError: the file wishes for a value that an option cannot have.
    """

    def __init__(self, handle: Handle, wishes: Wishes | None = None) -> None:
        self._handle = handle
        self._wishes = wishes or Wishes()
        self._options: dict[str, Option] = {}
        self._reload()
        for name, value in {**self._wishes.set, **self._wishes.fix}.items():
            option = self._options.get(name)
            if option is None or not option.active:
                log.warning("%s has no option %s now; it is not set", handle.name, name)
                continue
            complaint = _complaint(option, value)
            if complaint:
                raise SourceError(f"The option {name} of {handle.name} {complaint}, not {value!r}.")
            if isinstance(value, int | float) and option.kind in (Kind.INT, Kind.FIXED):
                value = nearest(option, value)  # as the driver knows it
            self._put(option, value)

    def __contains__(self, name: str) -> bool:
        return self.find(name) is not None

    def find(self, *names: str) -> Option | None:
        """The first of these options that is there and active."""
        for name in names:
            option = self._options.get(name)
            if option is None or not option.active or name in self._wishes.hide:
                continue
            if name in self._wishes.fix:
                value = self._wishes.fix[name]
                only = Range(value, value) if isinstance(value, int | float) else (str(value),)
                return replace(option, constraint=only, cap=option.cap & ~Cap.SOFT_SELECT)
            return option
        return None

    def all(self) -> list[Option]:
        """Every option that is not hidden, active or not, in the device's order."""
        return [self.find(name) or option for name, option in self._options.items()]

    def value(self, name: str) -> Value:
        """What an option is set to; None when that cannot be read."""
        option = self.find(name)
        return self._handle.get(option) if option is not None and option.readable else None

    def number(self, name: str) -> float | None:
        """The value of an option that has one number, None otherwise."""
        value = self.value(name)
        return None if value is None or isinstance(value, str | tuple) else float(value)

    def parameters(self) -> Parameters:
        """What a scan would give now, as far as the device knows."""
        return self._handle.parameters()

    def put(self, name: str, value: Value) -> Value:
        """Set an option to what comes nearest to `value`; what it is then.

        An option that is not there, or not to be set, stays as it is.

        Raises:
            BackendError: the device refuses.
        """
        option = self.find(name)
        if option is None or not option.settable:
            return self.value(name)
        if isinstance(value, str):
            if isinstance(option.constraint, tuple) and value not in option.constraint:
                raise Inval(f"{self._handle.name} has no {name} {value!r}.")
        elif isinstance(value, int | float) and option.kind in (Kind.INT, Kind.FIXED):
            value = nearest(option, value)
        if self.value(name) != value:
            self._put(option, value)
        return self.value(name) if option.readable else value

    def _put(self, option: Option, value: Value) -> None:
        if option.kind is Kind.BUTTON:
            value = None
        if self._handle.put(option, value) & Info.RELOAD_OPTIONS:
            self._reload()

    def _reload(self) -> None:
        self._options = {
            option.name: option
            for option in self._handle.options()
            if option.name and option.name not in self._wishes.hide
        }


def _complaint(option: Option, value: Value) -> str:
    """What an option takes, if that is not `value`. Else ''.

    A driver would take the bytes of a text for a number, and some value for one out of range.
    """
    constraint = option.constraint
    words = constraint if isinstance(constraint, tuple) else ()
    if option.kind is Kind.BUTTON or any(_is_same(word, value) for word in words):
        return ""
    if option.kind is Kind.GROUP:
        return "takes no value: it is the heading of others"
    if option.kind is Kind.BOOL:
        return "" if isinstance(value, bool) else "takes true or false"
    if words:
        return f"takes {', '.join(map(str, words))}"
    if option.kind is Kind.STRING:
        return "" if isinstance(value, str) else "takes a text"
    if option.size > WORD_BYTES:
        return "takes many numbers at once"
    largest = LARGEST[option.kind]
    limits = constraint if isinstance(constraint, Range) else Range(-largest, largest)
    low, high = limits.low, limits.high
    told = f"takes a number from {low:g} to {high:g}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return told
    return "" if low - MM_QUANT < value < high + MM_QUANT else told


def _is_same(word: str | float, value: Value) -> bool:
    """Whether a wish is for that value, of which a driver may know only what a SANE_Fixed holds."""
    if isinstance(word, str) or not isinstance(value, int | float):
        return word == value
    return abs(word - value) < MM_QUANT


def nearest(option: Option, value: float) -> float:
    """The value that an option of numbers can have and that is nearest."""
    return _placed(option, value, round)


def at_most(option: Option, value: float) -> float:
    """The largest possible value that is not above `value`; else the smallest."""
    return _placed(option, value, floor, MM_QUANT)


def at_least(option: Option, value: float) -> float:
    """The smallest possible value that is not below `value`; else the largest."""
    return _placed(option, value, ceil, -MM_QUANT)


def _placed(option: Option, value: float, way: Rounding, slack: float = 0) -> float:
    """`slack` is added where steps are counted: 12.000001 is no reason for the next one."""
    whole = option.kind is Kind.INT
    constraint = option.constraint
    if isinstance(constraint, Range):
        if constraint.quant > 0:
            steps = way((value + slack - constraint.low) / constraint.quant)
            value = constraint.low + steps * constraint.quant
        elif whole:
            value = way(value + slack)
        placed = min(max(value, constraint.low), constraint.high)
    elif constraint:
        words = sorted(word for word in constraint if isinstance(word, int | float))
        if way is floor:
            placed = max((word for word in words if word <= value + slack), default=words[0])
        elif way is ceil:
            placed = min((word for word in words if word >= value + slack), default=words[-1])
        else:
            placed = min(words, key=lambda word: abs(word - value))
    else:
        placed = way(value + slack) if whole else value
    return round(placed) if whole else float(placed)
