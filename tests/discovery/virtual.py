"""A responder in virtual time, and the parts that its tests are made of."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from random import Random
from typing import Any

from device.discovery.links import Link
from device.discovery.messages import Announcement, Probe, Request
from device.discovery.responder import Arrival, Datagram, Responder
from device.soap.namespaces import WSCN, WSDP

UUID = "5a3d9b1c-0000-4000-8000-000000000001"
URN = f"urn:uuid:{UUID}"
ANNOUNCEMENT = Announcement(
    uuid_urn=URN,
    types=((WSDP, "Device"), (WSCN, "ScanDeviceType")),
    scopes=(),
    path=f"/{UUID}",
    port=5357,
    scheme="http",
    metadata_version=3,
)
ETH = Link(
    2,
    "eth0",
    (
        ip_interface("192.168.1.10/24"),
        ip_interface("2001:db8:1::10/64"),
        ip_interface("fe80::10/64"),
    ),
)
WLAN = Link(3, "wlan0", (ip_interface("10.0.0.5/8"), ip_interface("fe80::5/64")))
LOOPBACK = Link(1, "lo", (ip_interface("127.0.0.1/8"), ip_interface("::1/128")), is_loopback=True)
PEER = "192.168.1.77"
GROUPS = {4: "239.255.255.250", 6: "ff02::c"}


def arrival(
    source: str = PEER, port: int = 40_000, link: Link = ETH, destination: str | None = None
) -> Arrival:
    came_from = ip_address(source)
    to = ip_address(destination or GROUPS[came_from.version])
    return Arrival(link, came_from, port, to)


@dataclass(frozen=True)
class Sent:
    at_s: float
    datagram: Datagram

    @property
    def message(self) -> Any:
        return self.datagram.message

    @property
    def kind(self) -> str:
        return type(self.message).__name__

    @property
    def number(self) -> int:
        return int(self.message.sequence.message_number)


class Virtual:
    """A responder, its time, and everything it has sent."""

    def __init__(self, announcement: Announcement = ANNOUNCEMENT, seed: int = 1, **options: Any):
        self.responder = Responder(announcement, instance_id=1_000, random=Random(seed), **options)
        self.now_s = 5_000.0
        self.sent: list[Sent] = []
        self._ids = 0

    def ask(self, request: Request | None = None, came: Arrival | None = None) -> bool:
        """Deliver a request now, by default a new Probe for anything; whether it is answered."""
        if request is None:
            self._ids += 1
            request = Probe(f"urn:uuid:{self._ids}")
        came = came or arrival()
        if not self.responder.is_welcome(came):
            return False
        return self.responder.answer(request, came, self.now_s)

    def links(self, *links: Link) -> None:
        self.responder.links_changed(links, self.now_s)

    def turn(self, seconds: float) -> list[Sent]:
        """Let time pass; what was sent in it."""
        until_s = self.now_s + seconds
        before = len(self.sent)
        while (deadline := self.responder.next_deadline()) is not None and deadline <= until_s:
            self.now_s = max(self.now_s, deadline)
            datagrams = self.responder.due(self.now_s)
            assert datagrams, "a deadline without anything due would spin"
            self.sent += [Sent(self.now_s, datagram) for datagram in datagrams]
        self.now_s = until_s
        return self.sent[before:]

    def first(self, seconds: float = 2) -> Any:
        """The message of the first copy that is sent within `seconds`."""
        return self.turn(seconds)[0].message
