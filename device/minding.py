"""What a device does with its source by itself: read it afresh, watch its buttons, let it rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from device.jobs.engine import Engine
from device.jobs.request import INPUT_SOURCES
from device.model.changes import (
    ButtonPressed,
    Change,
    ConditionCleared,
    ConditionRaised,
    JobEnded,
)
from device.pages.supervisor import PageLine
from scanner_backends.base import Description
from scanner_backends.errors import BackendError

IDLE_S = 60.0
"""How long a scanner's worker is kept warm: it starts within a second."""
POLL_S = 0.3
"""How often the buttons of a scanner are looked at, if any are to be."""
POLL_AGAIN_S = 5.0
"""How long after that has failed."""

log = logging.getLogger(__name__)


class Minder:
    """Minds the source of one device, from `start` to `stop`.

    Args:
        reload_s: how long an empty feeder stays so; 0 is for ever.
        load: reads the source afresh; raises BackendError.
        tidy: called when something was scanned, or is the matter, or is so no longer.
        publish: told of each button that is pressed.
    """

    def __init__(
        self,
        pages: PageLine,
        engine: Engine,
        *,
        reload_s: float,
        load: Callable[[], Awaitable[None]],
        tidy: Callable[[], None],
        publish: Callable[[Change], None],
    ) -> None:
        self._pages = pages
        self._engine = engine
        self._reload_s = reload_s
        self._load = load
        self._tidy = tidy
        self._publish = publish
        self._reload_asked = asyncio.Event()
        self._feeder_news = asyncio.Event()
        self._job_over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, group: asyncio.TaskGroup, description: Description) -> None:
        """Begin to mind a source that is so."""
        self._tasks.append(group.create_task(self._reload_when_due()))
        if description.buttons:
            self._pages.watched = True
            log.info("buttons: %s", ", ".join(description.buttons))
            self._tasks.append(group.create_task(self._watch_buttons()))
        elif not description.virtual:
            self._job_over.set()
            self._tasks.append(group.create_task(self._rest_when_idle()))

    def stop(self) -> None:
        """Leave the source alone."""
        for task in self._tasks:
            task.cancel()

    def reload(self) -> None:
        """Read the source afresh, soon."""
        self._reload_asked.set()

    def heard(self, change: Change) -> None:
        """Something has happened in the engine."""
        if isinstance(change, JobEnded):
            self._job_over.set()
        if isinstance(change, ConditionRaised | ConditionCleared | JobEnded):
            self._feeder_news.set()

    async def try_to_load(self) -> None:
        """Read the source afresh, or say in the log why not."""
        try:
            await self._load()
        except BackendError as error:
            log.error("the source could not be read again: %s", error)

    # ---- inside

    async def _reload_when_due(self) -> None:
        """Read the source afresh when asked to, or when the feeder was empty for long enough."""
        while True:
            waits = self._reload_s and self._feeder_idle()
            try:
                async with asyncio.timeout(self._reload_s if waits else None):
                    await _either(self._reload_asked, self._feeder_news)
            except TimeoutError:
                if self._feeder_idle():  # nobody has filled it meanwhile
                    self._reload_asked.set()
            self._feeder_news.clear()
            self._tidy()
            if self._reload_asked.is_set():
                self._reload_asked.clear()
                await self.try_to_load()

    def _feeder_idle(self) -> bool:
        return self._engine.tray.feeder_empty and not self._engine.active()

    async def _rest_when_idle(self) -> None:
        """Let go of the worker of a scanner that nobody has used for a while."""
        while True:
            await self._job_over.wait()
            self._job_over.clear()
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._job_over.wait()
            except TimeoutError:
                await self._pages.rest()

    async def _watch_buttons(self) -> None:
        """Tell of every press of a button."""
        told = ""
        while True:
            await asyncio.sleep(POLL_AGAIN_S if told else POLL_S)
            if self._engine.scanner.unplugged:
                continue
            try:
                for one in await self._pages.poll():
                    source = INPUT_SOURCES[one.source] if one.source else ""
                    self._publish(ButtonPressed(one.button, one.destination, source))
                told = ""
            except BackendError as error:
                if told != str(error):
                    log.warning("the buttons cannot be watched: %s", error)
                told = str(error)


async def _either(*events: asyncio.Event) -> None:
    """Wait for the first of several events."""
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(event.wait()) for event in events]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
