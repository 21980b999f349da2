"""Commands, flags, exit codes. Not how a scan works."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata

from device.commands import device, panel, processes, scan_server, send, sources
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
        parser = _parser()
        parsed = parser.parse_all(words)
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


def _parser() -> Parser:
    parser = Parser(
        prog="wsd-scanner",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = metadata.version("wsd-scanner")
    parser.add_argument("--version", action="version", version=f"wsd-scanner {version}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", parser_class=Parser, required=False
    )
    for name, add in COMMANDS.items():
        add(name, commands)
    return parser


COMMANDS: dict[str, Callable[[str, Commands], None]] = {
    "run": device.add_run,
    "scan-server": scan_server.add_scan_server,
    "send": send.add_send,
    "panel": panel.add_panel,
    "profiles": device.add_profiles,
    "sources": sources.add_sources,
    "processes": processes.add_processes,
    "check": device.add_check,
}
