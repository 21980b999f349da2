"""What the device tells others by itself, put together. No decisions of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from device.clock import Clock
from device.eventing.addresses import AddressPolicy
from device.eventing.delivery import Delivery, Event, Outcome
from device.eventing.sender import Sender
from device.eventing.service import EventingService, Source
from device.eventing.subscriptions import Limits, Patience, Subscriptions
from device.model.capabilities import ScannerConfiguration
from device.model.changes import Change
from device.model.ticket import ScanTicket
from device.scan import events, management
from device.scan.button import Button, Engine
from device.scan.destinations import Destinations
from device.scan.events import ScanEvent, ScanEvents
from device.scan.registration import Registration
from device.soap.addressing import plain_path
from device.soap.dispatch import Incoming, Route
from device.soap.namespaces import DSD


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be set. `networks` are those of `AddressPolicy`.

    `managed_as` is the namespace of the actions that events for consoles are sent under: WS-DSD's,
    or that of WS-Scan, as the published examples have it (ws-dsp A7).
    """

    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)
    networks: tuple[str, ...] = ()
    identifier_once: bool = False
    managed_as: str = DSD


class Notifications:
    """Subscriptions, their deliveries, and scans started at the device.

    Args:
        path: where the subscription manager lives.
        managed_path: where consoles subscribe to the events of WS-DSD; empty for no such service.
        report: told how each event fared.

    Raises:
        ConfigError: a network in the rules is none.
    """

    def __init__(
        self,
        path: str,
        *,
        managed_path: str = "",
        clock: Clock,
        rules: Rules | None = None,
        report: Callable[[Outcome], None] = lambda outcome: None,
        sender: Sender | None = None,
    ) -> None:
        rules = rules or Rules()
        self._clock = clock
        self._button: Button | None = None
        self.table = Subscriptions(rules.limits, rules.patience)
        self.destinations = Destinations(lambda: str(uuid.uuid4()), once=rules.identifier_once)
        self.delivery = Delivery(
            self.table,
            clock=clock,
            given_up=lambda identifier: self.service.given_up(identifier),
            lapsed=lambda: self.service.tick(),
            report=report,
            at_work=lambda: self._events.job_under_way,
            sender=sender,
        )
        self.service = EventingService(
            self.table,
            self.delivery,
            source=self._source,
            policy=AddressPolicy(rules.networks),
            clock=clock,
            extension=Registration(self.destinations),
        )
        self._path = path
        self._managed_path = managed_path
        self._managed_as = rules.managed_as
        self._events = ScanEvents(self._publish)

    def make_button(self, engine: Engine, sources: Callable[[], tuple[str, ...]]) -> Button:
        """The scan button of the scanner that `engine` runs."""
        self._button = Button(
            self.destinations, engine, clock=self._clock, sources=sources, post=self._post
        )
        return self._button

    def routes(self) -> tuple[Route, ...]:
        """The operations of the subscription manager, for the dispatcher."""
        return self.service.routes()

    def heard(self, change: Change) -> None:
        """Something has happened in the engine."""
        self._events.heard(change)
        if self._button is not None:
            self._button.heard(change)

    def reconfigured(
        self, configuration: ScannerConfiguration, default_ticket: ScanTicket | None
    ) -> None:
        """The scanner claims something else; the ticket is None where it is as it was."""
        event = events.elements_changed(configuration=configuration, default_ticket=default_ticket)
        self._publish(event)

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self.delivery.run()

    async def close(self) -> None:
        """End all subscriptions."""
        await self.delivery.close()

    def _source(self, incoming: Incoming) -> Source:
        """What there is to subscribe to where a request was sent."""
        path = plain_path(urlsplit(incoming.envelope.to).path)
        if self._managed_path and path == plain_path(self._managed_path):
            return Source(management.ACTIONS, self._managed_path, management.SPELLINGS)
        return Source(events.ACTIONS, self._path)

    def _publish(self, event: ScanEvent) -> None:
        """Send an event to those who asked for it, in the words of the service they asked."""
        self.delivery.publish(_addressed(event))
        managed = management.managed(event) if self._managed_path else None
        if managed is not None:
            sent_as = managed.action.replace(DSD, self._managed_as)
            prefixes = management.EVENT_PREFIXES
            self.delivery.publish(Event(managed.action, managed.body, prefixes, sent_as=sent_as))

    def _post(self, identifier: str, event: ScanEvent, told: Callable[[bool], None]) -> bool:
        return self.delivery.post(identifier, _addressed(event, told))


def _addressed(event: ScanEvent, told: Callable[[bool], None] | None = None) -> Event:
    return Event(event.action, event.body, events.PREFIXES, told)
