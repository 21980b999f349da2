"""`dib`: a whole Windows bitmap file.

Its rows run from the bottom, so it waits in a temporary file until the page has come.

Source: Microsoft, "Bitmap Storage": BITMAPFILEHEADER and BITMAPINFOHEADER.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from device.imaging.density import density, per_metre
from device.imaging.rows import image_of
from device.imaging.spec import ImageSpec
from scanner_backends.base import Mode, RawPage
from scanner_backends.errors import Inval

_HEADERS = 14 + 40
_PIECE = 256 * 1024
_FROM_THE_BOTTOM = -1


def encode(page: RawPage, spec: ImageSpec, spool_dir: Path | None) -> Iterator[bytes]:
    """A BMP file; 1, 4 and 8 bits with a palette of greys from black to white."""
    stride = (page.stride + 3) // 4 * 4
    palette = _palette(page)
    size = _HEADERS + len(palette) + stride * page.height_px
    if size > 2**32 - 1:
        raise Inval(f"A bitmap file cannot hold {size} bytes.")
    head = _head(page, spec, len(palette), stride, size) + palette
    with TemporaryFile(dir=spool_dir) as spool:
        end = stride * page.height_px
        for number, band in enumerate(page.bands):
            rows = _rows(page, band, stride)
            end -= len(rows)
            spool.seek(end)
            spool.write(rows)
            if number == 0:
                yield head  # so that the peer sees that a page is under way
        spool.seek(0)
        while piece := spool.read(_PIECE):
            yield piece


def _rows(page: RawPage, band: bytes, stride: int) -> bytes:
    """The band's rows from the bottom, padded, blue first."""
    if page.depth == 8:
        raw = "BGR" if page.mode is Mode.COLOR else "L"
        return image_of(page, band).tobytes("raw", raw, stride, _FROM_THE_BOTTOM)
    padding = bytes(stride - page.stride)
    starts = range(len(band) - page.stride, -1, -page.stride)
    return b"".join(band[at : at + page.stride] + padding for at in starts)


def _palette(page: RawPage) -> bytes:
    if page.mode is Mode.COLOR:
        return b""
    top = (1 << page.depth) - 1
    return b"".join(bytes((value * 255 // top,)) * 3 + b"\0" for value in range(top + 1))


def _head(page: RawPage, spec: ImageSpec, palette: int, stride: int, size: int) -> bytes:
    x_dpi, y_dpi = density(spec)
    file = struct.pack("<2sLHHL", b"BM", size, 0, 0, _HEADERS + palette)
    info = struct.pack(
        "<LllHHLLllLL",
        40,
        page.width_px,
        page.height_px,
        1,
        page.depth * page.channels,
        0,  # uncompressed
        stride * page.height_px,
        per_metre(x_dpi),
        per_metre(y_dpi),
        palette // 4,
        0,
    )
    return file + info
