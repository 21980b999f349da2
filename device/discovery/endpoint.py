"""Sockets, groups, interfaces and the timer. Never what to say: that is the responder's.

Source: wsdiscovery.md, section 5.3.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from device import netlink
from device.clock import Clock
from device.discovery import interfaces, wire
from device.discovery.limits import Remembered
from device.discovery.links import BOTH, Address, Family, Link, Site, sites
from device.discovery.messages import Announcement
from device.discovery.responder import Arrival, Datagram, Responder
from device.discovery.sockets import PORT, FamilySocket, Received
from device.discovery.state import DiscoveryState
from device.discovery.tally import Tally
from device.errors import ConfigError, RequestError

logger = logging.getLogger(__name__)
traffic = logging.getLogger("device.traffic.udp")

DATAGRAMS_PER_WAKE_UP = 32
"""Enough to keep up, few enough that a flood does not hold up the rest of the process."""
SETTLE_S = 0.1
"""Changes of interfaces come in bunches."""
REMIND_S = 2.0
"""How often Hello is repeated to programs on this machine, and there only. sane-airscan asks with
multicast loop switched off: its Probes never reach us here, but it listens for 2.5 s.

Where the kernel does not tell of changes, interfaces are read as often."""
FAREWELL_S = 1.0


@dataclass(frozen=True, slots=True)
class _Part:
    """A device that can be found, and where its addresses are kept."""

    responder: Responder
    state: DiscoveryState | None


_encode = functools.lru_cache(maxsize=128)(wire.encode)  # all copies are the same bytes


class DiscoveryEndpoint:
    """Lets others find what responders announce. Each is a device; all share the sockets.

    `start`, then `run` in a task group, then `stop`. Without `run` interfaces that come later are
    not noticed. Devices are added at any time, and may leave at any time.

    Args:
        interfaces: names; None for all that make sense.
        excluded: shell patterns of names of interfaces that are not used, whatever else is said.
        families: those that are missing on this machine are left out, as long as one remains.
        remind: repeat Hello to programs on this machine.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        interfaces: Sequence[str] | None = None,
        excluded: Sequence[str] = (),
        families: Collection[Family] = BOTH,
        remind: bool = True,
        port: int = PORT,
    ) -> None:
        self._parts: list[_Part] = []
        self._leaving: list[Responder] = []
        self._keeping = asyncio.Lock()
        self._clock = clock
        self._names = tuple(interfaces) if interfaces else None
        self._excluded = tuple(excluded)
        self._families = tuple(families)
        self._remind = remind
        self._port = port
        self._sockets: dict[Family, FamilySocket] = {}
        self._links: list[Link] = []
        self._joined: set[Site] = set()
        self._news: socket.socket | None = None
        self._changed = asyncio.Event()
        self._quiet = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopping = False
        self._own = Remembered(lifetime_s=60, limit=100)
        self._tally = Tally(clock, logger)

    @property
    def counts(self) -> Counter[str]:
        """What happened how often: `answered`, `dropped: why`, `not sent: why`."""
        return self._tally.counts

    async def start(self) -> None:
        """Open the sockets, join the groups, plan the first Hello.

        Raises:
            ConfigError: an unknown interface, or a port that cannot be had.
        """
        interfaces.check_names(self._names)
        self._open_sockets()
        loop = asyncio.get_running_loop()
        try:
            self._news = netlink.subscribe()
            loop.add_reader(self._news, self._on_news)
        except OSError as error:
            logger.info("interfaces are read every %g s: %s", REMIND_S, error)
        for family_socket in self._sockets.values():
            loop.add_reader(family_socket.fileno(), self._on_readable, family_socket)
        await self._read_links()
        logger.info("to be found on: %s", interfaces.describe(self._links))

    def _open_sockets(self) -> None:
        missing: list[str] = []
        for family in self._families:
            try:
                self._sockets[family] = FamilySocket(family, self._port)
            except OSError as error:
                missing.append(f"IPv{family.value}: {error.strerror}")
            except ConfigError:
                self._close()
                raise
        if not self._sockets:
            raise ConfigError(
                f"UDP port {self._port} cannot be opened ({'; '.join(missing)}); "
                f"--no-discovery does without it."
            )
        for why in missing:
            logger.info("goes without %s", why)

    async def run(self) -> None:
        """Follow the interfaces until `stop`, and remind this machine of us."""
        timeout_s = REMIND_S if self._remind or self._news is None else None
        while not self._is_stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
                    await asyncio.sleep(SETTLE_S)
            if self._is_stopping:
                return
            if self._changed.is_set() or self._news is None:
                self._changed.clear()
                await self._read_links()
            elif self._remind:
                for part in self._parts:
                    for datagram in part.responder.said_hellos():
                        self._send(datagram, here_only=True)

    async def add(self, responder: Responder, state: DiscoveryState | None = None) -> None:
        """Let this device be found, too.

        Args:
            state: where its addresses are kept, which raise the MetadataVersion when they change.
        """
        part = _Part(responder, state)
        async with self._keeping:
            await self._keep(part, self._links)
            if self._is_stopping:
                return
            self._parts.append(part)
            responder.links_changed(self._links, self._clock.monotonic())
        self._send_due()

    def remove(self, responder: Responder) -> None:
        """Say Bye for this device, wherever Hello was said; it is found no more."""
        self._parts = [part for part in self._parts if part.responder is not responder]
        responder.farewell(self._clock.monotonic())
        self._leaving.append(responder)
        self._send_due()

    async def stop(self) -> None:
        """Say Bye wherever Hello was said, for at most a second, and close."""
        self._is_stopping = True
        self._changed.set()
        for family_socket in self._sockets.values():
            asyncio.get_running_loop().remove_reader(family_socket.fileno())
        for part in list(self._parts):
            self.remove(part.responder)
        self._send_due()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._quiet.wait()
        self._close()

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._news is not None:
            asyncio.get_running_loop().remove_reader(self._news)
            self._news.close()
        for family_socket in self._sockets.values():
            family_socket.close()
        self._sockets.clear()
        self._joined.clear()

    def announce(self, responder: Responder, announcement: Announcement) -> None:
        """Say Hello again, as `announcement`: something in the metadata is new."""
        responder.announce(announcement, self._clock.monotonic())
        self._send_due()

    def addresses(self) -> list[tuple[str, Address]]:
        """(interface name, address) of every address that we can be found at now."""
        return [
            (link.name, own.ip)
            for link in self._links
            for own in link.addresses
            if Family(own.version) in self._sockets
        ]

    def xaddrs(self, responder: Responder) -> list[str]:
        """The metadata addresses that Hello tells now: one for each link, family and subnet."""
        return [
            responder.xaddr(address)
            for site, link in sites(self._links).items()
            for address in link.announced(site.family)
        ]

    def _on_news(self) -> None:
        assert self._news is not None
        netlink.drain(self._news)
        self._changed.set()

    async def _read_links(self) -> None:
        """Use the links that there are now: join, leave, and have Hello said."""
        try:
            links = interfaces.usable_links(self._names, tuple(self._sockets), self._excluded)
        except OSError as error:
            self._tally.failed("interfaces not read", error, logging.WARNING)
            return
        if links == self._links:
            return
        logger.debug("interfaces: %s", interfaces.describe(links))
        async with self._keeping:
            for part in self._parts:
                await self._keep(part, links)
            if self._is_stopping:
                return
            self._links = links
            self._join(set(sites(links)))
            for part in self._parts:
                part.responder.links_changed(links, self._clock.monotonic())
        self._send_due()

    async def _keep(self, part: _Part, links: Sequence[Link]) -> None:
        """Store the addresses that will be announced; another in place of one is a new version."""
        if part.state is None:
            return
        version = await asyncio.to_thread(part.state.advertised, links)
        told = part.responder.announcement
        if version != told.metadata_version:
            part.responder.revise(told.with_version(version))

    def _join(self, wanted: set[Site]) -> None:
        for site in self._joined - wanted:
            self._sockets[site.family].leave(site.link)
        self._joined &= wanted
        for site in wanted - self._joined:
            try:
                self._sockets[site.family].join(site.link)
                self._joined.add(site)
            except OSError as error:
                self._tally.failed("group not joined", error, logging.WARNING)

    def _on_readable(self, family_socket: FamilySocket) -> None:
        """Take what has arrived. Whatever one datagram does, the next is read all the same."""
        for _ in range(DATAGRAMS_PER_WAKE_UP):
            try:
                received = family_socket.receive()
            except BlockingIOError:
                break
            except OSError as error:
                self._tally.failed("not received", error)
                break
            try:
                if received is None:
                    self._tally.dropped("too long")
                else:
                    self._take(received)
            except Exception:  # noqa: BLE001 - whatever it is, the next datagram must be read
                self._tally.crashed()
        self._send_due()

    def _take(self, received: Received) -> None:
        link = self._link_of(received)
        if link is None:
            self._tally.dropped("other interface", received.source)
            return
        if self._own.knows(received.data, self._clock.monotonic()):
            return
        arrival = Arrival(link, received.source, received.port, received.destination)
        responders = [part.responder for part in self._parts if part.responder.is_welcome(arrival)]
        if not responders:
            self._tally.dropped("unwelcome source", received.source)
            return
        traffic.debug("from %s port %d: %r", received.source, received.port, received.data)
        try:
            request = wire.decode(received.data)
        except RequestError as error:
            self._tally.dropped(type(error).__name__, received.source)
            return
        now = self._clock.monotonic()
        if sum(responder.answer(request, arrival, now) for responder in responders):
            self.counts["answered"] += 1
        else:
            self._tally.dropped("no answer due", received.source)

    def _link_of(self, received: Received) -> Link | None:
        """The link that `received` came in on.

        What this machine sends to its own address arrives on the loopback; it counts for the link
        that has the address.
        """
        for link in self._links:
            if link.index == received.link:
                return link
        return next((link for link in self._links if link.has(received.destination)), None)

    def _send_due(self) -> None:
        """Send what is due, and come back when more is."""
        now = self._clock.monotonic()
        responders = [part.responder for part in self._parts] + self._leaving
        for responder in responders:
            for datagram in responder.due(now):
                self._send(datagram)
        self._leaving = [one for one in self._leaving if one.next_deadline() is not None]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadlines = [
            deadline for one in responders if (deadline := one.next_deadline()) is not None
        ]
        if not deadlines:
            self._quiet.set()
            return
        self._quiet.clear()
        wait_s = max(0.0, min(deadlines) - self._clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._send_due)

    def _send(self, datagram: Datagram, *, here_only: bool = False) -> None:
        """Send, or count why not: that costs nothing but this copy."""
        family_socket = self._sockets.get(datagram.site.family)
        if family_socket is None:
            return
        data = _encode(datagram.message)
        link, peer = datagram.site.link, datagram.peer
        if not here_only:
            traffic.debug("to %s: %r", peer or "the group", data)
        try:
            if peer is None:
                self._own.add(data, self._clock.monotonic())
                family_socket.send_to_group(data, datagram.source, link, here_only=here_only)
            else:
                family_socket.send(data, datagram.source, link, peer)
        except OSError as error:
            self._tally.failed("not sent", error)
