"""JPEG, in bands: `jfif` and `exif`.

The scan of each band becomes one restart interval of the whole. So the page is never in memory,
and yet decodes to the very pixels of a whole-page encode.

Source: ITU-T T.81, annex B (markers) and E.1.4 (restart intervals).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from device.imaging.density import density
from device.imaging.jpeg_bands import EOI, SOI, BandJpeg, band_jpegs, check_sides, subsampling_of
from device.imaging.spec import ImageSpec
from scanner_backends.base import Mode, RawPage

_APP0 = 0xE0


def encode_jfif(page: RawPage, spec: ImageSpec, spool_dir: Path | None) -> Iterator[bytes]:
    """A JPEG File Interchange file."""
    return _joined(page, spec, _jfif_segment(*density(spec)))


def encode_exif(page: RawPage, spec: ImageSpec, spool_dir: Path | None) -> Iterator[bytes]:
    """A JPEG with Exif data: resolution and size."""
    return _joined(page, spec, _exif_segment(page, *density(spec)))


def _joined(page: RawPage, spec: ImageSpec, application: bytes) -> Iterator[bytes]:
    """The bands as one JPEG. Their height is a multiple of 16 px, but for the last one's."""
    check_sides(page.width_px, page.height_px)
    subsampling = subsampling_of(spec.quality)
    for number, band in enumerate(band_jpegs(page, spec.quality)):
        if number == 0:
            interval = _blocks(page, band.rows, subsampling)
            yield _head(page, band, application, interval) + band.scan
        else:
            yield b"\xff" + bytes((0xD0 + (number - 1) % 8,)) + band.scan
    yield EOI


def _head(page: RawPage, first: BandJpeg, application: bytes, interval: int) -> bytes:
    """Everything before the scan. The frame header gets the height of the whole page."""
    frame = first.frame[:5] + struct.pack(">H", page.height_px) + first.frame[7:]
    restart = struct.pack(">BBHH", 0xFF, 0xDD, 4, interval)
    tables = first.quantization + frame + first.huffman + restart + first.scan_header
    return SOI + application + tables


def _blocks(page: RawPage, rows: int, subsampling: str) -> int:
    """Minimum coded units in a band of so many rows: 64 rows of the widest JPEG hold 32 768."""
    side = 16 if page.mode is Mode.COLOR and subsampling == "4:2:0" else 8
    return -(-page.width_px // side) * -(-rows // side)


def _jfif_segment(x_dpi: int, y_dpi: int) -> bytes:
    body = b"JFIF\0" + struct.pack(">HBHHBB", 0x0102, 1, x_dpi, y_dpi, 0, 0)
    return struct.pack(">BBH", 0xFF, _APP0, len(body) + 2) + body


def _exif_segment(page: RawPage, x_dpi: int, y_dpi: int) -> bytes:
    """The tags that Exif 2.3 demands of a compressed image, in the order of their numbers."""
    short, long_, rational, undefined = 3, 4, 5, 7
    count = 5
    sub_at = 8 + 2 + 12 * count + 4 + 16  # behind the first directory and its two fractions
    first = [
        (0x011A, rational, 1, struct.pack(">L", sub_at - 16)),  # XResolution
        (0x011B, rational, 1, struct.pack(">L", sub_at - 8)),  # YResolution
        (0x0128, short, 1, struct.pack(">HH", 2, 0)),  # ResolutionUnit: inch
        (0x0213, short, 1, struct.pack(">HH", 1, 0)),  # YCbCrPositioning: centred, as JFIF's
        (0x8769, long_, 1, struct.pack(">L", sub_at)),  # where the Exif directory is
    ]
    components = b"\x01\x02\x03\0" if page.mode is Mode.COLOR else b"\x01\0\0\0"
    second = [
        (0x9000, undefined, 4, b"0230"),  # ExifVersion
        (0x9101, undefined, 4, components),  # ComponentsConfiguration: Y Cb Cr
        (0xA000, undefined, 4, b"0100"),  # FlashpixVersion
        (0xA001, short, 1, struct.pack(">HH", 1, 0)),  # ColorSpace: sRGB
        (0xA002, long_, 1, struct.pack(">L", page.width_px)),
        (0xA003, long_, 1, struct.pack(">L", page.height_px)),
    ]
    fractions = struct.pack(">LLLL", x_dpi, 1, y_dpi, 1)
    tiff = b"MM\0*" + struct.pack(">L", 8) + _directory(first) + fractions + _directory(second)
    body = b"Exif\0\0" + tiff
    return struct.pack(">BBH", 0xFF, 0xE1, len(body) + 2) + body


def _directory(entries: list[tuple[int, int, int, bytes]]) -> bytes:
    packed = b"".join(struct.pack(">HHL", *entry[:3]) + entry[3] for entry in entries)
    return struct.pack(">H", len(entries)) + packed + bytes(4)
