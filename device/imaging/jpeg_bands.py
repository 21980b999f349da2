"""Bands as JPEGs of their own, taken apart: what JPEG files, TIFF, PDF and XPS are made of.

Bands of whole rows of blocks can be joined without a trace: as restart intervals of one JPEG, or
as the strips of a TIFF. That needs the standard Huffman tables (no optimising), which all bands
then share.

Source: ITU-T T.81, annex B.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from device.imaging import turbo
from device.imaging.rows import image_of
from scanner_backends.base import Mode, RawPage
from scanner_backends.errors import Inval

MAX_SIDE_PX = 65_500
"""libjpeg's own limit; the file format ends at 65 535."""

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_DQT, _SOF0, _DHT, _SOS = 0xDB, 0xC0, 0xC4, 0xDA


@dataclass(frozen=True, slots=True)
class BandJpeg:
    """One band: its segments, each with its marker, and the compressed samples."""

    rows: int
    quantization: bytes
    huffman: bytes
    frame: bytes
    scan_header: bytes
    scan: bytes


def quality_of(factor: int) -> int:
    """WS-Scan's 0…100 → libjpeg's: a straight line from 20 to 98.

    Below 20 a page cannot be read. Above 98 the file grows by half, and nobody sees why.
    """
    return 20 + round(min(100, max(0, factor)) * 0.78)


def subsampling_of(factor: int) -> str:
    """Colour at half the resolution saves a third; from 90 on, nothing is to be lost."""
    return "4:4:4" if factor >= 90 else "4:2:0"


def check_sides(width_px: int, height_px: int) -> None:
    """Refuse what no JPEG can hold. Raises Inval."""
    if max(width_px, height_px) > MAX_SIDE_PX:
        raise Inval(
            f"A JPEG cannot hold {width_px} x {height_px} px: {MAX_SIDE_PX} is the most for a side."
        )


def band_jpegs(page: RawPage, factor: int) -> Iterator[BandJpeg]:
    """The bands of a page of 8-bit samples, at the quality of a CompressionQualityFactor.

    By libturbojpeg where the machine has it, else by Pillow: the pixels are the same.
    """
    quality, subsampling = quality_of(factor), subsampling_of(factor)
    fast = turbo.library()
    for band in page.bands:
        rows = len(band) // page.stride
        if fast is None:
            with BytesIO() as file:
                image_of(page, band).save(file, "JPEG", quality=quality, subsampling=subsampling)
                jpeg = file.getvalue()
        else:
            color = page.mode is Mode.COLOR
            size = (page.width_px, rows)
            jpeg = fast.compress(band, size, color=color, quality=quality, subsampling=subsampling)
        yield _apart(jpeg, rows)


def _apart(jpeg: bytes, rows: int) -> BandJpeg:
    found: dict[int, bytes] = {}
    at = len(SOI)
    while _SOS not in found:
        marker = jpeg[at + 1]
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        found[marker] = found.get(marker, b"") + jpeg[at:end]
        at = end
    tables = found[_DQT], found[_DHT]
    return BandJpeg(rows, *tables, found[_SOF0], found[_SOS], jpeg[at : -len(EOI)])
