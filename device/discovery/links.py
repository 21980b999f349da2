"""Links: network interfaces with the addresses that can be used on them. Opens nothing.

A *site* is one family on one link: groups are joined, and Hello and Bye are said, per site.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface


class Family(Enum):
    """IP version."""

    IPV4 = 4
    IPV6 = 6


BOTH = (Family.IPV4, Family.IPV6)


def family_of(address: Address) -> Family:
    """The family of `address`."""
    return Family.IPV4 if address.version == 4 else Family.IPV6


@dataclass(frozen=True, slots=True)
class Site:
    """One family on one link, by the link's index."""

    link: int
    family: Family


@dataclass(frozen=True, slots=True)
class Link:
    """An interface that can be used now. Addresses come without zones, in the kernel's order."""

    index: int
    name: str
    addresses: tuple[Interface, ...]
    is_loopback: bool = False

    def of(self, family: Family) -> tuple[Interface, ...]:
        """Its addresses of one family."""
        return tuple(a for a in self.addresses if a.version == family.value)

    def has(self, address: Address) -> bool:
        """Whether `address` is ours on this link."""
        return any(own.ip == address for own in self.addresses)

    def reaches(self, address: Address) -> bool:
        """Whether `address` is on a subnet of this link."""
        if isinstance(address, IPv6Address) and address.is_link_local:
            return bool(self.of(Family.IPV6))
        return any(address in subnet(own) for own in self.addresses)

    def is_broadcast(self, address: Address) -> bool:
        """Whether `address` means everybody on one of our IPv4 subnets."""
        return any(
            own.network.broadcast_address == address and own.network.prefixlen < 31
            for own in self.addresses
            if isinstance(own, IPv4Interface)
        )

    def toward(self, peer: Address) -> Address | None:
        """Our address for a peer on this link: of its family and, if there is one, its subnet.

        A peer with a link-local IPv6 address gets ours; any other gets a link-local one only when
        there is nothing else.

        Source: dpws section 4.6.
        """
        candidates = self.of(family_of(peer))
        near = [own for own in candidates if peer in subnet(own)]
        if isinstance(peer, IPv6Address):
            fitting = [own for own in candidates if own.ip.is_link_local == peer.is_link_local]
            near = [own for own in near if own in fitting] or fitting
        chosen = [*near, *candidates]
        return chosen[0].ip if chosen else None

    def announced(self, family: Family) -> tuple[Address, ...]:
        """The addresses that each get a Hello of their own.

        IPv4: one for each subnet, for peers of another drop it as off-subnet. IPv6: one, and the
        link-local one if it is there, since everybody on the link has such an address.
        """
        candidates = self.of(family)
        if family is Family.IPV4:
            first = {own.network: own.ip for own in reversed(candidates)}
            return tuple(own.ip for own in candidates if first[own.network] == own.ip)
        local = [own.ip for own in candidates if own.ip.is_link_local]
        return tuple([*local, *(own.ip for own in candidates)][:1])


def subnet(own: Interface) -> IPv4Network | IPv6Network:
    """The subnet that `own` is on; an address given by DHCPv6 says /128 and is on a /64."""
    if isinstance(own, IPv6Interface) and own.network.prefixlen > 64:
        return IPv6Network((own.ip, 64), strict=False)
    return own.network


def sites(links: Iterable[Link]) -> dict[Site, Link]:
    """Every family that has an address, on every link."""
    return {Site(link.index, family): link for link in links for family in BOTH if link.of(family)}


def url_host(address: Address) -> str:
    """`address` as it stands in a URL; without its zone, which means nothing to others."""
    if isinstance(address, IPv6Address):
        return f"[{str(address).partition('%')[0]}]"
    return str(address)
