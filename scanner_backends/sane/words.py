"""SANE's words as Python values, and what the rest of this folder needs of a library that speaks
them: the real one is in `library`, tests bring their own.

Source: the SANE standard, version 1.06, chapter 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Protocol

from scanner_backends.errors import (
    AccessDenied,
    BackendError,
    Cancelled,
    CoverOpen,
    DeviceBusy,
    Inval,
    IoError,
    Jammed,
    NoDocs,
    NoMem,
    WarmingUp,
)

Value = bool | int | float | str | tuple[int | float, ...] | None
"""An option's value: a tuple when it has several words, None when it has none (buttons)."""


class Status(IntEnum):
    """SANE_Status. The last two are not in the standard; sane-backends give them all the same."""

    GOOD = 0
    UNSUPPORTED = 1
    CANCELLED = 2
    DEVICE_BUSY = 3
    INVAL = 4
    EOF = 5
    JAMMED = 6
    NO_DOCS = 7
    COVER_OPEN = 8
    IO_ERROR = 9
    NO_MEM = 10
    ACCESS_DENIED = 11
    WARMING_UP = 12
    HW_LOCKED = 13


ERRORS: dict[Status, tuple[type[BackendError], str]] = {
    Status.UNSUPPORTED: (Inval, "does not support what was asked"),
    Status.CANCELLED: (Cancelled, "cancelled the scan"),
    Status.DEVICE_BUSY: (DeviceBusy, "is in use by another program"),
    Status.INVAL: (Inval, "cannot do what was asked"),
    Status.EOF: (IoError, "has no data where some should be"),
    Status.JAMMED: (Jammed, "has a paper jam"),
    Status.NO_DOCS: (NoDocs, "has no sheet in its feeder"),
    Status.COVER_OPEN: (CoverOpen, "has a cover open"),
    Status.IO_ERROR: (IoError, "does not answer"),
    Status.NO_MEM: (NoMem, "has not enough memory"),
    Status.ACCESS_DENIED: (AccessDenied, "may not be used by this user"),
    Status.WARMING_UP: (WarmingUp, "is warming up"),
    Status.HW_LOCKED: (DeviceBusy, "is locked; look for its transport lock"),
}
"""Status → what it becomes, and the rest of the sentence that begins with the scanner's name."""


def error_of(status: int, sane_name: str) -> BackendError:
    """The error that a status other than GOOD stands for."""
    try:
        kind, sentence = ERRORS[Status(status)]
    except (ValueError, KeyError):
        kind, sentence = IoError, f"answers with status {status}, which nobody knows"
    return kind(f"The scanner {sane_name} {sentence}.")


class Kind(IntEnum):
    """SANE_Value_Type."""

    BOOL = 0
    INT = 1
    FIXED = 2
    STRING = 3
    BUTTON = 4
    GROUP = 5


class Unit(IntEnum):
    """SANE_Unit."""

    NONE = 0
    PIXEL = 1
    BIT = 2
    MM = 3
    DPI = 4
    PERCENT = 5
    MICROSECOND = 6


class Cap(IntFlag):
    """What can be done with an option."""

    SOFT_SELECT = 1
    HARD_SELECT = 2
    SOFT_DETECT = 4
    EMULATED = 8
    AUTOMATIC = 16
    INACTIVE = 32
    ADVANCED = 64


class Info(IntFlag):
    """What setting an option did beside."""

    INEXACT = 1
    RELOAD_OPTIONS = 2
    RELOAD_PARAMS = 4


class Frame(IntEnum):
    """SANE_Frame."""

    GRAY = 0
    RGB = 1
    RED = 2
    GREEN = 3
    BLUE = 4


@dataclass(frozen=True, slots=True)
class Range:
    """A range of values; a `quant` of 0 allows every one of them."""

    low: float
    high: float
    quant: float = 0


Constraint = Range | tuple[int | float, ...] | tuple[str, ...] | None
"""A range, a list of numbers or of texts, or nothing."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option as it is now; `index` is its number at the device, `size` its value's bytes."""

    index: int
    name: str
    kind: Kind
    unit: Unit = Unit.NONE
    size: int = 4
    cap: Cap = Cap.SOFT_SELECT | Cap.SOFT_DETECT
    constraint: Constraint = None
    title: str = ""

    @property
    def active(self) -> bool:
        return not self.cap & Cap.INACTIVE

    @property
    def settable(self) -> bool:
        return self.active and bool(self.cap & Cap.SOFT_SELECT)

    @property
    def readable(self) -> bool:
        return self.active and bool(self.cap & Cap.SOFT_DETECT) and self.kind < Kind.BUTTON


@dataclass(frozen=True, slots=True)
class Parameters:
    """SANE_Parameters; `lines` is -1 when nobody knows yet."""

    frame: Frame
    last_frame: bool
    bytes_per_line: int
    pixels_per_line: int
    lines: int
    depth: int


@dataclass(frozen=True, slots=True)
class SaneDevice:
    """An entry of the list of devices."""

    name: str
    vendor: str = ""
    model: str = ""
    type: str = ""

    def __str__(self) -> str:
        words = " ".join(f"{self.vendor} {self.model}".split())
        return f"{self.name} ({words})" if words else self.name


class Handle(Protocol):
    """An open device. Every call but `close` and `cancel` raises a BackendError when it fails."""

    @property
    def name(self) -> str: ...

    def options(self) -> list[Option]:
        """All options but the groups, as they are now."""
        ...

    def get(self, option: Option) -> Value: ...

    def put(self, option: Option, value: Value) -> Info: ...

    def start(self) -> None: ...

    def parameters(self) -> Parameters: ...

    def read(self, into: memoryview) -> int | None:
        """Fill some of `into`; the number of bytes, None at the end of the frame."""
        ...

    def cancel(self) -> None:
        """The one call that another thread may make while one of the above is under way."""
        ...

    def close(self) -> None: ...


class Library(Protocol):
    """libsane, initialised."""

    def devices(self) -> list[SaneDevice]:
        """All devices there are. Asks hardware and network: may take seconds."""
        ...

    def open(self, name: str) -> Handle:
        """Raises a BackendError."""
        ...

    def exit(self) -> None: ...
