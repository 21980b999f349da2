"""What all devices of this process share: the port, discovery, the panel."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from device.appearance import page
from device.clock import Clock
from device.config import Config
from device.discovery.interfaces import check_names
from device.discovery.links import BOTH, family_of
from device.discovery.responder import Responder
from device.errors import ConfigError
from device.http import web
from device.http.addresses import PRODUCT, host_of, interfaces_with
from device.http.server import HttpServer
from device.instance import Device, listens_on_one
from device.listening import open_panel_port, open_port

if TYPE_CHECKING:
    from device.discovery.endpoint import DiscoveryEndpoint
    from device.panel.server import PanelServer

log = logging.getLogger(__name__)

STOP_S = 4.8
"""How long all of the stop may take."""


class Premises:
    """The sockets and servers that devices are reached through; devices come and go.

    `open`, then `start` in a task group, then `stop`. A device that is `admitted` before the start
    is there from the first request on.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._devices: list[Device] = []
        self._panel_sockets: list[socket.socket] = []
        self._discovery: DiscoveryEndpoint | None = None
        self._panel: PanelServer | None = None
        self._group: asyncio.TaskGroup | None = None
        self._finding: asyncio.Task[None] | None = None

    @property
    def devices(self) -> tuple[Device, ...]:
        """Those that are there, in the order in which they came."""
        return tuple(self._devices)

    def open(self) -> None:
        """Take the ports. Raises ConfigError."""
        self._sockets = open_port(self._config)
        try:
            check_names(self._config.interfaces or None)
        except ConfigError:
            self._close_sockets()
            raise
        self._http = HttpServer(self._handle, self._sockets, self._page)
        if self._config.discovery:
            self._discovery = self._make_discovery()

    async def abandon(self) -> None:
        """Give everything back, for one who does not come to `stop`."""
        self._close_sockets()
        for device in self._devices:
            await device.close()

    def _close_sockets(self) -> None:
        for sock in (*self._sockets, *self._panel_sockets):
            sock.close()

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to answer, and to be found. Raises ConfigError."""
        self._group = group
        if self._config.panel:
            self._panel_sockets = open_panel_port(self._config)
        await self._http.start()
        for device in self._devices:
            device.start(group)
        if self._discovery is not None:
            await self._discovery.start()
            self._finding = group.create_task(self._discovery.run())
        if self._panel_sockets:
            self._panel = self._make_panel()
            await self._panel.start()
            log.info("panel at port %d", self._panel.port)

    async def stop(self) -> None:
        """Say Bye, end the jobs in order, then the subscriptions, close."""
        end = self._clock.monotonic() + STOP_S
        async with asyncio.TaskGroup() as group:
            if self._discovery is not None:
                group.create_task(self._discovery.stop())
            for device in self._devices:
                group.create_task(device.end_jobs())
        async with asyncio.TaskGroup() as group:
            for device in self._devices:
                group.create_task(device.end_subscriptions())
            group.create_task(self._http.stop())
            if self._panel is not None:
                group.create_task(self._panel.stop())
        left_s = end - self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            for device in self._devices:
                group.create_task(device.close(left_s))
        if self._finding is not None:
            self._finding.cancel()

    # ---- devices

    async def admit(self, device: Device) -> None:
        """Let a device, whose source is open, be reached and found."""
        host, port = self._sockets[0].getsockname()[:2]
        device.build(host, port, lambda: self._behind_its_address(device))
        self._devices.append(device)
        if self._group is not None:
            device.start(self._group)
        if self._discovery is not None:
            await self._discovery.add(device.responder, device.discovery_state)

    async def dismiss(self, device: Device) -> None:
        """Say Bye for a device, end its jobs and its subscriptions, and close it."""
        self._devices.remove(device)
        if self._discovery is not None:
            self._discovery.remove(device.responder)
        try:
            await device.end_jobs()
            await device.end_subscriptions()
        finally:
            await device.close()

    def url(self, device: Device) -> str:
        """The metadata address of a device, as it stands in the ready line."""
        return f"http://{self._public_host()}:{self._http.port}{device.path}"

    def _behind_its_address(self, device: Device) -> tuple[Responder, ...]:
        """Who else is asked where a device is: the first one's address is everybody's."""
        others = [one for one in self._devices if one is not device]
        first = self._devices[:1] == [device]
        return (device.responder, *(one.responder for one in others if first))

    def _at(self, path: str) -> Device | None:
        """The device that a path names, else the first one."""
        named = path.lower().lstrip("/").partition("/")[0]
        for device in self._devices:
            if device.uuid == named:
                return device
        return self._devices[0] if self._devices else None

    def _handle(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        device = self._devices[0] if len(self._devices) == 1 else self._at(request.path)
        return _no_scanner() if device is None else device.handle(request)

    def _page(self, path: str) -> str | None:
        """What a browser gets there: the first path is that of all devices."""
        there = [one for one in self._devices if path in ("/", one.path, f"{one.path}/")]
        if path != "/" and not there:
            return None
        return page(", ".join(one.name for one in there), [one.facts() for one in there])

    # ---- what not everybody wants, and is not loaded then

    def _make_panel(self) -> PanelServer:
        from device.panel.server import PanelServer

        return PanelServer(
            lambda: [device.parts(self.url(device)) for device in self._devices],
            self._panel_sockets,
            self._config.panel_token,
            processes=self._config.workflow.is_used,
        )

    def _make_discovery(self) -> DiscoveryEndpoint:
        from device.discovery.endpoint import DiscoveryEndpoint

        config, host = self._config, self._sockets[0].getsockname()[0]
        one_address = listens_on_one(config, host)
        return DiscoveryEndpoint(
            clock=self._clock,
            interfaces=config.interfaces or (interfaces_with(host) if one_address else None),
            excluded=config.excluded_interfaces,
            families=(family_of(ip_address(host)),) if config.host else BOTH,
        )

    def _public_host(self) -> str:
        if self._config.advertise or self._config.host not in ("", "0.0.0.0", "::"):
            return host_of(self._config.advertise or self._config.host)
        found = self._discovery.addresses() if self._discovery else []
        ordered = sorted(found, key=lambda entry: entry[1].version)
        return host_of(str(ordered[0][1])) if ordered else "127.0.0.1"


async def _no_scanner() -> web.StreamResponse:
    headers = {"Server": PRODUCT, "Retry-After": "30"}
    return web.Response(status=503, text="There is no scanner here now.\n", headers=headers)
