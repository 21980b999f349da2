"""What there is of a device only because it has a panel, introduced to what else it is made of."""

from __future__ import annotations

import asyncio
from pathlib import Path

from device.clock import Clock
from device.eventing.delivery import Outcome
from device.jobs.engine import Engine
from device.pages.supervisor import PageLine
from device.panel.journal import Journal
from device.panel.live import Bell
from device.panel.previews import Previews
from device.panel.recording import note_delivery, recorder
from device.panel.sent import SentPages
from device.panel.uploads import Uploads


class Showing:
    """Journal, bell, files that are laid in, and pictures of pages.

    Args:
        pages: where the device's pages come from.
        to_look_at: the same, with a worker of its own, for whoever looks at them.
        laid_dir: the folder of files that are laid in; whatever lies there is thrown away.
    """

    def __init__(self, clock: Clock, pages: PageLine, to_look_at: PageLine, laid_dir: Path) -> None:
        self._pages = pages
        self._engine: Engine | None = None
        self.bell = Bell()
        self.journal = Journal(clock, noted=self.bell.ring)
        self.noted = recorder(self.journal)
        self.previews = Previews(to_look_at, loads=self._loads)
        self.uploads = Uploads(laid_dir, self.previews.look)
        self.sent = SentPages()
        self._task: asyncio.Task[None] | None = None

    def meet(self, engine: Engine) -> None:
        """This is the device's engine."""
        self._engine = engine

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to work."""
        self._task = group.create_task(self.previews.run())

    async def close(self, within_s: float) -> None:
        """Let go of the worker, within so many seconds, and throw away what was laid in."""
        try:
            await self.previews.close(within_s)
        finally:
            self.uploads.close()
            if self._task is not None:
                self._task.cancel()

    def delivered(self, outcome: Outcome) -> None:
        """An event has fared so."""
        note_delivery(self.journal, outcome)

    def used(self) -> None:
        """Somebody looks: from now on there are pictures of what is scanned."""
        self._pages.pictured = self.sent.add

    def tidy(self) -> None:
        """Throw away files that lie nowhere any more, unless a job may still put a page back."""
        if self._engine is not None and not self._engine.active():
            tray = self._engine.tray
            self.uploads.sweep((*tray.feeder, *tray.platen))

    def _loads(self) -> int:
        return 0 if self._engine is None else self._engine.tray.loads
