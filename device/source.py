"""What the pages of one device come from: looked at, told of, and followed by another name."""

from __future__ import annotations

import logging

from device.last_look import LastLook
from device.pages.supervisor import PageLine
from device.state import State
from scanner_backends.base import Description
from scanner_backends.errors import DeviceBusy

LAST_LOOK_FILE = "scanner.json"
CHART_RELOAD_S = 10.0
"""How long the feeder of the built-in charts stays empty, if nobody says."""

log = logging.getLogger(__name__)


class PageSource:
    """The source of one device.

    Args:
        name: of the registry, `NAME[:ARGUMENT]`.
        pages: who asks it.
        state: where it is kept what it could do.
    """

    description: Description
    """What it has, since `open`."""

    def __init__(self, name: str, pages: PageLine, state: State) -> None:
        self._name = name
        self._pages = pages
        self._state = state
        self.is_remembered = False
        """Whether `description` is that of the last time."""

    async def open(self) -> None:
        """Look at what it has; if it is busy, at what it had the last time. Raises BackendError."""
        kept = LastLook(self._state.path(LAST_LOOK_FILE), self._name)
        try:
            self.description = await self._pages.start()
        except DeviceBusy as error:
            remembered = kept.recall()
            if remembered is None:
                raise
            log.warning("%s It is announced as it was the last time.", error)
            self.is_remembered = True
            self.description = remembered
            return
        if not self.description.virtual:
            kept.keep(self.description)

    def renamed(self, name: str) -> None:
        """It is called `name` now."""
        self._name = name
        self._pages.turn_to(name)

    def reload_s(self, wanted_s: float | None) -> float:
        """How long an empty feeder stays so: what is wanted, or what suits it; 0 is for ever."""
        if wanted_s is not None:
            return wanted_s
        return CHART_RELOAD_S if self._name.partition(":")[0] == "chart" else 0.0

    def tell(self) -> None:
        """Say in the log what it has, and what it would not take."""
        description = self.description
        if not description.virtual:
            sources = ", ".join(source.source for source in description.sources)
            log.info("source %s: %s", description.name, sources or "real media")
            return
        log.info(
            "source %s: %d pages on the platen, %d in the feeder",
            description.name,
            len(description.platen),
            len(description.feeder),
        )
        for sentence in description.refused:
            log.warning("left out: %s", sentence)
