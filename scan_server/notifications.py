"""What the scan server tells others by itself, put together. No decisions of its own.

Source: ws-dsp sections 3.4 and 6.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from device.clock import Clock
from device.eventing.addresses import AddressPolicy
from device.eventing.delivery import Delivery, Event
from device.eventing.sender import Sender
from device.eventing.service import EventingService, NothingMore, Source
from device.eventing.subscriptions import Limits, Patience, Subscriptions
from device.soap.dispatch import Incoming, Route
from scan_server import events
from scan_server.identity import caller
from scan_server.post_scan_jobs import PostScanJob

PROCESSING_EVENTS = events.actions("dsp", events.JOB_STATUS, events.JOB_END)
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
    """Subscriptions to the events of jobs, and their deliveries.

    Args:
        path: where the processing service lives, and its subscription manager with it.

    Raises:
        ConfigError: a network in the rules is none.
    """

    def __init__(
        self, path: str, *, clock: Clock, rules: Rules | None = None, sender: Sender | None = None
    ) -> None:
        self._rules = rules or Rules()
        self._path = path
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
            user=caller,
        )

    def routes(self) -> tuple[Route, ...]:
        """The operations of the subscription manager, for the dispatcher."""
        return self.service.routes()

    def heard(self, before: PostScanJob | None, after: PostScanJob) -> None:
        """A job is new, or has changed."""
        user = after.owner if self._rules.same_user else None
        found = [
            Event(one.action, one.body, (one.prefix,), user=user)
            for one in events.of_change(before, after, "dsp")
        ]
        if before is None and not after.state.final:
            self._held[after.token] = []
            asyncio.get_running_loop().call_later(NEW_JOB_S, self._release, after.token)
        if after.token in self._held:
            self._held[after.token] += found
            return
        for event in found:
            self.delivery.publish(event)

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

    def _source(self, incoming: Incoming) -> Source:
        return Source(PROCESSING_EVENTS, self._path)
