"""processes: which scan processes there are for a user, and what is in one."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from device.commands.parser import (
    Commands,
    add_command,
    add_settings,
    existing_path,
    say,
    settings_of,
)
from device.config import Config
from device.errors import ConfigError, OperatorError

if TYPE_CHECKING:
    from device.directory.words import Credentials, DirectorySettings
    from device.dsp.process import ScanProcess
    from device.processes.source import Sources, Visitor
    from device.scan.validation import Verdict

EPILOG = """\
Lists the scan processes of --process-folder, of the [[process]] tables in the file of --config,
and of --directory. Each user may see other ones: --user says who asks. A directory wants a
password, which is asked for, or read from --password-file; Kerberos (--directory-login gssapi)
does without one and takes the tickets that are there.

With FILE or ID, that one is shown: where its pages go, what its ticket asks for, and what the user
may change. `=` marks a setting that is locked.

exit codes: 0 all of them can be used on this device; 1 some cannot, or the directory said no;
2 wrong use, or FILE is no scan process, said in one sentence

examples:
  wsd-scanner processes --process-folder ~/processes
  wsd-scanner processes invoices.xml --profile kyocera-m2040dn
  wsd-scanner processes --directory ldaps://dc1.example.org --user joe
  wsd-scanner processes --directory example.org --directory-login gssapi --user joe C4F199C7-…
"""

_FLAGS = (
    "process_folder",
    "profile",
    "directory",
    "directory_login",
    "directory_ca",
    "directory_base",
    "directory_processes",
    "directory_domain",
    "directory_user_dn",
)


def add_processes(name: str, commands: Commands) -> None:
    """The command `processes`."""
    parser = add_command(
        name, commands, _processes, "list scan processes, or look into one", EPILOG
    )
    parser.add_argument("one", nargs="?", metavar="FILE|ID", help="the one to look into")
    add_settings(parser, _FLAGS)
    parser.add_argument("--user", metavar="NAME", help="who asks")
    parser.add_argument(
        "--password-file", type=existing_path, metavar="FILE", help="the password; - is stdin"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings from a TOML file")


def _processes(parsed: argparse.Namespace) -> int:
    settings = settings_of(parsed, *_FLAGS)
    if parsed.one and ("/" in parsed.one or parsed.one.lower().endswith(".xml")):
        return _show_file(settings, existing_path(parsed.one))
    workflow = settings.workflow
    if not workflow.offers_anything:
        raise ConfigError(
            "processes needs a FILE, --process-folder DIR, --directory URL, or --config FILE."
        )
    if workflow.directory and not parsed.user:
        raise ConfigError("--directory needs --user NAME: a directory shows each user other ones.")
    try:
        return asyncio.run(_ask(settings, parsed))
    except OperatorError as error:
        print(f"wsd-scanner: {error}", file=sys.stderr)
        return 1


async def _ask(settings: Config, parsed: argparse.Namespace) -> int:
    from device.directory.client import log_on
    from device.model.operator import NOBODY, User
    from device.processes.source import Visitor
    from device.processes.sources import directory_of, sources_of

    sources = sources_of(settings.workflow)
    directory = directory_of(settings.workflow)
    if directory is None:
        return await _say(settings, sources, Visitor(User(parsed.user or "", NOBODY)), parsed.one)
    logon = await log_on(directory, _credentials(directory, parsed))
    try:
        return await _say(settings, sources, Visitor(logon.user, logon), parsed.one)
    finally:
        await logon.close()


def _credentials(directory: DirectorySettings, parsed: argparse.Namespace) -> Credentials:
    from device.directory.words import Credentials, Login

    if parsed.password_file is not None:
        return Credentials(parsed.user, _password(parsed.password_file))
    if directory.login is not Login.SIMPLE:
        return Credentials(parsed.user)  # by the tickets that are there
    return Credentials(parsed.user, getpass.getpass(f"Password of {parsed.user}: "))


def _password(path: Path) -> str:
    """The first line of a file."""
    try:
        text = sys.stdin.readline() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"--password-file {path}: cannot be read.") from None
    return text.partition("\n")[0].removesuffix("\r")


async def _say(settings: Config, sources: Sources, visitor: Visitor, one: str | None) -> int:
    """One process whole, or all of them by name; 1 when something is wrong with any."""
    if one:
        offer = await sources.load(one, visitor)
        return _show(settings, offer.name, offer.process)
    code = 0
    for listed in await sources.listed(visitor):
        problem = listed.problem
        if not problem:
            try:
                offer = await sources.load(listed.identifier, visitor)
                _fit(settings, offer.name, offer.process)
            except OperatorError as error:
                problem = str(error)
        say(f"{listed.identifier or '-':<36}  {listed.name}")
        if problem:
            say(f"{'':<38}{problem}")
            code = 1
    return code


def _show_file(settings: Config, path: Path) -> int:
    from device.dsp import process
    from device.processes import folder

    return _show(settings, folder.name_of(path), process.load(path))


def _show(settings: Config, name: str, found: ScanProcess) -> int:
    """Everything of one process; 1 when this device cannot do it."""
    for line in _lines(name, found):
        say(line)
    try:
        verdict = _fit(settings, name, found)
    except OperatorError as error:
        say(str(error))
        return 1
    if verdict.changed:
        say(f"this device does otherwise: {', '.join(verdict.changed)}")
    return 0


def _fit(settings: Config, name: str, found: ScanProcess) -> Verdict:
    from device import profile
    from device.imaging.spec import SUPPORTED
    from device.processes.fitting import fit

    shape = profile.load(settings.profile, SUPPORTED)
    return fit(name, found, shape.configuration, shape.default_ticket, feeder_loaded=True)


def _lines(name: str, found: ScanProcess) -> Iterator[str]:
    from device.model.ticket import DocumentParameters
    from device.processes.changes import is_locked, permissions
    from device.processes.fitting import targets
    from device.ticket.parameters import wishes

    parameters = found.ticket.parameters or DocumentParameters()
    yield f"{name}: a scan process for {found.scan_repository}"
    yield f"identifier {found.psp_identifier}"
    yield f"files {found.instructions.document_root_name}_…"
    yield from (f"to {target}" for target in targets(found))
    for path, wish in wishes(parameters).items():
        yield f"{path} {'=' if is_locked(parameters, path) else ':'} {wish.value}"
    allowed = permissions(found)
    may = [
        what
        for what, permitted in (
            ("add e-mail addresses", allowed.emails),
            ("change the file name", allowed.file_name),
            ("change the file path", allowed.shares),
        )
        if permitted
    ]
    yield f"the user may {', '.join(may) or 'only change settings that are not locked'}"
