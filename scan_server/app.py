"""The scan server: which parts it has, and in what order they start and stop."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from html import escape
from importlib import metadata as package

from device.clock import Clock
from device.discovery import directed
from device.discovery.responder import Responder
from device.discovery.state import DiscoveryState
from device.http.addresses import asked_url
from device.http.server import HttpServer
from device.http.soap_endpoint import SoapEndpoint
from device.soap.dispatch import Dispatcher
from device.soap.multipart import MAX_PARTS
from device.soap.namespaces import DSP
from scan_server import certificates, identity, panel, places
from scan_server.admission import Admission
from scan_server.cluster import Cluster
from scan_server.configuration import ConfigurationService
from scan_server.filters import settings as filter_settings
from scan_server.filters.settings import Filters
from scan_server.identity import Administrators, Users
from scan_server.jobs import Jobs
from scan_server.listening import Listeners, encryption, listen, shown_host
from scan_server.metadata import PATH, Description, MetadataService
from scan_server.notifications import Notifications
from scan_server.operation import Operation
from scan_server.options import ServerOptions, check
from scan_server.panel import Facts, ServerPanel
from scan_server.post_scan_jobs import PostScanJob
from scan_server.postgres import Postgres
from scan_server.processing import Processing
from scan_server.records import Records
from scan_server.service import ProcessingService
from scan_server.shared_records import SharedRecords
from scan_server.shares import Shares
from scan_server.udp_probe import UdpProbe

log = logging.getLogger(__name__)


async def serve(
    options: ServerOptions,
    *,
    clock: Clock,
    on_ready: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Run a scan server until `stop` is set.

    `on_ready` gets `ready NAME urn:uuid:UUID URL` when everything is up.

    Raises:
        ConfigError: a setting is wrong, the port is taken, a folder cannot be used.
    """
    check(options)
    shares = Shares(options.store, options.shares, certificates.own_names(options.host))
    for folder in shares.folders:
        places.check_folder(folder)
    filters = filter_settings.load(options.filters, shares)
    with ExitStack() as stack:
        stack.enter_context(places.alone(options.state_dir))
        listeners = listen(options)
        stack.callback(listeners.close)
        server = _Server(options, clock, filters, listeners, stack)
        await server.start()
        try:
            async with asyncio.TaskGroup() as group:
                await server.work(group)
                on_ready(server.ready_line)
                await stop.wait()
                await server.stop()
        finally:
            await server.close()


