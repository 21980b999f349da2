"""What the panel can see and touch of a device."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin

from device.clock import Clock
from device.eventing.subscriptions import Subscription
from device.jobs.scanner import Scanner
from device.jobs.tray import Tray
from device.model.job import JobRecord
from device.model.status import ScannerStatus, Severity
from device.panel.journal import Journal
from device.panel.live import Bell
from device.panel.previews import Previews
from device.panel.sent import SentPages
from device.panel.uploads import Uploads
from device.scan.button import Button
from device.scan.destinations import Destinations
from scanner_backends.base import TrayPage

if TYPE_CHECKING:
    from device.processes.workflow import Workflow


class Engine(Protocol):
    """The job engine, as far as the panel uses it."""

    tray: Tray
    scanner: Scanner

    def status(self) -> ScannerStatus: ...

    def active(self) -> tuple[JobRecord, ...]: ...

    def history(self) -> tuple[JobRecord, ...]: ...

    def record(self, job_id: int | str) -> JobRecord: ...

    def cancel(self, job_id: int | str, *, at_device: bool = False) -> None: ...

    def raise_condition(
        self, name: str, component: str, severity: Severity | None = None
    ) -> None: ...

    def clear_condition(self, condition_id: int) -> None: ...

    def lay_in(self, pages: Sequence[TrayPage]) -> None: ...

    def lay_on_platen(self, pages: Sequence[TrayPage]) -> None: ...

    def take_out(self, number: int) -> bool: ...

    def empty_feeder(self) -> None: ...


class Subscribers(Protocol):
    """The subscriptions, as far as the panel uses them."""

    def all(self) -> tuple[Subscription, ...]: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What the device is, for whoever looks at it."""

    name: str
    uuid: str
    model: str
    url: str

    @property
    def page(self) -> str:
        """What a browser opens to see the device; `url` is for clients."""
        return urljoin(self.url, "/")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the panel can see and touch.

    `load` reads the source afresh; `end_subscription` is False when there is no such one;
    `waiting` tells how many events wait for a subscriber; `bell` rings when something changes;
    `tidy` throws away uploads that lie nowhere any more; `used` is told that somebody is there;
    `workflow` is for the panel's users.
    """

    facts: Facts
    clock: Clock
    engine: Engine
    button: Button
    destinations: Destinations
    subscribers: Subscribers
    journal: Journal
    load: Callable[[], Awaitable[None]]
    end_subscription: Callable[[str], bool]
    waiting: Callable[[str], int]
    bell: Bell
    uploads: Uploads
    tidy: Callable[[], None]
    previews: Previews
    sent: SentPages
    used: Callable[[], None]
    workflow: Workflow | None = None
