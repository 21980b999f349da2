"""What goes over the pipes between the supervisor and its worker.

To the supervisor: frames, each a header (mark, payload length, job number, kind) and a payload.
To the worker: orders, one line of JSON each.

Everything here is pure but `read`, which takes any blocking binary stream.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import IntEnum, StrEnum
from typing import Any, BinaryIO

from device.imaging.spec import ImageSpec
from scanner_backends.base import (
    Abilities,
    Description,
    Film,
    Mode,
    Pressed,
    Resolutions,
    ScanRequest,
    Source,
    TrayPage,
)
from scanner_backends.errors import BY_NAME, BackendError, IoError

MAX_PAYLOAD = 1 << 20
"""Bytes. Encoders give at most 256 KiB at a time; a length above this is not one of ours."""

_HEADER = struct.Struct("!2sIIB")
_MARK = b"pl"  # tells a frame from whatever else might get onto the pipe
HEADER_SIZE = _HEADER.size


class Kind(IntEnum):
    """What a frame holds."""

    DATA = 1  # bytes of the image
    END = 2  # the image is complete; JSON: width_px, height_px, bytes_sent
    NONE = 3  # no page was there
    ERROR = 4  # JSON: error (a class of scanner_backends.errors), sentence, begun
    DESCRIBED = 5  # JSON: a Description
    NEXT = 6  # the document takes another page; if the last one could not begin, JSON as in ERROR
    PRESSED = 7  # JSON: pressed, a list of Pressed
    PICTURE = 8  # a small JPEG of a page that is scanned
    WARMING = 9  # the page comes when the lamp is warm


class FrameError(Exception):
    """What came over the pipe is not a frame."""


@dataclass(frozen=True, slots=True)
class Header:
    """A frame without its payload; `length` in bytes."""

    length: int
    job: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. Frames that answer no job carry job 0."""

    job: int
    kind: Kind
    payload: bytes = b""


def pack(frame: Frame) -> bytes:
    """The frame as bytes."""
    if len(frame.payload) > MAX_PAYLOAD:
        raise FrameError(f"a payload of {len(frame.payload)} bytes is too long for a frame")
    return pack_header(frame.job, frame.kind, len(frame.payload)) + frame.payload


def pack_header(job: int, kind: Kind, length: int) -> bytes:
    """The header of a frame whose payload has `length` bytes."""
    return _HEADER.pack(_MARK, length, job, kind)


def unpack_header(data: bytes) -> Header:
    """Read the first HEADER_SIZE bytes of a frame.

    Raises:
        FrameError: they are not a header.
    """
    mark, length, job, kind = _HEADER.unpack(data)
    if mark != _MARK or length > MAX_PAYLOAD:
        raise FrameError(f"{data!r} does not begin a frame")
    try:
        return Header(length, job, Kind(kind))
    except ValueError:
        raise FrameError(f"{kind} is no kind of frame") from None


def read(stream: BinaryIO) -> Frame | None:
    """The next frame of a blocking stream, None at its end.

    Raises:
        FrameError: the stream holds something else, or ends inside a frame.
    """
    head = stream.read(HEADER_SIZE)
    if not head:
        return None
    if len(head) < HEADER_SIZE:
        raise FrameError("the stream ends inside a header")
    header = unpack_header(head)
    payload = stream.read(header.length)
    if len(payload) < header.length:
        raise FrameError("the stream ends inside a frame")
    return Frame(header.job, header.kind, payload)


def error_frame(
    job: int, error: BackendError, kind: Kind = Kind.ERROR, *, begun: bool = False
) -> Frame:
    """An error on its way over the pipe. `begun` tells that the page had been fed by then."""
    told = {"error": type(error).__name__, "sentence": str(error), "begun": begun}
    return Frame(job, kind, _dumps(told))


def error_of(frame: Frame) -> BackendError:
    """The error that a frame holds. A class we do not know becomes an IoError."""
    told = json_of(frame)
    return BY_NAME.get(str(told.get("error")), IoError)(str(told.get("sentence", "")))


def json_frame(job: int, kind: Kind, told: Mapping[str, Any]) -> Frame:
    return Frame(job, kind, _dumps(told))


def json_of(frame: Frame) -> dict[str, Any]:
    """The payload as a JSON object.

    Raises:
        FrameError: it is none.
    """
    try:
        told = json.loads(frame.payload)
    except ValueError as error:
        raise FrameError(f"a {frame.kind.name} frame without JSON: {error}") from None
    if not isinstance(told, dict):
        raise FrameError(f"a {frame.kind.name} frame without a JSON object")
    return told


def described_frames(description: Description) -> list[Frame]:
    """A description, in as many frames as its length takes; the last alone is complete.

    A folder may hold thousands of files, whose list exceeds one frame: each frame carries a
    slice of the JSON text, and an empty one ends it.
    """
    text = description_text(description)
    cuts = range(0, len(text), MAX_PAYLOAD)
    return [
        *(Frame(0, Kind.DESCRIBED, text[cut : cut + MAX_PAYLOAD]) for cut in cuts),
        Frame(0, Kind.DESCRIBED),
    ]


