"""Rows of samples: bands of another height, rows of white, bands as Pillow images and back."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from PIL import Image

from scanner_backends.base import Mode, RawPage

MODES = {Mode.LINEART: "1", Mode.GRAY: "L", Mode.COLOR: "RGB", Mode.COLOR_ALPHA: "RGBA"}
"""Pillow's name for pixels of 1 or 8 bits a sample."""
_LOW = 0 if sys.byteorder == "little" else 1


def rebanded(page: RawPage, rows: int) -> Iterator[bytes]:
    """The page's bands, cut and joined to `rows` rows each; the last one may be shorter."""
    size = rows * page.stride
    held: list[bytes] = []
    length = 0
    for band in page.bands:
        held.append(band)
        length += len(band)
        if length < size:
            continue
        joined = held[0] if len(held) == 1 else b"".join(held)
        whole = length - length % size
        for at in range(0, whole, size):
            yield joined[at : at + size]
        held, length = [joined[whole:]] if whole < length else [], length - whole
    if length:
        yield b"".join(held)


def white_rows(page: RawPage, rows: int) -> bytes:
    """`rows` rows of white, of the shape of the page's own."""
    return b"\xff" * (rows * page.stride)


def image_of(page: RawPage, band: bytes) -> Image.Image:
    """A band of samples of 1 or 8 bits, as mode "1", "L", "RGB" or "RGBA"."""
    size = (page.width_px, len(band) // page.stride)
    return Image.frombytes(MODES[page.mode], size, band)


def planes_of(page: RawPage, band: bytes) -> list[Image.Image]:
    """A band as images that can be turned: of 16-bit samples the lower bytes, then the upper."""
    if page.depth != 16:
        return [image_of(page, band)]
    size = (page.width_px, len(band) // page.stride)
    mode = MODES[page.mode]
    return [Image.frombytes(mode, size, band[at::2]) for at in (_LOW, 1 - _LOW)]


def band_of(planes: list[Image.Image]) -> bytes:
    """The opposite of `planes_of`."""
    if len(planes) == 1:
        return planes[0].tobytes()
    low, high = (plane.tobytes() for plane in planes)
    band = bytearray(2 * len(low))
    band[_LOW::2] = low
    band[1 - _LOW :: 2] = high
    return bytes(band)


def upper_bytes(band: bytes) -> bytes:
    """16-bit samples cut down to their upper 8 bits."""
    return band[1 - _LOW :: 2]


def swapped(band: bytes) -> bytes:
    """16-bit samples with their two bytes exchanged."""
    other = bytearray(len(band))
    other[0::2] = band[1::2]
    other[1::2] = band[0::2]
    return bytes(other)
