"""JPEG: Pillow decodes it into memory of ours, of which the rows that are done are given back.

The decoder takes the file by and by, and wants a whole image to write to. That one lies in memory
which the system provides when it is written to, and takes back when it is told so.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile, _imaging

_MODES = ("L", "RGB")
_MODE, _PIXEL_BYTES = "RGB", 4
"""What is decoded to. Pillow sets the fourth byte of each pixel, which tells what is done."""

_READ_BYTES = 4096
"""Of a blank page, some megabytes of pixels come out of that."""
_PIECE_ROWS = 32
_MAP_NORESERVE = 0x4000
"""Linux, on all machines but alpha and mips."""


def pieces(path: Path, image: ImageFile.ImageFile) -> Iterator[Image.Image] | None:
    """Some of the rows each, from the top, in the mode of the image; None if that is not possible.

    The image is not loaded, but may have been told to be a draft. A progressive JPEG is not for
    here: it has its first row when all of the file is read, and libjpeg keeps all until then.

    Raises what reading a broken file raises, MemoryError when there is no room for the image even
    if it is never filled.
    """
    if len(image.tile) != 1 or image.mode not in _MODES or image.info.get("progressive"):
        return None
    if not (hasattr(Image, "_getdecoder") and hasattr(_imaging, "map_buffer")):
        return None  # they are Pillow's own affair: a later one may be without
    return _pieces(path, image.size, image.mode, image.decoderconfig)


def _pieces(
    path: Path, size: tuple[int, int], mode: str, config: tuple[Any, ...]
) -> Iterator[Image.Image]:
    width, height = size
    canvas = _Canvas(size)
    decoder = Image._getdecoder(_MODE, "jpeg", (_MODE, ""), config)
    try:
        decoder.setimage(canvas.pixels, (0, 0, *size))
        taken = done = 0
        for ended in _fed(decoder, path):
            done = height if ended else canvas.first_blank(done)
            while done - taken >= _PIECE_ROWS or (ended and taken < done):
                bottom = min(taken + _PIECE_ROWS, done)
                piece = canvas.image.crop((0, taken, width, bottom))
                yield piece.getchannel(0) if mode == "L" else piece
                taken = bottom
            canvas.forget(taken)
    finally:
        decoder.cleanup()


def _fed(decoder: Any, path: Path) -> Iterator[bool]:
    """Give the file to the decoder, piece by piece; after each, whether that was the end."""
    with path.open("rb") as file:
        left, ended = b"", False
        while not ended:
            data = file.read(_READ_BYTES)
            if not data:
                raise OSError(f"image file is truncated ({len(left)} bytes not processed)")
            used, error = decoder.decode(left + data)
            if error < 0:
                raise OSError("broken data stream when reading image file")
            left, ended = (left + data)[used:], used < 0
            yield ended


class _Canvas:
    """An image in memory of our own, blank to begin with."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._stride, self._height = size[0] * _PIXEL_BYTES, size[1]
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        try:
            self._memory = mmap.mmap(-1, self._stride * self._height, flags=flags)
        except OSError as error:
            raise MemoryError from error
        self._forgotten = 0
        form = (_MODE, self._stride, 1)
        self.pixels = _imaging.map_buffer(self._memory, size, "raw", 0, form)
        self.image = Image.new(_MODE, (1, 1))._new(self.pixels)

    def first_blank(self, row: int) -> int:
        """The first row from `row` on that the decoder has not written."""
        while row < self._height and self._memory[self._stride * (row + 1) - 1]:
            row += 1
        return row

    def forget(self, row: int) -> None:
        """Give the memory of all rows before `row` back."""
        end = self._stride * row // mmap.PAGESIZE * mmap.PAGESIZE
        if end > self._forgotten:
            self._memory.madvise(mmap.MADV_DONTNEED, self._forgotten, end - self._forgotten)
            self._forgotten = end
