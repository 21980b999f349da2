"""Files that are already what was ordered: they go out byte for byte."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from device.imaging.colour import SAMPLES
from device.imaging.miniature import HEIGHT_PX, QUALITY, WIDTH_PX, Miniature
from device.imaging.spec import ImageSpec
from scanner_backends.base import FileKind, RawPage

_KINDS = {"jfif": FileKind.JFIF, "exif": FileKind.EXIF, "png": FileKind.PNG}
_PIECE = 256 * 1024


def ready_file(page: RawPage, spec: ImageSpec) -> Path | None:
    """The file that is the image ordered, to the last pixel; None if one must be made.

    The quality of a compressed one is what it is: to compress it anew could only lose.
    """
    if page.file is None or page.file_kind is not _KINDS.get(spec.format):
        return None
    changed = spec.rotation or spec.brightness or spec.contrast or spec.sharpness
    scaled = (spec.scaling_width, spec.scaling_height) != (100, 100)
    if changed or scaled or spec.auto_exposure:
        return None
    asked = (spec.width_px, spec.height_px, *SAMPLES.get(spec.color, ()))
    has = (page.width_px, page.height_px, page.mode, page.depth)
    return page.file if asked == has else None


def pieces_of(file: Path) -> Iterator[bytes]:
    """The file's bytes."""
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            yield piece


def miniature_of(page: RawPage) -> bytes:
    """A small picture of a page whose file is given out as it is, a JPEG.

    A JPEG is decoded small for it; of another file, the bands pass by.
    """
    assert page.file is not None
    if page.file_kind is FileKind.PNG:
        pictures: list[bytes] = []
        for _ in Miniature(page, pictures.append).watched.bands:
            pass
        return pictures[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(page.file) as image, io.BytesIO() as out:
            image.draft("RGB", (WIDTH_PX, HEIGHT_PX))
            image.thumbnail((WIDTH_PX, HEIGHT_PX))
            image.save(out, "JPEG", quality=QUALITY)
            return out.getvalue()
