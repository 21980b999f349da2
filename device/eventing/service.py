"""The four operations of WS-Eventing, one short function each.

Subscribe may arrive at any URL of ours, and the manager is the service itself: several clients
read nothing of the SubscriptionManager but its Identifier, and send it to the service.

Source: dpws sections 6.1 to 6.3.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from device.clock import Clock
from device.errors import InvalidArgs, UnableToRenew
from device.eventing import messages
from device.eventing.addresses import AddressPolicy
from device.eventing.messages import Endpoint, EndStatus, Expiry
from device.eventing.subscriptions import Sink, Subscription, Subscriptions
from device.soap.dispatch import Answer, Handler, Incoming, Route
from device.soap.namespaces import WSE
from device.soap.xml import Element

log = logging.getLogger(__name__)


class Extension(Protocol):
    """What a Subscribe may carry beside the words of WS-Eventing, and what becomes of it."""

    prefixes: tuple[str, ...]

    def read(self, body: Element, actions: frozenset[str]) -> Any:
        """What a Subscribe for these actions holds. Raises what the request deserves."""
        ...

    def replaced(
        self, subscription: Subscription, held: Any, alike: tuple[str, ...]
    ) -> tuple[str, ...]:
        """The subscriptions that have no purpose left once this one begins.

        Those of `alike` send the same events to the same place.
        """
        ...

    def begin(self, subscription: Subscription, held: Any) -> str:
        """Take what `read` gave: XML for the answer."""
        ...

    def ended(self, identifier: str) -> None:
        """A subscription is gone, in whatever way."""
        ...


class NothingMore:
    """The `Extension` of a source whose Subscribe has the words of WS-Eventing and no others."""

    prefixes: tuple[str, ...] = ()

    def read(self, body: Element, actions: frozenset[str]) -> None:
        """Nothing is held."""

    def replaced(
        self, subscription: Subscription, held: None, alike: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Those that send the same to the same place."""
        return alike

    def begin(self, subscription: Subscription, held: None) -> str:
        """Nothing is added to the answer."""
        return ""

    def ended(self, identifier: str) -> None:
        """Nothing was held."""


