"""The scan server: which parts it has, and in what order they start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import inspect
import logging
import os
import socket
import ssl
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import metadata as package
from pathlib import Path
from typing import IO

from aiohttp import web

from device.clock import Clock
from device.errors import ConfigError
from device.http.addresses import asked_url, host_of
from device.http.soap_endpoint import SoapEndpoint
from device.soap.dispatch import Dispatcher, Route
from device.soap.multipart import MAX_PARTS
from device.soap.namespaces import DSP
from scan_server import certificates
from scan_server.jobs import HISTORY_JOBS, Jobs
from scan_server.metadata import PATH, Description, MetadataService
from scan_server.notifications import Notifications, Rules
from scan_server.post_scan_jobs import IDLE_S
from scan_server.processing import WORKERS, Processing
from scan_server.records import Records
from scan_server.service import ProcessingService
from scan_server.shares import Shares
from scan_server.storage import Storage

log = logging.getLogger(__name__)

PORT = 5362
SERVICE_TYPE = "RepositoryProcessingServiceType"
MAX_PAGE = 1 << 30
STOP_S = 2.0
"""How long requests under way may take after the stop."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What `scan-server` is told.

    Without `cert`, one of `generate_cert` and `http` is needed. With `ca`, clients must show a
    certificate of that authority. `host` None listens on all addresses; `port` 0 takes a free one.
    """

    store: Path
    state_dir: Path
    host: str | None = None
    port: int = PORT
    shares: Mapping[str, Path] = field(default_factory=dict)
    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    generate_cert: bool = False
    http: bool = False
    name: str = "Scan server"
    idle_s: float = IDLE_S
    max_page_bytes: int = MAX_PAGE
    history_jobs: int = HISTORY_JOBS
    service_type: str = SERVICE_TYPE
    events: Rules = field(default_factory=Rules)


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
    check_encryption(options)
    shares = Shares(options.store, options.shares, certificates.own_names(options.host))
    for folder in shares.folders:
        _check_folder(folder)
    with ExitStack() as stack:
        stack.enter_context(_alone(options.state_dir))
        context = _context(options, clock)
        database = options.state_dir / "scan-server.sqlite"
        records = Records(database)
        stack.callback(records.close)
        storage = Storage(options.state_dir / "received", options.max_page_bytes)
        description = _describe(options, records, clock)
        notifications = Notifications(description.service_path, clock=clock, rules=options.events)
        jobs = Jobs(
            records,
            storage,
            clock,
            idle_s=options.idle_s,
            history=options.history_jobs,
            heard=notifications.heard,
        )
        processing = Processing(jobs, shares, storage, database)
        endpoint = _endpoint(
            description,
            clock,
            *MetadataService(description).routes(),
            *ProcessingService(jobs, storage, clock).routes(),
            *notifications.routes(),
        )
        jobs.restart()
        runner = _runner(_application(endpoint))
        await runner.setup()
        try:
            url = await _listen(runner, options, context)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(processing.work()) for _ in range(WORKERS)]
                tasks.append(group.create_task(jobs.watch_idle()))
                tasks.append(group.create_task(notifications.run()))
                on_ready(f"ready {options.name} {description.uuid_urn} {url}")
                await stop.wait()
                endpoint.closing = True
                processing.close()
                await notifications.close()
                for task in tasks:
                    task.cancel()
        finally:
            processing.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S + 1):
                    await runner.cleanup()


def _describe(options: ServerOptions, records: Records, clock: Clock) -> Description:
    service = records.identity("service", lambda: str(uuid.uuid4()))
    return Description(
        name=options.name,
        uuid_urn=f"urn:uuid:{records.identity('uuid', lambda: str(uuid.uuid4()))}",
        service_path=f"{PATH}/{service}",
        service_type=options.service_type,
        version=_version(),
        metadata_version=int(clock.now().timestamp()),
        instance_id=int(clock.now().timestamp()),
    )


def _version() -> str:
    try:
        return package.version("wsd-scanner")
    except package.PackageNotFoundError:
        return "0"


def _endpoint(description: Description, clock: Clock, *routes: Route) -> SoapEndpoint:
    dispatcher = Dispatcher()
    dispatcher.add(*routes)
    return SoapEndpoint(
        dispatcher,
        uuid_urn=description.uuid_urn,
        paths=(PATH, description.service_path),
        clock=clock,
        service=DSP,
        base=asked_url,
        max_early_parts=MAX_PARTS - 1,
    )


def _application(endpoint: SoapEndpoint) -> web.Application:
    application = web.Application()
    application.router.add_post(PATH, endpoint.handle)
    application.router.add_post(f"{PATH}/{{service}}", endpoint.handle)
    return application


def check_encryption(options: ServerOptions) -> None:
    """Exactly one way to encrypt must be chosen, or none in so many words.

    Raises:
        ConfigError: the sentence says which flags do not go together.
    """
    if options.key and not options.cert:
        raise ConfigError("--key needs --cert FILE: the certificate that belongs to the key.")
    if sum((bool(options.cert), options.generate_cert, options.http)) != 1:
        raise ConfigError(
            "A scan server needs exactly one of --cert FILE (with --key FILE), --generate-cert "
            "(a self-signed certificate), or --http (no encryption at all)."
        )
    if options.http and options.ca:
        raise ConfigError("--http has no use for --ca: without TLS nobody shows a certificate.")
    if options.events.same_user and not options.ca:
        raise ConfigError("--events-to-same-user needs --ca FILE: it goes by client certificates.")


def _context(options: ServerOptions, clock: Clock) -> ssl.SSLContext | None:
    """TLS as the options want it; None for plain http."""
    if options.http:
        return None
    if options.cert:
        return certificates.server_context(options.cert, options.key, options.ca)
    cert, key = certificates.own_pair(options.state_dir, options.host, clock.now())
    print(f"certificate {cert}\nSHA-256 {certificates.fingerprint(cert)}", file=sys.stderr)
    return certificates.server_context(cert, key, options.ca)


def _runner(application: web.Application) -> web.AppRunner:
    if "shutdown_timeout" in inspect.signature(web.BaseRunner.__init__).parameters:
        return web.AppRunner(
            application, access_log=None, auto_decompress=False, shutdown_timeout=STOP_S
        )
    return web.AppRunner(application, access_log=None, auto_decompress=False)  # aiohttp before 3.9


async def _listen(
    runner: web.AppRunner, options: ServerOptions, context: ssl.SSLContext | None
) -> str:
    """Bind the port; the URL of the server's metadata."""
    where = f"{options.host or 'all addresses'}, port {options.port}"
    try:
        site = web.TCPSite(runner, options.host, options.port, ssl_context=context)
        await site.start()
    except socket.gaierror:
        raise ConfigError(f"--host {options.host}: no such address is known.") from None
    except OverflowError:
        raise ConfigError(f"{where}: cannot be listened on: no port has this number.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"{where}: another program has this port; --port 0 takes a free one."
            ) from None
        # asyncio writes the address and the number into the error's own text.
        known = {errno.EADDRNOTAVAIL: "this machine has no such address"}
        why = known.get(error.errno or 0) or os.strerror(error.errno or 0)
        raise ConfigError(f"{where}: cannot be listened on: {why}.") from None
    port = runner.addresses[0][1]
    scheme = "https" if context else "http"
    return f"{scheme}://{host_of(_shown_host(options.host))}:{port}{PATH}"


def _shown_host(host: str | None) -> str:
    """A name for the ready line: the host we were told, else this machine's, if it is known."""
    if host and host not in ("0.0.0.0", "::"):
        return host
    own = socket.getfqdn()
    try:
        socket.getaddrinfo(own, None)
    except OSError:
        return "localhost"
    return own


def _check_folder(folder: Path) -> None:
    """
    Raises:
        ConfigError: files cannot be put there.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: this folder does not exist; make it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder}: this folder cannot be written.")


def _alone(state_dir: Path) -> IO[bytes]:
    """A lock on the state folder, held while the file is open.

    Raises:
        ConfigError: another server has it, or it cannot be written.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = open(os.open(state_dir / "scan-server.lock", os.O_RDWR | os.O_CREAT, 0o600), "rb+")
    except OSError as error:
        raise ConfigError(
            f"{state_dir}: the state folder cannot be written: {os.strerror(error.errno or 0)}."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise ConfigError(f"{state_dir}: another scan server uses this state folder.") from None
    return lock