class _Server:
    """The parts of one scan server, put together."""

    def __init__(
        self,
        options: ServerOptions,
        clock: Clock,
        filters: Filters,
        listeners: Listeners,
        stack: ExitStack,
    ) -> None:
        self._options = options
        self._tasks: list[asyncio.Task[None]] = []
        context, names = encryption(options, clock)
        scheme = "https" if context else "http"
        database, records = places.open_records(options)
        stack.callback(records.close)
        storage = places.open_storage(options, records.server)
        stack.callback(storage.close)
        description = _describe(options, records)
        metadata = MetadataService(description)
        state = DiscoveryState(
            options.state_dir,
            description.uuid_urn,
            metadata=metadata.written(scheme).encode(),
            clock=clock,
        )
        responder = Responder(
            description.announcement(
                scheme=scheme, port=listeners.port, metadata_version=state.metadata_version
            ),
            instance_id=state.instance_id,
            random=random.Random(),
        )
        self._catalogue = places.open_catalogue(options)
        users = identity.load(options.users) if options.users else Users()
        administrators = Administrators(users, options.administration)
        self._notifications = Notifications(
            description, administrators, clock=clock, rules=options.events
        )
        self._operation = Operation(sorted(filters), self._notifications.repository_is)
        self._jobs = Jobs(
            records,
            storage,
            clock,
            idle_s=options.idle_s,
            history=options.history_jobs,
            keep_failed_s=options.keep_failed_s,
            heard=self._heard,
            alone=not options.database,
        )
        stack.callback(self._jobs.close)
        self._cluster = (
            Cluster(database, records, self._jobs)
            if isinstance(database, Postgres) and isinstance(records, SharedRecords)
            else None
        )
        self._processing = Processing(
            self._jobs, filters, users, storage, database, turn=self._operation.turn
        )
        dispatcher = Dispatcher()
        dispatcher.add(*metadata.routes(), *directed.routes(lambda: (responder,)))
        admission = Admission(users, self._catalogue, self._operation)
        dispatcher.add(*ProcessingService(self._jobs, storage, clock, admission, users).routes())
        dispatcher.add(
            *ConfigurationService(self._jobs, administrators, self._operation.repository).routes()
        )
        dispatcher.add(*self._notifications.routes())
        self._endpoint = SoapEndpoint(
            dispatcher,
            uuid_urn=description.uuid_urn,
            paths=(PATH, description.service_path, description.configuration_path),
            clock=clock,
            service=DSP,
            base=asked_url,
            max_early_parts=MAX_PARTS - 1,
        )
        self._http = HttpServer(
            self._endpoint.handle,
            list(listeners.tcp),
            lambda path: _page(description) if path == "/" else None,
            context,
        )
        self._udp = UdpProbe(listeners.udp, responder, names=names, clock=clock)
        url = f"{scheme}://{shown_host(options.host)}:{listeners.port}{PATH}"
        facts = Facts(options.name, description.uuid_urn, url, description.version)
        sockets = panel.open_port(options)
        for sock in sockets:
            stack.callback(sock.close)
        self._panel = (
            panel.serve_panel(
                sockets,
                options.panel_token,
                ServerPanel(facts, self._jobs, storage, self._operation),
            )
            if sockets
            else None
        )
        self.ready_line = f"ready {options.name} {description.uuid_urn} {url}"

    async def start(self) -> None:
        """Go on with what a former run left, and answer."""
        await self._jobs.restart()
        self._notifications.repository_is(self._operation.repository())
        for job in await self._jobs.active():
            self._operation.heard(job)
        await self._http.start()
        self._udp.start()
        if self._panel is not None:
            await self._panel.start()
            log.info("page at http://127.0.0.1:%d/", self._panel.port)

    async def work(self, group: asyncio.TaskGroup) -> None:
        """Begin with everything that goes on by itself."""
        for task in (self._processing.work(), self._jobs.watch_idle(), self._notifications.run()):
            self._tasks.append(group.create_task(task))
        if self._cluster is not None:
            self._tasks.append(group.create_task(self._cluster.run()))
            await self._cluster.listening()

    def _heard(self, before: PostScanJob | None, after: PostScanJob) -> None:
        """Changes of jobs go to the subscribers."""
        self._notifications.heard(before, after)
        self._operation.heard(after)

    async def stop(self) -> None:
        """Take nothing new, let filters stop where they are, and end the subscriptions."""
        self._endpoint.closing = True
        self._udp.stop()
        await asyncio.gather(self._processing.close(), self._notifications.close())
        for task in self._tasks:
            task.cancel()
        if self._cluster is not None:
            await self._cluster.leave()

    async def close(self) -> None:
        """Cut off the requests that are under way."""
        await self._processing.close()
        await self._http.stop()
        if self._panel is not None:
            await self._panel.stop()
        if self._catalogue is not None:
            await self._catalogue.close()


def _describe(options: ServerOptions, records: Records) -> Description:
    def identifier(name: str) -> str:
        return records.identity(name, lambda: str(uuid.uuid4()))

    return Description(
        name=options.name,
        uuid_urn=f"urn:uuid:{identifier('uuid')}",
        service_path=f"{PATH}/{identifier('service')}",
        configuration_path=f"{PATH}/{identifier('configuration')}",
        service_type=options.service_type,
        version=_version(),
    )


def _version() -> str:
    try:
        return package.version("wsd-scanner")
    except package.PackageNotFoundError:
        return "0"


def _page(description: Description) -> str:
    """What a browser sees at our address."""
    name = escape(description.name)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
        f"<h1>{name}</h1><p>A scan server: devices send their pages here by WS-DSP.</p></html>"
    )
