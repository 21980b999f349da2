"""What our own backends share: where a request lies on the pixel grid, and samples as bytes."""

from __future__ import annotations

import sys
from math import ceil, floor

from PIL import Image

from scanner_backends.base import MM_PER_INCH, Mode, ScanRequest
from scanner_backends.errors import Inval

BAND_ROWS = 32
"""Rows handed over at a time: a few MB at most, and no slower than more rows (measured)."""

Area = tuple[int, int, int, int]
"""Left, top, width and height in px."""

Band = Image.Image | tuple[Image.Image, Image.Image]
"""Some rows of a page; those of 16-bit colour in two halves, of upper and of lower bytes."""

_UPPER = 1 if sys.byteorder == "little" else 0
_DEPTHS = {Mode.LINEART: (1,), Mode.GRAY: (8, 16), Mode.COLOR: (8, 16)}
_PIXELS = {Mode.GRAY: "L", Mode.COLOR: "RGB", Mode.COLOR_ALPHA: "RGBA"}
_BLACK_OR_WHITE = [0] * 128 + [255] * 128


def area_px(request: ScanRequest) -> Area:
    """Left, top, width and height of the request, in px at its own resolution.

    The offsets are rounded to whole pixels of the page, so that a part of a page holds the very
    pixels of the whole.

    Raises:
        Inval: nothing can be scanned that way.
    """
    if request.depth not in _DEPTHS[request.mode]:
        raise Inval(f"{request.mode} has no depth of {request.depth} bits.")
    if request.x_dpi < 1 or request.y_dpi < 1:
        raise Inval(f"{request.x_dpi} x {request.y_dpi} dpi is no resolution.")
    left = round(request.left_mm * request.x_dpi / MM_PER_INCH)
    top = round(request.top_mm * request.y_dpi / MM_PER_INCH)
    width = round(request.width_mm * request.x_dpi / MM_PER_INCH)
    height = round(request.height_mm * request.y_dpi / MM_PER_INCH)
    if left < 0 or top < 0 or width < 1 or height < 1:
        raise Inval(f"An area of {width} x {height} px at {left}, {top} cannot be scanned.")
    return left, top, width, height


def page_mode(request: ScanRequest, *, alpha: bool) -> Mode:
    """How a page comes that is asked for so; `alpha` tells whether it can be clear in parts."""
    return Mode.COLOR_ALPHA if alpha and request.alpha else request.mode


def samples(band: Band, mode: Mode, depth: int) -> bytes:
    """The rows of `band`, of mode "1", "L", "RGB", "RGBA" or "I", as the contract's samples.

    "I" holds 16-bit grey. Lineart is black below half. Halves are in the mode of the page already.
    """
    if isinstance(band, tuple):
        upper, lower = (half.tobytes() for half in band)
        wide = bytearray(2 * len(upper))
        wide[_UPPER::2] = upper
        wide[1 - _UPPER :: 2] = lower
        return bytes(wide)
    if band.mode == "I":
        if mode is Mode.GRAY and depth == 16:
            return band.convert("I;16").tobytes("raw", "I;16N")
        band = eight_bits(band)
    if mode is Mode.LINEART:
        if band.mode != "1":
            band = band.convert("L").point(_BLACK_OR_WHITE, "1")
        return band.tobytes()
    wanted = _PIXELS[mode]
    flat = (band if band.mode == wanted else band.convert(wanted)).tobytes()
    return doubled(flat) if depth == 16 else flat


def eight_bits(band: Image.Image, *, lower: bool = False) -> Image.Image:
    """16-bit grey, in mode "I", as mode "L": the upper byte of each sample, or the lower one."""
    low_first = band.convert("I;16").tobytes()
    return Image.frombytes("L", band.size, low_first[0 if lower else 1 :: 2])


def on_white(image: Image.Image) -> Image.Image:
    """A picture that is clear in parts, in mode "RGBA", as it looks on white paper."""
    plain = Image.new("RGB", image.size, (255, 255, 255))
    plain.paste(image, mask=image.getchannel("A"))
    return plain


def doubled(flat: bytes) -> bytes:
    """8-bit samples as 16-bit ones, in either byte order: 0 stays black, 255 becomes 65535."""
    wide = bytearray(2 * len(flat))
    wide[0::2] = flat
    wide[1::2] = flat
    return bytes(wide)


def resampling(source: tuple[int, int], target: tuple[int, int]) -> Image.Resampling:
    """How to get from one size to another, both width and height in px.

    By area when whole pixels become one; by a smooth filter when fractions do, for Pillow's box
    takes or leaves a whole pixel there, and which one may differ from band to band.
    """
    if target[0] > source[0] or target[1] > source[1]:
        return Image.Resampling.BICUBIC
    if source[0] % target[0] == 0 and source[1] % target[1] == 0:
        return Image.Resampling.BOX
    return Image.Resampling.HAMMING


def resized(
    image: Image.Image,
    size: tuple[int, int],
    box: tuple[float, float, float, float],
    way: Image.Resampling,
) -> Image.Image:
    """`box` of `image` (left, top, right and bottom in px, and parts of them) at another size.

    The filter looks beyond the box as far as it reaches, so a part gets the pixels of the whole.
    Across first, then down: when left to choose, Pillow decides by the shape of the part, and
    rounds differently. What is clear has no say in the colours around it.
    """
    if image.mode == "RGBA":
        return resized(image.convert("RGBa"), size, box, way).convert("RGBA")
    left, top, right, bottom = box
    start, end = reached(top, bottom, size[1], image.height)
    across = image.resize((size[0], end - start), way, box=(left, start, right, end))
    return across.resize(size, way, box=(0, top - start, size[0], bottom - start))


def reached(top: float, bottom: float, rows: int, height: int) -> tuple[int, int]:
    """The first row of a picture, and the one behind the last, that the filter looks at.

    It is to make `rows` rows of what lies between `top` and `bottom`, in px.
    """
    reach = 2 * max(1.0, (bottom - top) / rows) + 1
    return max(0, floor(top - reach)), min(height, ceil(bottom + reach))
