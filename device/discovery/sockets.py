"""The two UDP sockets: one for each family, for all interfaces at once.

Source: dpws section 4.8; wsdiscovery.md, section 5.3.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from device.discovery.links import Address, Family
from device.errors import ConfigError
from device.soap.xml import MAX_ENVELOPE

PORT: Final = 3702
GROUPS: Final[dict[Family, Address]] = {
    Family.IPV4: IPv4Address("239.255.255.250"),
    Family.IPV6: IPv6Address("ff02::c"),
}
# Python 3.11 does not name these.
_IP_PKTINFO: Final = 8
_IP_MULTICAST_ALL: Final = 49
_IPV6_MULTICAST_ALL: Final = 29
_PKTINFO4 = struct.Struct("=I4s4s")
_PKTINFO6 = struct.Struct("=16sI")
_MREQN = struct.Struct("=4s4sI")
_MREQ6 = struct.Struct("=16sI")
_ANCILLARY: Final = 128


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram: its bytes, the index of the interface it came in on, and both addresses."""

    data: bytes
    link: int
    source: Address
    port: int
    destination: Address


class UdpPortTaken(ConfigError):
    """Another program has the port for itself."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"UDP port {port} is held by a program that does not share it; "
            f"stop that program, or run with --no-discovery."
        )


class FamilySocket:
    """A port of one family, on every interface.

    Args:
        address: the only address to listen on.
        shared: other programs may have the port, too.

    Raises:
        ConfigError: a program has the port and does not share it.
        OSError: this machine does not know the family, or has no such address.
    """

    def __init__(
        self, family: Family, port: int = PORT, *, address: str = "", shared: bool = True
    ) -> None:
        self.family = family
        self._port = port
        v4 = family is Family.IPV4
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_INET if v4 else socket.AF_INET6, kind)
        try:
            # Never SO_REUSEPORT: it deals unicast out among the sockets that share the port.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(shared))
            _set_up_ipv4(self._socket) if v4 else _set_up_ipv6(self._socket)
            self._socket.bind((address or ("" if v4 else "::"), port))
        except OSError as error:
            self._socket.close()
            if error.errno == errno.EADDRINUSE:
                raise UdpPortTaken(port) from None
            raise

    @property
    def port(self) -> int:
        """The port that it has."""
        return int(self._socket.getsockname()[1])

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def join(self, link: int) -> None:
        """Hear the group on the interface with that index.

        Raises:
            OSError: not on this one, or there are too many.
        """
        try:
            self._membership(socket.IP_ADD_MEMBERSHIP, socket.IPV6_JOIN_GROUP, link)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:  # a member already
                raise

    def leave(self, link: int) -> None:
        """Stop hearing the group there; if the interface is gone, so is the membership."""
        with contextlib.suppress(OSError):
            self._membership(socket.IP_DROP_MEMBERSHIP, socket.IPV6_LEAVE_GROUP, link)

    def _membership(self, v4_option: int, v6_option: int, link: int) -> None:
        group = GROUPS[self.family].packed
        if self.family is Family.IPV4:
            request = _MREQN.pack(group, bytes(4), link)
            self._socket.setsockopt(socket.IPPROTO_IP, v4_option, request)
        else:
            request = _MREQ6.pack(group, link)
            self._socket.setsockopt(socket.IPPROTO_IPV6, v6_option, request)

    def receive(self) -> Received | None:
        """The next datagram; None for one that is too long or comes without its addresses.

        Raises:
            BlockingIOError: there is none.
        """
        data, ancillary, flags, peer = self._socket.recvmsg(MAX_ENVELOPE, _ANCILLARY)
        if flags & socket.MSG_TRUNC:
            return None
        source: Address
        for level, kind, value in ancillary:
            if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
                link, _, destination = _PKTINFO4.unpack_from(value)
                source = IPv4Address(peer[0])
                return Received(data, link, source, peer[1], IPv4Address(destination))
            if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                destination, link = _PKTINFO6.unpack_from(value)
                source = IPv6Address(peer[0].partition("%")[0])
                return Received(data, link, source, peer[1], IPv6Address(destination))
        return None

    def send(self, data: bytes, source: Address, link: int, peer: tuple[Address, int]) -> None:
        """Send from our port and from `source`, out of the interface with the index `link`.

        With 0 the kernel chooses the interface.

        Raises:
            OSError: no route, no such address, no such interface, a full buffer.
        """
        address, port = peer
        if self.family is Family.IPV4:
            info = _PKTINFO4.pack(link, source.packed, bytes(4))
            where: tuple[str | int, ...] = (str(address), port)
            ancillary = (socket.IPPROTO_IP, _IP_PKTINFO, info)
        else:
            info = _PKTINFO6.pack(source.packed, link)
            where = (str(address), port, 0, link)
            ancillary = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)
        self._socket.sendmsg([data], [ancillary], 0, where)

    def send_to_group(
        self, data: bytes, source: Address, link: int, *, here_only: bool = False
    ) -> None:
        """Send to everybody on a link, programs on this machine included.

        With `here_only` to those alone: a datagram that may cross no hop never leaves.

        Raises:
            OSError: as for `send`.
        """
        hops = (
            (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL)
            if self.family is Family.IPV4
            else (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS)
        )
        if here_only:
            self._socket.setsockopt(*hops, 0)
        try:
            self.send(data, source, link, (GROUPS[self.family], self._port))
        finally:
            if here_only:
                self._socket.setsockopt(*hops, 1)


def _set_up_ipv4(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)


def _set_up_ipv6(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
