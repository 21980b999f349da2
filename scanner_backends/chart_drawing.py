"""The chart, drawn in mm: what lies where on the sheet, and its pixels at any resolution.

Everything is made of upright rectangles whose edges are rounded to whole pixels of the sheet. So
every part of the chart, at any resolution, holds the very pixels of the whole, and no library's
way of drawing shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count, takewhile

from PIL import Image

from scanner_backends.base import MM_PER_INCH
from scanner_backends.lettering import HEIGHT_DOTS, runs

Rgb = tuple[int, int, int]

BLACK: Rgb = (0, 0, 0)
WHITE: Rgb = (255, 255, 255)
RED: Rgb = (255, 0, 0)
GREEN: Rgb = (0, 255, 0)
BLUE: Rgb = (0, 0, 255)

GREYS: tuple[int, ...] = (*range(0, 256, 16), 255)
"""The grey patches from left to right."""

COLOURS: tuple[tuple[str, Rgb], ...] = (
    ("RED", RED),
    ("GREEN", GREEN),
    ("BLUE", BLUE),
    ("CYAN", (0, 255, 255)),
    ("MAGENTA", (255, 0, 255)),
    ("YELLOW", (255, 255, 0)),
    ("SKIN", (224, 172, 144)),
    ("BROWN", (115, 82, 68)),
)
"""The colour patches from left to right."""

GREY_PATCH_MM, GREY_LEFT_MM, GREY_TOP_MM = 10.0, 28.0, 130.0
COLOUR_PATCH_MM, COLOUR_LEFT_MM, COLOUR_TOP_MM = 20.0, 28.0, 165.0
RULER_MM = 432.0  # the longer side of A3: no emulated glass is longer


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A filled rectangle; all in mm from the lead corner.

    `every_px` above 1 fills only every so-many-th column or row of the sheet's pixels. A side of
    0 mm is one pixel wide.
    """

    left: float
    top: float
    width: float
    height: float
    colour: Rgb = BLACK
    every_px: int = 1
    columns: bool = True


