"""BMP: some rows of a file are a file of their own, once its header says how many there are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageFile

from scanner_backends.by_rows.rows import rows_of_a_piece

_HEADER_SIZE, _CORE_HEADER = 14, 12
_CORE_HEIGHT, _HEIGHT = (20, "<H"), (22, "<i")
"""Where the two kinds of headers tell the height, and how."""


def small_files(path: Path, image: ImageFile.ImageFile) -> Iterator[bytes] | None:
    """Files with some of the rows each, from the top; None if the rows are compressed."""
    if len(image.tile) != 1 or image.tile[0][0] != "raw":
        return None
    _, _, offset, arguments = image.tile[0]
    if not isinstance(arguments, tuple):
        return None
    _, stride, direction = arguments
    return _small_files(path, image.size, offset, stride, upwards=direction < 0)


def _small_files(
    path: Path, size: tuple[int, int], offset: int, stride: int, *, upwards: bool
) -> Iterator[bytes]:
    height, most = size[1], rows_of_a_piece(size[0])
    with path.open("rb") as file:
        header = bytearray(file.read(offset))
        (kind,) = struct.unpack_from("<L", header, _HEADER_SIZE)
        place, form = _CORE_HEIGHT if kind == _CORE_HEADER else _HEIGHT
        for top in range(0, height, most):
            rows = min(most, height - top)
            struct.pack_into(form, header, place, rows if upwards else -rows)
            file.seek(offset + stride * (height - top - rows if upwards else top))
            yield bytes(header) + file.read(stride * rows)
