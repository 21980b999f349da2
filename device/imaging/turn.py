"""Rotation by quarter turns, through a temporary file.

For a quarter turn each band is turned as it comes, and laid down: as a high, narrow picture, of
which a few rows are one piece of the file. These pieces, side by side, are rows of the result.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from PIL import Image

from device.imaging.rows import band_of, planes_of, rebanded
from scanner_backends.base import RawPage, band_rows
from scanner_backends.errors import Inval

TURNED_ROWS = STRIP_ROWS = 64
"""Of a band that is turned, and of a part of the result that is put together: with fewer rows, it
takes more pieces to read; with more, more memory."""

_TURNS = {90: Image.Transpose.ROTATE_270, 270: Image.Transpose.ROTATE_90}  # Pillow's run left


def turned(page: RawPage, degrees: int, spool_dir: Path | None) -> RawPage:
    """`page`, turned clockwise.

    Raises:
        Inval: `degrees` is not 0, 90, 180 or 270.
    """
    if degrees == 0:
        return page
    if degrees == 180:
        return replace(page, bands=_upside_down(page, spool_dir))
    if degrees not in _TURNS:
        raise Inval(f"A page cannot be turned by {degrees} degrees.")
    target = replace(page, width_px=page.height_px, height_px=page.width_px)
    return replace(target, bands=_quarter(page, target, degrees, spool_dir))


def _upside_down(page: RawPage, spool_dir: Path | None) -> Iterator[bytes]:
    with TemporaryFile(dir=spool_dir) as spool:
        starts = [0]
        for band in rebanded(page, band_rows(page.stride)):
            spool.write(band)
            starts.append(starts[-1] + len(band))
        for start, end in zip(starts[-2::-1], starts[:0:-1], strict=True):
            spool.seek(start)
            planes = planes_of(page, spool.read(end - start))
            yield band_of([plane.transpose(Image.Transpose.ROTATE_180) for plane in planes])


def _quarter(
    page: RawPage, target: RawPage, degrees: int, spool_dir: Path | None
) -> Iterator[bytes]:
    """Some rows of each turned band, side by side, are rows of the result."""
    with TemporaryFile(dir=spool_dir) as spool:
        laid = _lay_turned(page, target, degrees, spool)
        for top in range(0, target.height_px, STRIP_ROWS):
            rows = range(top, min(top + STRIP_ROWS, target.height_px))
            yield _side_by_side(target, laid, rows, spool.fileno())


_Turned = tuple[int, int, int, int]
"""A turned band: where it is in the file, the bytes of its rows, its left column in the result, and
its width in px."""


def _lay_turned(page: RawPage, target: RawPage, degrees: int, spool: IO[bytes]) -> list[_Turned]:
    """Turn each band, and write it down."""
    laid: list[_Turned] = []
    done = 0
    for band in rebanded(page, TURNED_ROWS):
        width = len(band) // page.stride
        left = target.width_px - done - width if degrees == 90 else done
        laid.append((spool.tell(), replace(target, width_px=width).stride, left, width))
        spool.write(band_of([plane.transpose(_TURNS[degrees]) for plane in planes_of(page, band)]))
        done += width
    spool.flush()
    return laid


def _side_by_side(target: RawPage, laid: list[_Turned], rows: range, spool: int) -> bytes:
    """These rows of all that was laid down, as images of bits, or of bytes."""
    bits = target.channels * target.depth
    mode, unit = ("1", 1) if bits == 1 else ("L", bits // 8)
    whole = Image.new(mode, (target.width_px * unit, len(rows)))
    for start, stride, left, width in laid:
        piece = os.pread(spool, len(rows) * stride, start + rows.start * stride)
        whole.paste(Image.frombytes(mode, (width * unit, len(rows)), piece), (left * unit, 0))
    return whole.tobytes()
