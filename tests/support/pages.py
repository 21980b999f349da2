"""Pages to scan, and how alike two of them are."""

import math
import random
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageStat


def noisy_page(width_px: int, height_px: int, seed: int, mode: str = "RGB") -> Image.Image:
    """Random pixels: one that is moved, scaled or compressed with loss shows at once."""
    channels = len(mode) if mode == "RGB" else 1
    raw = random.Random(seed).randbytes(width_px * height_px * channels)
    return Image.frombytes(mode, (width_px, height_px), raw)


def smooth_page(width_px: int, height_px: int, seed: int) -> Image.Image:
    """Soft colour ramps with a few shapes: what lossy compression is meant for."""
    rng = random.Random(seed)
    ramp = Image.linear_gradient("L").resize((width_px, height_px))
    page = Image.merge("RGB", (ramp, ramp.transpose(Image.Transpose.ROTATE_180), ramp))
    draw = ImageDraw.Draw(page)
    for _ in range(6):
        x, y = rng.randrange(width_px), rng.randrange(height_px)
        colour = (rng.randrange(256),) * 3
        draw.ellipse((x - 60, y - 60, x + 60, y + 60), fill=colour)
    return page


def save_stack(folder: Path, pages: Sequence[Image.Image], dpi: int) -> Path:
    """A folder of PNG files whose natural order is the order of `pages`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate(pages, start=1):
        page.save(folder / f"page {number}.png", dpi=(dpi, dpi))
    return folder


def on_white(page: Image.Image, size_px: tuple[int, int]) -> Image.Image:
    """What a scanner sees of `page` at the lead corner of a larger white area."""
    canvas = Image.new(page.mode, size_px, "white")
    canvas.paste(page, (0, 0))
    return canvas


def assert_same_pixels(got: Image.Image, expected: Image.Image) -> None:
    assert (got.mode, got.size) == (expected.mode, expected.size)
    difference = ImageChops.difference(got, expected)
    box = difference.getbbox()
    assert box is None, f"pixels differ within {box}, by up to {difference.getextrema()}"


def psnr_db(got: Image.Image, expected: Image.Image) -> float:
    """Peak signal to noise ratio over all channels, in dB."""
    assert (got.mode, got.size) == (expected.mode, expected.size)
    squares = ImageStat.Stat(ImageChops.difference(got, expected)).sum2
    mean = sum(squares) / (len(squares) * got.width * got.height)
    return math.inf if mean == 0 else 10 * math.log10(255**2 / mean)
