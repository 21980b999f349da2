"""MTOM/XOP: multipart/related both ways, chunk by chunk. The writer is exact, the reader tolerant.

Source: ws-scan section 14, dpws section 7, ws-dsp section 4.3.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

from device.errors import MalformedMessage

ROOT_ID = "root@wsd-scanner"
IMAGE_ID = "image1@wsd-scanner"
MAX_PARTS = 8
MAX_PART_HEADER = 8_192


def content_type(boundary: str) -> str:
    """The HTTP Content-Type of a message that `head` and `tail` frame."""
    return (
        f'multipart/related; type="application/xop+xml"; boundary="{boundary}"; '
        f'start="<{ROOT_ID}>"; start-info="application/soap+xml"'
    )


def head(boundary: str, envelope: bytes, media_type: str) -> bytes:
    """Everything before the attachment's first byte.

    The body begins with CRLF: PyWSD glues HTTP header and body together.
    """
    delimiter = f"\r\n--{boundary}\r\n"
    return (
        f"{delimiter}"
        'Content-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\n'
        "Content-Transfer-Encoding: binary\r\n"
        f"Content-ID: <{ROOT_ID}>\r\n\r\n"
    ).encode() + (
        envelope
        + (
            f"{delimiter}"
            f"Content-Type: {media_type}\r\n"
            "Content-Transfer-Encoding: binary\r\n"
            f"Content-ID: <{IMAGE_ID}>\r\n\r\n"
        ).encode()
    )


def tail(boundary: str) -> bytes:
    """Everything behind the attachment's last byte. Left out, the message is visibly cut short."""
    return f"\r\n--{boundary}--\r\n".encode()


@lru_cache(maxsize=256)
def parameters(header: str) -> tuple[str, Mapping[str, str]]:
    """A MIME header value as (lower-case media type, parameters by lower-case name).

    Reads folded lines, values with or without quotes, and a missing or trailing semicolon, as the
    published example has them.
    """
    flat = " ".join(header.split())
    media, _, rest = flat.partition(";")
    if "=" in media:
        media, _, rest = flat.partition(" ")
    found = re.findall(r'([\w!#$&+\-.^`|~]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', rest)
    return media.strip().lower(), {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in found
    }


def content_id(value: str) -> str:
    """A Content-ID, or the `start` that names one, without its brackets and blanks."""
    return value.strip().removeprefix("<").removesuffix(">").strip()


def cid(href: str) -> str:
    """The Content-ID that an `xop:Include/@href` names; empty when it is no cid: URL."""
    href = href.strip()
    return unquote(href[4:]).strip() if href[:4].lower() == "cid:" else ""


_AS_IT_IS = frozenset({"binary", "8bit", "7bit", ""})


