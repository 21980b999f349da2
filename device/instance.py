"""One device: the parts that make it, introduced to each other, started and ended in order."""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from device.appearance import facts, metadata, possible
from device.clock import Clock
from device.config import Config
from device.discovery import directed
from device.discovery.messages import Announcement
from device.discovery.responder import Responder
from device.discovery.state import DiscoveryState
from device.dpws import service as dpws
from device.dpws.metadata import DeviceMetadata, management_service, write_metadata
from device.errors import ConfigError
from device.eventing.subscriptions import Limits as SubscriptionLimits
from device.http import web
from device.http.addresses import base_url, host_of
from device.http.soap_endpoint import SoapEndpoint
from device.jobs.engine import Engine
from device.jobs.history import HistoryStore
from device.jobs.ports import Limits
from device.jobs.tray import Tray
from device.minding import Minder
from device.model.changes import Change, JobEnded, PagesLaidIn
from device.model.job import JobState
from device.notifications import Notifications, Rules
from device.pages.room import Room
from device.pages.supervisor import PageLine
from device.profile import Profile
from device.scan import management
from device.scan.service import ScanService
from device.soap.dispatch import Dispatcher
from device.soap.namespaces import PREFIXES, STABLE_PATH, WSCN, WSDP
from device.source import PageSource
from device.state import State

if TYPE_CHECKING:
    from device.panel.parts import Parts
    from device.processes.workflow import Workflow
    from device.showing import Showing

log = logging.getLogger(__name__)

SCAN_PATH = "/scan"
"""Where the scan service of the first device is always."""
HISTORY_FILE = "jobs.jsonl"
LAID_IN = "laid-in"
JOBS_END_S = 3.0
PAGES_END_S = 0.3
"""What of the stop is left for the worker at least."""


