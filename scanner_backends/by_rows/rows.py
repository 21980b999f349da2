"""The rows of a picture, asked for from top to bottom."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from PIL import Image

_PIECE_PIXELS = 1 << 18
"""As many are decoded at a time, where there is the choice: 1 MB in colour."""


def rows_of_a_piece(width: int) -> int:
    """How many rows of that width to decode at a time."""
    return max(1, _PIECE_PIXELS // width)


class Rows(Protocol):
    """A picture, `size` px wide and high."""

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def mode(self) -> str: ...

    def rows(self, start: int, end: int) -> Image.Image:
        """Those from `start` to before `end`; neither is less than it was in the call before.

        Raises what reading a broken file raises.
        """
        ...


class WholeRows:
    """Those of a picture that is in memory."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self.size = image.size
        self.mode = image.mode

    def rows(self, start: int, end: int) -> Image.Image:
        return self._image.crop((0, start, self._image.width, end))


class PassingRows:
    """Those of a picture that comes in pieces as wide as it is; passed ones are let go."""

    def __init__(self, size: tuple[int, int], pieces: Iterator[Image.Image]) -> None:
        self.size = size
        self._coming = pieces
        first = next(pieces)  # so a file that cannot be decoded is known at once
        self.mode = first.mode
        self._held = deque([first])
        self._top = 0

    def rows(self, start: int, end: int) -> Image.Image:
        while self._held and self._top + self._held[0].height <= start:
            self._top += self._held.popleft().height
        found: Image.Image | None = None
        piece_top = self._top
        for piece in self._until(end):
            first, last = max(start, piece_top), min(end, piece_top + piece.height)
            if first < last:
                part = piece.crop((0, first - piece_top, piece.width, last - piece_top))
                if part.height == end - start:
                    return part
                if found is None:
                    found = Image.new(part.mode, (part.width, end - start))
                found.paste(part, (0, first - start))
            piece_top += piece.height
        assert found is not None, "an empty window"
        return found

    def _until(self, end: int) -> Iterator[Image.Image]:
        """The pieces held, and further ones until row `end` is among them."""
        bottom = self._top
        for piece in tuple(self._held):
            bottom += piece.height
            yield piece
        while bottom < end:
            further = next(self._coming, None)
            if further is None:
                raise OSError("the picture ends early")
            self._held.append(further)
            bottom += further.height
            yield further
