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
    """A JPEG with Exif data: resolution, size, and by whom and when it was made."""
    return _joined(page, spec, _exif_segment(page, spec))


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


_ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 2, 3, 4, 5, 7
_Tag = tuple[int, int, int, bytes]
"""Number, type, count and value; a value of more than 4 bytes stands behind its directory."""


def _exif_segment(page: RawPage, spec: ImageSpec) -> bytes:
    """The tags that Exif 2.31 demands of a compressed image, and those that tell its origin.

    All in the order of their numbers.
    """
    x_dpi, y_dpi = density(spec)
    maker, model = spec.made_by
    components = b"\x01\x02\x03\0" if page.mode is Mode.COLOR else b"\x01\0\0\0"
    inner = [
        (0x9000, _UNDEFINED, 4, b"0231"),  # ExifVersion
        *_text(0x9003, spec.made_at),  # DateTimeOriginal
        *_text(0x9004, spec.made_at),  # DateTimeDigitized
        *_text(0x9010, "+00:00" if spec.made_at else ""),  # OffsetTime
        *_text(0x9011, "+00:00" if spec.made_at else ""),  # OffsetTimeOriginal
        (0x9101, _UNDEFINED, 4, components),  # ComponentsConfiguration: Y Cb Cr
        (0xA000, _UNDEFINED, 4, b"0100"),  # FlashpixVersion
        (0xA001, _SHORT, 1, struct.pack(">HH", 1, 0)),  # ColorSpace: sRGB
        (0xA002, _LONG, 1, struct.pack(">L", page.width_px)),
        (0xA003, _LONG, 1, struct.pack(">L", page.height_px)),
        (0xA300, _UNDEFINED, 1, b"\x02\0\0\0"),  # FileSource: a reflection scanner
    ]

    def first(inner_at: int) -> list[_Tag]:
        return [
            *_text(0x010F, maker),  # Make
            *_text(0x0110, model),  # Model
            (0x011A, _RATIONAL, 1, struct.pack(">LL", x_dpi, 1)),  # XResolution
            (0x011B, _RATIONAL, 1, struct.pack(">LL", y_dpi, 1)),  # YResolution
            (0x0128, _SHORT, 1, struct.pack(">HH", 2, 0)),  # ResolutionUnit: inch
            *_text(0x0132, spec.made_at),  # DateTime
            (0x0213, _SHORT, 1, struct.pack(">HH", 1, 0)),  # YCbCrPositioning: as JFIF's
            (0x8769, _LONG, 1, struct.pack(">L", inner_at)),  # where the Exif directory is
        ]

    at = 8
    inner_at = at + len(_directory(first(0), at))
    tiff = b"MM\0*" + struct.pack(">L", at) + _directory(first(inner_at), at)
    body = b"Exif\0\0" + tiff + _directory(inner, inner_at)
    return struct.pack(">BBH", 0xFF, 0xE1, len(body) + 2) + body


def _text(number: int, text: str) -> list[_Tag]:
    """A text tag, none if there is nothing to tell."""
    value = text.encode("ascii", "replace") + b"\0"
    return [(number, _ASCII, len(value), value)] if text else []


def _directory(tags: list[_Tag], at: int) -> bytes:
    """A directory that begins `at` bytes into the file, with the values that follow it."""
    behind = at + 2 + 12 * len(tags) + 4
    entries = values = b""
    for number, kind, count, value in tags:
        if len(value) > 4:
            stored = struct.pack(">L", behind + len(values))
            values += value + bytes(len(value) % 2)
        else:
            stored = value.ljust(4, b"\0")
        entries += struct.pack(">HHL", number, kind, count) + stored
    return struct.pack(">H", len(tags)) + entries + bytes(4) + values
