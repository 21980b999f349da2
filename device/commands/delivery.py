"""scan-server and send: both ends of WS-DSP."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path

from device import config, log
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

SEND_EPILOG = """\
Every page of the source is scanned as the scan process says, kept in the spool of the state folder,
and sent. A page leaves the spool when the server's job has ended well. Ctrl-C cancels the job.
A scan that broke off is delivered by --resume as far as it came, and what is missing is said once.
What can never be delivered stays in the spool until --discard throws it away; pages that another
send is working on are left alone.

exit codes: 0 every page was delivered; 3 some were not, and wait in the spool, or were never
scanned; 2 wrong use

examples:
  wsd-scanner send --server https://HOST:5362/ScanServer --ca server.pem --source images:~/pages
  wsd-scanner send --server https://HOST:5362/ScanServer --source chart --process invoices.xml
  wsd-scanner send --resume
  wsd-scanner send --resume --server https://RIGHT-HOST:5362/ScanServer --ca server.pem
  wsd-scanner send --discard
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
        stop = _stop_on_signals()
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


def add_send(name: str, commands: Commands) -> None:
    """The command `send`."""
    parser = add_command(
        name, commands, _send, "send the pages of a source to a scan server", SEND_EPILOG
    )
    parser.add_argument(
        "--server", metavar="URL", help="the scan server, https://HOST:5362/ScanServer"
    )
    add_settings(parser, ["source", "profile", "state_dir"])
    parser.add_argument(
        "--process",
        type=existing_path,
        metavar="FILE",
        help="a scan process document (default: into the server's own store)",
    )
    parser.add_argument("--user", metavar="SID", help="who sends, as S-1-… (default: nobody)")
    parser.add_argument(
        "--ca", type=existing_path, metavar="FILE", help="trust server certificates of these"
    )
    parser.add_argument("--cert", type=existing_path, metavar="FILE", help="our certificate, PEM")
    parser.add_argument("--key", type=existing_path, metavar="FILE", help="its private key, PEM")
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="do not check who the server is, this once; others may read every page",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="send what is left in the spool, and nothing new; --server, --ca, --cert and --key "
        "correct what was wrong the first time (another server takes no job that is begun)",
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="with --resume: send even what a server that forgot its job may have delivered",
    )
    parser.add_argument(
        "--discard",
        action="store_true",
        help="throw away what is left in the spool, list it, and send nothing",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings from a TOML file")
    add_logging(parser)


def _send(parsed: argparse.Namespace) -> int:
    settings = settings_of(parsed, "source", "profile", "state_dir", "log_format")
    log.configure(settings.log_format, parsed.verbose)
    _check_send(parsed)
    if parsed.discard:
        return _discard(settings.state_dir)
    from device import delivery
    from device.dsp.sending import SendOptions
    from device.model.operator import NOBODY

    options = SendOptions(
        server=parsed.server or "",
        state_dir=settings.state_dir,
        ca=parsed.ca,
        cert=parsed.cert,
        key=parsed.key,
        process=parsed.process,
        user=parsed.user or NOBODY,
        again=parsed.again,
        insecure=parsed.insecure,
        resume_command=_resume_command(settings.state_dir),
    )

    async def run() -> int:
        stop = _stop_on_signals()
        work = delivery.resume if parsed.resume else delivery.send
        result = await work(settings, options, SystemClock(), random.Random(), stop)
        say(result.summary)
        return result.exit_code

    return asyncio.run(run())


def _discard(state_dir: Path) -> int:
    from device.dsp import sending, wording

    for line in sending.discard(state_dir) or [wording.NOTHING_LEFT]:
        say(line)
    return 0


_ABOUT_SENDING = ("server", "source", "profile", "process", "user", "ca", "cert", "key")


def _resume_command(state_dir: Path) -> str:
    """What sends the rest of this spool, in any shell and from any folder."""
    command = ["wsd-scanner", "send", "--resume"]
    used = state_dir.expanduser().resolve()
    if used != config.default_state_dir(os.environ).resolve():
        command += ["--state-dir", str(used)]
    return shlex.join(command)


def _check_send(parsed: argparse.Namespace) -> None:
    if parsed.discard:
        for flag in (*_ABOUT_SENDING, "resume", "again", "insecure"):
            if getattr(parsed, flag):
                raise ConfigError(f"--discard sends nothing, so --{flag} has no use.")
        return
    if parsed.resume:
        for flag in ("source", "process", "user"):
            if getattr(parsed, flag) is not None:
                raise ConfigError(f"--resume goes on with what was begun, so --{flag} has no use.")
        return
    if not parsed.server:
        raise ConfigError(
            "send needs --server URL, such as https://HOST:5362/ScanServer, --resume or --discard."
        )
    if parsed.again:
        raise ConfigError("--again goes with --resume only.")


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
