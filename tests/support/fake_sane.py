"""A device that speaks the binding's words, for what no test device of SANE has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from scanner_backends.errors import BackendError, Cancelled, NoDocs
from scanner_backends.sane.words import (
    Cap,
    Frame,
    Info,
    Kind,
    Option,
    Parameters,
    Range,
    SaneDevice,
    Unit,
    Value,
)


def option(
    name: str,
    constraint: object = None,
    *,
    kind: Kind | None = None,
    unit: Unit = Unit.NONE,
    cap: Cap = Cap.SOFT_SELECT | Cap.SOFT_DETECT,
) -> Option:
    """An option whose kind follows from its constraint: texts, whole numbers, or neither."""
    if kind is None:
        first = constraint[0] if isinstance(constraint, tuple) and constraint else constraint
        kind = Kind.STRING if isinstance(first, str) else Kind.FIXED
    return Option(0, name, kind, unit, 4, cap, constraint)  # type: ignore[arg-type]


def geometry(width: float, height: float, unit: Unit = Unit.MM, quant: float = 0) -> list[Option]:
    """The four edges of the area."""
    kind = Kind.INT if unit is Unit.PIXEL else Kind.FIXED
    return [
        option(name, Range(0, high, quant), kind=kind, unit=unit)
        for name, high in (("tl-x", width), ("tl-y", height), ("br-x", width), ("br-y", height))
    ]


@dataclass
class Sheet:
    """What one `start` gives: frames of parameters and bytes, and an error in the end or None."""

    told: Parameters
    data: bytes
    error: BackendError | None = None


def grey_sheet(width: int, height: int, data: bytes, *, told_lines: int | None = None) -> Sheet:
    lines = height if told_lines is None else told_lines
    return Sheet(Parameters(Frame.GRAY, True, width, width, lines, 8), data)


@dataclass
class FakeHandle:
    """A device with these options, that gives these sheets and then NO_DOCS.

    `values` holds what the options are set to; `on_put` may change options, and tell what it did.
    `piece` is the most bytes of a read.
    """

    told_options: list[Option]
    sheets: Iterable[Sheet | BackendError] = ()
    name: str = "fake:0"
    piece: int = 1000
    on_put: Callable[[FakeHandle, Option, Value], Info] | None = None
    waits: bool = False
    values: dict[str, Value] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._sheets = iter(self.sheets)
        self._sheet: Sheet | None = None
        self._at = 0
        self._cancelled = threading.Event()
        self.reading = threading.Event()
        for entry in self.told_options:
            if entry.name not in self.values:
                self.values[entry.name] = _first(entry)

    def options(self) -> list[Option]:
        return [replace(entry, index=at) for at, entry in enumerate(self.told_options, 1)]

    def get(self, option: Option) -> Value:
        return self.values[option.name]

    def put(self, option: Option, value: Value) -> Info:
        self.calls.append(f"{option.name}={value}")
        assert option.settable, option.name
        constraint = option.constraint
        if isinstance(constraint, Range) and isinstance(value, int | float):
            assert constraint.low <= value <= constraint.high, (option.name, value)
        elif constraint and not isinstance(constraint, Range):
            assert value in constraint, (option.name, value)
        self.values[option.name] = value
        return self.on_put(self, option, value) if self.on_put else Info(0)

    def start(self) -> None:
        self.calls.append("start")
        self._cancelled.clear()
        found = next(self._sheets, NoDocs("The scanner has no sheet."))
        if isinstance(found, BackendError):
            raise found
        self._sheet, self._at = found, 0

    def parameters(self) -> Parameters:
        return self._sheet.told if self._sheet else Parameters(Frame.GRAY, True, 100, 100, 100, 8)

    def read(self, into: memoryview) -> int | None:
        assert self._sheet is not None
        if self.waits:
            self.reading.set()
            assert self._cancelled.wait(20)
        if self._cancelled.is_set():
            raise Cancelled("The device cancelled.")
        data = self._sheet.data[self._at : self._at + min(len(into), self.piece)]
        if not data:
            if self._sheet.error is not None:
                raise self._sheet.error
            return None
        into[: len(data)] = data
        self._at += len(data)
        return len(data)

    def cancel(self) -> None:
        self.calls.append("cancel")
        self._cancelled.set()

    def close(self) -> None:
        self.calls.append("close")


@dataclass
class FakeLibrary:
    """A library with these devices; `opened` tells which were opened, `ended` how often it left."""

    handles: list[FakeHandle]
    listed: list[SaneDevice] = field(default_factory=list)
    errors: list[BackendError] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    ended: int = 0

    def devices(self) -> list[SaneDevice]:
        return self.listed or [SaneDevice(handle.name) for handle in self.handles]

    def open(self, name: str) -> FakeHandle:
        if self.errors:
            raise self.errors.pop(0)
        self.opened.append(name)
        return next(handle for handle in self.handles if handle.name == name)

    def exit(self) -> None:
        self.ended += 1


def _first(entry: Option) -> Value:
    if isinstance(entry.constraint, Range):
        return entry.constraint.low
    if entry.constraint:
        return entry.constraint[0]
    return False if entry.kind is Kind.BOOL else 0
