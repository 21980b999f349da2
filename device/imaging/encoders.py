"""FormatValue → encoder, and what each format can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from device.imaging import bmp, jpeg, png, tiff
from device.imaging.colour import BITS_PER_PIXEL
from device.imaging.spec import ImageSpec
from scanner_backends.base import RawPage
from scanner_backends.errors import Inval

MAX_PIECE = 256 * 1024
"""Bytes that an encoder gives at a time, at most: what the pipe to the main process takes well."""

Encoder = Callable[[RawPage, ImageSpec, Path | None], Iterator[bytes]]
"""The finished page, its order, a folder for temporary files → the file, in pieces."""

_GREYS_AND_RGB = ("BlackAndWhite1", "Grayscale4", "Grayscale8", "Grayscale16", "RGB24", "RGB48")

SUPPORTED: dict[str, tuple[str, ...]] = {
    "dib": ("BlackAndWhite1", "Grayscale4", "Grayscale8", "RGB24"),
    "exif": ("Grayscale8", "RGB24"),
    "jfif": ("Grayscale8", "RGB24"),
    "png": _GREYS_AND_RGB,
    "tiff-single-uncompressed": _GREYS_AND_RGB,
}
"""FormatValue → the colours that it can be delivered in."""

_ENCODERS: dict[str, Encoder] = {
    "dib": bmp.encode,
    "exif": jpeg.encode_exif,
    "jfif": jpeg.encode_jfif,
    "png": png.encode,
    "tiff-single-uncompressed": tiff.encode,
}


def encoder_for(format: str) -> Encoder:
    """The encoder of a FormatValue. The page it takes has a colour out of `SUPPORTED`.

    Raises:
        Inval: there is no such format.
    """
    try:
        encode = _ENCODERS[format]
    except KeyError:
        raise Inval(f"There is no encoder for the format {format!r}.") from None

    def pieces(page: RawPage, spec: ImageSpec, spool_dir: Path | None) -> Iterator[bytes]:
        if spec.color not in SUPPORTED[format]:
            raise Inval(f"The format {format} cannot hold {spec.color}.")
        for piece in encode(page, spec, spool_dir):
            for at in range(0, len(piece), MAX_PIECE):
                yield piece[at : at + MAX_PIECE]

    return pieces


def bytes_per_line(format: str, color: str, width_px: int) -> int:
    """What ImageInformation tells: bytes of a line with padding, 0 for compressed formats.

    Source: WS-Scan, "BytesPerLine element".
    """
    line = (width_px * BITS_PER_PIXEL[color] + 7) // 8
    if format == "dib":
        return (line + 3) // 4 * 4
    return line if format.endswith("-uncompressed") else 0
