"""Ports, routes, and the page that a browser gets."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from aiohttp import web

from device.errors import ConfigError

log = logging.getLogger(__name__)

KEEPALIVE_S = 75.0
BACKLOG = 128
STOP_S = 1.5

PageMaker = Callable[[], str]


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
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
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
            raise ConfigError(
                f"Port {port} is taken by another program; name another with --port."
            ) from None
        if error.errno == errno.EACCES:
            raise ConfigError(
                f"Port {port} may not be used by this user; try one above 1023."
            ) from None
        if error.errno == errno.EADDRNOTAVAIL and address not in ("0.0.0.0", "::"):
            raise ConfigError(f"The host {address!r} is no address of this machine.") from None
        raise
    return sock


class HttpServer:
    """Serves SOAP by POST at every path, and a page for people at `/`.

    Any path is taken, since clients post to whichever address they hold; what `To` may name is
    checked by the endpoint.
    """

    def __init__(
        self,
        handle: Callable[[web.Request], object],
        sockets: list[socket.socket],
        page: PageMaker,
    ) -> None:
        self._sockets = sockets
        self._page = page
        application = web.Application()
        application.router.add_post("/{path:.*}", handle)  # type: ignore[arg-type]
        application.router.add_get("/", self._get_page)
        application.on_response_prepare.append(_name_the_product)
        self._runner = web.AppRunner(
            application, access_log=None, keepalive_timeout=KEEPALIVE_S, handle_signals=False
        )

    @property
    def port(self) -> int:
        """The TCP port that is listened on."""
        return int(self._sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Begin to answer."""
        await self._runner.setup()
        for sock in self._sockets:
            await web.SockSite(self._runner, sock).start()

    async def stop(self) -> None:
        """Close every connection."""
        try:
            async with asyncio.timeout(STOP_S):
                await self._runner.cleanup()
        except TimeoutError:
            log.warning("some connections did not close in time")

    async def _get_page(self, request: web.Request) -> web.Response:
        return web.Response(text=self._page(), content_type="text/html")


async def _name_the_product(request: web.Request, response: web.StreamResponse) -> None:
    """Not the versions of what we are made of."""
    response.headers["Server"] = "wsd-scanner"
