"""Where the scan server listens, and what it is called there."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from device.clock import Clock
from device.discovery.sockets import FamilySocket
from device.errors import ConfigError
from device.http import server
from device.http.addresses import host_of
from scan_server import certificates, udp_probe
from scan_server.options import ServerOptions

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Listeners:
    """Open sockets, all on one port."""

    tcp: Sequence[socket.socket]
    udp: Sequence[FamilySocket]

    @property
    def port(self) -> int:
        return int(self.tcp[0].getsockname()[1])

    def close(self) -> None:
        for tcp in self.tcp:
            tcp.close()
        for udp in self.udp:
            udp.close()


def listen(options: ServerOptions) -> Listeners:
    """Open the sockets for TCP and UDP.

    Raises:
        ConfigError: there is no such address, or another program has the port.
    """
    for left in reversed(range(_TRIES)):
        tcp = server.open_sockets(options.host or "", options.port)
        host, port = tcp[0].getsockname()[:2]
        try:
            udp = udp_probe.open_sockets(host if options.host else "", port) if options.udp else []
            return Listeners(tcp, udp)
        except ConfigError:
            for sock in tcp:
                sock.close()
            if options.port or not left:  # a free port may be taken for UDP; another one is not
                raise
    raise AssertionError


def encryption(options: ServerOptions, clock: Clock) -> tuple[ssl.SSLContext | None, list[str]]:
    """TLS as the options want it, None for plain http; and the host names in the certificate."""
    if options.http:
        return None, []
    cert, key = options.cert, options.key
    if cert is None:
        cert, key = certificates.own_pair(options.state_dir, options.host, clock.now())
        print(f"certificate {cert}\nSHA-256 {certificates.fingerprint(cert)}", file=sys.stderr)
    return certificates.server_context(cert, key, options.ca), certificates.host_names(cert)


def shown_host(host: str | None) -> str:
    """A name for the ready line: the host we were told, else this machine's, if it is known."""
    if host and host not in ("0.0.0.0", "::"):
        return host_of(host)
    own = socket.getfqdn()
    try:
        socket.getaddrinfo(own, None)
    except OSError:
        return "localhost"
    return own
