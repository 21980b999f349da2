"""scan-server: takes the pages of scan devices."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from device import authorities, config, log
from device.clock import SystemClock
from device.commands.parser import (
    Commands,
    add_command,
    add_logging,
    add_settings,
    existing_path,
    say,
    settings_of,
)
from device.commands.stopping import stop_on_signals
from device.errors import ConfigError
from device.settings import read_number

SERVER_EPILOG = """\
Pages land in a folder per job under --store; a scan process that names a file share lands where
--share says. Where else documents may go, such as by e-mail, is said in the file of --filters:
docs/filters.md describes it. TLS needs a certificate: --cert with --key, or one that is made and
kept in the state folder (--generate-cert; also when nothing is said). --http does without any
encryption.

When everything is up, one line is printed: ready NAME urn:uuid:UUID URL

examples:
  wsd-scanner scan-server --store scans --generate-cert
  wsd-scanner scan-server --store scans --cert server.pem --key server.key --ca clients.pem
  wsd-scanner scan-server --store scans --share '\\\\\\\\host\\\\scans=/srv/scans'
  wsd-scanner scan-server --store scans --filters filters.toml --users users.toml
  wsd-scanner scan-server --store scans --http --host 127.0.0.1 --port 0
"""


def add_scan_server(name: str, commands: Commands) -> None:
    """The command `scan-server`."""
    parser = add_command(
        name, commands, _scan_server, "take pages from scan devices, by WS-DSP", SERVER_EPILOG
    )
    parser.add_argument(
        "--store", type=existing_path, metavar="DIR", help="where pages land (needed)"
    )
    parser.add_argument(
        "--share",
        action="append",
        default=[],
        metavar="UNC=DIR",
        help="the folder that stands for a file share; may be repeated",
    )
    parser.add_argument(
        "--filters",
        type=existing_path,
        metavar="FILE",
        help="settings of filters, TOML: how often each tries, and where else documents may go",
    )
    parser.add_argument("--host", metavar="ADDR", help="address to listen on (default: all)")
    parser.add_argument(
        "--port",
        metavar="PORT",
        default="5362",
        help="TCP and UDP port, 0 for a free one (default: 5362)",
    )
    parser.add_argument("--no-udp", action="store_true", help="answer no Probe by UDP")
    parser.add_argument(
        "--state-dir", type=existing_path, metavar="DIR", help="folder for identity, jobs and spool"
    )
    parser.add_argument("--name", default="Scan server", metavar="TEXT", help="what it is called")
    parser.add_argument("--cert", type=existing_path, metavar="FILE", help="certificate, PEM")
    parser.add_argument("--key", type=existing_path, metavar="FILE", help="its private key, PEM")
    parser.add_argument(
        "--client-ca",
        "--ca",
        dest="ca",
        type=existing_path,
        metavar="FILE",
        help="demand client certificates of these authorities",
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="share jobs and queue with other servers in PostgreSQL: postgresql://USER@HOST/NAME; "
        "a password is libpq's business (PGPASSFILE)",
    )
    parser.add_argument(
        "--spool",
        type=existing_path,
        metavar="DIR",
        help="where received pages wait (default: in the state folder); with --database, the same "
        "for all servers",
    )
    parser.add_argument(
        "--spool-bucket",
        type=existing_path,
        metavar="FILE",
        help="with --database, instead of a shared folder: received pages wait in an S3 bucket, "
        "which the TOML file describes; --spool is a folder of this server's own then",
    )
    parser.add_argument(
        "--processes",
        type=existing_path,
        metavar="DIR",
        help="take jobs of the scan processes in this folder only, one XML file each, and as they "
        "say",
    )
    parser.add_argument(
        "--directory",
        type=existing_path,
        metavar="FILE",
        help="the same for those of a directory (LDAP), which the TOML file describes",
    )
    parser.add_argument(
        "--users",
        type=existing_path,
        metavar="FILE",
        help="TOML: who is who, by SID and certificate, and who administers",
    )
    parser.add_argument(
        "--administration",
        choices=("nobody", "loopback", "anyone"),
        default="loopback",
        help="who may administer without a certificate that says so (default: loopback)",
    )
    parser.add_argument(
        "--generate-cert",
        action="store_true",
        help="make a self-signed certificate, keep it in the state folder, print its fingerprint",
    )
    parser.add_argument("--http", action="store_true", help="plain http: no encryption at all")
    parser.add_argument(
        "--idle-timeout",
        metavar="SECONDS",
        default="600",
        help="abort a job that gets no page for so long (default: 600)",
    )
    parser.add_argument(
        "--keep-failed",
        metavar="HOURS",
        default="24",
        help="keep the documents of a job whose filters failed, to do it once more (default: 24)",
    )
    parser.add_argument(
        "--max-document",
        metavar="MB",
        default="1024",
        help="largest document that is taken (default: 1024)",
    )
    parser.add_argument(
        "--history",
        metavar="N",
        default="1000",
        help="finished jobs that are remembered, for a week at most (default: 1000)",
    )
    parser.add_argument(
        "--service-type",
        metavar="NAME",
        default="RepositoryProcessingServiceType",
        help="local name of the service's port type, of which nobody knows the right one "
        "(default: RepositoryProcessingServiceType)",
    )
    parser.add_argument("--no-panel", action="store_true", help="without the page for people")
    parser.add_argument(
        "--panel-port", metavar="PORT", help="TCP port of the page on 127.0.0.1 (default: 8362)"
    )
    add_settings(parser, ["panel_token"])
    parser.add_argument(
        "--event-network",
        action="append",
        default=[],
        metavar="CIDR",
        help="also send events to these addresses, whoever subscribes; may be repeated",
    )
    parser.add_argument(
        "--events-to-same-user",
        action="store_true",
        help="send the events of a job only to the client certificate that created it",
    )
    add_logging(parser)


def _scan_server(parsed: argparse.Namespace) -> int:
    settings = settings_of(parsed, "log_format", "panel_token")
    log.configure(settings.log_format, parsed.verbose)
    if parsed.store is None:
        raise ConfigError("scan-server needs --store DIR, the folder where pages land.")
    with authorities.left_out():
        from scan_server.app import serve
    from scan_server.identity import Administration
    from scan_server.notifications import Rules
    from scan_server.options import ServerOptions, check

    host, http = _scheme(parsed.host, parsed.http)
    options = ServerOptions(
        store=parsed.store,
        state_dir=parsed.state_dir
        or config.default_state_dir(os.environ).with_name("wsd-scan-server"),
        host=host,
        port=int(read_number("--port", parsed.port, 0, 65_535, whole=True)),
        udp=not parsed.no_udp,
        shares=_shares(parsed.share),
        filters=parsed.filters,
        cert=parsed.cert,
        key=parsed.key,
        ca=parsed.ca,
        generate_cert=parsed.generate_cert or not (parsed.cert or http),
        http=http,
        name=" ".join(parsed.name.split()) or "Scan server",
        idle_s=read_number("--idle-timeout", parsed.idle_timeout, 1, 86_400),
        database=parsed.database or "",
        spool=parsed.spool,
        spool_bucket=parsed.spool_bucket,
        keep_failed_s=3600 * read_number("--keep-failed", parsed.keep_failed, 0, 8760),
        max_page_bytes=int(
            1_000_000 * read_number("--max-document", parsed.max_document, 0.001, 5e6)
        ),
        history_jobs=int(read_number("--history", parsed.history, 1, 100_000, whole=True)),
        service_type=parsed.service_type,
        panel=not parsed.no_panel,
        panel_port=None
        if parsed.panel_port is None
        else int(read_number("--panel-port", parsed.panel_port, 0, 65_535, whole=True)),
        panel_token=settings.panel_token,
        processes=parsed.processes,
        directory=parsed.directory,
        users=parsed.users,
        administration=Administration(parsed.administration),
        events=Rules(networks=tuple(parsed.event_network), same_user=parsed.events_to_same_user),
    )
    check(options)
    _make_folder(parsed.store)

    async def run() -> None:
        stop = stop_on_signals()
        await serve(options, clock=SystemClock(), on_ready=say, stop=stop)

    asyncio.run(run())
    return 0


def _scheme(host: str | None, http: bool) -> tuple[str | None, bool]:
    """The address, and whether plain http was asked for: by --http, or by `--host http://ADDR`."""
    if host and "://" in host:
        scheme, _, address = host.partition("://")
        if scheme not in ("http", "https"):
            raise ConfigError(f"--host is {host!r}, and must be an address.")
        return address.rstrip("/") or None, http or scheme == "http"
    return host, http


def _make_folder(store: Path) -> None:
    """The store is ours to make; the folder of a share is somebody else's, and must be there."""
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--store {store}: cannot be made: {error.strerror}.") from None


def _shares(values: list[str]) -> Mapping[str, Path]:
    shares: dict[str, Path] = {}
    for value in values:
        unc, equals, folder = value.partition("=")
        if not equals or not unc or not folder:
            raise ConfigError(
                f"--share is {value!r}, and must be UNC=DIR, such as '\\\\host\\scans=/srv/scans'."
            )
        shares[unc] = existing_path(folder)
    return shares
