"""TIFF with one uncompressed page. All sizes are known, so the directory leads and the rows follow.

Source: TIFF 6.0, part 1.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from device.imaging.density import density
from device.imaging.rows import BAND_ROWS
from device.imaging.spec import ImageSpec
from scanner_backends.base import Mode, RawPage
from scanner_backends.errors import Inval

MAX_FILE = 2**32 - 1

_SHORT, _LONG, _RATIONAL = 3, 4, 5
_LAYOUT = {_SHORT: "H", _LONG: "L", _RATIONAL: "L"}
_ORDER = "<" if sys.byteorder == "little" else ">"  # the samples' own, so that none is swapped


def encode(page: RawPage, spec: ImageSpec, spool_dir: Path | None) -> Iterator[bytes]:
    """A TIFF file with a strip for each BAND_ROWS rows."""
    size = page.stride * page.height_px
    if size > MAX_FILE - (1 << 20):
        raise Inval(f"A TIFF file cannot hold {size} bytes.")
    head = _head(page, spec)
    for band in page.bands:
        yield head + band
        head = b""
    if head:
        yield head


def _head(page: RawPage, spec: ImageSpec) -> bytes:
    """Header, directory, and the values that do not fit into the directory."""
    strips = -(-page.height_px // BAND_ROWS)
    counts = [page.stride * BAND_ROWS] * (strips - 1)
    counts.append(page.stride * page.height_px - sum(counts))
    x_dpi, y_dpi = density(spec)
    fields: list[tuple[int, int, list[int]]] = [
        (254, _LONG, [0]),  # NewSubfileType
        (256, _LONG, [page.width_px]),
        (257, _LONG, [page.height_px]),
        (258, _SHORT, [page.depth] * page.channels),  # BitsPerSample
        (259, _SHORT, [1]),  # Compression: none
        (262, _SHORT, [2 if page.mode is Mode.COLOR else 1]),  # Photometric: RGB, BlackIsZero
        (273, _LONG, [0] * strips),  # StripOffsets, once they are known
        (274, _SHORT, [1]),  # Orientation: upright
        (277, _SHORT, [page.channels]),
        (278, _LONG, [BAND_ROWS]),  # RowsPerStrip
        (279, _LONG, counts),  # StripByteCounts
        (282, _RATIONAL, [x_dpi, 1]),
        (283, _RATIONAL, [y_dpi, 1]),
        (284, _SHORT, [1]),  # PlanarConfiguration: interleaved
        (296, _SHORT, [2]),  # ResolutionUnit: inch
    ]
    length = len(_directory(fields))
    offsets = [length]
    for count in counts[:-1]:
        offsets.append(offsets[-1] + count)
    return _directory([(tag, kind, offsets if tag == 273 else v) for tag, kind, v in fields])


def _directory(fields: list[tuple[int, int, list[int]]]) -> bytes:
    entries, outside = b"", b""
    outside_at = 8 + 2 + 12 * len(fields) + 4
    for tag, kind, values in fields:
        packed = struct.pack(f"{_ORDER}{len(values)}{_LAYOUT[kind]}", *values)
        count = len(values) // (2 if kind == _RATIONAL else 1)
        if len(packed) > 4:
            where = struct.pack(f"{_ORDER}L", outside_at + len(outside))
            outside += packed + b"\0" * (len(packed) % 2)
        else:
            where = packed.ljust(4, b"\0")
        entries += struct.pack(f"{_ORDER}HHL", tag, kind, count) + where
    header = (b"II" if _ORDER == "<" else b"MM") + struct.pack(f"{_ORDER}HL", 42, 8)
    body = header + struct.pack(f"{_ORDER}H", len(fields)) + entries + bytes(4) + outside
    return body + bytes(-len(body) % 4)
