"""libsane by ctypes: its functions, typed, and nothing more.

A binding of our own because python-sane holds a page three times in memory and the interpreter's
lock while it talks to a device, and needs a compiler to install.

No two calls may run at a time, `sane_cancel` excepted; every call lets other Python threads run.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_ubyte, c_void_p
from typing import Any

from scanner_backends.errors import BackendError, SourceError
from scanner_backends.sane.words import (
    Cap,
    Constraint,
    Frame,
    Info,
    Kind,
    Option,
    Parameters,
    Range,
    SaneDevice,
    Status,
    Unit,
    Value,
    error_of,
)

LIBRARY = "libsane.so.1"
FIXED_ONE = 1 << 16
MAX_OPTIONS = 10_000
"""More than any backend has: a count beyond is a bug at the other end."""

_GET, _SET = 0, 1
_CONSTRAINT_RANGE, _CONSTRAINT_WORDS, _CONSTRAINT_STRINGS = 1, 2, 3


class _Device(ctypes.Structure):
    _fields_ = [(name, c_char_p) for name in ("name", "vendor", "model", "type")]


class _Range(ctypes.Structure):
    _fields_ = [("min", c_int), ("max", c_int), ("quant", c_int)]


class _Descriptor(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("title", c_char_p),
        ("desc", c_char_p),
        ("type", c_int),
        ("unit", c_int),
        ("size", c_int),
        ("cap", c_int),
        ("constraint_type", c_int),
        ("constraint", c_void_p),
    ]


class _Parameters(ctypes.Structure):
    _fields_ = [
        ("format", c_int),
        ("last_frame", c_int),
        ("bytes_per_line", c_int),
        ("pixels_per_line", c_int),
        ("lines", c_int),
        ("depth", c_int),
    ]


_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "sane_init": (c_int, (POINTER(c_int), c_void_p)),
    "sane_exit": (None, ()),
    "sane_get_devices": (c_int, (POINTER(POINTER(POINTER(_Device))), c_int)),
    "sane_open": (c_int, (c_char_p, POINTER(c_void_p))),
    "sane_close": (None, (c_void_p,)),
    "sane_get_option_descriptor": (POINTER(_Descriptor), (c_void_p, c_int)),
    "sane_control_option": (c_int, (c_void_p, c_int, c_int, c_void_p, POINTER(c_int))),
    "sane_get_parameters": (c_int, (c_void_p, POINTER(_Parameters))),
    "sane_start": (c_int, (c_void_p,)),
    "sane_read": (c_int, (c_void_p, c_void_p, c_int, POINTER(c_int))),
    "sane_cancel": (None, (c_void_p,)),
    "sane_set_io_mode": (c_int, (c_void_p, c_int)),
}
"""Name → result and arguments. Left alone: `sane_get_select_fd`, for we read in a thread that may
wait, and `sane_strstatus`, for our sentences name the scanner."""


class LibSane:
    """The library, loaded and initialised. One of it per process.

    Raises:
        SourceError: it is not installed.
    """

    def __init__(self) -> None:
        try:
            self._c = ctypes.CDLL(LIBRARY)
        except OSError:
            raise SourceError(f"{LIBRARY} is not there; install SANE (Debian: libsane1).") from None
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(self._c, name)
            function.restype, function.argtypes = result, arguments
        _make_cancellation_safe()
        status = self._c.sane_init(None, None)
        if status:
            raise SourceError(f"SANE cannot be initialised: {Status(status).name}.")

    def devices(self) -> list[SaneDevice]:
        """All devices that the configured backends find."""
        listed = POINTER(POINTER(_Device))()
        status = self._c.sane_get_devices(byref(listed), 0)
        if status:
            raise error_of(status, "list")
        found: list[SaneDevice] = []
        while entry := listed[len(found)]:
            device = entry.contents
            texts = (device.name, device.vendor, device.model, device.type)
            found.append(SaneDevice(*(_text(text) for text in texts)))
        return found

    def open(self, name: str) -> OpenDevice:
        """Open the device of that SANE name."""
        handle = c_void_p()
        status = self._c.sane_open(name.encode(), byref(handle))
        if status:
            raise error_of(status, name)
        return OpenDevice(self._c, handle, name)

    def exit(self) -> None:
        """Close everything; another LibSane may be made then."""
        self._c.sane_exit()


class OpenDevice:
    """A device, opened. `words.Handle` says what the calls do."""

    def __init__(self, library: ctypes.CDLL, handle: c_void_p, name: str) -> None:
        self.name = name
        self._c = library
        self._handle = handle
        self._c.sane_set_io_mode(handle, 0)  # some backends know no other than the blocking one

    def options(self) -> list[Option]:
        # The net backend fetches all descriptors with the first one that is asked for; read before
        # that, the count would be the one of before the last change, and most options would go.
        count_option = self._descriptor(0)
        if count_option is None:
            return []
        count = int(self.get(count_option))  # type: ignore[arg-type]  # an INT by the standard
        found = (self._descriptor(index) for index in range(1, min(count, MAX_OPTIONS)))
        return [option for option in found if option and option.kind is not Kind.GROUP]

    def get(self, option: Option) -> Value:
        buffer = ctypes.create_string_buffer(max(option.size, 4))
        self._check(self._c.sane_control_option(self._handle, option.index, _GET, buffer, None))
        if option.kind is Kind.STRING:
            return buffer.value.decode(errors="replace")
        if option.kind is Kind.BUTTON:
            return None
        words = [_number(option.kind, word) for word in _words(buffer.raw[: max(option.size, 4)])]
        if option.kind is Kind.BOOL:
            return bool(words[0])
        return words[0] if len(words) == 1 else tuple(words)

    def put(self, option: Option, value: Value) -> Info:
        info = c_int()
        data = _packed(option, value)
        buffer = ctypes.create_string_buffer(data, max(option.size, len(data), 4))
        self._check(
            self._c.sane_control_option(self._handle, option.index, _SET, buffer, byref(info))
        )
        return Info(info.value & 7)

    def start(self) -> None:
        self._check(self._c.sane_start(self._handle))

    def parameters(self) -> Parameters:
        told = _Parameters()
        self._check(self._c.sane_get_parameters(self._handle, byref(told)))
        try:
            frame = Frame(told.format)
        except ValueError:
            raise BackendError(
                f"The scanner {self.name} sends frames of kind {told.format}, which nobody knows."
            ) from None
        return Parameters(
            frame,
            bool(told.last_frame),
            told.bytes_per_line,
            told.pixels_per_line,
            told.lines,
            told.depth,
        )

    def read(self, into: memoryview) -> int | None:
        length = c_int()
        place = byref(c_ubyte.from_buffer(into))
        status = self._c.sane_read(self._handle, place, len(into), byref(length))
        if status == Status.EOF:
            return None
        self._check(status)
        return length.value

    def cancel(self) -> None:
        self._c.sane_cancel(self._handle)

    def close(self) -> None:
        self._c.sane_close(self._handle)

    def _check(self, status: int) -> None:
        if status:
            raise error_of(status, self.name)

    def _descriptor(self, index: int) -> Option | None:
        pointer = self._c.sane_get_option_descriptor(self._handle, index)
        if not pointer:
            return None
        told = pointer.contents
        try:
            kind = Kind(told.type)
        except ValueError:
            return None  # a newer SANE's, or rubbish; the others may be all that is needed
        return Option(
            index=index,
            name=_text(told.name),
            kind=kind,
            unit=Unit(told.unit) if 0 <= told.unit <= max(Unit) else Unit.NONE,
            size=told.size,
            cap=Cap(told.cap & 127),
            constraint=_constraint(told, kind),
            title=_text(told.title),
        )


def _make_cancellation_safe() -> None:
    """Load what a thread needs in order to end, before there is one.

    Many backends read in a thread that ends by pthread_exit, and is cancelled at any point. The
    first thread that ends makes glibc load libgcc_s; cancelled in there, it leaves the loader
    locked for ever, and the next sane_start hangs. `backtrace` loads it as well.
    """
    backtrace = getattr(ctypes.CDLL(None), "backtrace", None)
    if backtrace is not None:
        backtrace((c_void_p * 1)(), 1)


def _constraint(told: _Descriptor, kind: Kind) -> Constraint:
    if not told.constraint:
        return None
    if told.constraint_type == _CONSTRAINT_RANGE:
        span = ctypes.cast(told.constraint, POINTER(_Range)).contents
        return Range(*(_number(kind, word) for word in (span.min, span.max, span.quant)))
    if told.constraint_type == _CONSTRAINT_WORDS:
        words = ctypes.cast(told.constraint, POINTER(c_int))
        return tuple(_number(kind, words[at]) for at in range(1, words[0] + 1))
    if told.constraint_type == _CONSTRAINT_STRINGS:
        texts = ctypes.cast(told.constraint, POINTER(c_char_p))
        found: list[str] = []
        while (text := texts[len(found)]) is not None:
            found.append(_text(text))
        return tuple(found)
    return None


def _number(kind: Kind, word: int) -> int | float:
    return word / FIXED_ONE if kind is Kind.FIXED else word


def _words(data: bytes) -> Sequence[int]:
    return memoryview(data[: len(data) // 4 * 4]).cast("i")


def _packed(option: Option, value: Value) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode() + b"\0"
    numbers = value if isinstance(value, tuple) else (value,)
    scale = FIXED_ONE if option.kind is Kind.FIXED else 1
    words = (c_int * len(numbers))(*(round(number * scale) for number in numbers))
    return bytes(words)


def _text(text: bytes | None) -> str:
    return (text or b"").decode(errors="replace")
