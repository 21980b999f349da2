"""What `scan-server` is told, and which of it goes together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from device.errors import ConfigError
from scan_server.identity import Administration
from scan_server.jobs import HISTORY_JOBS
from scan_server.notifications import Rules
from scan_server.post_scan_jobs import IDLE_S

PORT = 5362
PANEL_PORT = 8362
SERVICE_TYPE = "RepositoryProcessingServiceType"
MAX_PAGE = 1_024_000_000
_LOCAL_NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
KEEP_FAILED_S = 86_400.0
"""How long the documents of a job are kept whose filters failed, so that it can be done again."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What `scan-server` is told.

    The page is at `panel_port` of loopback, or with a token where the server listens; without a
    port being named, it is at the usual one if that is free.

    Without `cert`, one of `generate_cert` and `http` is needed. With `ca`, clients must show a
    certificate of that authority. `host` None listens on all addresses; `port` 0 takes a free one,
    for TCP and UDP alike. `udp` tells whether a Probe over UDP is answered. `users` is the file of
    those whose certificates are known; `administration` is for those who show none. `filters` is
    the file with the settings of filters. `database` is the URL of one that several servers share;
    then `spool`, the folder of what was received, must be shared as well, or `spool_bucket` the
    file that describes a bucket for it. `processes` is a folder
    of scan processes, `directory` a file that says where else they are; with one of the two a job
    must belong to one of them.
    """

    store: Path
    state_dir: Path
    host: str | None = None
    port: int = PORT
    udp: bool = True
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
    keep_failed_s: float = KEEP_FAILED_S
    service_type: str = SERVICE_TYPE
    panel: bool = True
    panel_port: int | None = None
    panel_token: str = ""
    events: Rules = field(default_factory=Rules)
    database: str = ""
    spool: Path | None = None
    spool_bucket: Path | None = None
    processes: Path | None = None
    directory: Path | None = None
    users: Path | None = None
    administration: Administration = Administration.LOOPBACK
    filters: Path | None = None


def check(options: ServerOptions) -> None:
    """Exactly one way to encrypt must be chosen, or none in so many words; some need others.

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
    if not _LOCAL_NAME.fullmatch(options.service_type):
        raise ConfigError(
            f"--service-type is {options.service_type!r}, and must be a name without prefix."
        )
    if options.http and options.ca:
        raise ConfigError("--http has no use for --ca: without TLS nobody shows a certificate.")
    if options.processes and options.directory:
        raise ConfigError("--processes and --directory exclude each other: name one of them.")
    if options.database and options.spool is None and options.spool_bucket is None:
        raise ConfigError(
            "--database needs --spool DIR, a folder that all servers on it share, or "
            "--spool-bucket FILE, for the pages."
        )
    if options.events.same_user and not options.ca:
        raise ConfigError("--events-to-same-user needs --ca FILE: it goes by client certificates.")
