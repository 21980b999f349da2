"""A small picture of a page, made from its bands as they pass by, at a fraction of their cost."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from PIL import Image

from device.imaging.rows import MODES
from scanner_backends.base import Mode, RawPage
from scanner_backends.pixels import on_white

WIDTH_PX = 240
HEIGHT_PX = 400
"""What it has at most."""
QUALITY = 70
_ROWS_OF_A_LINE = 2
"""So many rows of the page make one of the picture: enough for the eye, and few to look at."""
_CHUNK = 32
_WIDE_NIBBLES = bytes((value >> 4) * 17 for value in range(256))


class Miniature:
    """Watches the bands of one page; `watched` is the page to go on with.

    Args:
        done: gets the picture, a JPEG, when the last row passes.
    """

    def __init__(self, page: RawPage, done: Callable[[bytes], None]) -> None:
        self._done = done
        self._page = page
        self._every = max(1, page.width_px // WIDTH_PX, page.height_px // HEIGHT_PX)
        self._step = max(1, self._every // _ROWS_OF_A_LINE)
        self._rows = 0
        self._taken = bytearray()
        self._pieces: list[Image.Image] = []
        self.watched = replace(page, bands=self._passing(page.bands))

    def _jpeg(self) -> bytes:
        self._shrink(1)
        height = sum(piece.height for piece in self._pieces)
        whole = Image.new(self._pieces[0].mode, (self._pieces[0].width, height))
        top = 0
        for piece in self._pieces:
            whole.paste(piece, (0, top))
            top += piece.height
        out = io.BytesIO()
        whole.save(out, "JPEG", quality=QUALITY)
        return out.getvalue()

    def _passing(self, bands: Iterator[bytes]) -> Iterator[bytes]:
        stride = self._page.stride
        for band in bands:
            count = len(band) // stride
            for row in range(-self._rows % self._step, count, self._step):
                self._taken += memoryview(band)[row * stride : (row + 1) * stride]
            self._rows += count
            self._shrink(_CHUNK)
            if self._rows >= self._page.height_px > self._rows - count:
                self._done(self._jpeg())
            yield band

    def _shrink(self, least: int) -> None:
        """Make lines of the picture out of the rows taken, if there are so many."""
        lines = self._every // self._step  # rows that make one line
        stride = self._page.stride
        rows = len(self._taken) // stride
        if rows < max(least, 1):
            return
        whole = rows if least == 1 else rows // lines * lines
        image = self._image(bytes(memoryview(self._taken)[: whole * stride]), whole)
        del self._taken[: whole * stride]
        across = max(1, self._every * image.width // self._page.width_px)
        self._pieces.append(image.reduce((across, lines)))

    def _image(self, rows: bytes, count: int) -> Image.Image:
        page = self._page
        size = (page.width_px, count)
        if page.depth == 1:
            return Image.frombytes("1", size, rows).convert("L")
        if page.depth == 4:  # of two samples in a byte, the left one
            return Image.frombytes("L", (page.stride, count), rows.translate(_WIDE_NIBBLES))
        if page.depth == 16:
            rows = rows[1::2] if sys.byteorder == "little" else rows[::2]
        image = Image.frombytes(MODES[page.mode], size, rows)
        return on_white(image) if page.mode is Mode.COLOR_ALPHA else image
