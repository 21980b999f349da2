"""Which parts exist, start order, stop order. No decisions of its own."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import uuid
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

from device import profile
from device.appearance import SCAN_PATH, metadata, page, personal, possible
from device.clock import Clock
from device.config import Config
from device.discovery import directed
from device.discovery.endpoint import DiscoveryEndpoint
from device.discovery.interfaces import check_names
from device.discovery.links import BOTH, family_of
from device.discovery.messages import Announcement
from device.discovery.responder import Responder
from device.discovery.state import DiscoveryState
from device.dpws import service as dpws
from device.dpws.metadata import DeviceMetadata, write_metadata
from device.errors import ConfigError
from device.eventing.subscriptions import Limits as SubscriptionLimits
from device.http.addresses import base_url, host_of, interfaces_with
from device.http.server import HttpServer
from device.http.soap_endpoint import SoapEndpoint
from device.imaging.spec import SUPPORTED
from device.jobs.engine import Engine
from device.jobs.history import HistoryStore
from device.jobs.ports import Limits
from device.jobs.tray import Tray
from device.listening import open_panel_port, open_port
from device.model.changes import Change, ConditionRaised, JobEnded
from device.notifications import Notifications, Rules
from device.pages.supervisor import PageLine
from device.panel.api import Facts, Parts
from device.panel.journal import Journal
from device.panel.recording import RecordingDispatcher, note_delivery
from device.panel.server import PanelServer
from device.scan.service import ScanService
from device.soap.dispatch import Dispatcher
from device.soap.namespaces import STABLE_PATH, WSCN, WSDP
from device.state import State
from scanner_backends.base import Description
from scanner_backends.errors import BackendError

log = logging.getLogger(__name__)

HISTORY_FILE = "jobs.jsonl"
CHART_RELOAD_S = 10.0
JOBS_END_S = 3.0
STOP_S = 4.8
"""How long all of the stop may take."""
PAGES_END_S = 0.3
"""What of it is left for the worker at least."""


async def run(config: Config, clock: Clock, ready: Callable[[str], None]) -> None:
    """Be the device until SIGTERM or SIGINT. SIGHUP reads the source afresh.

    Args:
        ready: told the one line that says that everything is up.

    Raises:
        ConfigError: a setting is wrong, or what it names cannot be had.
    """
    stop = asyncio.Event()
    reload = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    device = _Device(config, clock)
    try:
        async with asyncio.TaskGroup() as group:
            url = await device.start(group)
            ready(f"ready {device.name} urn:uuid:{device.state.uuid} {url}")
            reloading = group.create_task(device.reload_when(reload))
            await stop.wait()
            log.info("going down")
            reloading.cancel()
            await device.stop()
    except BaseExceptionGroup as errors:  # except* wraps what it raises before Python 3.11.4
        told, _ = errors.split(ConfigError)
        if told is None or not isinstance(told.exceptions[0], ConfigError):
            raise
        raise told.exceptions[0] from None


class _Device:
    """The parts of one device, put together."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        shape = profile.load(config.profile, SUPPORTED)
        self.state = State.load(config.state_dir, config.uuid)
        self._profile = personal(shape, config)
        self.name = " ".join(self._profile.friendly_name.split())
        self._path = f"/{self.state.uuid}"
        self._pages = PageLine(config.source, clock=clock)
        self._feeder_news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, group: asyncio.TaskGroup) -> str:
        """Bring everything up; the URL of the metadata.

        What can be wrong is looked at first: a complaint comes before anything is started.
        """
        sockets = open_port(self._config)
        try:
            check_names(self._config.interfaces or None)
            description = await self._open_source()
            endpoint = self._build(description, *sockets[0].getsockname()[:2])
            self._http = HttpServer(endpoint.handle, sockets, self._page)
            await self._http.start()
            self._tasks.append(group.create_task(self._engine.run()))
            self._tasks.append(group.create_task(self._notifications.run()))
            self._panel = self._open_panel()
            if self._panel is not None:
                await self._panel.start()
                log.info("panel at port %d", self._panel.port)
            if self._discovery is not None:
                await self._discovery.start()
                self._tasks.append(group.create_task(self._discovery.run()))
        except BaseException:
            for sock in sockets:
                sock.close()
            await self._pages.close()
            raise
        _tell(description)
        if self.state.place > 1:
            log.warning(
                "others run on %s: this is number %d there",
                self._config.state_dir,
                self.state.place,
            )
        return f"http://{self._public_host()}:{self._http.port}{self._path}"

    async def stop(self) -> None:
        """Say Bye, end the jobs in order, then the subscriptions, close."""
        end = self._clock.monotonic() + STOP_S
        async with asyncio.TaskGroup() as group:
            if self._discovery is not None:
                group.create_task(self._discovery.stop())
            group.create_task(self._engine.close(JOBS_END_S))
        self._endpoint.closing = True
        async with asyncio.TaskGroup() as group:
            group.create_task(self._notifications.close())
            group.create_task(self._http.stop())
            if self._panel is not None:
                group.create_task(self._panel.stop())
        await self._pages.close(max(PAGES_END_S, end - self._clock.monotonic()))
        self.state.close()
        for task in self._tasks:
            task.cancel()

    async def reload_when(self, asked: asyncio.Event) -> None:
        """Read the source afresh when asked to, or when the feeder was empty for long enough."""
        pause = self._config.reload_feeder_s
        if pause is None:
            pause = CHART_RELOAD_S if self._config.source.partition(":")[0] == "chart" else 0.0
        while True:
            try:
                async with asyncio.timeout(pause if pause and self._feeder_idle() else None):
                    await _either(asked, self._feeder_news)
            except TimeoutError:
                asked.set()
            self._feeder_news.clear()
            if asked.is_set():
                asked.clear()
                await self._reload()

    async def _reload(self) -> None:
        try:
            await self._load()
        except BackendError as error:
            log.error("the source could not be read again: %s", error)

    async def _load(self) -> None:
        """Read the source afresh. Raises BackendError."""
        description = await self._engine.reload()
        _tell(description)
        self._reconfigure(description)

    def _reconfigure(self, description: Description) -> None:
        """Claim what the source has now, and tell if that is something else than before."""
        before, ticket = self._scan.configuration, self._scan.default_ticket
        self._scan.reconfigure(possible(self._profile.configuration, description))
        after, new_ticket = self._scan.configuration, self._scan.default_ticket
        if after != before:
            self._notifications.reconfigured(after, None if new_ticket == ticket else new_ticket)

    def _feeder_idle(self) -> bool:
        return self._engine.tray.feeder_empty and not self._engine.active()

    async def _open_source(self) -> Description:
        try:
            description = await self._pages.start()
            possible(self._profile.configuration, description)
            return description
        except BackendError as error:
            raise ConfigError(str(error)) from None

    def _build(self, description: Description, host: str, port: int) -> SoapEndpoint:
        """Introduce the parts to each other."""
        config, shape = self._config, self._profile
        self._journal = Journal(self._clock)
        self._notifications = Notifications(
            SCAN_PATH,
            clock=self._clock,
            rules=_rules(config),
            report=lambda outcome: note_delivery(self._journal, outcome),
        )
        self._engine = Engine(
            self._pages,
            Tray(description),
            clock=self._clock,
            job_ids=self.state.next_job_id,
            token=lambda: str(uuid.uuid4()),
            publish=self._heard,
            limits=Limits(config.waiting_jobs, config.history),
            history=HistoryStore(self.state.path(HISTORY_FILE)),
        )
        self._button = self._notifications.make_button(
            self._engine, lambda: self._scan.configuration.sources
        )
        self._scan = ScanService(
            self._engine,
            description=shape.description,
            configuration=possible(shape.configuration, description),
            default_ticket=shape.default_ticket,
            now=self._clock.now,
            started=self._button.check,
        )
        described = metadata(shape, self.state.uuid)
        recording = RecordingDispatcher(self._journal, self._clock)
        dispatcher = recording if config.panel else Dispatcher()
        dispatcher.add(*dpws.routes(described), *self._scan.routes())
        dispatcher.add(*self._notifications.routes())
        responder = self._build_discovery(described, host, port)
        dispatcher.add(*directed.routes(responder))
        self._endpoint = SoapEndpoint(
            dispatcher,
            uuid_urn=f"urn:uuid:{self.state.uuid}",
            paths=("/", self._path, SCAN_PATH, STABLE_PATH),
            clock=self._clock,
            base=partial(base_url, advertise=config.advertise or None),
        )
        return self._endpoint

    def _build_discovery(self, described: DeviceMetadata, host: str, port: int) -> Responder:
        config, urn = self._config, f"urn:uuid:{self.state.uuid}"
        one_address = bool(config.host) and not ip_address(host).is_unspecified
        state = DiscoveryState(
            config.state_dir,
            urn,
            metadata=write_metadata(described, "").encode(),
            clock=self._clock,
        )
        responder = Responder(
            Announcement(
                uuid_urn=urn,
                types=((WSDP, "Device"), (WSCN, "ScanDeviceType")),
                scopes=(),
                path=self._path,
                port=port,
                scheme="http",
                metadata_version=state.metadata_version,
            ),
            instance_id=state.instance_id,
            random=random.Random(),
            # Of the addresses of its interface, only the one that is listened on is told.
            advertise=config.advertise or (host if one_address else None),
        )
        self._discovery = (
            DiscoveryEndpoint(
                responder,
                clock=self._clock,
                interfaces=config.interfaces or (interfaces_with(host) if one_address else None),
                families=(family_of(ip_address(host)),) if config.host else BOTH,
                state=state,
            )
            if config.discovery
            else None
        )
        return responder

    def _open_panel(self) -> PanelServer | None:
        """The front panel, if it is wanted and there is a port for it."""
        config, shape, notifications = self._config, self._profile, self._notifications
        sockets = open_panel_port(config) if config.panel else []
        if not sockets:
            return None
        parts = Parts(
            Facts(
                name=self.name,
                uuid=self.state.uuid,
                model=f"{shape.model.manufacturer} {shape.model.model_name}",
                url=f"http://{self._public_host()}:{self._http.port}{self._path}",
            ),
            clock=self._clock,
            engine=self._engine,
            button=self._button,
            destinations=notifications.destinations,
            subscribers=notifications.table,
            journal=self._journal,
            load=self._load,
            end_subscription=notifications.service.cancel,
            waiting=notifications.delivery.waiting,
        )
        return PanelServer(parts, sockets, config.panel_token)

    def _heard(self, change: Change) -> None:
        """Changes go to whoever watches: subscribers, and the feeder's reload."""
        self._notifications.heard(change)
        if isinstance(change, JobEnded):
            self._pages.job_over(change.job.status.job_id)
        if isinstance(change, ConditionRaised | JobEnded):
            self._feeder_news.set()

    def _public_host(self) -> str:
        """The address that stands in the ready line."""
        if self._config.advertise or self._config.host not in ("", "0.0.0.0", "::"):
            return host_of(self._config.advertise or self._config.host)
        found = self._discovery.addresses() if self._discovery else []
        ordered = sorted(found, key=lambda entry: entry[1].version)
        return host_of(str(ordered[0][1])) if ordered else "127.0.0.1"

    def _page(self) -> str:
        """What a browser sees at our address."""
        return page(self._profile, self.state.uuid, self._engine)


async def _either(*events: asyncio.Event) -> None:
    """Wait for the first of several events."""
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(event.wait()) for event in events]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


def _rules(config: Config) -> Rules:
    return Rules(
        SubscriptionLimits(
            config.max_subscriptions,
            config.max_subscriptions_per_client,
            config.max_subscription_time_s,
        ),
        networks=config.event_networks,
        identifier_once=config.scan_identifier_once,
    )


def _tell(description: Description) -> None:
    if not description.virtual:
        sources = ", ".join(source.source for source in description.sources)
        log.info("source %s: %s", description.name, sources or "real media")
        return
    log.info(
        "source %s: %d pages on the platen, %d in the feeder",
        description.name,
        len(description.platen),
        len(description.feeder),
    )
    for sentence in description.refused:
        log.warning("left out: %s", sentence)
