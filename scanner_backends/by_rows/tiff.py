"""TIFF: some strips of a file, or a row of its tiles, are a file of their own.

Strips and tiles are compressed one by one (TIFF 6.0, page 19), so nothing of the others is needed.
Rows that are not compressed can be taken from the midst of a strip, too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from scanner_backends.by_rows.rows import rows_of_a_piece

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_FORMS = {1: "B", 3: "H", 4: "L"}
_LONG = 4

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_KEPT = (
    *(_WIDTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _SAMPLES, _PLANAR),
    *(292, 293, 317, 320, _TILE_WIDTH, _TILE_LENGTH, 338, 339, 347, 530, 531, 532),
)
"""What tells how samples are stored: T4 and T6 options, predictor, colour map, extra samples,
sample format, JPEG tables, and what YCbCr means, beside those with a name above."""

_READ = (
    *_KEPT,
    _LENGTH,
    _STRIP_OFFSETS,
    _ROWS_PER_STRIP,
    _STRIP_COUNTS,
    _TILE_OFFSETS,
    _TILE_COUNTS,
)
_PLAIN, _OLD_JPEG, _YCBCR = 1, 6, 6


@dataclass(frozen=True, slots=True)
class _Value:
    kind: int
    count: int
    data: bytes


_Tags = dict[int, _Value]


@dataclass(frozen=True, slots=True)
class _Row:
    """`height` rows of pixels: strips or tiles of `each` rows, and where the bytes of each lie."""

    height: int
    each: int
    places: tuple[tuple[int, int], ...]


def small_files(path: Path, frame: int) -> Iterator[bytes] | None:
    """Files with some of the rows each, from the top; None if the file has only the whole.

    Raises ValueError, OSError or struct.error where Pillow reads the file and this does not.
    """
    with path.open("rb") as file:
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(file.read(4))
        if order is None:
            return None
        reader = _Reader(path, order)
        tags = reader.tags(frame)
    rows = reader.layout(tags)
    return None if len(rows) < 2 else _small_files(path, order, tags, rows)


class _Reader:
    """Reads what a file says of one of its pages."""

    def __init__(self, path: Path, order: str) -> None:
        self._path = path
        self._order = order

    def tags(self, frame: int) -> _Tags:
        size = self._path.stat().st_size
        with self._path.open("rb") as file:

            def read(place: int, form: str) -> tuple[int, ...]:
                file.seek(place)
                form = self._order + form
                return struct.unpack(form, file.read(struct.calcsize(form)))

            (place,) = read(4, "L")
            for _ in range(frame):
                (count,) = read(place, "H")
                (place,) = read(place + 2 + 12 * count, "L")
            (count,) = read(place, "H")
            tags: _Tags = {}
            for entry in range(place + 2, place + 2 + 12 * count, 12):
                tag, kind, number = read(entry, "HHL")
                if tag not in _READ:
                    continue
                length = _SIZES.get(kind, 0) * number
                (at,) = (entry + 8,) if length <= 4 else read(entry + 8, "L")
                file.seek(at)
                tags[tag] = _Value(kind, number, file.read(min(length, size)))
            return tags

    def numbers(self, tags: _Tags, tag: int, *default: int) -> tuple[int, ...]:
        if tag not in tags:
            return default
        value = tags[tag]
        form = f"{self._order}{value.count}{_FORMS[value.kind]}"
        return struct.unpack(form, value.data)

    def layout(self, tags: _Tags) -> list[_Row]:
        """The rows of strips or of tiles, small ones together; fewer than two: only the whole."""
        (width,), (height,) = self.numbers(tags, _WIDTH), self.numbers(tags, _LENGTH)
        (compression,) = self.numbers(tags, _COMPRESSION, _PLAIN)
        (planar,), (samples,) = self.numbers(tags, _PLANAR, 1), self.numbers(tags, _SAMPLES, 1)
        (photometric,) = self.numbers(tags, _PHOTOMETRIC)
        bits = sum(self.numbers(tags, _BITS, *(1,) * samples))
        if compression == _OLD_JPEG or (planar != 1 and samples > 1):
            return []
        if compression == _PLAIN and photometric == _YCBCR:
            return []
        stride = (width * bits + 7) // 8
        tiled = _TILE_OFFSETS in tags
        names = (_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)
        (each,) = self.numbers(tags, _TILE_LENGTH if tiled else _ROWS_PER_STRIP, height)
        (tile_width,) = self.numbers(tags, _TILE_WIDTH, width)
        offsets, counts = (self.numbers(tags, name) for name in names)
        each, most = min(each, height), rows_of_a_piece(width)
        across, down = -(-width // tile_width), -(-height // each)
        if compression == _PLAIN and not tiled:
            if each > most:
                return _cut(height, each, offsets, stride, most)
            counts = tuple(stride * min(each, height - top) for top in range(0, height, each))
        places = tuple(zip(offsets, counts, strict=False))
        if len(places) < down * across:
            return []
        rows, together = [], max(1, most // each)
        for first in range(0, down, together):
            last = min(first + together, down)
            size = min(height, last * each) - first * each
            rows.append(_Row(size, each, places[first * across : last * across]))
        return rows


def _cut(height: int, each: int, offsets: tuple[int, ...], stride: int, most: int) -> list[_Row]:
    """Rows that are not compressed, anywhere within the strips, of `each` rows."""
    rows = []
    for strip, place in enumerate(offsets):
        within = min(each, height - strip * each)
        for first in range(0, within, most):
            size = min(most, within - first)
            rows.append(_Row(size, size, ((place + first * stride, size * stride),)))
    return rows


def _small_files(path: Path, order: str, tags: _Tags, rows: list[_Row]) -> Iterator[bytes]:
    tiled = _TILE_OFFSETS in tags
    names = (_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)
    kept = {tag: tags[tag] for tag in _KEPT if tag in tags}
    size = path.stat().st_size
    with path.open("rb") as file:
        for row in rows:
            data = []
            for place, length in row.places:
                file.seek(place)
                data.append(file.read(min(length, size)))

            def longs(values: Iterable[int]) -> _Value:
                listed = list(values)
                return _Value(_LONG, len(listed), struct.pack(f"{order}{len(listed)}L", *listed))

            now = kept | {_LENGTH: longs([row.height]), names[1]: longs(map(len, data))}
            if not tiled:
                now[_ROWS_PER_STRIP] = longs([row.each])
            now[names[0]] = longs([0] * len(data))
            begin = len(_directory(order, now))
            starts = accumulate(map(len, data[:-1]), initial=begin)
            now[names[0]] = longs(starts)
            yield b"".join((_directory(order, now), *data))


def _directory(order: str, tags: _Tags) -> bytes:
    """The head of a file with these tags, and all that they say."""
    signature = {"<": b"II", ">": b"MM"}[order]
    head = [signature, struct.pack(f"{order}HLH", 42, 8, len(tags))]
    begin = 8 + 2 + 12 * len(tags) + 4
    behind = b""
    for tag, value in sorted(tags.items()):
        told = value.data.ljust(4, b"\0")
        if len(value.data) > 4:
            told = struct.pack(f"{order}L", begin + len(behind))
            behind += value.data + b"\0" * (len(value.data) % 2)
        head.append(struct.pack(f"{order}HHL", tag, value.kind, value.count) + told)
    return b"".join((*head, b"\0\0\0\0", behind))
