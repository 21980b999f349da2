"""FormatValue → encoder, and what each format can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from device.imaging import bmp, jpeg, png, tiff
from device.imaging.spec import SUPPORTED, ImageSpec
from scanner_backends.base import RawPage
from scanner_backends.errors import Inval

MAX_PIECE = 256 * 1024
"""Bytes that an encoder gives at a time, at most: what the pipe to the main process takes well."""

Encoder = Callable[[RawPage, ImageSpec, Path | None], Iterator[bytes]]
"""The finished page, its order, a folder for temporary files → the file, in pieces."""

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
