"""Colour of 16 bits a sample, which Pillow has no pixels for: it decodes the upper bytes alone.

Told that the samples are in the other byte order, it decodes the lower ones. Both lie side by side
in a picture that is twice as wide, so that they pass through whatever takes rows.
"""

from __future__ import annotations

import sys
from functools import reduce
from typing import Any

from PIL import Image, ImageChops, ImageFile

from scanner_backends.by_rows.rows import Rows

_OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_LOWER = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in _OTHER.items()
}
"""How Pillow calls samples in a file, and what to call them to get the lower bytes."""

_DEEP = {*_LOWER, "LA;16B"}


def is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether a picture that is not loaded yet is colour of 16 bits, or such grey with alpha."""
    return bool(image.tile) and all(_rawmode(tile[3]) in _DEEP for tile in image.tile)


def has_lower(image: ImageFile.ImageFile) -> bool:
    """Whether `take_lower` can be done to a picture that is deep."""
    return all(_rawmode(tile[3]) in _LOWER for tile in image.tile)


def clear_colour(image: ImageFile.ImageFile) -> tuple[int, ...] | None:
    """The colour of a deep picture that is clear, if there is one."""
    clear = image.info.get("transparency")
    return clear if isinstance(clear, tuple) and is_deep(image) else None


def take_lower(image: ImageFile.ImageFile) -> None:
    """Have a picture that is not loaded yet decode the lower bytes."""
    tiles: list[Any] = []
    for tile in image.tile:
        *place, arguments = tile
        lower: Any = _LOWER[_rawmode(arguments)]
        if isinstance(arguments, tuple):
            lower = (lower, *arguments[1:])
        make = getattr(tile, "_make", tuple)  # it has names since Pillow 11
        tiles.append(make((*place, lower)))
    image.tile = tiles


def _rawmode(arguments: object) -> str:
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def beside(upper: Image.Image, lower: Image.Image) -> Image.Image:
    """Both in one picture, the upper bytes left."""
    both = Image.new(upper.mode, (2 * upper.width, upper.height))
    both.paste(upper, (0, 0))
    both.paste(lower, (upper.width, 0))
    return both


def put_alpha(upper: Image.Image, lower: Image.Image, clear: tuple[int, ...]) -> None:
    """Give both alpha: 0 where the colour is the one that is clear, else 255."""
    values = [*(value >> 8 for value in clear), *(value & 255 for value in clear)]
    bands = zip((*upper.split(), *lower.split()), values, strict=True)
    differ = (band.point([255 * (one != value) for one in range(256)]) for band, value in bands)
    alpha = reduce(ImageChops.lighter, differ)
    upper.putalpha(alpha)
    lower.putalpha(alpha)


class SideBySide:
    """The rows of a picture that `beside` has made, as those of two."""

    def __init__(self, rows: Rows) -> None:
        self.upper = _Half(rows, 0)
        self.lower = _Half(rows, 1)


class _Half:
    """One of them: the rows of both are asked for in turns."""

    def __init__(self, rows: Rows, number: int) -> None:
        self._rows = rows
        self._left = number * rows.size[0] // 2
        self.size = rows.size[0] // 2, rows.size[1]
        self.mode = rows.mode

    def rows(self, start: int, end: int) -> Image.Image:
        area = (self._left, 0, self._left + self.size[0], end - start)
        return self._rows.rows(start, end).crop(area)
