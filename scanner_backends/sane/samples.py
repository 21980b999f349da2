"""Rows as SANE sends them → rows as the contract has them."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from scanner_backends.base import Mode
from scanner_backends.errors import Inval
from scanner_backends.sane.words import Frame, Parameters

_INVERTED = bytes(255 - value for value in range(256))


@dataclass(frozen=True, slots=True)
class Shape:
    """Rows of `row_bytes`, of which the samples from `left_px` on make a page `width_px` wide."""

    mode: Mode
    depth: int
    row_bytes: int
    left_px: int
    width_px: int

    @property
    def pixel_bits(self) -> int:
        return self.depth * (3 if self.mode is Mode.COLOR else 1)

    @property
    def stride(self) -> int:
        """Bytes of a row of the page."""
        return (self.width_px * self.pixel_bits + 7) // 8

    def rows(self, band: bytes) -> bytes:
        """Whole rows of the page from whole rows of the device.

        The device may fill up its rows with anything. Its lineart has 1 for black, ours for white.
        """
        if self.depth == 1:
            band = band.translate(_INVERTED)
        if self.left_px * self.pixel_bits % 8:
            return self._shifted(band)
        left, stride = self.left_px * self.pixel_bits // 8, self.stride
        if stride == self.row_bytes:
            return band
        starts = range(left, len(band), self.row_bytes)
        return b"".join([band[at : at + stride] for at in starts])

    def _shifted(self, band: bytes) -> bytes:
        """Lineart that begins within a byte."""
        height = len(band) // self.row_bytes
        image = Image.frombytes("1", (self.row_bytes * 8, height), band)
        return image.crop((self.left_px, 0, self.left_px + self.width_px, height)).tobytes()


def shape_of(told: Parameters, left_px: int) -> Shape:
    """How the rows come. Of a three-pass device these are the rows when the passes are joined.

    Raises:
        Inval: colour with one bit per sample, which nobody can use.
    """
    mode = Mode.GRAY if told.frame is Frame.GRAY else Mode.COLOR
    depth = 1 if told.depth == 1 else 8 if told.depth <= 8 else 16
    if depth == 1:
        if mode is Mode.COLOR:
            raise Inval("The scanner sends colour with one bit per sample.")
        mode = Mode.LINEART
    left = max(0, min(left_px, told.pixels_per_line - 1))
    passes = 1 if told.frame in (Frame.GRAY, Frame.RGB) else 3
    return Shape(mode, depth, told.bytes_per_line * passes, left, told.pixels_per_line - left)


def joined(planes: tuple[bytes, bytes, bytes], depth: int) -> bytes:
    """Rows of red, green and blue as rows of RGB."""
    sample = depth // 8
    rows = bytearray(3 * len(planes[0]))
    for number, plane in enumerate(planes):
        for byte in range(sample):
            rows[number * sample + byte :: 3 * sample] = plane[byte::sample]
    return bytes(rows)