class Device:
    """The parts of one device, put together.

    `open` its source, `build` it once its port is known, `start` it; then `end_jobs`, and `close`.

    Args:
        source: where its pages come from, `NAME[:ARGUMENT]`.
        state: who it is; closed with it.
        shape: what it claims to be.
        scan_path: where its scan service lives; '' is below its own address.
        room: where its worker finds room.
        failed: told when a job was ended by the system: its scanner may be gone.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        *,
        source: str,
        state: State,
        shape: Profile,
        scan_path: str = "",
        room: Room | None = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._state = state
        self.shape = shape
        self._failed = failed
        self.name = " ".join(shape.friendly_name.split())
        self.uuid = state.uuid
        self.urn = f"urn:uuid:{state.uuid}"
        self.path = f"/{state.uuid}"
        self._events_path = f"{self.path}/events/{uuid.uuid4()}"
        """Where scan servers send events; nobody else is told."""
        self._scan_path = scan_path or f"{self.path}{SCAN_PATH}"
        self._managed_path = f"{self.path}/management" if config.management else ""
        self._pages, to_look_at = (
            PageLine(
                source,
                clock=clock,
                spool_dir=config.spool_dir,
                laid_dir=state.path(LAID_IN),
                room=room,
                niceness=config.niceness,
            )
            for _ in range(2)
        )
        self._source = PageSource(source, self._pages, state)
        self._showing = self._show(to_look_at) if config.panel else None
        if self._showing is None:  # what was laid in at the panel of a run before
            shutil.rmtree(state.path(LAID_IN), ignore_errors=True)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Open the source, and look at what it has.

        Raises:
            BackendError: it has no pages.
            ConfigError: there is no folder for them.
        """
        folder = self._config.spool_dir
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with TemporaryFile(dir=folder):
                pass  # as pages wait there; a folder that was there may let nobody write
        except OSError as error:
            raise ConfigError(f"{folder}: cannot hold pages: {error.strerror}.") from None
        await self._source.open()
        self._configuration = possible(self.shape.configuration, self._source.description)

    def build(self, host: str, port: int, behind: Callable[[], Sequence[Responder]]) -> None:
        """Introduce the parts to each other.

        Args:
            host, port: where we listen.
            behind: the devices that one finds who asks for devices at our address, us first.
        """
        config, shape = self._config, self.shape
        showing = self._showing
        self._notifications = Notifications(
            self._scan_path,
            managed_path=self._managed_path,
            clock=self._clock,
            rules=_rules(config),
            report=showing.delivered if showing else lambda outcome: None,
        )
        self._engine = Engine(
            self._pages,
            Tray(self._source.description),
            clock=self._clock,
            job_ids=self._state.next_job_id,
            token=lambda: str(uuid.uuid4()),
            publish=self._heard,
            limits=Limits(config.waiting_jobs, config.history),
            history=HistoryStore(self._state.path(HISTORY_FILE)),
            made_by=(shape.model.manufacturer, shape.model.model_name),
        )
        self._pages.warming = self._engine.warming_up
        if showing is not None:
            showing.meet(self._engine)
        self._minder = Minder(
            self._pages,
            self._engine,
            reload_s=self._source.reload_s(config.reload_feeder_s),
            load=self._load,
            tidy=showing.tidy if showing else lambda: None,
            publish=self._heard,
        )
        self._button = self._notifications.make_button(
            self._engine, lambda: self._scan.configuration.sources
        )
        self._scan = ScanService(
            self._engine,
            description=shape.description,
            configuration=self._configuration,
            default_ticket=shape.default_ticket,
            now=self._clock.now,
            started=self._button.check,
        )
        self._workflow = self._offer(host, port) if config.workflow.is_used else None
        managed = None
        if self._managed_path:
            managed = management_service(self._managed_path, self.uuid, config.management_type)
        described = metadata(shape, self.uuid, self._scan_path, managed=managed)
        dispatcher = Dispatcher()
        dispatcher.add(*dpws.routes(described), *self._scan.routes())
        if managed is not None:
            dispatcher.add(*management.routes(self._scan))
        dispatcher.add(*self._notifications.routes())
        if self._workflow is not None:
            dispatcher.add(*self._workflow.routes())
        self._build_responder(described, host, port)
        dispatcher.add(*directed.routes(behind))
        self._endpoint = SoapEndpoint(
            dispatcher,
            uuid_urn=self.urn,
            paths=(
                *("/", self.path, self._scan_path, SCAN_PATH, STABLE_PATH, self._events_path),
                *((self._managed_path,) if managed is not None else ()),
            ),
            clock=self._clock,
            base=partial(base_url, advertise=config.advertise or None),
            noted=showing.noted if showing else lambda exchange: None,
        )

    def _build_responder(self, described: DeviceMetadata, host: str, port: int) -> None:
        config = self._config
        # Clients keep the addresses of services, too. Those of our links are watched apart; a port
        # that the system chose is another at every start, which nobody can count on.
        base = f"http://{config.advertise}:{0 if config.port == 0 else port}"
        self.discovery_state = DiscoveryState(
            config.state_dir,
            self.urn,
            metadata=write_metadata(described, base).encode(),
            clock=self._clock,
        )
        self.responder = Responder(
            Announcement(
                uuid_urn=self.urn,
                types=((WSDP, "Device"), (WSCN, "ScanDeviceType")),
                scopes=(),
                path=self.path,
                port=port,
                scheme="http",
                metadata_version=self.discovery_state.metadata_version,
            ),
            instance_id=self.discovery_state.instance_id,
            random=random.Random(),
            # Of the addresses of its interface, only the one that is listened on is told.
            advertise=config.advertise or (host if listens_on_one(config, host) else None),
        )

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to work. Raises ConfigError when what is left to deliver cannot be read."""
        if self._workflow is not None:
            self._workflow.open(group)
        self._minder.start(group, self._source.description)
        self._tasks = [
            group.create_task(self._engine.run()),
            group.create_task(self._notifications.run()),
        ]
        if self._showing is not None:
            self._showing.start(group)
        self._source.tell()
        if self._state.place > 1:
            log.warning(
                "others run on %s: this is number %d there",
                self._config.state_dir,
                self._state.place,
            )

    async def end_jobs(self) -> None:
        """End all jobs in order; then nothing new is taken."""
        self._minder.stop()
        self._pages.hurry(JOBS_END_S - PAGES_END_S)
        if self._workflow is not None:
            await self._workflow.close()
        await self._engine.close(JOBS_END_S)
        self._endpoint.closing = True

    async def end_subscriptions(self) -> None:
        """Tell the subscribers that it is over."""
        await self._notifications.close()

    async def close(self, within_s: float = PAGES_END_S) -> None:
        """Let go of the source, within so many seconds, and of the identity."""
        within_s = max(PAGES_END_S, within_s)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pages.close(within_s))
                if self._showing is not None:
                    group.create_task(self._showing.close(within_s))
        finally:
            self._state.close()
            for task in self._tasks:
                task.cancel()

    # ---- what others see of it

    def handle(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        """Answer a POST."""
        return self._endpoint.handle(request)

    def facts(self) -> str:
        """What a browser sees of it, as HTML."""
        return facts(self.shape, self.uuid, self._engine)

    def parts(self, url: str) -> Parts:
        """What the panel, which there is, sees and touches; `url` is the metadata address."""
        from device.panel.parts import Facts, Parts

        model, notifications, showing = self.shape.model, self._notifications, self._showing
        assert showing is not None
        return Parts(
            Facts(
                name=self.name,
                uuid=self.uuid,
                model=f"{model.manufacturer} {model.model_name}",
                url=url,
            ),
            clock=self._clock,
            engine=self._engine,
            button=self._button,
            destinations=notifications.destinations,
            subscribers=notifications.table,
            journal=showing.journal,
            load=self._load,
            end_subscription=notifications.service.cancel,
            waiting=notifications.delivery.waiting,
            bell=showing.bell,
            workflow=self._workflow,
            uploads=showing.uploads,
            tidy=showing.tidy,
            previews=showing.previews,
            sent=showing.sent,
            used=showing.used,
        )

    async def rest(self) -> None:
        """Let go of a worker that has nothing to do."""
        await self._pages.rest()

    # ---- a source that may be unplugged

    @property
    def sane_name(self) -> str:
        """What the driver called the source when it was looked at last."""
        return self._source.description.name

    @property
    def name_is_old(self) -> bool:
        """Whether `sane_name` is that of the last time."""
        return self._source.is_remembered

    async def unplugged(self) -> None:
        """The source is not there. The device stays, stopped, until it is."""
        self._engine.unplugged()
        await self._pages.rest()

    async def plugged_in(self, source: str) -> None:
        """The source is there again, and is called `source` now."""
        self.renamed(source)
        await self._minder.try_to_load()
        self._engine.plugged_in()

    def renamed(self, source: str) -> None:
        """The source is called `source` now."""
        self._source.renamed(source)

    def _show(self, to_look_at: PageLine) -> Showing:
        from device.showing import Showing  # with it comes what only a panel needs

        return Showing(self._clock, self._pages, to_look_at, self._state.path(LAID_IN))

    def _offer(self, host: str, port: int) -> Workflow:
        from device.offering import offer  # with it comes all that delivers: two megabytes

        return offer(
            self._config,
            self._engine,
            self._scan,
            clock=self._clock,
            changed=self._ring,
            notify_to=partial(self._notify_to, host, port),
        )

    def _notify_to(self, host: str, port: int, local: str) -> str:
        """Where a scan server that sees us at `local` shall send events."""
        ours = self._config.advertise or (host if listens_on_one(self._config, host) else local)
        return f"http://{host_of(ours)}:{port}{self._events_path}"

    # ---- the source, read again

    def reload(self) -> None:
        """Read the source afresh, soon."""
        self._minder.reload()

    async def _load(self) -> None:
        """Read the source afresh. Raises BackendError."""
        self._source.description = await self._engine.reload()
        self._source.tell()
        self._reconfigure()

    def _reconfigure(self) -> None:
        """Claim what there is now, and tell if that is something else than before."""
        has, tray = self._source.description, self._engine.tray
        has = replace(has, platen=(*has.platen, *tray.platen), feeder=(*has.feeder, *tray.feeder))
        before, ticket = self._scan.configuration, self._scan.default_ticket
        self._scan.reconfigure(possible(self.shape.configuration, has))
        after, new_ticket = self._scan.configuration, self._scan.default_ticket
        if after != before:
            self._notifications.reconfigured(after, None if new_ticket == ticket else new_ticket)

    def _ring(self) -> None:
        """Whoever looks at the panel shall see it."""
        if self._showing is not None:
            self._showing.bell.ring()

    def _heard(self, change: Change) -> None:
        """Changes go to whoever watches: subscribers, the panel, and the feeder's reload."""
        self._notifications.heard(change)
        self._ring()
        if isinstance(change, JobEnded):
            self._pages.job_over(change.job.status.job_id)
            if change.job.status.state is JobState.ABORTED:
                self._failed()
        if isinstance(change, PagesLaidIn):
            self._reconfigure()
        self._minder.heard(change)


def listens_on_one(config: Config, host: str) -> bool:
    """Whether we listen on one address only; `host` is the one that the socket has."""
    return bool(config.host) and not ip_address(host).is_unspecified


def _rules(config: Config) -> Rules:
    return Rules(
        SubscriptionLimits(
            config.max_subscriptions,
            config.max_subscriptions_per_client,
            config.max_subscription_time_s,
        ),
        networks=config.event_networks,
        identifier_once=config.scan_identifier_once,
        managed_as=PREFIXES[config.management_events],
    )
