"""One delivery of this device, as people see it and may end it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from device.dsp.post_scan_job import Delivery, S
from device.dsp.words import JobStatus


class Standing(StrEnum):
    """How a delivery stands."""

    UNDER_WAY = "under-way"
    DELIVERED = "delivered"
    BROKEN_OFF = "broken-off"
    CANCELED = "canceled"
    FAILED = "failed"
    """Its pages are kept, to be sent again or thrown away."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A delivery, as people see it.

    `pages` were scanned, `received` of them acknowledged by the server. `doing` is the request that
    is under way, in the table's word. `scan_job` is the JobId at this device, None after a restart.
    `post_scan_job` is what the server told last. `summary` says how it ended.
    """

    number: int
    process: str
    principal: str
    sid: str
    server: str
    began: datetime
    standing: Standing = Standing.UNDER_WAY
    scan_job: int | None = None
    pages: int = 0
    received: int = 0
    doing: str = ""
    trouble: str = ""
    post_scan_job: JobStatus | None = None
    summary: str = ""


class Work:
    """One delivery: what is shown of it, and how to end it. The delivery's observer."""

    def __init__(
        self,
        shown: Shown,
        folder: Path,
        changed: Callable[[], None],
        at_panel: Callable[[str], bool],
    ) -> None:
        self.shown = shown
        self._at_panel = at_panel
        self.folder = folder
        self.cancel = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._changed = changed

    def show(self, **values: object) -> None:
        """Change what is shown, and tell."""
        after = replace(self.shown, **values)  # type: ignore[arg-type]
        if after != self.shown:
            self.shown = after
            self._changed()

    def moved(self, delivery: Delivery) -> None:
        """The delivery stands otherwise."""
        doing = "" if delivery.state is S.READY or delivery.final else str(delivery.state)
        self.show(
            pages=delivery.pages, received=len(delivery.stored), doing=doing, trouble=delivery.why
        )

    def told(self, status: JobStatus) -> None:
        """The server has told how its job stands."""
        self.show(post_scan_job=status)

    def waits(self) -> bool:
        """Whether its user is still at the panel."""
        return self._at_panel(self.shown.sid)
