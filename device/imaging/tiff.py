"""TIFF with one page or many: `tiff-single-*` and `tiff-multi-*`.

Each page's strips come first and its directory behind them, because it tells how long they became.
What leads to a page is written when the length of its strips is known: of uncompressed ones that
is at once, so that they stream; others wait in a temporary file.

Source: TIFF 6.0, part 1, and section 12 (pages).
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryFile

from device.imaging.density import density
from device.imaging.spec import ImageSpec
from device.imaging.strips import LONG, RATIONAL, SHORT, UNDEFINED, Field, Strips, strips_of
from scanner_backends.base import RawPage, band_rows
from scanner_backends.errors import Inval

MAX_FILE = 2**32 - 1

_LAYOUT = {SHORT: "H", LONG: "L", RATIONAL: "L", UNDEFINED: "B"}
_LITTLE = sys.byteorder == "little"
_ORDER = "<" if _LITTLE else ">"  # the samples' own, so that none is swapped
_MARK = struct.pack(f"{_ORDER}2sH", b"II" if _LITTLE else b"MM", 42)
_PIECE = 256 * 1024
_ROOM = 1 << 20  # for a directory


def encode(page: RawPage, spec: ImageSpec, spool_dir: Path | None) -> Iterator[bytes]:
    """A TIFF file with one page, a strip for each band."""
    return encode_document(iter([(page, spec)]), spool_dir)


def encode_document(
    pages: Iterator[tuple[RawPage, ImageSpec]], spool_dir: Path | None
) -> Iterator[bytes]:
    """A TIFF file with all pages, in their order.

    Raises:
        Inval: they are longer than a TIFF file may be.
    """
    layout = _Layout()
    for page, spec in pages:
        strips = strips_of(page, spec)
        counts: list[int] = []
        if strips.known_size is None:
            yield from _spooled(strips, counts, layout, spool_dir)
        else:
            lead = layout.lead(strips.known_size)
            for strip in strips.pieces:
                counts.append(len(strip))
                yield lead + strip
                lead = b""
        yield layout.strips_end(page, spec, strips, counts)
    yield layout.end()


def _spooled(
    strips: Strips, counts: list[int], layout: _Layout, spool_dir: Path | None
) -> Iterator[bytes]:
    """The strips, once all are made, and what leads to them; `counts` takes their lengths."""
    with TemporaryFile(dir=spool_dir) as spool:
        early = b""
        for strip in strips.pieces:
            counts.append(len(strip))
            spool.write(strip)
            if not early and layout.pages == 0:
                yield (early := _MARK)  # so that the peer sees that a page is under way
        yield layout.lead(sum(counts))[len(early) :]
        spool.seek(0)
        while piece := spool.read(_PIECE):
            yield piece


class _Layout:
    """Where the parts of the file lie: header, strips, directory, strips, directory."""

    def __init__(self) -> None:
        self.pages = 0
        self._at = 0  # the place behind what was given out
        self._size = 0  # of the strips under way
        self._fields: list[Field] = []  # of the page before

    def lead(self, size: int) -> bytes:
        """What comes before strips of `size` bytes: the header, or the directory before."""
        length = len(_directory(self._fields, 0, 0)) if self.pages else len(_MARK) + 4
        strips_at = self._at + length
        directory_at = strips_at + size + size % 2
        if directory_at > MAX_FILE - _ROOM:
            raise Inval(f"A TIFF file cannot hold {directory_at} bytes.")
        if self.pages:
            lead = _directory(self._fields, self._at, directory_at)
        else:
            lead = _MARK + struct.pack(f"{_ORDER}L", directory_at)
        self._at, self._size = strips_at, size
        return lead

    def strips_end(
        self, page: RawPage, spec: ImageSpec, strips: Strips, counts: list[int]
    ) -> bytes:
        """What comes behind the strips: a byte, if their number is odd."""
        offsets = list(accumulate(counts, initial=self._at))[:-1]
        self._fields = _fields(page, spec, strips, offsets, counts)
        if spec.format.startswith("tiff-multi-"):
            self._fields += [(297, SHORT, [self.pages, 0])]  # PageNumber, of nobody knows how many
        self.pages += 1
        self._at += self._size + self._size % 2
        return bytes(self._size % 2)

    def end(self) -> bytes:
        """The last directory."""
        return _directory(self._fields, self._at, 0)


def _fields(
    page: RawPage, spec: ImageSpec, strips: Strips, offsets: list[int], counts: list[int]
) -> list[Field]:
    x_dpi, y_dpi = density(spec)
    return [
        (254, LONG, [2 if spec.format.startswith("tiff-multi-") else 0]),  # NewSubfileType
        (256, LONG, [page.width_px]),
        (257, LONG, [page.height_px]),
        (258, SHORT, [page.depth] * page.channels),  # BitsPerSample
        (259, SHORT, [strips.compression]),
        (262, SHORT, [strips.photometric]),
        (266, SHORT, [1]),  # FillOrder: the highest bit is leftmost
        (273, LONG, offsets),  # StripOffsets
        (274, SHORT, [1]),  # Orientation: upright
        (277, SHORT, [page.channels]),
        (278, LONG, [band_rows(page.stride)]),  # RowsPerStrip
        (279, LONG, counts),  # StripByteCounts
        (282, RATIONAL, [x_dpi, 1]),
        (283, RATIONAL, [y_dpi, 1]),
        (284, SHORT, [1]),  # PlanarConfiguration: interleaved
        (296, SHORT, [2]),  # ResolutionUnit: inch
        *strips.fields,
    ]


def _directory(fields: list[Field], at: int, next_at: int) -> bytes:
    """A directory that lies at `at`, and the values that do not fit into it."""
    entries, outside = b"", b""
    outside_at = at + 2 + 12 * len(fields) + 4
    for tag, kind, values in sorted(fields):
        packed = struct.pack(f"{_ORDER}{len(values)}{_LAYOUT[kind]}", *values)
        count = len(values) // (2 if kind == RATIONAL else 1)
        if len(packed) > 4:
            where = struct.pack(f"{_ORDER}L", outside_at + len(outside))
            outside += packed + b"\0" * (len(packed) % 2)
        else:
            where = packed.ljust(4, b"\0")
        entries += struct.pack(f"{_ORDER}HHL", tag, kind, count) + where
    head = struct.pack(f"{_ORDER}H", len(fields))
    return head + entries + struct.pack(f"{_ORDER}L", next_at) + outside
