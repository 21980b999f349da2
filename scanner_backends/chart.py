"""A source that draws its own pages: the same test chart at any size, resolution and mode."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

from scanner_backends import chart_drawing as drawing
from scanner_backends.base import Description, RawPage, ScanRequest, Source, TrayPage
from scanner_backends.errors import Cancelled, NoDocs, SourceError
from scanner_backends.pixels import BAND_ROWS, area_px, samples

DEFAULT_SHEETS = 3
MAX_SHEETS = 999
A4_MM = (210.0, 297.0)
"""The paper of all charts."""


class ChartBackend:
    """Test charts, drawn on demand; chart:sheets=N puts N of them (3) in the feeder.

    The chart on the glass is page 0. Sheet n of the feeder has page 2 n - 1 in front and page 2 n
    on its back. A page is always drawn the same.
    """

    def __init__(self, argument: str) -> None:
        self._sheets = _sheets(argument)
        self._cancelled = threading.Event()

    def describe(self) -> Description:
        feeder = tuple(
            _page(2 * sheet - 1 + back, f"sheet {sheet} {'back' if back else 'front'}", back=back)
            for sheet in range(1, self._sheets + 1)
            for back in (False, True)
        )
        return Description("chart", virtual=True, platen=(_page(0, "chart"),), feeder=feeder)

    def scan(self, request: ScanRequest, page: int | None) -> RawPage:
        left, top, width, height = area_px(request)
        title, number = self._titled(request, page)
        sheet = drawing.sheet(title, number, request.x_dpi, request.y_dpi)
        self._cancelled.clear()

        def bands() -> Iterator[bytes]:
            for row in range(0, height, BAND_ROWS):
                if self._cancelled.is_set():
                    raise Cancelled("The scan was cancelled.")
                area = (left, top + row, width, min(BAND_ROWS, height - row))
                yield samples(drawing.band(sheet, area), request.mode, request.depth)

        return RawPage(width, height, request.mode, request.depth, bands())

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        """Nothing is held."""

    def _titled(self, request: ScanRequest, page: int | None) -> tuple[str, int]:
        if page is None:
            page = 0 if request.source is Source.FLATBED else 1 + request.back
        if page == 0:
            return "PLATEN", 0
        if not 0 < page <= 2 * self._sheets:
            raise NoDocs(f"The chart has {self._sheets} sheets; there is no page {page}.")
        return "FRONT" if page % 2 else "BACK", (page + 1) // 2


def _page(number: int, label: str, *, back: bool = False) -> TrayPage:
    return TrayPage(number, label, back, *A4_MM)


def _sheets(argument: str) -> int:
    if not argument:
        return DEFAULT_SHEETS
    found = re.fullmatch(r"\s*sheets\s*=\s*([0-9]{1,4})\s*", argument)
    if not found or not 1 <= int(found[1]) <= MAX_SHEETS:
        raise SourceError(
            f"The chart does not understand {argument!r}: write chart, or chart:sheets=N with "
            f"N from 1 to {MAX_SHEETS}."
        )
    return int(found[1])