class Decoder:
    """Undoes a Content-Transfer-Encoding. MTOM wants `binary`; mail libraries write `base64`.

    Raises (from all of it):
        MalformedMessage: another encoding, or what it should be is not there.
    """

    def __init__(self, encoding: str) -> None:
        self._as_it_is = encoding in _AS_IT_IS
        self._rest = b""
        if not self._as_it_is and encoding != "base64":
            raise MalformedMessage(f"the transfer encoding {encoding[:40]!r} is not known")

    def feed(self, data: bytes) -> bytes:
        """What the next piece stands for."""
        if self._as_it_is:
            return data
        data = self._rest + b"".join(data.split())
        whole = len(data) & ~3
        self._rest = data[whole:]
        try:
            return base64.b64decode(data[:whole], validate=True)
        except binascii.Error:
            raise MalformedMessage("a part is no base64, though it says so") from None

    def close(self) -> None:
        """Tell that this was all."""
        if self._rest:
            raise MalformedMessage("the base64 of a part is cut short")


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins; header names in lower case."""

    headers: dict[str, str]

    @property
    def content_id(self) -> str:
        return content_id(self.headers.get("content-id", ""))

    def decoder(self) -> Decoder:
        """For the part's data. Raises MalformedMessage for an encoding that is not known."""
        return Decoder(self.headers.get("content-transfer-encoding", "").strip().lower())


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the part that began last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part that began last is whole."""


Event = PartBegin | PartData | PartEnd


@dataclass(slots=True)
class Reader:
    """Splits a multipart body that comes in pieces of any size.

    Preamble and epilogue are passed over. `close` tells whether the closing delimiter came.

    Raises (from `feed` and `close`):
        MalformedMessage: too many parts, too large part headers, or a body cut short.
    """

    boundary: str
    max_parts: int = MAX_PARTS
    _buffer: bytes = b"\n"
    _state: str = "preamble"
    _parts: int = 0
    _borrowed: int = 0
    _delimiter: bytes = field(init=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.boundary) <= 200:
            raise MalformedMessage("the multipart boundary is missing or too long")
        self._delimiter = b"\n--" + self.boundary.encode("latin-1", "replace")

    @property
    def finished(self) -> bool:
        """Whether the closing delimiter has been read."""
        return self._state == "epilogue"

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take the next piece and yield what it completes."""
        self._buffer = self._buffer + data if self._buffer else data
        progress = True
        while progress and self._state != "epilogue":
            if self._state == "delimiter":
                progress = self._read_delimiter_end()
            elif self._state == "header":
                begin = self._read_header()
                progress = begin is not None
                if begin is not None:
                    yield begin
            else:
                inside = self._state == "data"
                chunk, progress = self._read_data()
                if inside and len(chunk) > self._borrowed:
                    yield PartData(chunk[self._borrowed :])
                self._borrowed = 0 if chunk else self._borrowed
                if inside and progress:
                    yield PartEnd()
        if self._state == "epilogue":
            self._buffer = b""

    def close(self) -> None:
        """Tell the reader that the body has ended."""
        if not self.finished:
            raise MalformedMessage("the multipart body has no closing delimiter")

    def _read_data(self) -> tuple[bytes, bool]:
        """Bytes up to the next delimiter, and whether it was found."""
        start = 0
        while (at := self._buffer.find(self._delimiter, start)) >= 0:
            after = at + len(self._delimiter)
            if after >= len(self._buffer):
                break  # what follows the boundary decides; it has not come yet
            if self._buffer[after : after + 1] in b"\r\n -\t":
                end = at - 1 if self._buffer[at - 1 : at] == b"\r" and at else at
                chunk, self._buffer = self._buffer[:end], self._buffer[after:]
                self._state = "delimiter"
                return chunk, True
            start = after  # a longer token that merely begins like the boundary
        keep = len(self._buffer) - at + 1 if at >= 0 else self._possible_tail()
        cut = max(0, len(self._buffer) - keep)
        chunk, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return chunk, False

    def _possible_tail(self) -> int:
        """How many bytes at the end may belong to a delimiter that is not all here."""
        newline = self._buffer.rfind(b"\n", -len(self._delimiter))
        if newline >= 0 and self._delimiter.startswith(self._buffer[newline:]):
            return len(self._buffer) - newline + 1
        return 1 if self._buffer.endswith(b"\r") else 0

    def _read_delimiter_end(self) -> bool:
        if self._buffer.startswith(b"--"):
            self._state = "epilogue"
            return True
        newline = self._buffer.find(b"\n")
        if newline < 0:
            if len(self._buffer) > 128:
                raise MalformedMessage("a multipart delimiter line does not end")
            return False
        self._parts += 1
        if self._parts > self.max_parts:
            raise MalformedMessage(f"it has more than {self.max_parts} parts")
        self._buffer = b"\n" + self._buffer[newline + 1 :]
        self._state = "header"
        return True

    def _read_header(self) -> PartBegin | None:
        match = re.search(rb"\n\r?\n", self._buffer)
        if (len(self._buffer) if match is None else match.start()) > MAX_PART_HEADER:
            raise MalformedMessage("the headers of a part are too long")
        if match is None:
            return None
        block = self._buffer[: match.start()].decode("latin-1")
        # The line break that ends the headers may also begin the delimiter, when a part is empty.
        self._buffer = self._buffer[match.end() - 1 :]
        self._borrowed = 1
        headers: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t") and name:
                headers[name] += " " + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                headers.setdefault(name, value.strip())
        self._state = "data"
        return PartBegin(headers)
