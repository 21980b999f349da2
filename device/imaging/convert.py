"""From the page as it comes to the image as it was ordered: crop, scale, rotate, tone, colour.

Each step takes a RawPage and gives one; its bands are made as they are asked for. What needs the
whole page (rotation, the background of auto exposure) goes through a temporary file, so that
memory does not grow with the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from device.imaging import colour, scale, tone
from device.imaging.rows import rebanded, white_rows
from device.imaging.spec import ImageSpec
from device.imaging.turn import turned
from scanner_backends.base import MM_PER_INCH, RawPage, ScanRequest, band_rows


def fit(
    page: RawPage, request: ScanRequest, spec: ImageSpec, spool_dir: Path | None = None
) -> RawPage:
    """`page` as `spec` orders it: exactly `width_px` × `height_px`, in the colour asked.

    At 100 % no pixel of a page that came at the resolution asked for is resampled: if it differs a
    little from what was asked, it is cropped, or filled up with white, at its right and lower edge.

    Args:
        page: what the source gave for `request`.
        spool_dir: where pages that must be turned are kept meanwhile; the system's if None.

    Returns:
        A page of bands of `band_rows` rows, the last one shorter. With `Grayscale4` its depth is 4:
        two samples in each byte, the left one in the upper half.

    Raises:
        Inval: the colour, the scaling or the rotation is not one that can be made.
    """
    upright = (spec.width_px, spec.height_px)
    if spec.rotation in (90, 270):
        upright = (spec.height_px, spec.width_px)
    width, height = upright
    x_dpi, y_dpi = page.dpi or (request.x_dpi, request.y_dpi)
    if spec.scaling_width != 100 or x_dpi != request.x_dpi:
        width = max(1, round(request.width_mm * x_dpi / MM_PER_INCH))
    if spec.scaling_height != 100 or y_dpi != request.y_dpi:
        height = max(1, round(request.height_mm * y_dpi / MM_PER_INCH))
    steps = cropped(page, width, height)
    steps = scale.scaled(steps, *upright)
    steps = turned(steps, spec.rotation, spool_dir)
    steps = tone.toned(steps, spec, spool_dir)
    steps = colour.coloured(steps, spec.color, spec.content_type)
    return replace(steps, bands=rebanded(steps, band_rows(steps.stride)))


def cropped(page: RawPage, width: int, height: int) -> RawPage:
    """The upper left `width` × `height` px of a page; white where the page has none."""
    if (page.width_px, page.height_px) == (width, height):
        # The source may still break its promise by a row: the count below holds it to it.
        return replace(page, bands=_rows_cut(page, page, height))
    target = replace(page, width_px=width, height_px=height)
    return replace(target, bands=_rows_cut(page, target, height))


def _rows_cut(page: RawPage, target: RawPage, height: int) -> Iterator[bytes]:
    left = height
    for band in page.bands:
        rows = min(left, len(band) // page.stride)
        if rows == 0:
            break
        yield _columns_cut(band[: rows * page.stride], page, target)
        left -= rows
    while left:
        rows = min(left, band_rows(target.stride))
        yield white_rows(target, rows)
        left -= rows


def _columns_cut(band: bytes, page: RawPage, target: RawPage) -> bytes:
    """Rows made narrower, or wider with white. Only whole bytes move, but for lineart's last."""
    if target.width_px == page.width_px:
        return band
    if target.width_px < page.width_px:
        wide, narrow = page.stride, target.stride
        return b"".join(band[at : at + narrow] for at in range(0, len(band), wide))
    used_bits = page.width_px * page.channels * page.depth
    fill = b"\xff" * (target.stride - page.stride)
    if used_bits % 8 == 0:
        wide = page.stride
        return b"".join(band[at : at + wide] + fill for at in range(0, len(band), wide))
    whole, mask = used_bits // 8, 0xFF >> used_bits % 8
    return b"".join(
        band[at : at + whole] + bytes((band[at + whole] | mask,)) + fill
        for at in range(0, len(band), page.stride)
    )
