"""Where events may go: an event sink is a URL that a stranger gives us.

Without limits, anybody could make the device post into other machines, its own, or a cloud's
metadata service (the hole that UPnP's CallStranger made known). So a name is resolved once, the
address is checked, and that very address is connected to.

Source: dpws section 10.2, point 8.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from device import netlink
from device.errors import ConfigError, DestinationUnreachable
from device.eventing.names import look_up

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

RESOLVE_S = 3.0
_BROADCAST = ipaddress.ip_address("255.255.255.255")
_METADATA = ipaddress.ip_address("169.254.169.254")
SAME_LINK = "link"
"""Among the allowed networks: every address on the link that the subscriber is on."""


@dataclass(frozen=True, slots=True)
class Link:
    """An interface of ours: our addresses on it, and the subnets they are in."""

    name: str
    addresses: tuple[Address, ...]
    networks: tuple[Network, ...]

    def reaches(self, address: Address) -> bool:
        """Whether `address` is on this link, as far as its subnets tell."""
        return any(address in network for network in self.networks)


def own_links() -> tuple[Link, ...]:
    """Our interfaces, as they are now. Raises OSError when the kernel does not say."""
    addresses = netlink.addresses()
    links = []
    for link in netlink.links():
        faces = [one.interface for one in addresses if one.link == link.index]
        links.append(
            Link(link.name, tuple(face.ip for face in faces), tuple(face.network for face in faces))
        )
    return tuple(links)


_REFUSED = "Events may not go to this address: by default only to the one that subscribes."


class AddressPolicy:
    """Says to which addresses events may go.

    By default that is the address that subscribes, and no other.

    Args:
        allowed: networks in CIDR form whose addresses anybody may name, and `link` for every
            address on the subscriber's own link. A network given here is trusted even if it is
            loopback.
        links: our interfaces.

    Raises:
        ConfigError: an entry of `allowed` is no network.
    """

    def __init__(
        self, allowed: Iterable[str] = (), links: Callable[[], tuple[Link, ...]] = own_links
    ) -> None:
        entries = [entry.strip().lower() for entry in allowed]
        self._same_link = SAME_LINK in entries
        self._allowed = tuple(network_of(entry) for entry in entries if entry != SAME_LINK)
        self._links = links

    async def check(self, url: str, peer: str) -> str:
        """The address that `url` stands for, to be connected to; with a zone where it needs one.

        Args:
            peer: the address that the request came from, with its zone if it has one.

        Raises:
            DestinationUnreachable: events may not go there.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise DestinationUnreachable(url, _REFUSED) from None
        plain = url.isascii() and url.isprintable() and not {" ", "#"} & set(url)
        plain = plain and "@" not in parts.netloc
        if parts.scheme.lower() not in ("http", "https") or not host or port == 0 or not plain:
            raise DestinationUnreachable(url, _REFUSED)
        links = self._links()
        for found in await _addresses(host):
            address = self._usable(found, peer, links)
            if address is not None:
                return address
        raise DestinationUnreachable(url, _REFUSED)

    def _usable(self, found: Address, peer: str, links: tuple[Link, ...]) -> str | None:
        """`found` as it is connected to, None if it is not allowed."""
        if found.is_unspecified or found.is_multicast or found == _METADATA:
            return None
        if found == _BROADCAST:
            return None
        caller, zone = parse(peer)
        near = [link for link in links if (zone == link.name if zone else link.reaches(caller))]
        if found.version == 6 and found.is_link_local:
            zone = zone or (near[0].name if near else "")
            written = f"{found}%{zone}" if zone else str(found)
        else:
            written = str(found)
        if any(found in network for network in self._allowed if network.version == found.version):
            return written
        own = {address for link in links for address in link.addresses}
        if found.is_loopback or found in own:
            return written if caller.is_loopback or caller in own else None
        if found == caller:
            return written
        same = self._same_link and any(link.reaches(found) for link in near)
        return written if same else None


def network_of(entry: str) -> Network:
    """A network in CIDR form, or one address. Raises ConfigError."""
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        raise ConfigError(
            f"The event network {entry!r} must be a network such as 192.168.1.0/24, or 'link'."
        ) from None


def parse(address: str) -> tuple[Address, str]:
    """An address and its zone; an IPv4 one inside IPv6 as what it is.

    Nonsense becomes the unspecified address, which is nobody's.
    """
    plain, _, zone = address.partition("%")
    try:
        found = ipaddress.ip_address(plain)
    except ValueError:
        return ipaddress.IPv6Address(0), ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (found, zone) if mapped is None else (mapped, "")


async def _addresses(host: str) -> list[Address]:
    """The addresses of a literal or a name, in the resolver's order; none if there are none."""
    literal, _ = parse(host)
    if not literal.is_unspecified:
        return [literal]
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await look_up(host)
    except (OSError, UnicodeError, TimeoutError):
        return []
    return list(dict.fromkeys(parse(address)[0] for address in found))
