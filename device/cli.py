"""Commands, flags, exit codes. Not how a scan works."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module

from device.commands.parser import Commands, Parser
from device.errors import ConfigError

EXIT_FAILED = 1
EXIT_USAGE = 2

DESCRIPTION = "A WSD scan device in software, and the scan server that takes its pages."

EPILOG = """\
examples:
  wsd-scanner run                                a scanner with built-in pages, found by everybody
  wsd-scanner run --source images:~/pages        pages come from files
  wsd-scanner run --profile kyocera-m2040dn --name "Second floor"
  wsd-scanner scan-server --store scans --generate-cert
  wsd-scanner send --server https://HOST:5362/ScanServer --source images:~/pages
  wsd-scanner panel press "Scan to DESK-7"       press the scan button of a device that runs
  wsd-scanner COMMAND --help                     all flags of a command

exit codes: 0 done; 1 failed; 2 wrong use, said in one sentence; 3 pages were not delivered
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parser = _parser(words[:1] if words and words[0] in COMMANDS else COMMANDS)
        parsed = parser.parse_all(words)
        if parsed.version:
            print(f"wsd-scanner {_version()}")
            return 0
        command: Callable[[argparse.Namespace], int] | None = getattr(parsed, "command", None)
        if command is None:
            parser.print_help(sys.stderr)
            return EXIT_USAGE
        return command(parsed)
    except ConfigError as error:
        print(f"wsd-scanner: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_FAILED


def _version() -> str:
    from importlib import metadata  # it reads e-mail and zip files, which no scanner needs

    return metadata.version("wsd-scanner")


def _parser(names: Iterable[str]) -> Parser:
    """The parser, which knows these commands."""
    parser = Parser(
        prog="wsd-scanner",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", parser_class=Parser, required=False
    )
    for name in names:
        module, _, function = COMMANDS[name].partition(":")
        add: Callable[[str, Commands], None] = getattr(import_module(module), function)
        add(name, commands)
    return parser


COMMANDS = {
    "run": "device.commands.device:add_run",
    "scan-server": "device.commands.scan_server:add_scan_server",
    "send": "device.commands.send:add_send",
    "panel": "device.commands.panel:add_panel",
    "profiles": "device.commands.device:add_profiles",
    "sources": "device.commands.sources:add_sources",
    "processes": "device.commands.processes:add_processes",
    "check": "device.commands.device:add_check",
}
"""Each is imported when it is the one that was asked for, or when all are to be listed: what other
commands need would stay in the memory of a device that runs for months."""
