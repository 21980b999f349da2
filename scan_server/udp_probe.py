"""Unicast Probe and Resolve over UDP, on the port that has our TCP listener, too.

Nobody multicasts here, so whoever asks is answered at once, and with an empty ProbeMatches if
somebody else was meant. An answer is about as long as its question.

Source: ws-dsp section 3.2; dpws sections 4.4 to 4.7.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv6Address, ip_address

from device.clock import Clock
from device.discovery import wire
from device.discovery.limits import Buckets
from device.discovery.links import BOTH, Address, Family, family_of, url_host
from device.discovery.matching import matches
from device.discovery.messages import Probe, ProbeMatches, Request, ResolveMatches, Target
from device.discovery.responder import Responder
from device.discovery.sockets import FamilySocket, Received, UdpPortTaken
from device.discovery.tally import Tally
from device.errors import ConfigError, RequestError

log = logging.getLogger(__name__)
traffic = logging.getLogger("device.traffic.udp")

AT_ONCE = 32
"""Datagrams per wake-up: a flood does not hold up the rest of the process."""


def open_sockets(host: str, port: int) -> list[FamilySocket]:
    """The UDP sockets beside the TCP listener of `host` (empty for all addresses) and `port`.

    Raises:
        ConfigError: another program has the port.
    """
    families: Sequence[Family] = BOTH
    if host:
        families = (family_of(ip_address(host)),)
    found: list[FamilySocket] = []
    try:
        for family in families:
            try:
                found.append(FamilySocket(family, port, address=host, shared=False))
            except OSError as error:
                log.info("no UDP over IPv%d: %s", family.value, error.strerror)
    except UdpPortTaken:
        for sock in found:
            sock.close()
        raise ConfigError(
            f"UDP port {port} is held by another program; name another port with --port, or do "
            "without by --no-udp."
        ) from None
    return found


class UdpProbe:
    """Answers on these sockets, from `start` to `stop`.

    Args:
        names: host names that our certificate holds; they come before the address that was asked.
    """

    def __init__(
        self,
        sockets: Sequence[FamilySocket],
        responder: Responder,
        *,
        names: Sequence[str],
        clock: Clock,
    ) -> None:
        self._sockets = sockets
        self._responder = responder
        self._names = tuple(names)
        self._clock = clock
        self._per_source = Buckets(per_second=10, burst=20, limit=1_000)
        self._in_all = Buckets(per_second=200, burst=200, limit=1)
        self._tally = Tally(clock, log)

    @property
    def counts(self) -> Counter[str]:
        """What happened how often: `answered`, `dropped: why`."""
        return self._tally.counts

    def start(self) -> None:
        """Begin to answer."""
        for sock in self._sockets:
            asyncio.get_running_loop().add_reader(sock.fileno(), self._on_readable, sock)

    def stop(self) -> None:
        """Answer no more."""
        for sock in self._sockets:
            asyncio.get_running_loop().remove_reader(sock.fileno())
            sock.close()

    def _on_readable(self, sock: FamilySocket) -> None:
        for _ in range(AT_ONCE):
            try:
                received = sock.receive()
                if received is None:
                    self._tally.dropped("too long")
                else:
                    self._take(sock, received)
            except BlockingIOError:
                return
            except OSError as error:
                self._tally.failed("not received or not sent", error)
            except Exception:  # noqa: BLE001 - whatever it is, the next datagram must be read
                self._tally.crashed()

    def _take(self, sock: FamilySocket, received: Received) -> None:
        source, now = received.source, self._clock.monotonic()
        if received.port == 0 or source.is_multicast or source.is_unspecified:
            self._tally.dropped("unwelcome source", source)
            return
        if not (self._per_source.has_token(source, now) and self._in_all.has_token("", now)):
            self._tally.dropped("too often", source)
            return
        traffic.debug("from %s port %d: %r", source, received.port, received.data)
        try:
            request = wire.decode(received.data)
        except RequestError as error:
            self._tally.dropped(type(error).__name__, source)
            return
        answer = self.answer(request, received.destination)
        if answer is None:
            self._tally.dropped("somebody else", source)
            return
        self._per_source.take(source, now)
        self._in_all.take("", now)
        data = wire.encode(answer)
        traffic.debug("to %s: %r", source, data)
        local = isinstance(source, IPv6Address) and source.is_link_local
        link = received.link if local else 0
        sock.send(data, received.destination, link, (source, received.port))
        self._tally.counts["answered"] += 1

    def answer(self, request: Request, asked: Address) -> ProbeMatches | ResolveMatches | None:
        """The answer to what came in at our address `asked`; None for a Resolve of somebody else.

        A Probe with a rule for scopes that we do not know gets no match, as faults are not sent
        over UDP.
        """
        message_id, sequence = uuid.uuid4().urn, self._responder.next_sequence
        if isinstance(request, Probe):
            ours = matches(request, self._responder.announcement)
            target = self._target(asked) if ours else None
            return ProbeMatches(message_id, request.message_id, sequence(), target)
        if not self._responder.is_us(request.address):
            return None
        return ResolveMatches(message_id, request.message_id, sequence(), self._target(asked))

    def _target(self, asked: Address) -> Target:
        told = self._responder.announcement
        hosts = dict.fromkeys([*self._names, url_host(asked)])
        target = self._responder.target("")
        return replace(target, xaddrs=tuple(told.url(host) for host in hosts))