@dataclass(frozen=True, slots=True)
class Placed:
    """A rectangle on the pixel grid; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int
    colour: Rgb


def sheet(title: str, number: int, x_dpi: int, y_dpi: int) -> Sequence[Placed]:
    """The chart of one side on the pixel grid: `title` in letters, `number` in big digits."""
    own = (*_text(title, 55, 32, 1.2), *_text(str(number), 55, 46, 5.0))
    return (*_same_on_all(x_dpi, y_dpi), *_on_grid(own, x_dpi, y_dpi))


@lru_cache(maxsize=1)
def _same_on_all(x_dpi: int, y_dpi: int) -> tuple[Placed, ...]:
    """What every sheet has; title and number lie beside it."""
    drawn = chain(
        _rulers(),
        _corners(),
        _text("UP", 152, 58, 1.2),
        _arrow_up(158, 32, 24),
        _patches(),
        _fine_lines(28, 215),
    )
    return tuple(_on_grid(drawn, x_dpi, y_dpi))


def _on_grid(drawn: Iterable[Rectangle], x_dpi: int, y_dpi: int) -> Iterator[Placed]:
    return (placed for one in drawn for placed in _place(one, x_dpi, y_dpi))


def band(sheet: Sequence[Placed], area: tuple[int, int, int, int]) -> Image.Image:
    """The `area` (left, top, width, height in px) of a sheet, as an RGB image."""
    left, top, width, height = area
    right, bottom = left + width, top + height
    image = Image.new("RGB", (width, height), WHITE)
    for one in sheet:
        if one.bottom > top and one.top < bottom and one.right > left and one.left < right:
            image.paste(
                one.colour,
                (
                    max(one.left - left, 0),
                    max(one.top - top, 0),
                    min(one.right - left, width),
                    min(one.bottom - top, height),
                ),
            )
    return image


def _place(one: Rectangle, x_dpi: int, y_dpi: int) -> Iterator[Placed]:
    left, right = _span(one.left, one.width, x_dpi)
    top, bottom = _span(one.top, one.height, y_dpi)
    if one.every_px == 1:
        yield Placed(left, top, right, bottom, one.colour)
    elif one.columns:
        for x in range(left, right, one.every_px):
            yield Placed(x, top, x + 1, bottom, one.colour)
    else:
        for y in range(top, bottom, one.every_px):
            yield Placed(left, y, right, y + 1, one.colour)


def _span(start_mm: float, length_mm: float, dpi: int) -> tuple[int, int]:
    start = round(start_mm * dpi / MM_PER_INCH)
    end = round((start_mm + length_mm) * dpi / MM_PER_INCH)
    return start, max(end, start + 1)


def _text(text: str, left: float, top: float, dot: float) -> Iterator[Rectangle]:
    """Letters with dots of `dot` mm."""
    for column, row, length in runs(text):
        yield Rectangle(left + column * dot, top + row * dot, length * dot, dot)


def _rulers() -> Iterator[Rectangle]:
    """Millimetres from the very edges, inches 18 mm further in; along the top and the left."""
    for mm in range(int(RULER_MM) + 1):
        length = 5.0 if mm % 10 == 0 else 3.5 if mm % 5 == 0 else 2.0
        yield from _tick(mm, 0, length, str(mm) if mm % 10 == 0 else "")
    tenths = takewhile(lambda inch: inch <= RULER_MM / MM_PER_INCH, (n / 10 for n in count(10)))
    for inch in tenths:
        whole = inch == int(inch)
        length = 5.0 if whole else 3.5 if inch * 2 == int(inch * 2) else 2.0
        yield from _tick(inch * MM_PER_INCH, 18, length, f"{inch:.0f}IN" if whole else "")


def _tick(at: float, inset: float, length: float, text: str) -> Iterator[Rectangle]:
    """The same mark on the ruler along the top and the one along the left; lines of one pixel."""
    yield Rectangle(at, inset, 0, length)
    yield Rectangle(inset, at, length, 0)
    if text and at:
        dot = 0.25
        yield from _text(text, at + 0.5, inset + length - HEIGHT_DOTS * dot, dot)
        yield from _text(text, inset + length - 1.0, at + 0.5, dot)


def _corners() -> Iterator[Rectangle]:
    """A black hook at the lead corner, and a colour for each other corner of an A4 sheet."""
    yield Rectangle(28, 28, 16, 5)
    yield Rectangle(28, 28, 5, 16)
    yield Rectangle(190, 28, 10, 10, RED)
    yield Rectangle(28, 272, 10, 10, GREEN)
    yield Rectangle(190, 272, 10, 10, BLUE)


def _arrow_up(middle: float, top: float, length: float) -> Iterator[Rectangle]:
    steps = 12
    step = length / 2 / steps
    for n in range(steps):
        yield Rectangle(middle - (n + 1) * step, top + n * step, 2 * (n + 1) * step, step)
    yield Rectangle(middle - length / 8, top + length / 2, length / 4, length / 2)


def _patches() -> Iterator[Rectangle]:
    for n, grey in enumerate(GREYS):
        left = GREY_LEFT_MM + n * GREY_PATCH_MM
        yield Rectangle(left, GREY_TOP_MM, GREY_PATCH_MM, GREY_PATCH_MM, (grey, grey, grey))
        yield from _text(str(grey), left + 2, GREY_TOP_MM + GREY_PATCH_MM + 1, 0.3)
    step = len(GREYS) * GREY_PATCH_MM / 256
    for grey in range(256):
        yield Rectangle(GREY_LEFT_MM + grey * step, 145, step, 12, (grey, grey, grey))
    for n, (name, colour) in enumerate(COLOURS):
        left = COLOUR_LEFT_MM + n * COLOUR_PATCH_MM
        yield Rectangle(left, COLOUR_TOP_MM, COLOUR_PATCH_MM, COLOUR_PATCH_MM, colour)
        yield from _text(name, left + 1, COLOUR_TOP_MM + COLOUR_PATCH_MM + 1, 0.3)
    yield from _frame(GREY_LEFT_MM, GREY_TOP_MM, len(GREYS) * GREY_PATCH_MM, GREY_PATCH_MM)


def _fine_lines(left: float, top: float) -> Iterator[Rectangle]:
    """Fields of lines one pixel wide with gaps of one, two and three; and a cross."""
    side = 25.0
    for n, every in enumerate((2, 3, 4)):
        x = left + n * 2 * (side + 4)
        yield Rectangle(x, top, side, side, every_px=every)
        yield Rectangle(x + side + 4, top, side, side, every_px=every, columns=False)
        yield from _text(f"1 PX / {every - 1} PX", x, top + side + 1, 0.4)
    yield from _frame(left, top + 34, 172, 16)
    yield Rectangle(left, top + 42, 172, 0)
    yield Rectangle(left + 86, top + 34, 0, 16)


def _frame(left: float, top: float, width: float, height: float) -> Iterable[Rectangle]:
    """An outline one pixel wide."""
    return (
        Rectangle(left, top, width, 0),
        Rectangle(left, top + height, width, 0),
        Rectangle(left, top, 0, height),
        Rectangle(left + width, top, 0, height),
    )
