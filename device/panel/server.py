"""The panel's port."""

from __future__ import annotations

import asyncio
import html
import logging
import socket

from aiohttp import web

from device.panel import openapi
from device.panel.access import Access
from device.panel.problems import say_what_is_wrong
from device.panel.routes import Devices, routes

log = logging.getLogger(__name__)

MAX_BODY = 65_536
STOP_S = 1.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "wsd-scanner",
    "X-Content-Type-Options": "nosniff",
}


class PanelServer:
    """Serves the panel of some devices on listening sockets. An empty `token` asks for none."""

    def __init__(self, devices: Devices, sockets: list[socket.socket], token: str = "") -> None:
        self._devices = devices
        self._sockets = sockets
        app = web.Application(
            middlewares=[say_what_is_wrong, Access(token).middleware], client_max_size=MAX_BODY
        )
        app.add_routes([web.get("/", self._page), *routes(devices)])
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
        """Close every connection; one who waits for the journal waits no longer."""
        try:
            async with asyncio.timeout(STOP_S):
                await self._runner.cleanup()
        except TimeoutError:
            log.info("some connections to the panel did not close in time")

    async def _page(self, request: web.Request) -> web.Response:
        names = [html.escape(parts.facts.name) for parts in self._devices()]
        name = ", ".join(names) or "No scanner"
        plain = [
            path
            for path, operations in openapi.document()["paths"].items()
            if "get" in operations and "{" not in path
        ]
        links = "".join(f'<li><a href="{openapi.BASE}{path}">{path[1:]}</a>' for path in plain)
        return web.Response(
            text=f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
            f"<h1>{name}</h1><ul>{links}</ul></html>",
            content_type="text/html",
        )


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
