"""send: brings the pages of a source to a scan server."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shlex
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
from device.commands.stopping import stop_on_signals
from device.errors import ConfigError

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
        stop = stop_on_signals()
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
