"""What the scan server tells others by itself, put together. No decisions of its own.

Source: ws-dsp sections 3.4 and 6.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from device.clock import Clock
from device.eventing.addresses import AddressPolicy
from device.eventing.delivery import Delivery, Event
from device.eventing.sender import Sender
from device.eventing.service import EventingService, NothingMore, Source
from device.eventing.subscriptions import Limits, Patience, Subscriptions
from device.soap.addressing import plain_path
from device.soap.dispatch import Incoming, Route
from device.soap.namespaces import DSC
from scan_server import configuration_messages as configuration
from scan_server import events
from scan_server.configuration_messages import Repository
from scan_server.identity import Administrators
from scan_server.metadata import Description
from scan_server.post_scan_jobs import PostScanJob

PROCESSING_EVENTS = events.actions("dsp", events.JOB_STATUS, events.JOB_END)
CONFIGURATION_EVENTS = events.actions(
    "dsc",
    events.JOB_STATUS,
    events.JOB_END,
    configuration.STATUS_SUMMARY_EVENT,
    configuration.ELEMENTS_CHANGE_EVENT,
)
NEW_JOB_S = 0.05
"""How long the first event of a job waits, so that it cannot come before its token did."""
MAX_WAITING = 4_096
"""Events that wait for one subscriber: it gets those of every job, and many may end together."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be set. `networks` are those of `AddressPolicy`.

    With `same_user`, an event goes only to subscribers with the certificate that created its job.
    """

    limits: Limits = field(default_factory=lambda: Limits(total=1_000, per_peer=100))
    patience: Patience = field(default_factory=Patience)
    networks: tuple[str, ...] = ()
    same_user: bool = False


class Notifications:
    """Subscriptions to the events of both services, and their deliveries.

    Raises:
        ConfigError: a network in the rules is none.
    """

    def __init__(
        self,
        description: Description,
        administrators: Administrators,
        *,
        clock: Clock,
        rules: Rules | None = None,
        sender: Sender | None = None,
    ) -> None:
        self._rules = rules or Rules()
        self._is = description
        self._administrators = administrators
        self._repository: Repository | None = None
        self._held: dict[str, list[Event]] = {}
        self.table = Subscriptions(self._rules.limits, self._rules.patience)
        self.delivery = Delivery(
            self.table,
            clock=clock,
            given_up=lambda identifier: self.service.given_up(identifier),
            lapsed=lambda: self.service.tick(),
            sender=sender,
            farewell="The scan server is going down.",
            max_waiting=MAX_WAITING,
        )
        self.service = EventingService(
            self.table,
            self.delivery,
            source=self._source,
            policy=AddressPolicy(self._rules.networks),
            clock=clock,
            extension=NothingMore(),
            user=administrators.users.owner_of,
        )

    def routes(self) -> tuple[Route, ...]:
        """The operations of the subscription manager, for the dispatcher."""
        return self.service.routes()

    def heard(self, before: PostScanJob | None, after: PostScanJob) -> None:
        """A job is new, or has changed."""
        user = after.owner if self._rules.same_user else None
        found = [
            Event(one.action, one.body, (prefix,), user=only)
            for prefix, only in (("dsp", user), ("dsc", None))
            for one in events.of_change(before, after, prefix)
        ]
        if before is None and not after.state.final:
            self._held[after.token] = []
            asyncio.get_running_loop().call_later(NEW_JOB_S, self._release, after.token)
        if after.token in self._held:
            self._held[after.token] += found
            return
        for event in found:
            self.delivery.publish(event)

    def repository_is(self, now: Repository) -> None:
        """How the scan server as a whole is now; told where that is something else than before."""
        before, self._repository = self._repository, now
        if before is None:
            return
        if now.dialects != before.dialects:
            self._tell(configuration.ELEMENTS_CHANGE_EVENT, configuration.write_change_event(now))
        if now.state != before.state:
            self._tell(configuration.STATUS_SUMMARY_EVENT, configuration.write_summary_event(now))

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self.delivery.run()

    async def close(self) -> None:
        """End all subscriptions."""
        for token in list(self._held):
            self._release(token)
        await self.delivery.close()

    def _release(self, token: str) -> None:
        for event in self._held.pop(token, ()):
            self.delivery.publish(event)

    def _tell(self, name: str, body: str) -> None:
        self.delivery.publish(Event(f"{DSC}/{name}", body, (configuration.PREFIX,)))

    def _source(self, incoming: Incoming) -> Source:
        """The service that a Subscribe is addressed to; the processing service if to neither."""
        path = plain_path(urlsplit(incoming.envelope.to).path)
        if path != plain_path(self._is.configuration_path):
            return Source(PROCESSING_EVENTS, self._is.service_path)
        self._administrators.check(incoming)
        return Source(CONFIGURATION_EVENTS, self._is.configuration_path)
