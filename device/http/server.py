"""Ports, routes, and the page that a browser gets."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import HttpVersion11

from device.errors import ConfigError
from device.http import web
from device.http.addresses import PRODUCT

log = logging.getLogger(__name__)

KEEPALIVE_S = 75.0
HEADER_TIMEOUT_S = 10.0
BACKLOG = 128
MAX_CONNECTIONS = 512
"""Half of the descriptors that a process usually has."""
MAX_CONNECTIONS_OF_ONE_PEER = 128
QUIET_S = 60.0
"""How long nothing more is said of connections that are too many."""
STOP_S = 1.5

PageMaker = Callable[[str], str | None]
"""Path → the page for people that is there, as HTML; None if there is none."""


class PortTaken(ConfigError):
    """Another program listens there."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken by another program; name another with --port.")


def open_sockets(host: str, port: int) -> list[socket.socket]:
    """Listening sockets: on `host`, or on every address of both families, all on one port.

    Raises:
        ConfigError: the address is not ours, or the port is taken.
    """
    if host:
        return [_listen(family, address, port) for family, address in _resolve(host)]
    first = _listen(socket.AF_INET, "0.0.0.0", port)
    try:
        second = _listen(socket.AF_INET6, "::", first.getsockname()[1])
    except OSError:  # a host without IPv6
        return [first]
    except ConfigError:
        first.close()
        raise
    return [first, second]


def _resolve(host: str) -> list[tuple[socket.AddressFamily, str]]:
    # As text, it would load the tables of international names, which few need.
    name = host.encode() if host.isascii() else host
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise ConfigError(f"The host {host!r} is no address of this machine.") from None
    # One socket: of a name with several addresses, the first is listened on.
    family, _, _, _, address = found[0]
    return [(family, str(address[0]))]


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(port) from None
        if error.errno == errno.EACCES:
            raise ConfigError(
                f"Port {port} may not be used by this user; try one above 1023."
            ) from None
        if error.errno == errno.EADDRNOTAVAIL and address not in ("0.0.0.0", "::"):
            raise ConfigError(f"The host {address!r} is no address of this machine.") from None
        raise
    return sock


class HttpServer:
    """Serves SOAP by POST at every path, and pages for people.

    Any path is taken, since clients post to whichever address they hold; what `To` may name is
    checked by the endpoint. There is nothing to route, so there is no router. With a `context` all
    of it is behind TLS.
    """

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        sockets: list[socket.socket],
        page: PageMaker,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._handle = handle
        self._context = context
        self._sockets = sockets
        self._page = page
        self._server = _Server(
            self._answer,
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            auto_decompress=False,
        )
        self._listening: list[asyncio.Server] = []

    @property
    def port(self) -> int:
        """The TCP port that is listened on."""
        return int(self._sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Begin to answer."""
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            self._listening.append(
                await loop.create_server(
                    self._server, sock=sock, ssl=self._context, backlog=BACKLOG
                )
            )

    async def stop(self) -> None:
        """Close every connection."""
        for listening in self._listening:
            listening.close()
        await asyncio.sleep(0)  # requests that have come already are begun
        for connection in self._server.connections:
            connection.close()  # now if it is idle, or else after its answer
        try:
            async with asyncio.timeout(STOP_S):
                await self._server.shutdown()
        except TimeoutError:
            log.warning("some connections did not close in time")

    def _answer(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        self._server.heard(request.protocol)
        if request.method == "POST" and "Expect" not in request.headers:
            return self._handle(request)
        return self._answer_otherwise(request)

    async def _answer_otherwise(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            await _continue(request)
            return await self._handle(request)
        headers = {"Server": PRODUCT}
        page = self._page(request.path)
        if page is None:
            headers["Allow"] = "POST"
            return web.Response(status=405, text="POST a SOAP envelope here.\n", headers=headers)
        if request.method not in ("GET", "HEAD"):
            headers["Allow"] = "GET, HEAD, POST"
            return web.Response(status=405, text="GET this page, or POST.\n", headers=headers)
        return web.Response(text=page, content_type="text/html", headers=headers)


class _Connection(web.RequestHandler):
    """A connection on which lines of a header may be folded.

    HTTP has such lines no longer, and aiohttp's parser refuses them; but libraries for MIME make
    them, and peers send that as it is (ws-dsp section 4.3).
    """

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        # It waits only for the next request: what comes is a header, up to its end.
        if self._waiter is not None and not self._waiter.done():
            end = data.find(b"\r\n\r\n")
            end = len(data) if end < 0 else end
            if data.find(b"\r\n ", 0, end) >= 0 or data.find(b"\r\n\t", 0, end) >= 0:
                head = data[:end].replace(b"\r\n ", b"   ").replace(b"\r\n\t", b"   ")
                data = head + data[end:]
        super().data_received(data)


class _Server(web.Server):
    """A server that strangers can reach: aiohttp alone waits for ever, and for everybody.

    Closes connections that send no request header in time, and turns away those that are too many.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._waiting: dict[object, asyncio.TimerHandle] = {}
        self._peers: dict[object, str] = {}
        self._counts: Counter[str] = Counter()
        self._quiet_until = 0.0

    def __call__(self) -> web.RequestHandler:
        loop = asyncio.get_running_loop()
        handler = _Connection(self, loop=loop, **self._kwargs)
        self._waiting[handler] = loop.call_later(HEADER_TIMEOUT_S, self._late, handler)
        return handler

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._peers[handler] = peer
        self._counts[peer] += 1
        if self._counts[peer] > MAX_CONNECTIONS_OF_ONE_PEER or len(self._peers) > MAX_CONNECTIONS:
            self._turn_away(peer, transport)

    def _turn_away(self, peer: str, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() >= self._quiet_until:
            self._quiet_until = loop.time() + QUIET_S
            log.info("%s has too many connections, or all have", peer)
        transport.write(_TOO_MANY)
        # Not at once: the task that reads would find the connection lost before it has begun.
        loop.call_soon(transport.close)

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self.heard(handler)
        peer = self._peers.pop(handler, None)
        if peer is not None:
            self._counts[peer] -= 1
            if not self._counts[peer]:
                del self._counts[peer]

    def heard(self, handler: object) -> None:
        """That connection has sent a request header, or is gone. Its timer would keep it."""
        timer = self._waiting.pop(handler, None)
        if timer is not None:
            timer.cancel()

    def _late(self, handler: web.RequestHandler) -> None:
        del self._waiting[handler]
        if handler.transport is not None:
            handler.transport.close()


_TOO_MANY = (
    f"HTTP/1.1 503 Service Unavailable\r\nServer: {PRODUCT}\r\nConnection: close\r\n"
    "Retry-After: 5\r\nContent-Length: 22\r\n\r\nToo many connections.\n"
).encode()


async def _continue(request: web.BaseRequest) -> None:
    """Tell a peer that waits for it to send its body: .NET waits up to a second otherwise."""
    expects = request.headers.get("Expect", "").strip().lower() == "100-continue"
    if expects and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
