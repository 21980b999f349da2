"""PNG: its rows come out of one stream of compressed bytes, filtered each by the one before.

Pillow undoes the filters, of some rows at a time, in the shape of an image whose pixels have as
many bytes. What it would make of less than a byte has no such shape, and is taken as it is, since
its filters work on bytes. Of samples of 16 bits it gives half at a time.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile

from scanner_backends.by_rows.deep import beside, clear_colour, put_alpha
from scanner_backends.by_rows.rows import rows_of_a_piece

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TELLING = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type."""
_SHAPES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA", 6: "RGB", 8: "RGBA"}
"""By bytes of a pixel, rounded up."""
_READ_BYTES = 1 << 16


def exif(path: Path) -> Image.Exif:
    """What the file tells in Exif, XMP or text, before its pixels and behind them.

    Pillow would decode the pixels in order to look behind them.
    """
    told = [_chunk(b"IHDR", struct.pack(">LLBBBBB", 1, 1, 8, 0, 0, 0, 0))]
    with path.open("rb") as file:
        for kind, length in _chunks(file):
            if kind in _TELLING:
                told.append(_chunk(kind, file.read(length)))
    told += [_chunk(b"IDAT", zlib.compress(bytes(2))), _chunk(b"IEND", b"")]
    with Image.open(BytesIO(_SIGNATURE + b"".join(told)), formats=("PNG",)) as image:
        return image.getexif()


def check(path: Path) -> None:
    """Look at each chunk's checksum, as Pillow does, which would read the longest chunk at once.

    Raises:
        OSError: one is wrong, or the file ends early.
    """
    with path.open("rb") as file:
        for kind, length in _chunks(file):
            crc, left = zlib.crc32(kind), length
            while left and (data := file.read(min(left, _READ_BYTES))):
                crc, left = zlib.crc32(data, crc), left - len(data)
            if file.read(4) != struct.pack(">L", crc):
                raise OSError(f"the checksum of {kind!r} is wrong")
            if kind == b"IEND":
                return
    raise OSError("image file is truncated")


def pieces(
    path: Path, image: ImageFile.ImageFile, *, deep: bool = False
) -> Iterator[Image.Image] | None:
    """Some of the rows each, from the top, in the mode of the image; None if that is not possible.

    Where one colour of 16 bits is clear, they have alpha. With `deep`, colour of 16 bits comes as
    `deep.beside` makes it.

    Raises what reading a broken file raises.
    """
    if len(image.tile) != 1 or image.info.get("interlace") or getattr(image, "is_animated", False):
        return None
    with path.open("rb") as file:
        header = next(file.read(length) for kind, length in _chunks(file) if kind == b"IHDR")
    bits, colour = struct.unpack_from(">8xBB", header)
    pixel = (_CHANNELS[colour] * bits + 7) // 8
    rawmode = image.tile[0][3]
    clear = clear_colour(image)
    stride = (image.width * _CHANNELS[colour] * bits + 7) // 8

    def decoded() -> Iterator[Image.Image]:
        palette = image.palette.copy() if image.palette else None
        for rows, samples in _samples(path, image.size, stride, pixel):
            size = (image.width, rows)
            piece = Image.frombytes(image.mode, size, samples, "raw", rawmode)
            if deep or clear is not None:
                # Every second byte is an upper one: from the next one on, they are the lower ones.
                lower = Image.frombytes(image.mode, size, samples[1:] + b"\0", "raw", rawmode)
                if clear is not None:
                    put_alpha(piece, lower, clear)
                yield beside(piece, lower) if deep else piece
                continue
            piece.info = image.info
            if palette is not None:
                piece.palette = palette.copy()
                piece.palette.dirty = 1
                piece.load()
            yield piece

    return decoded()


def _samples(
    path: Path, size: tuple[int, int], stride: int, pixel: int
) -> Iterator[tuple[int, bytes]]:
    """How many rows, and their samples as the file has them."""
    most = rows_of_a_piece(size[0] * -(-pixel // 4))
    shape, width = _SHAPES[pixel], stride // pixel
    before = bytes(stride)
    stream = _Stream(path)
    for top in range(0, size[1], most):
        rows = min(most, size[1] - top)
        filtered = stream.read(rows * (1 + stride))
        plain = zlib.compress(b"\0" + before + filtered, 0)
        size_before = (width, rows + 1)
        if pixel == len(shape):
            found = Image.frombytes(shape, size_before, plain, "zip", shape, 0).tobytes()
        else:
            halves = bytearray((rows + 1) * stride)
            for at, order in enumerate("BL"):
                rawmode = f"{shape};16{order}"
                half = Image.frombytes(shape, size_before, plain, "zip", rawmode, 0)
                halves[at::2] = half.tobytes()
            found = bytes(halves)
        samples = found[stride:]
        before = samples[-stride:]
        yield rows, samples


class _Stream:
    """What is compressed in the IDAT chunks."""

    def __init__(self, path: Path) -> None:
        self._compressed = _compressed(path)
        self._inflate = zlib.decompressobj()

    def read(self, length: int) -> bytes:
        """Raises OSError when there is less, zlib.error when it is broken."""
        parts = []
        while length:
            data = self._inflate.unconsumed_tail or next(self._compressed, b"")
            part = self._inflate.decompress(data, length)
            if not data and not part:
                raise OSError("image file is truncated")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


def _compressed(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for kind, length in _chunks(file):
            if kind == b"IDAT":
                while length and (data := file.read(min(length, _READ_BYTES))):
                    yield data
                    length -= len(data)


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk; the file is at its data, which may be read or left."""
    size = os.fstat(file.fileno()).st_size
    place = len(_SIGNATURE)
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">L4s", head)
        yield kind, min(length, size - place - 8)
        place += 8 + length + 4


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", crc)
