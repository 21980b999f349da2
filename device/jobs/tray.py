"""The media of a virtual source: what lies on the platen and in the feeder.

The tray is shared by jobs, not owned by one: a receiver may make a job for every sheet
(clients.md, section 1, point 23).
"""

from __future__ import annotations

from collections.abc import Sequence

from device.model.capabilities import ADF_DUPLEX, is_feeder
from scanner_backends.base import Description, TrayPage


class Tray:
    """Pages on the platen, cycling, and in the feeder, until it is empty.

    With real media (`virtual` false) the tray knows nothing: it gives None, and
    the source itself says when the feeder is empty.
    """

    def __init__(self, description: Description) -> None:
        self._platen_next = 0
        self._platen: tuple[TrayPage, ...] = ()
        self._stack: list[TrayPage] = []
        self.virtual = True
        self.loads = 0
        """How often the source was read: its pages may be others then, by the same numbers."""
        self.load(description)

    def load(self, description: Description) -> None:
        """Lay in what the source has now; the feeder is full again."""
        self.virtual = description.virtual
        self._platen = description.platen
        self._stack = list(description.feeder)
        self.loads += 1

    @property
    def feeder_empty(self) -> bool:
        """Whether the feeder is known to be empty.

        The back of a sheet whose front was fed is not in the feeder any more.
        """
        return self.virtual and all(page.back for page in self._stack)

    @property
    def platen_empty(self) -> bool:
        """Whether the platen is known to have no page at all."""
        return self.virtual and not self._platen

    @property
    def feeder(self) -> tuple[TrayPage, ...]:
        """What still lies in the feeder, the next page first."""
        return tuple(self._stack)

    @property
    def platen(self) -> tuple[TrayPage, ...]:
        """What lies on the platen, and what will lie there after it."""
        at = self._platen_next % max(1, len(self._platen))
        return self._platen[at:] + self._platen[:at]

    def add(self, pages: Sequence[TrayPage]) -> None:
        """Lay pages under the stack in the feeder."""
        self._stack.extend(pages)

    def empty_feeder(self) -> None:
        """Take out all sheets."""
        self._stack.clear()

    def take_out(self, number: int) -> bool:
        """Take out the sheet whose front has that number, with its back. False: there is none."""
        for sheet in self._sheets():
            if sheet[0].number == number and not sheet[0].back:
                self._stack = [
                    page for page in self._stack if not any(page is one for one in sheet)
                ]
                return True
        return False

    def arrange(self, numbers: Sequence[int]) -> bool:
        """Order the sheets by the numbers of their fronts. False: those are not all the sheets."""
        sheets = self._sheets()
        first = sheets.pop(0) if sheets and sheets[0][0].back else []  # its front is being scanned
        fronts = [sheet[0].number for sheet in sheets]
        if sorted(fronts) != sorted(numbers):
            return False
        sheets.sort(key=lambda sheet: numbers.index(sheet[0].number))
        self._stack = [*first, *(page for sheet in sheets for page in sheet)]
        return True

    def lay_on_platen(self, pages: Sequence[TrayPage]) -> None:
        """Put pages on the platen, one after the other, in place of what lies there."""
        self._platen = tuple(pages)
        self._platen_next = 0

    def _sheets(self) -> list[list[TrayPage]]:
        sheets: list[list[TrayPage]] = []
        for page in self._stack:
            if page.back and sheets:
                sheets[-1].append(page)
            else:
                sheets.append([page])
        return sheets

    def take_platen(self) -> TrayPage | None:
        """The page on the platen; the next call finds the next one there."""
        if not self._platen:
            return None
        page = self._platen[self._platen_next % len(self._platen)]
        self._platen_next += 1
        return page

    def take_feeder(self, *, duplex: bool, back: bool) -> TrayPage | None:
        """Feed the next page, None if there is none.

        One-sided scans pass over the backs of printed sheets; so does the first side of a sheet
        when the job before left that sheet's back out.
        """
        while self._stack and self._stack[0].back and not (duplex and back):
            self._stack.pop(0)
        return self._stack.pop(0) if self._stack else None

    def next_in_feeder(self, *, duplex: bool, back: bool) -> TrayPage | None:
        """The page that `take_feeder` would give now."""
        return next((page for page in self._stack if not page.back or (duplex and back)), None)

    def next_of(self, source: str) -> TrayPage | None:
        """The page that a job would get first of an InputSource; None if that is not known."""
        if is_feeder(source):
            return self.next_in_feeder(duplex=source == ADF_DUPLEX, back=False)
        return next(iter(self.platen), None)

    def put_back(self, page: TrayPage) -> None:
        """Lay a page on top of the stack again: it was fed, but nobody got it."""
        self._stack.insert(0, page)

    def keep_platen(self) -> None:
        """The page on the platen stays there: nobody got it."""
        self._platen_next = max(0, self._platen_next - 1)
