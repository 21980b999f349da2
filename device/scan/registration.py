"""ScanDestinations in a Subscribe, and DestinationResponses in its answer.

Source: ws-scan sections 9.1 and 9.2, clients.md section 1, point 20.
"""

from __future__ import annotations

from typing import Protocol

from device.errors import InvalidArgs, UnableToProcess
from device.scan.destinations import Destinations, Wanted
from device.scan.events import SCAN_AVAILABLE
from device.soap import xml
from device.soap.namespaces import WSCN
from device.soap.write import element, leaf
from device.soap.xml import Element

MAX_DESTINATIONS = 10
"""Of one subscription (dpws section 10.2, point 10)."""
MAX_TEXT = 256

_ONLY = frozenset({SCAN_AVAILABLE})


class Subscriber(Protocol):
    """A subscription, as far as destinations need it."""

    @property
    def identifier(self) -> str: ...

    @property
    def peer(self) -> str: ...

    @property
    def actions(self) -> frozenset[str]: ...


class Registration:
    """What a Subscribe for ScanAvailableEvent carries beside the words of WS-Eventing."""

    prefixes: tuple[str, ...] = ("wscn",)

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations

    def read(self, body: Element, actions: frozenset[str]) -> tuple[Wanted, ...]:
        """The destinations of a Subscribe; none without ScanAvailableEvent in its filter.

        Raises:
            InvalidArgs: a destination without a context, or with one that is too long to keep.
            UnableToProcess: there are too many.
        """
        if SCAN_AVAILABLE not in actions:
            return ()
        entries = [
            entry
            for container in body.iter(f"{{{WSCN}}}ScanDestinations")
            for entry in xml.children(container, WSCN, "ScanDestination")
        ]
        if len(entries) > MAX_DESTINATIONS:
            raise UnableToProcess(f"A client may have {MAX_DESTINATIONS} destinations.")
        return tuple(map(_wanted, entries))

    def replaced(
        self, subscription: Subscriber, held: tuple[Wanted, ...], alike: tuple[str, ...]
    ) -> tuple[str, ...]:
        """The subscriptions that have no purpose left once this one begins."""
        if not held:
            return alike
        return self._destinations.emptied(subscription.peer, held, alike)

    def begin(self, subscription: Subscriber, held: tuple[Wanted, ...]) -> str:
        """Register, and give out the tokens: DestinationResponses, if there is any."""
        if not held:
            return ""
        only = subscription.actions == _ONLY
        made = self._destinations.register(
            subscription.identifier, subscription.peer, held, only=only
        )
        return element(
            "wscn:DestinationResponses",
            *(
                element(
                    "wscn:DestinationResponse",
                    leaf("wscn:ClientContext", one.context),
                    leaf("wscn:DestinationToken", one.token),
                )
                for one in made
            ),
        )

    def ended(self, identifier: str) -> None:
        """A subscription is gone."""
        self._destinations.drop(identifier)


def _wanted(entry: Element) -> Wanted:
    """One ScanDestination. The published example says ClientDisplayString for its name."""
    context = xml.raw_text(xml.need(entry, WSCN, "ClientContext"))
    if len(context) > MAX_TEXT:
        raise InvalidArgs("ClientContext", f"is longer than {MAX_TEXT} characters")
    names = (xml.find(entry, WSCN, name) for name in ("ClientDisplayName", "ClientDisplayString"))
    found = next((name for name in names if name is not None), None)
    name = "" if found is None else xml.text(found)
    return Wanted((name or context)[:MAX_TEXT], context)
