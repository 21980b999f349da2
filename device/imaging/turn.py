"""Rotation by quarter turns, through a temporary file.

For a quarter turn the page is cut into tiles as it comes. Each tile is turned and laid where its
strip of the result will be read, so that a strip is one piece of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from PIL import Image

from device.imaging.rows import band_of, planes_of, rebanded
from scanner_backends.base import RawPage, band_rows
from scanner_backends.errors import Inval

TILE_PX = 64

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
    """A tile's pixels, `TILE_PX` to a side, become one piece of a strip of the result."""
    with TemporaryFile(dir=spool_dir) as spool:
        tiles = _lay_tiles(page, degrees, spool)
        for strip in tiles if degrees == 90 else reversed(tiles):
            yield _strip(target, strip, spool, right_to_left=degrees == 90)


_Tile = tuple[int, int, int, int]  # offset in the file, bytes, width and height in px, when turned


def _lay_tiles(page: RawPage, degrees: int, spool: IO[bytes]) -> list[list[_Tile]]:
    """Write the page as turned tiles; the list has a strip for each TILE_PX columns.

    The tiles lie in the order in which they come; a strip is gathered with one read per band,
    64 times fewer than one per row.
    """
    strips: list[list[_Tile]] = [[] for _ in range(0, page.width_px, TILE_PX)]
    offset = 0
    for band in rebanded(page, TILE_PX):
        planes = planes_of(page, band)
        for strip, left in zip(strips, range(0, page.width_px, TILE_PX), strict=True):
            area = (left, 0, min(left + TILE_PX, page.width_px), planes[0].height)
            pieces = [plane.crop(area).transpose(_TURNS[degrees]) for plane in planes]
            tile = band_of(pieces)
            spool.write(tile)
            strip.append((offset, len(tile), *pieces[0].size))
            offset += len(tile)
    spool.flush()
    return strips


def _strip(target: RawPage, strip: list[_Tile], spool: IO[bytes], *, right_to_left: bool) -> bytes:
    height = strip[0][3]
    whole: list[Image.Image] = []
    at = target.width_px if right_to_left else 0
    for offset, length, width, _ in strip:
        spool.seek(offset)
        tile = replace(target, width_px=width)
        planes = planes_of(tile, spool.read(length))
        if not whole:
            whole = [Image.new(plane.mode, (target.width_px, height)) for plane in planes]
        at -= width if right_to_left else 0
        for canvas, plane in zip(whole, planes, strict=True):
            canvas.paste(plane, (at, 0))
        at += 0 if right_to_left else width
    return band_of(whole)
