"""The media of a virtual source: what lies on the platen and in the feeder.

The tray is shared by jobs, not owned by one: a receiver may make a job for every sheet
(clients.md, section 1, point 23).
"""

from __future__ import annotations

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
        self.load(description)

    def load(self, description: Description) -> None:
        """Lay in what the source has now; the feeder is full again."""
        self.virtual = description.virtual
        self._platen = description.platen
        self._stack = list(description.feeder)

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

    def put_back(self, page: TrayPage) -> None:
        """Lay a page on top of the stack again: it was fed, but nobody got it."""
        self._stack.insert(0, page)

    def keep_platen(self) -> None:
        """The page on the platen stays there: nobody got it."""
        self._platen_next = max(0, self._platen_next - 1)
