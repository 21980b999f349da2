"""PNG, in bands: each row less the one above (the Up filter), through one deflate stream.

isal deflates it where it is installed, three times faster and as small; else zlib.

Source: W3C, Portable Network Graphics, sections 9 (filtering) and 11 (chunks).
"""

from __future__ import annotations

import importlib
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from PIL import Image, ImageChops

from device.imaging.density import density, per_metre
from device.imaging.rows import rebanded, swapped
from device.imaging.spec import ImageSpec
from scanner_backends.base import Mode, RawPage, band_rows

LEVEL = 1
"""Scanner noise does not compress: level 6 takes four times as long to save a sixth."""

_CHUNK = 128 * 1024
_SLICE = 256 * 1024  # the filter holds five copies: small ones
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NONE, _UP = 0, 2
_COLOUR_TYPES = {Mode.COLOR: 2, Mode.COLOR_ALPHA: 6}


def encode(page: RawPage, spec: ImageSpec, spool_dir: Path | None) -> Iterator[bytes]:
    """A PNG file."""
    colour_type = _COLOUR_TYPES.get(page.mode, 0)
    header = struct.pack(
        ">LLBBBBB", page.width_px, page.height_px, page.depth, colour_type, 0, 0, 0
    )
    x_dpi, y_dpi = density(spec)
    size = struct.pack(">LLB", per_metre(x_dpi), per_metre(y_dpi), 1)
    waiting = _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"pHYs", size)
    deflate = _deflater()
    data = b""
    for rows in _filtered(page):
        data += deflate.compress(rows)
        if waiting:
            data += deflate.flush(zlib.Z_SYNC_FLUSH)  # so that the first band leaves at once
        if waiting or len(data) >= _CHUNK:
            yield waiting + _chunk(b"IDAT", data)
            waiting, data = b"", b""
    yield waiting + _chunk(b"IDAT", data + deflate.flush()) + _chunk(b"IEND", b"")


class _Deflater(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self, mode: int = ..., /) -> bytes: ...


def _deflater() -> _Deflater:
    try:
        fast = importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib.compressobj(LEVEL)
    deflater: _Deflater = fast.compressobj(LEVEL)
    return deflater


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))


def _filtered(page: RawPage) -> Iterator[bytes]:
    """The rows, each with its filter's number before it.

    Samples below a byte compress better as they are.
    """
    stride = page.stride
    number = _UP if page.depth >= 8 else _NONE
    above = bytes(stride)
    for slice_ in rebanded(page, max(1, min(band_rows(stride), _SLICE // stride))):
        band = swapped(slice_) if page.depth == 16 and sys.byteorder == "little" else slice_
        size = (stride, len(band) // stride)
        filtered = Image.frombytes("L", size, band)
        if number == _UP:
            shifted = Image.frombytes("L", size, above + band[:-stride])
            filtered = ImageChops.subtract_modulo(filtered, shifted)
        canvas = Image.new("L", (stride + 1, size[1]), number)
        canvas.paste(filtered, (1, 0))
        yield canvas.tobytes()
        above = band[-stride:]
