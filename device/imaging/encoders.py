"""FormatValue → encoder, and what each format can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from device.imaging.spec import SUPPORTED, ImageSpec
from scanner_backends.base import RawPage
from scanner_backends.errors import Inval

MAX_PIECE = 256 * 1024
"""Bytes that an encoder gives at a time, at most: what the pipe to the main process takes well."""

Pages = Iterator[tuple[RawPage, ImageSpec]]
"""Finished pages, each with its order. The next is asked for when all of the last was given out."""

Encoder = Callable[[RawPage, ImageSpec, Path | None], Iterator[bytes]]
"""The finished page, its order, a folder for temporary files → the file, in pieces.

The first piece comes with the first band: nothing leaves before a page is really under way.
"""

DocumentEncoder = Callable[[Pages, Path | None], Iterator[bytes]]
"""The same for a file of many pages, at least one."""


def encoder_for(format: str) -> Encoder:
    """The encoder of a FormatValue, for one page. Its colour must be one out of `SUPPORTED`.

    Raises:
        Inval: there is no such format.
    """
    encode = document_encoder_for(format)
    return lambda page, spec, spool_dir: encode(iter([(page, spec)]), spool_dir)


def document_encoder_for(format: str) -> DocumentEncoder:
    """The same for one page or many, as far as the format holds more than one.

    Raises:
        Inval: there is no such format.
    """
    encode = _document_encoder(format) or _of_one_page(_encoder(format))

    def pieces(pages: Pages, spool_dir: Path | None) -> Iterator[bytes]:
        for piece in encode(_checked(pages), spool_dir):
            for at in range(0, len(piece), MAX_PIECE):
                yield piece[at : at + MAX_PIECE]

    return pieces


# Each is loaded when it is needed: with all of them a worker would be a fifth larger.


def _encoder(format: str) -> Encoder:
    match format:
        case "dib":
            from device.imaging.bmp import encode
        case "exif":
            from device.imaging.jpeg import encode_exif as encode
        case "jbig":
            from device.imaging.jbig import encode
        case "jpeg2k":
            from device.imaging.jpeg2000 import encode
        case "jfif":
            from device.imaging.jpeg import encode_jfif as encode
        case "png":
            from device.imaging.png import encode
        case _:
            raise Inval(f"There is no encoder for the format {format!r}.")
    return encode


def _document_encoder(format: str) -> DocumentEncoder | None:
    if format == "pdf-a":
        from device.imaging.pdf import encode_document
    elif format == "xps":
        from device.imaging.xps import encode_document
    elif format.startswith("tiff-") and format in SUPPORTED:
        from device.imaging.tiff import encode_document
    else:
        return None
    return encode_document


def _of_one_page(encode: Encoder) -> DocumentEncoder:
    def document(pages: Pages, spool_dir: Path | None) -> Iterator[bytes]:
        page, spec = next(pages)
        yield from encode(page, spec, spool_dir)

    return document


def _checked(pages: Pages) -> Pages:
    for page, spec in pages:
        if spec.color not in SUPPORTED[spec.format]:
            raise Inval(f"The format {spec.format} cannot hold {spec.color}.")
        yield page, spec
