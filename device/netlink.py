"""The kernel's list of interfaces and addresses, and word of its changes.

Route netlink rather than `getifaddrs`: it tells which IPv6 addresses are tentative, deprecated or
temporary, and a change wakes us, so that nothing has to be polled.

Source: rtnetlink(7).
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Final

_GROUPS: Final = 0x1 | 0x10 | 0x100
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR"""
_NEWLINK, _GETLINK, _NEWADDR, _GETADDR = 16, 18, 20, 22
_ERROR, _DONE = 2, 3
_REQUEST_DUMP: Final = 0x301
_IFNAME: Final = 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_LENGTHS = {socket.AF_INET: 4, socket.AF_INET6: 16}

UP, LOOPBACK, POINT_TO_POINT, RUNNING, MULTICAST = 0x1, 0x8, 0x10, 0x40, 0x1000
"""Flags of an interface (IFF_…)."""
TEMPORARY, DEPRECATED, TENTATIVE, DAD_FAILED = 0x1, 0x20, 0x40, 0x8
"""Flags of an address (IFA_F_…). The first means "secondary" for IPv4."""


@dataclass(frozen=True, slots=True)
class KernelLink:
    """An interface as the kernel shows it."""

    index: int
    name: str
    flags: int


@dataclass(frozen=True, slots=True)
class KernelAddress:
    """An address as the kernel shows it, on the interface with that index."""

    link: int
    interface: IPv4Interface | IPv6Interface
    flags: int


def subscribe() -> socket.socket:
    """A socket that becomes readable when an interface or an address changes.

    Raises:
        OSError: not here.
    """
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        sock.setblocking(False)
        sock.bind((0, _GROUPS))
    except OSError:
        sock.close()
        raise
    return sock


def drain(sock: socket.socket) -> None:
    """Read all that is there. What it says is no matter: the whole list is read again."""
    with contextlib.suppress(OSError):  # none left; or ENOBUFS: some were lost, and no matter
        while True:
            sock.recv(65_536)


def links() -> list[KernelLink]:
    """All interfaces.

    Raises:
        OSError: the kernel does not say.
    """
    found = []
    for body in _dump(_GETLINK, _NEWLINK):
        _, _, index, flags, _ = _LINK.unpack_from(body)
        for kind, value in _attributes(body[_LINK.size :]):
            if kind == _IFNAME:
                found.append(KernelLink(index, value.rstrip(b"\0").decode(), flags))
    return found


def addresses() -> list[KernelAddress]:
    """All addresses of both families.

    Raises:
        OSError: the kernel does not say.
    """
    found = []
    for body in _dump(_GETADDR, _NEWADDR):
        family, prefix, flags, _, index = _ADDRESS.unpack_from(body)
        values = dict(_attributes(body[_ADDRESS.size :]))
        # On a point-to-point link, IFA_ADDRESS is the peer's.
        packed = values.get(_IFA_LOCAL, values.get(_IFA_ADDRESS, b""))
        if len(packed) == _LENGTHS.get(family):
            if _IFA_FLAGS in values:
                (flags,) = struct.unpack("=I", values[_IFA_FLAGS])
            text = f"{socket.inet_ntop(family, packed)}/{prefix}"
            found.append(KernelAddress(index, ip_interface(text), flags))
    return found


def _dump(request: int, wanted: int) -> Iterator[bytes]:
    """The bodies of all messages of kind `wanted` that answer `request`."""
    message = _HEADER.pack(_HEADER.size + _LINK.size, request, _REQUEST_DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as sock:
        sock.settimeout(2)  # the kernel answers at once
        sock.bind((0, 0))
        sock.send(message + bytes(_LINK.size))
        while True:
            data = sock.recv(65_536)
            while len(data) >= _HEADER.size:
                length, kind, _, _, _ = _HEADER.unpack_from(data)
                if kind == _DONE:
                    return
                if kind == _ERROR or length < _HEADER.size:
                    raise OSError("the kernel does not list its interfaces")
                if kind == wanted:
                    yield data[_HEADER.size : length]
                data = data[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3
