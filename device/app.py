"""Which parts exist, start order, stop order. No decisions of its own."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from ipaddress import ip_address

from device import profile
from device.appearance import personal
from device.clock import Clock
from device.config import Config
from device.discovery.endpoint import DiscoveryEndpoint
from device.discovery.interfaces import check_names
from device.discovery.links import BOTH, family_of
from device.errors import ConfigError
from device.http.addresses import host_of, interfaces_with
from device.http.server import HttpServer
from device.imaging.spec import SUPPORTED
from device.instance import Device, listens_on_one
from device.listening import open_panel_port, open_port
from device.panel.server import PanelServer
from device.state import State
from scanner_backends.errors import BackendError

log = logging.getLogger(__name__)

SCAN_PATH = "/scan"
STOP_S = 4.8
"""How long all of the stop may take."""


async def run(config: Config, clock: Clock, ready: Callable[[str], None]) -> None:
    """Be the device until SIGTERM or SIGINT. SIGHUP reads the source afresh.

    Args:
        ready: told the one line that says that everything is up.

    Raises:
        ConfigError: a setting is wrong, or what it names cannot be had.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    process = _Process(config, clock)
    loop.add_signal_handler(signal.SIGHUP, process.device.reload)
    try:
        async with asyncio.TaskGroup() as group:
            url = await process.start(group)
            ready(f"ready {process.device.name} {process.device.urn} {url}")
            await stop.wait()
            log.info("going down")
            await process.stop()
    except BaseExceptionGroup as errors:  # except* wraps what it raises before Python 3.11.4
        told, _ = errors.split(ConfigError)
        if told is None or not isinstance(told.exceptions[0], ConfigError):
            raise
        raise told.exceptions[0] from None


class _Process:
    """The device, and what it is reached through."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        shape = personal(profile.load(config.profile, SUPPORTED), config)
        self.device = Device(
            config,
            clock,
            source=config.source,
            state=State.load(config.state_dir, config.uuid),
            shape=shape,
            scan_path=SCAN_PATH,
        )
        self._discovery: DiscoveryEndpoint | None = None
        self._panel: PanelServer | None = None
        self._finding: asyncio.Task[None] | None = None

    async def start(self, group: asyncio.TaskGroup) -> str:
        """Bring everything up; the URL of the metadata.

        What can be wrong is looked at first: a complaint comes before anything is started.
        """
        config, device = self._config, self.device
        sockets = open_port(config)
        try:
            check_names(config.interfaces or None)
            try:
                await device.open()
            except BackendError as error:
                raise ConfigError(str(error)) from None
            device.build(*sockets[0].getsockname()[:2])
            self._http = HttpServer(device.handle, sockets, device.page)
            await self._http.start()
            device.start(group)
            panel_sockets = open_panel_port(config) if config.panel else []
            if config.discovery:
                self._discovery = self._make_discovery(sockets[0].getsockname()[0])
                await self._discovery.add(device.responder, device.discovery_state)
                await self._discovery.start()
                self._finding = group.create_task(self._discovery.run())
            url = f"http://{self._public_host()}:{self._http.port}{device.path}"
            if panel_sockets:
                parts = (device.parts(url),)
                self._panel = PanelServer(lambda: parts, panel_sockets, config.panel_token)
                await self._panel.start()
                log.info("panel at port %d", self._panel.port)
        except BaseException:
            for sock in sockets:
                sock.close()
            await device.close()
            raise
        return url

    def _make_discovery(self, host: str) -> DiscoveryEndpoint:
        config = self._config
        one_address = listens_on_one(config, host)
        return DiscoveryEndpoint(
            clock=self._clock,
            interfaces=config.interfaces or (interfaces_with(host) if one_address else None),
            families=(family_of(ip_address(host)),) if config.host else BOTH,
        )

    async def stop(self) -> None:
        """Say Bye, end the jobs in order, then the subscriptions, close."""
        end = self._clock.monotonic() + STOP_S
        async with asyncio.TaskGroup() as group:
            if self._discovery is not None:
                group.create_task(self._discovery.stop())
            group.create_task(self.device.end_jobs())
        async with asyncio.TaskGroup() as group:
            group.create_task(self.device.end_subscriptions())
            group.create_task(self._http.stop())
            if self._panel is not None:
                group.create_task(self._panel.stop())
        await self.device.close(end - self._clock.monotonic())
        if self._finding is not None:
            self._finding.cancel()

    def _public_host(self) -> str:
        """The address that stands in the ready line."""
        if self._config.advertise or self._config.host not in ("", "0.0.0.0", "::"):
            return host_of(self._config.advertise or self._config.host)
        found = self._discovery.addresses() if self._discovery else []
        ordered = sorted(found, key=lambda entry: entry[1].version)
        return host_of(str(ordered[0][1])) if ordered else "127.0.0.1"
