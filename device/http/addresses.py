"""By which address a peer reached us: it goes into the URLs that the answer holds."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from device import netlink
from device.http import web

PRODUCT = "wsd-scanner"
"""What we call ourselves in HTTP headers: not the versions of what we are made of."""


_HOST_HEADER = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def host_of(address: str) -> str:
    """An address as it stands in a URL: IPv6 in brackets and without its zone.

    A zone means nothing elsewhere and breaks every client (dpws section 4.6).
    """
    bare = address.partition("%")[0]
    return f"[{bare}]" if ":" in bare else bare


@lru_cache(maxsize=1024)
def plain(address: str) -> str:
    """An IPv4 address that came in through an IPv6 socket, as the IPv4 address that it is."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped) if mapped else address


def base_url(request: web.BaseRequest, advertise: str | None = None) -> str:
    """`scheme://host:port` of the connection's own end; `advertise` replaces the host."""
    transport = request.transport
    name = transport.get_extra_info("sockname") if transport else None
    host, port = name[:2] if name else ("127.0.0.1", 80)
    return _url(request.scheme, advertise or plain(host), port)


@lru_cache(maxsize=64)
def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{host_of(host)}:{port}"


def asked_url(request: web.BaseRequest) -> str:
    """`scheme://host:port` by the very name that the peer asked for.

    A certificate holds names; the address of the connection may not be among them. Where the Host
    header is nonsense, it is that address all the same.
    """
    host = request.headers.get("Host", "")
    return f"{request.scheme}://{host}" if _HOST_HEADER.fullmatch(host) else base_url(request)


def peer_address(request: web.BaseRequest) -> str:
    """The peer's address, without its port."""
    return plain(request.remote or "")


def interfaces_with(address: str) -> tuple[str, ...]:
    """The names of the interfaces that have this address. Raises OSError when nobody can tell."""
    wanted = ipaddress.ip_address(address.partition("%")[0])
    having = {one.link for one in netlink.addresses() if one.interface.ip == wanted}
    return tuple(link.name for link in netlink.links() if link.index in having)
