"""Resampling, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import ceil, floor

from PIL import Image

from device.imaging.colour import to_samples
from device.imaging.rows import image_of, rebanded
from scanner_backends.base import RawPage, band_rows
from scanner_backends.errors import Inval
from scanner_backends.pixels import resampling, resized

MAX_SIDE_PX = 1_000_000
"""Wider or higher than any scan: 1000 % of A3 at 2400 dpi is 400 000."""


def scaled(page: RawPage, width: int, height: int) -> RawPage:
    """`page` resampled to `width` × `height` px: by area when it shrinks, else bicubic.

    Resampled samples have 8 bits, and lineart becomes grey. A page of that size is left alone.

    Raises:
        Inval: a side is not between 1 and MAX_SIDE_PX.
    """
    if not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX):
        raise Inval(f"An image of {width} x {height} px cannot be made.")
    if (page.width_px, page.height_px) == (width, height):
        return page
    source = to_samples(page)
    target = replace(source, width_px=width, height_px=height)
    return replace(target, bands=_resampled(source, target))


def _resampled(page: RawPage, target: RawPage) -> Iterator[bytes]:
    """Across first, row by row, then down."""
    way = resampling((page.width_px, page.height_px), (target.width_px, target.height_px))
    across = replace(page, width_px=target.width_px, bands=_across(page, target, way))
    return _down(across, target, way)


def _across(page: RawPage, target: RawPage, way: Image.Resampling) -> Iterator[bytes]:
    for band in rebanded(page, band_rows(max(page.stride, target.stride))):
        image = image_of(page, band)
        size = (target.width_px, image.height)
        yield resized(image, size, (0.0, 0.0, image.width, image.height), way).tobytes()


def _down(page: RawPage, target: RawPage, way: Image.Resampling) -> Iterator[bytes]:
    """Keep just the rows that the next band of the result depends on.

    With enough rows around it, a band gets the very pixels of the whole.
    """
    ratio = page.height_px / target.height_px
    reach = 2 * max(1.0, ratio) + 1
    most = band_rows(target.stride)
    rows = max(1, floor(most / max(1.0, ratio)))
    held, first = b"", 0
    for top in range(0, target.height_px, rows):
        bottom = min(top + rows, target.height_px)
        start = max(0, floor(top * ratio - reach))
        end = min(page.height_px, ceil(bottom * ratio + reach))
        while first + len(held) // page.stride < end:
            held += next(page.bands)
        held, first = held[(start - first) * page.stride :], start
        window = image_of(page, held)
        lower = min(bottom * ratio - first, window.height)
        box = (0.0, top * ratio - first, page.width_px, lower)
        yield resized(window, (target.width_px, bottom - top), box, way).tobytes()
