"""Detected document sizes: a job that wants them takes each page at the size that page has.

What a ticket's answer says is the first page's; of the others their images tell (ws-scan section
18, point 20).
"""

from __future__ import annotations

import math
from dataclasses import replace

from device.model.ticket import DocumentFinalParameters, FinalRegion, Size
from device.model.units import MM_PER_INCH
from scanner_backends.base import TrayPage

_NOTHING_MIL = 0.01


def size_of(page: TrayPage | None) -> Size | None:
    """The size of a page, None where the source does not know it.

    Rounded up: at a file's own resolution each of its pixels is in the size.
    """
    if page is None or page.width_mm <= 0 or page.height_mm <= 0:
        return None
    return Size(_mil(page.width_mm), _mil(page.height_mm))


def as_it_lies(
    parameters: DocumentFinalParameters, page: TrayPage | None, *, back: bool = False
) -> DocumentFinalParameters:
    """The settings of a job for this very page: they differ where sizes are detected."""
    within, size = parameters.detect_within, size_of(page)
    if within is None or size is None:
        return parameters
    width, height = min(size.width_mil, within.width_mil), min(size.height_mil, within.height_mil)
    side = parameters.side(back=back)
    whole = Size(parameters.media_width.value, parameters.media_height.value)
    if _covers(side.region, whole) or _reaches_beyond(side.region, Size(width, height)):
        side = replace(side, region=_whole_page(side.region, Size(width, height)))
    found = replace(
        parameters,
        media_width=replace(parameters.media_width, value=width),
        media_height=replace(parameters.media_height, value=height),
    )
    return replace(found, back=side) if back and found.back else replace(found, front=side)


def _reaches_beyond(region: FinalRegion, size: Size) -> bool:
    return (
        region.x_offset.value + region.width.value > size.width_mil
        or region.y_offset.value + region.height.value > size.height_mil
    )


def _whole_page(region: FinalRegion, size: Size) -> FinalRegion:
    return FinalRegion(
        x_offset=replace(region.x_offset, value=0),
        y_offset=replace(region.y_offset, value=0),
        width=replace(region.width, value=size.width_mil),
        height=replace(region.height, value=size.height_mil),
    )


def _covers(region: FinalRegion, size: Size) -> bool:
    return (region.x_offset.value, region.y_offset.value) == (0, 0) and (
        region.width.value,
        region.height.value,
    ) == (size.width_mil, size.height_mil)


def _mil(mm: float) -> int:
    return max(1, math.ceil(mm / MM_PER_INCH * 1000 - _NOTHING_MIL))
