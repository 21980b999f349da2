"""A port for a page and its REST: whoever may come in, and what every answer says."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable

from aiohttp import web

from device.panel.access import Access
from device.panel.pages import Pages, sign_in
from device.panel.problems import say_what_is_wrong

log = logging.getLogger(__name__)

MAX_BODY = 65_536
STOP_S = 1.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Server": "wsd-scanner",
    "X-Content-Type-Options": "nosniff",
}


class PanelPort:
    """Serves a page and some routes on listening sockets. An empty `token` asks for none.

    Args:
        pages: makes the page, which lets a browser in.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        token: str,
        routes: Iterable[web.RouteDef],
        pages: Callable[[Access], Pages] = Pages,
    ) -> None:
        self._sockets = sockets
        access = Access(token, port=self.port, sign_in=sign_in)
        app = web.Application(
            middlewares=[say_what_is_wrong, access.middleware], client_max_size=MAX_BODY
        )
        app.add_routes([*pages(access).routes(), *routes])
        app.on_response_prepare.append(_add_headers)
        self._runner = web.AppRunner(app, access_log=None)

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
            log.info("some connections to the panel did not close in time")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = _HEADERS["Server"]