class Deliveries(Protocol):
    """Who posts the events, as far as the service uses it."""

    def drop(self, identifier: str) -> None:
        """Send nothing more of what waits for this subscription."""
        ...

    def end(self, subscription: Subscription, why: EndStatus, reason: str) -> None:
        """Send SubscriptionEnd, after which nothing follows."""
        ...

    def wake(self) -> None:
        """The table has changed: look again when something is due."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """What a Subscribe finds: the actions of all events there, and the path of its manager.

    `spellings` are other actions that a filter may name, each with the one that it means.
    """

    actions: frozenset[str]
    path: str
    spellings: Mapping[str, str] = field(default_factory=dict)


class EventingService:
    """Event sources and their subscription manager.

    Args:
        source: whom a Subscribe means; it may refuse the subscriber.
        extension: what a Subscribe may carry besides.
        user: who a request says it comes from, as `Delivery.publish` compares it.
    """

    def __init__(
        self,
        table: Subscriptions,
        deliveries: Deliveries,
        *,
        source: Callable[[Incoming], Source],
        policy: AddressPolicy,
        clock: Clock,
        extension: Extension,
        user: Callable[[Incoming], str] = lambda incoming: "",
        identifier: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._table = table
        self._deliveries = deliveries
        self._source = source
        self._policy = policy
        self._clock = clock
        self._extension = extension
        self._user = user
        self._identifier = identifier

    def routes(self) -> tuple[Route, ...]:
        """All operations, for the dispatcher."""

        def route(name: str, handler: Handler, *, once: bool = True) -> Route:
            return Route(f"{WSE}/{name}", handler, WSE, (name,), once=once)

        return (
            route("Subscribe", self.subscribe),
            route("Renew", self.renew),
            route("GetStatus", self.get_status, once=False),
            route("Unsubscribe", self.unsubscribe),
        )

    async def subscribe(self, incoming: Incoming) -> Answer:
        """Begin a subscription, and end those that it takes the place of."""
        body = _body(incoming)
        source = self._source(incoming)
        asked = messages.read_subscribe(
            body, source.actions.union(source.spellings), self._clock.now()
        )
        meant = frozenset(source.spellings.get(action, action) for action in asked.actions)
        asked = replace(asked, actions=meant)
        held = self._extension.read(body, asked.actions)
        notify_to = await self._sink(asked.notify_to, incoming.peer)
        end_to = await self._sink(asked.end_to, incoming.peer) if asked.end_to else None
        self.tick()
        granted = self._granted(asked.expires)
        wish = Subscription(
            identifier=self._identifier(),
            peer=incoming.peer,
            notify_to=notify_to,
            end_to=end_to,
            actions=asked.actions,
            expires_at=self._clock.monotonic() + granted.seconds,
            manager=incoming.base_url() + source.path,
            as_time=granted.as_time,
            user=self._user(incoming),
        )
        self._add(wish, held)
        log.info("%s subscribes for %d events, to %s", wish.peer, len(wish.actions), notify_to.url)
        answer = self._extension.begin(wish, held)
        self._deliveries.wake()
        return messages.subscribed(
            messages.manager(wish.manager, wish.identifier),
            messages.expires(granted, self._clock.now()),
            answer,
            self._extension.prefixes,
        )

    async def renew(self, incoming: Incoming) -> Answer:
        """Let a subscription last longer. Raises UnableToRenew."""
        self.tick()
        found = self._find(incoming)
        if found is None:
            raise UnableToRenew
        wanted = messages.read_expires(_body(incoming), self._clock.now())
        granted = self._granted(wanted, as_time=found.as_time)
        now = self._clock.monotonic()
        self._table.renew(found.identifier, granted.seconds, now, as_time=granted.as_time)
        self._deliveries.wake()
        return messages.renewed(messages.expires(granted, self._clock.now()))

    async def get_status(self, incoming: Incoming) -> Answer:
        """Tell how long a subscription still lasts."""
        self.tick()
        found = self._need(incoming)
        left = Expiry(found.expires_at - self._clock.monotonic(), found.as_time)
        return messages.status(messages.expires(left, self._clock.now()))

    async def unsubscribe(self, incoming: Incoming) -> Answer:
        """End a subscription; no event follows the answer."""
        self.tick()
        self._gone(self._need(incoming).identifier)
        return messages.unsubscribed()

    # ---- for the device's own side

    def cancel(self, identifier: str) -> bool:
        """End a subscription from here, and tell the subscriber; False if there is none."""
        found = self._table.remove(identifier)
        if found is None:
            return False
        self._extension.ended(identifier)
        self._deliveries.drop(identifier)
        self._deliveries.end(found, EndStatus.CANCELING, "The subscription was ended here.")
        return True

    def given_up(self, identifier: str) -> None:
        """A subscription was ended by whoever delivers, for its sink failed for too long."""
        self._extension.ended(identifier)

    def tick(self) -> None:
        """Let go of what has lapsed."""
        for lapsed in self._table.expire(self._clock.monotonic()):
            log.info("the subscription of %s has lapsed", lapsed.peer)
            self._extension.ended(lapsed.identifier)
            self._deliveries.drop(lapsed.identifier)

    # ---- inside

    def _add(self, wish: Subscription, held: Any) -> None:
        """Take `wish` in. What it replaces makes room for it.

        A client that subscribes again with the same sink, for the same events, has forgotten its
        former subscription, and would get every event twice (airscand does this in a loop).
        """
        leaving = self._extension.replaced(wish, held, self._table.same(wish))
        self._table.check_room(wish.peer, leaving)
        for identifier in leaving:
            self._gone(identifier)
        self._table.add(wish)

    def _gone(self, identifier: str) -> None:
        if self._table.remove(identifier) is not None:
            self._extension.ended(identifier)
            self._deliveries.drop(identifier)

    def _granted(self, wanted: Expiry | None, *, as_time: bool = False) -> Expiry:
        if wanted is None:
            return Expiry(self._table.granted_s(None), as_time)
        return Expiry(self._table.granted_s(wanted.seconds), wanted.as_time)

    async def _sink(self, endpoint: Endpoint, peer: str) -> Sink:
        address = await self._policy.check(endpoint.address, peer)
        return Sink(endpoint.address, address, endpoint.parameters)

    def _find(self, incoming: Incoming) -> Subscription | None:
        now = self._clock.monotonic()
        found = (self._table.find(one, now) for one in messages.identifiers(incoming.envelope))
        return next((one for one in found if one is not None), None)

    def _need(self, incoming: Incoming) -> Subscription:
        found = self._find(incoming)
        if found is None:
            raise InvalidArgs("Identifier", "names no subscription that lasts")
        return found


def _body(incoming: Incoming) -> Element:
    """The body element; the dispatcher has checked that it is there."""
    body = incoming.envelope.body
    assert body is not None
    return body
