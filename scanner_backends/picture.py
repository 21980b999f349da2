"""What an image file tells of its picture, before any of it is decoded."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageFile

from scanner_backends.base import MM_PER_INCH, FileKind
from scanner_backends.by_rows import png

MAX_PIXELS = 500_000_000
"""A3 at 1200 dpi has 280 million. Above this a file is more likely to be a trap than a page."""

FORMATS = ("JPEG", "PNG", "BMP", "TIFF")
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    struct.error,
    zlib.error,
)
"""What Pillow raises on broken files: it has no class of its own for that."""

BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)

_PLAUSIBLE_DPI = range(30, 4801)
_GUESSES_DPI = (75, 100, 150, 200, 300, 400, 600, 1200)
_GUESS_WIDTH_IN, _GUESS_HEIGHT_IN = 8.5, 14.0
_NARROW_GREY = {"1": 1, "L;2": 3, "L;4": 15}
"""How Pillow calls such a PNG's samples → the greatest there is."""
_PNG_DEPTH = 24
"""Where a PNG says how many bits a sample has."""

Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # a worker process is ours alone


@contextmanager
def opened(source: Path | bytes) -> Iterator[ImageFile.ImageFile]:
    """Open a file of one of FORMATS, or its bytes, going by what is in it. Bombs are errors.

    Pillow gets no path: it would map some files into memory, and turned TIFF files come out
    garbled that way (13.0).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata; the pixels count
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        reader = BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        with reader as file, Image.open(file, formats=FORMATS) as image:
            _widen_clear_grey(image)
            yield image


def _widen_clear_grey(image: ImageFile.ImageFile) -> None:
    """Pillow widens a PNG's samples of few bits to 8, but not the one that is clear.

    Of one bit, only old versions leave it (9.4).
    """
    clear = image.info.get("transparency")
    if image.format != "PNG" or not isinstance(clear, int) or not image.tile:
        return
    most = _NARROW_GREY.get(str(image.tile[0][3]), 0)
    if 0 < clear <= most:
        image.info["transparency"] = clear * (255 // most)


def tag(image: Image.Image, number: int) -> Any:
    """A TIFF tag's value, None when it is missing."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(number)


def native_dpi(image: Image.Image, turn: int) -> tuple[int, int]:
    """The page's resolution, as the upright page has it, in whole pixels per inch.

    `turn` is its orientation.

    What the file says counts, if a scanner could have said it. Without that the page gets the
    lowest usual resolution at which it fits onto the glass.
    """
    told = told_dpi(image)
    if told is not None:
        return (told[1], told[0]) if turn >= 5 else told
    width, height = _upright_size(image, turn)
    for dpi in _GUESSES_DPI:
        if width <= dpi * _GUESS_WIDTH_IN and height <= dpi * _GUESS_HEIGHT_IN:
            return dpi, dpi
    return _GUESSES_DPI[-1], _GUESSES_DPI[-1]


def size_mm(image: Image.Image, turn: int) -> tuple[float, float]:
    """The size of the upright page. `turn` is its orientation."""
    size, dpi = _upright_size(image, turn), native_dpi(image, turn)
    return size[0] / dpi[0] * MM_PER_INCH, size[1] / dpi[1] * MM_PER_INCH


def _upright_size(image: Image.Image, turn: int) -> tuple[int, int]:
    # As stored: versions of Pillow differ in when they turn a TIFF.
    width, height = tag(image, 256) or image.width, tag(image, 257) or image.height
    return (height, width) if turn >= 5 else (width, height)


def told_dpi(image: Image.Image) -> tuple[int, int] | None:
    """The resolution that the file tells, as stored, if a scanner could have said it."""
    # Pillow invents 72 dpi for a JPEG whose Exif has none: look at the sources.
    pair = _jpeg_dpi(image) if image.format in ("JPEG", "MPO") else image.info.get("dpi")
    try:
        x_dpi, y_dpi = (round(float(value)) for value in pair or (0, 0))
    except (TypeError, ValueError, ArithmeticError):
        return None
    plausible = x_dpi in _PLAUSIBLE_DPI and y_dpi in _PLAUSIBLE_DPI
    return (x_dpi, y_dpi) if plausible else None


def _jpeg_dpi(image: Image.Image) -> tuple[float, float] | None:
    unit = image.info.get("jfif_unit", 0)
    if unit in (1, 2):
        x, y = image.info["jfif_density"]
        return (x, y) if unit == 1 else (x * 2.54, y * 2.54)
    exif = image.getexif()
    try:
        x, y = (float(exif[tag]) for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution))
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return None
    centimetres = exif.get(ExifTags.Base.ResolutionUnit, 2) == 3
    factor = 2.54 if centimetres else 1.0
    return (x * factor, y * factor) if math.isfinite(x) and math.isfinite(y) else None


def orientation(path: Path, image: Image.Image) -> int:
    """Exif's: 1 is upright, from 5 on the sides are swapped."""
    exif = png.exif(path) if image.format == "PNG" else image.getexif()
    found = exif.get(ExifTags.Base.Orientation, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def plain_kind(path: Path, image: ImageFile.ImageFile) -> FileKind | None:
    """What the file is, if it is as plain as readers expect of its kind."""
    with path.open("rb") as file:
        begins = file.read(25)
    if image.format == "JPEG" and not image.info.get("progressive"):
        if begins[2:4] == b"\xff\xe0" and begins[6:11] == b"JFIF\0" and "jfif_unit" in image.info:
            return FileKind.JFIF
        if begins[2:4] == b"\xff\xe1" and begins[6:10] == b"Exif":
            return FileKind.EXIF
    plain = not {"interlace", "transparency"}.intersection(image.info)
    if image.format == "PNG" and begins[_PNG_DEPTH] == 8 and plain:
        return FileKind.PNG
    return None
