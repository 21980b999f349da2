"""What to answer, when and how often. No sockets, no clock.

Time goes in as seconds of a monotonic clock, chance as a `random.Random`. The edge hands in what
arrived and which links there are, asks `next_deadline`, and then takes what is `due`.

    arrival ─ is_welcome ─ (the edge decodes) ─ answer ─┐
    links ──────────────── links_changed ───────────────┼─ waiting ─ due ─ datagrams
    stop ───────────────── farewell ────────────────────┘

A message gets its number when its first copy leaves: given any earlier, an answer that waits
would be overtaken, and Windows drops what comes with a lower number than the last.

Source: dpws sections 4.2 to 4.7 and 10.2; wsdiscovery.md, section 5.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from random import Random
from typing import Final

from device.discovery.limits import Buckets, Remembered
from device.discovery.links import Address, Link, Site, family_of, sites, url_host
from device.discovery.matching import matches
from device.discovery.messages import (
    Announcement,
    AppSequence,
    Bye,
    Hello,
    Message,
    Probe,
    ProbeMatches,
    Request,
    Resolve,
    ResolveMatches,
    Target,
)
from device.discovery.schedule import Copies, Schedule
from device.soap.addressing import uuid_of

APP_MAX_DELAY_S: Final = 0.5
MULTICAST = Copies(count=4, first_gap_s=(0.05, 0.25), longest_gap_s=0.5)
UNICAST = Copies(count=2, first_gap_s=(0.05, 0.25), longest_gap_s=0.5)
FAREWELL = Copies(count=4, first_gap_s=(0.05, 0.14), longest_gap_s=0.5)
"""As MULTICAST, but the last copy leaves within a second: nobody waits longer for an exit."""

DUPLICATE_LIFETIME_S: Final = 600.0
DUPLICATE_LIMIT: Final = 500
SOURCES_LIMIT: Final = 1_000
WAITING_LIMIT: Final = 64
EVERYBODY: Final = "everybody"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a datagram came from: the link it came in on, its source, and where it was sent to."""

    link: Link
    source: Address
    port: int
    destination: Address


