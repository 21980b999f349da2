"""What the strips of a TIFF hold: samples as they are, fax codes, or JPEG.

Source: TIFF 6.0, sections 10 and 11; TIFF Technical Note 2 (JPEG); ITU-T T.4 and T.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

from PIL import TiffImagePlugin

from device.imaging.jpeg_bands import EOI, SOI, band_jpegs, check_sides, subsampling_of
from device.imaging.rows import image_of
from device.imaging.spec import ImageSpec
from scanner_backends.base import Mode, RawPage, band_rows
from scanner_backends.errors import IoError

SHORT, LONG, RATIONAL, UNDEFINED = 3, 4, 5, 7

Field = tuple[int, int, list[int]]
"""Tag, type, values; of fractions the numerators and denominators in turn."""

_STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTE_COUNTS = 273, 278, 279
_PILLOWS_NAME = {"g4": "group4", "g3mh": "group3"}
_INVERTED = bytes(range(255, -1, -1))


@dataclass(slots=True)
class Strips:
    """The strips of one page, made as they are asked for.

    `photometric`, and `fields` beside the ones that every page has, describe them. Those of JPEG
    are complete with the first strip.
    """

    compression: int
    photometric: int
    pieces: Iterator[bytes]
    fields: list[Field] = field(default_factory=list)
    known_size: int | None = None
    """Bytes of all strips, where that is known before they are made."""


def strips_of(page: RawPage, spec: ImageSpec) -> Strips:
    """The page's bands as the strips that its format demands. Raises Inval."""
    kind = spec.format.removeprefix("tiff-single-").removeprefix("tiff-multi-")
    if kind == "jpeg-tn2":
        return _jpeg(page, spec)
    if kind in _PILLOWS_NAME:
        # 0 is white in the language of fax machines, and black runs are what it codes best.
        strips = Strips(4 if kind == "g4" else 3, 0, _fax(page, _PILLOWS_NAME[kind]))
        strips.fields.append((293 if kind == "g4" else 292, LONG, [0]))  # T6Options, T4Options
        return strips
    photometric = 2 if page.channels >= 3 else 1  # RGB, BlackIsZero
    strips = Strips(1, photometric, page.bands, known_size=page.stride * page.height_px)
    if page.mode is Mode.COLOR_ALPHA:
        strips.fields.append((338, SHORT, [2]))  # ExtraSamples: alpha, unassociated
    return strips


def _fax(page: RawPage, compression: str) -> Iterator[bytes]:
    """Each band as a one-strip TIFF of Pillow's; its strip is ours."""
    rows = band_rows(page.stride)
    for band in page.bands:
        with BytesIO() as file:
            image = image_of(page, band.translate(_INVERTED))
            image.save(file, "TIFF", compression=compression, tiffinfo={_ROWS_PER_STRIP: rows})
            file.seek(0)
            with TiffImagePlugin.TiffImageFile(file) as made:
                offsets = made.tag_v2[_STRIP_OFFSETS]
                counts = made.tag_v2[_STRIP_BYTE_COUNTS]
            if len(offsets) != 1:
                raise IoError(f"Pillow made {len(offsets)} strips of {rows} rows.")
            yield file.getvalue()[offsets[0] : offsets[0] + counts[0]]


def _jpeg(page: RawPage, spec: ImageSpec) -> Strips:
    """Each strip is an abbreviated JPEG; the tables are the page's own, once."""
    check_sides(page.width_px, band_rows(page.stride))
    strips = Strips(7, 6 if page.mode is Mode.COLOR else 1, iter(()))

    def pieces() -> Iterator[bytes]:
        for number, band in enumerate(band_jpegs(page, spec.quality)):
            if number == 0:
                tables = SOI + band.quantization + band.huffman + EOI
                strips.fields.append((347, UNDEFINED, list(tables)))
            yield SOI + band.frame + band.scan_header + band.scan + EOI

    if page.mode is Mode.COLOR:
        factor = 2 if subsampling_of(spec.quality) == "4:2:0" else 1
        strips.fields += [
            (530, SHORT, [factor, factor]),  # YCbCrSubSampling
            (531, SHORT, [1]),  # YCbCrPositioning: centred, as libjpeg makes it
            (532, RATIONAL, [0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1]),  # ReferenceBlackWhite
        ]
    strips.pieces = pieces()
    return strips