def description_text(description: Description) -> bytes:
    """A description as JSON."""
    return _dumps(asdict(description))


def description_of(text: bytes) -> Description:
    """A description from its joined frames.

    Raises:
        FrameError: it is none.
    """
    told = json_of(Frame(0, Kind.DESCRIBED, text))
    try:
        return Description(
            name=str(told["name"]),
            virtual=bool(told["virtual"]),
            platen=tuple(TrayPage(**page) for page in told["platen"]),
            feeder=tuple(TrayPage(**page) for page in told["feeder"]),
            refused=tuple(str(sentence) for sentence in told["refused"]),
            sources=tuple(_abilities_of(source) for source in told["sources"]),
            buttons=tuple(str(button) for button in told["buttons"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError(f"a description that is none: {error!r}") from None


def _abilities_of(told: dict[str, Any]) -> Abilities:
    x_dpi, y_dpi = (
        Resolutions(tuple(dpi["listed"]), dpi["low"], dpi["high"], dpi["step"])
        for dpi in (told["x_dpi"], told["y_dpi"])
    )
    return Abilities(
        source=Source(told["source"]),
        modes=tuple((Mode(mode), int(depth)) for mode, depth in told["modes"]),
        x_dpi=x_dpi,
        y_dpi=y_dpi,
        width_mm=float(told["width_mm"]),
        height_mm=float(told["height_mm"]),
        native=str(told["native"]),
        films=tuple(Film(film) for film in told["films"]),
    )


def pressed_frame(pressed: Iterable[Pressed]) -> Frame:
    """Buttons on their way over the pipe."""
    return json_frame(0, Kind.PRESSED, {"pressed": [asdict(one) for one in pressed]})


def pressed_of(frame: Frame) -> tuple[Pressed, ...]:
    """The buttons that a frame tells of.

    Raises:
        FrameError: it tells of none.
    """
    try:
        return tuple(
            Pressed(
                str(one["button"]),
                str(one["destination"]),
                None if one["source"] is None else Source(one["source"]),
            )
            for one in json_of(frame)["pressed"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError(f"buttons that are none: {error!r}") from None


class Part(StrEnum):
    """What a page is to the file that it goes into."""

    WHOLE = "whole"  # all of it
    FIRST = "first"  # the first of a document
    NEXT = "next"  # a further one of the document under way


@dataclass(frozen=True, slots=True)
class PageOrder:
    """Scan one page for a job. `page` is None with real media; `picture`: make one of it, too.

    One that is ordered `ahead`, while the page before is on its way, is scanned only if that one
    ends well: behind a jam there is nothing to feed. The pages of a document whose first one is
    `held` go into it only when they are scanned to their end.
    """

    job: int
    page: int | None
    request: ScanRequest
    spec: ImageSpec
    part: Part = Part.WHOLE
    ahead: bool = False
    picture: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class FinishOrder:
    """The document under way for a job is complete: it gets no further page."""

    job: int


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """End what is under way for a job, and let a feeder that runs for it come to rest."""

    job: int


@dataclass(frozen=True, slots=True)
class DescribeOrder:
    """Read the source afresh and describe it, or the file that was laid in by that number."""

    file: int | None = None


@dataclass(frozen=True, slots=True)
class PollOrder:
    """Tell which buttons were pressed."""


@dataclass(frozen=True, slots=True)
class QuitOrder:
    """Release the source and leave."""


_PlainOrder = FinishOrder | CancelOrder | DescribeOrder | PollOrder | QuitOrder
Order = PageOrder | _PlainOrder

_ORDERS: dict[str, type[_PlainOrder]] = {
    "finish": FinishOrder,
    "cancel": CancelOrder,
    "describe": DescribeOrder,
    "poll": PollOrder,
    "quit": QuitOrder,
}
_ORDER_NAMES = {PageOrder: "page"} | {cls: name for name, cls in _ORDERS.items()}


def order_line(order: Order) -> bytes:
    """An order as one line."""
    return _dumps({"order": _ORDER_NAMES[type(order)], **asdict(order)}) + b"\n"


def order_of(line: bytes) -> Order:
    """Read one line.

    Raises:
        FrameError: it is no order.
    """
    try:
        told = json.loads(line)
        name = told.pop("order")
        if name == "page":
            request = told["request"]
            request["source"] = Source(request["source"])
            request["mode"] = Mode(request["mode"])
            request["film"] = None if request["film"] is None else Film(request["film"])
            spec = ImageSpec(**told["spec"])
            spec = replace(spec, made_by=(spec.made_by[0], spec.made_by[1]))
            request, part = ScanRequest(**request), Part(told["part"])
            marks = bool(told["ahead"]), bool(told["picture"]), bool(told["held"])
            return PageOrder(int(told["job"]), told["page"], request, spec, part, *marks)
        return _ORDERS[name](**told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FrameError(f"{line!r} is no order: {error!r}") from None


def _dumps(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode()