@dataclass(frozen=True, slots=True)
class Datagram:
    """One copy of a message, to send now. Without a `peer` it goes to the site's group."""

    message: Message
    site: Site
    source: Address
    peer: tuple[Address, int] | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A message that waits: everything but its number is known."""

    site: Site
    source: Address
    make: Callable[[AppSequence], Message]
    peer: tuple[Address, int] | None = None

    @property
    def is_reply(self) -> bool:
        return self.peer is not None


class Responder:
    """One device's part in WS-Discovery.

    Args:
        advertise: host for all XAddrs, instead of the address of the link in question.
        allow_off_link: also answer peers that are on no subnet of the link, for routed multicast.
    """

    def __init__(
        self,
        announcement: Announcement,
        *,
        instance_id: int,
        random: Random,
        advertise: str | None = None,
        allow_off_link: bool = False,
    ) -> None:
        self._announcement = announcement
        self._instance_id = instance_id
        self._random = random
        self._advertise = None if advertise is None else _as_host(advertise)
        self._allow_off_link = allow_off_link
        self._message_number = 0
        self._links: dict[Site, Link] = {}
        self._greeted: dict[tuple[Site, Address], Message] = {}
        self._schedule: Schedule[Planned, Message] = Schedule(random)
        self._answered = Remembered(lifetime_s=DUPLICATE_LIFETIME_S, limit=DUPLICATE_LIMIT)
        self._per_source = Buckets(per_second=10, burst=20, limit=SOURCES_LIMIT)
        self._in_all = Buckets(per_second=100, burst=100, limit=1)

    @property
    def announcement(self) -> Announcement:
        return self._announcement

    def is_welcome(self, arrival: Arrival) -> bool:
        """Whether a datagram from there may be answered at all; cheap, and asked first.

        Source: dpws section 10.2, points 2 and 3. Our own addresses are welcome: that is how
        programs on this machine ask.
        """
        source, link = arrival.source, arrival.link
        if arrival.port == 0 or source.is_multicast or source.is_unspecified:
            return False
        if isinstance(source, IPv4Address) and (source.is_reserved or link.is_broadcast(source)):
            return False
        if link.is_loopback:  # only this machine speaks there
            return True
        if source.is_loopback:
            return False
        return self._allow_off_link or link.reaches(source)

    def answer(self, request: Request, arrival: Arrival, now: float) -> bool:
        """Plan the answer to `request`, if it gets one; whether it does."""
        key = (request.message_id, arrival.source)
        source = self._source(arrival)
        if source is None or self._answered.knows(key, now) or not self._means_us(request):
            return False
        if not self._has_room(arrival.source, now):
            return False
        self._answered.add(key, now)
        self._per_source.take(arrival.source, now)
        self._in_all.take(EVERYBODY, now)
        xaddr = self.xaddr(arrival.link.toward(arrival.source) or source)
        site = Site(arrival.link.index, family_of(arrival.source))
        is_probe = isinstance(request, Probe)
        delay_s = self._random.uniform(0, APP_MAX_DELAY_S) if is_probe else 0.0
        reply = self._reply(request, xaddr)
        self._schedule.add(
            Planned(site, source, reply, (arrival.source, arrival.port)), UNICAST, now + delay_s
        )
        return True

    def _means_us(self, request: Request) -> bool:
        if isinstance(request, Resolve):
            return self.is_us(request.address)
        return matches(request, self._announcement) is True

    def is_us(self, address: str) -> bool:
        """Whether `address` is ours, in whatever case and spelling."""
        return uuid_of(address) == uuid_of(self._announcement.uuid_urn)

    def _has_room(self, source: Address, now: float) -> bool:
        return (
            self._schedule.count(lambda planned: planned.is_reply) < WAITING_LIMIT
            and self._per_source.has_token(source, now)
            and self._in_all.has_token(EVERYBODY, now)
        )

    def _source(self, arrival: Arrival) -> Address | None:
        """Our address to answer from: the one that was asked, or the link's for this peer."""
        if arrival.link.has(arrival.destination):
            return arrival.destination
        return arrival.link.toward(arrival.source)

    def xaddr(self, address: Address) -> str:
        """The metadata address to tell a peer that reaches us at `address`."""
        return self._announcement.url(self._advertise or url_host(address))

    def _reply(self, request: Request, xaddr: str) -> Callable[[AppSequence], Message]:
        kind = ProbeMatches if isinstance(request, Probe) else ResolveMatches
        message_id = self._message_id()

        def make(sequence: AppSequence) -> Message:
            return kind(message_id, request.message_id, sequence, self.target(xaddr))

        return make

    def target(self, xaddr: str) -> Target:
        """Us, as the answers describe us, at `xaddr`."""
        told = self._announcement
        return Target(
            address=told.uuid_urn,
            types=told.types,
            scopes=told.scopes,
            xaddrs=(xaddr,),
            metadata_version=told.metadata_version,
        )

    def target_by(self, base_url: str) -> Target:
        """Us, for a peer that reached us by HTTP at `base_url`."""
        if self._advertise is not None:
            return self.target(self._announcement.url(self._advertise))
        return self.target(base_url.rstrip("/") + self._announcement.path)

    def next_sequence(self) -> AppSequence:
        """The number of a message that leaves now. All that we say shares one counter."""
        self._message_number += 1
        return AppSequence(self._instance_id, self._message_number)

    def _message_id(self) -> str:
        return uuid.UUID(int=self._random.getrandbits(128), version=4).urn

    def links_changed(self, links: Iterable[Link], now: float) -> None:
        """Say Hello wherever an address came up, and drop what can no longer be sent.

        Source: dpws section 4.2, rules 1 and 2.
        """
        before, self._links = self._links, sites(links)
        self._greeted = {key: said for key, said in self._greeted.items() if self._is_ours(*key)}
        self._schedule.drop(lambda planned: not self._is_ours(planned.site, planned.source))
        for site, link in self._links.items():
            known = before[site].of(site.family) if site in before else ()
            added = [own.ip for own in link.of(site.family) if own not in known]
            announced = link.announced(site.family)
            for address in announced:
                if address in added or (added and len(announced) == 1):
                    self._plan_hello(site, address, now)

    def _is_ours(self, site: Site, address: Address) -> bool:
        link = self._links.get(site)
        return link is not None and link.has(address)

    def revise(self, announcement: Announcement) -> None:
        """Say `announcement` from now on, in what waits already, too."""
        self._announcement = announcement

    def announce(self, announcement: Announcement, now: float) -> None:
        """Say `announcement` from now on, and say Hello with it everywhere."""
        self.revise(announcement)
        for site, link in self._links.items():
            for address in link.announced(site.family):
                self._plan_hello(site, address, now)

    def _plan_hello(self, site: Site, address: Address, now: float) -> None:
        message_id = self._message_id()

        def make(sequence: AppSequence) -> Message:
            hello = Hello(message_id, sequence, self.target(self.xaddr(address)))
            self._greeted[site, address] = hello
            return hello

        first = now + self._random.uniform(0, APP_MAX_DELAY_S)
        self._schedule.add(Planned(site, address, make), MULTICAST, first)

    def said_hellos(self) -> list[Datagram]:
        """Every Hello that still holds, to be repeated to programs on this machine."""
        return [Datagram(hello, site, address) for (site, address), hello in self._greeted.items()]

    def farewell(self, now: float) -> None:
        """Drop what waits, and say Bye at once wherever Hello was said.

        Source: dpws section 4.2, rule 3.
        """
        self._schedule.drop(lambda _: True)
        for site, address in dict(self._greeted.keys()).items():  # one for each site
            self._plan_bye(site, address, now)
        self._greeted.clear()

    def _plan_bye(self, site: Site, address: Address, now: float) -> None:
        message_id = self._message_id()

        def make(sequence: AppSequence) -> Message:
            return Bye(message_id, sequence, self._announcement.uuid_urn)

        self._schedule.add(Planned(site, address, make), FAREWELL, now)

    def next_deadline(self) -> float | None:
        """When `due` will next have something; None when nothing waits."""
        return self._schedule.next_deadline()

    def due(self, now: float) -> list[Datagram]:
        """Every copy whose time has come."""
        return [
            Datagram(message, planned.site, planned.source, planned.peer)
            for planned, message in self._schedule.due(
                now, lambda planned: planned.make(self.next_sequence())
            )
        ]


def _as_host(advertise: str) -> str:
    """A literal IPv6 address gets its brackets; anything else is a host name, or has them."""
    try:
        return url_host(ip_address(advertise))
    except ValueError:
        return advertise
