"""Sockets in another namespace, as a program: one JSON command per line in, one answer out.

    {"do": "ask", "data": hex, "to": [host, port], "interface": name, "wait_s": s, ...}
        send and collect what comes back; `want` ends the wait at so many datagrams,
        `bind` is [host, port], `datagrams` sends several instead of `data`
    {"do": "listen", "interfaces": [...], "family": 4|6}   join the group, remember what is heard
    {"do": "heard"}                                        what was heard since the last time
    {"do": "forge", "data": hex, "from": [host, port], "to": [host, port]}
        send an IPv4 datagram with that source

Datagrams come back as [hex, host, port, seconds since the agent began].
"""

import contextlib
import json
import selectors
import socket
import struct
import sys
import time
from typing import Any

GROUPS = {4: "239.255.255.250", 6: "ff02::c"}
MULTICAST_ALL = {4: (socket.IPPROTO_IP, 49), 6: (socket.IPPROTO_IPV6, 29)}
BEGAN_S = time.monotonic()

Heard = tuple[str, str, int, float]
listeners: list[socket.socket] = []


def opened(family: int) -> socket.socket:
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    sock = socket.socket(kind, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


def ask(command: dict[str, Any]) -> list[Heard]:
    host, port = command["to"]
    index = socket.if_nametoindex(command["interface"])
    with opened(6 if ":" in host else 4) as sock:
        if ":" in host:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            target: tuple[Any, ...] = (host, port, 0, index)
        else:
            request = struct.pack("=4s4sI", bytes(4), bytes(4), index)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
            target = (host, port)
        if "bind" in command:
            bound_host, bound_port = command["bind"]
            scope = (0, index) if bound_host.startswith("fe80") else ()
            sock.bind((bound_host, bound_port, *scope))
        for data in command.get("datagrams", [command.get("data")]):
            sock.sendto(bytes.fromhex(data), target)
        return collected([sock], command["wait_s"], command.get("want"))


def collected(sockets: list[socket.socket], wait_s: float, want: int | None = None) -> list[Heard]:
    found: list[Heard] = []
    until_s = time.monotonic() + wait_s
    with selectors.DefaultSelector() as selector:
        for sock in sockets:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
        while (left_s := until_s - time.monotonic()) > 0 and (want is None or len(found) < want):
            for key, _ in selector.select(left_s):
                with contextlib.suppress(BlockingIOError):
                    data, peer = key.fileobj.recvfrom(65536)  # type: ignore[union-attr]
                    at_s = time.monotonic() - BEGAN_S
                    found.append((data.hex(), peer[0].partition("%")[0], peer[1], at_s))
    return found


def listen(command: dict[str, Any]) -> list[Heard]:
    """One socket for all: an IPv6 one hears the group on every interface that anybody joined."""
    family = command["family"]
    sock = opened(family)
    sock.setsockopt(*MULTICAST_ALL[family], 0)
    group = socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, GROUPS[family])
    for name in command["interfaces"]:
        index = socket.if_nametoindex(name)
        if family == 4:
            request = struct.pack("=4s4sI", group, bytes(4), index)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        else:
            request = struct.pack("=16sI", group, index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    sock.bind(("" if family == 4 else "::", 3702))
    listeners.append(sock)
    return []


def forge(command: dict[str, Any]) -> list[Heard]:
    """IPv4 only. The kernel fills in lengths and the header's checksum; UDP's may be 0."""
    data = bytes.fromhex(command["data"])
    (source, source_port), (host, port) = command["from"], command["to"]
    udp = struct.pack("!HHHH", source_port, port, 8 + len(data), 0) + data
    addresses = socket.inet_aton(source) + socket.inet_aton(host)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 1, socket.IPPROTO_UDP, 0) + addresses
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        index = socket.if_nametoindex(command["interface"])
        request = struct.pack("=4s4sI", bytes(4), bytes(4), index)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(header + udp, (host, 0))
    return []


def heard(command: dict[str, Any]) -> list[Heard]:
    return collected(listeners, command["wait_s"], command.get("want"))


DO = {"ask": ask, "listen": listen, "forge": forge, "heard": heard}


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(DO[command["do"]](command)), flush=True)


if __name__ == "__main__":
    main()
