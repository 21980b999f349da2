"""Which links we use, out of all that the kernel has.

Source: dpws sections 4.6 and 10.2, point 15.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from device import netlink
from device.discovery.links import Family, Interface, Link
from device.errors import ConfigError
from device.netlink import KernelAddress, KernelLink

logger = logging.getLogger(__name__)


def check_names(names: Sequence[str] | None) -> None:
    """Refuse names that no interface has.

    Raises:
        ConfigError: says which there are.
    """
    if names is None:
        return
    try:
        known = sorted(link.name for link in netlink.links())
    except OSError as error:
        raise ConfigError(f"Network interfaces cannot be listed here: {error}.") from None
    for name in names:
        if name not in known:
            raise ConfigError(
                f"There is no network interface {name!r} here; there is {', '.join(known)}."
            )


def usable_links(
    names: Sequence[str] | None, families: Collection[Family], excluded: Sequence[str] = ()
) -> list[Link]:
    """The links to be found on, with the addresses to be found at.

    Args:
        names: only these, whatever they are; None for every link that is up, knows multicast, and
            is neither the loopback nor a tunnel to a single peer. Public IPv4 addresses count only
            on links that are named.
        excluded: shell patterns; none of these, even if it is named.

    Raises:
        OSError: the kernel does not say.
    """
    addresses = netlink.addresses()
    found = []
    for link in netlink.links():
        if _is_wanted(link, names) and not any(fnmatchcase(link.name, one) for one in excluded):
            own = tuple(
                address.interface
                for address in addresses
                if address.link == link.index and _is_usable(address, link, names, families)
            )
            if own:
                loopback = bool(link.flags & netlink.LOOPBACK)
                found.append(Link(link.index, link.name, own, loopback))
    return found


def _is_wanted(link: KernelLink, names: Sequence[str] | None) -> bool:
    if not link.flags & netlink.UP or not link.flags & netlink.RUNNING:
        return False
    if names is not None:
        return link.name in names
    unwanted = netlink.LOOPBACK | netlink.POINT_TO_POINT
    return bool(link.flags & netlink.MULTICAST) and not link.flags & unwanted


def _is_usable(
    address: KernelAddress,
    link: KernelLink,
    names: Sequence[str] | None,
    families: Collection[Family],
) -> bool:
    own = address.interface
    if Family(own.version) not in families:
        return False
    if own.version == 6:
        # Temporary ones vanish within a day, and nothing can be sent from tentative ones.
        passing = netlink.TEMPORARY | netlink.DEPRECATED | netlink.TENTATIVE | netlink.DAD_FAILED
        return not address.flags & passing
    if names is None and own.ip.is_global:
        _mention_public(str(own.ip), link.name)
        return False
    return True


@functools.lru_cache(maxsize=64)
def _mention_public(address: str, name: str) -> None:
    """Once for each address: whoever means it names the interface."""
    logger.warning("%s is public: --interface %s is needed to be found there", address, name)


def describe(links: Sequence[Link]) -> str:
    """One line for the log."""
    return "; ".join(f"{link.name}: {_listed(link.addresses)}" for link in links) or "none yet"


def _listed(addresses: Sequence[Interface]) -> str:
    return ", ".join(str(own.ip) for own in addresses)
