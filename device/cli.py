"""Commands, flags, exit codes. Not how a scan works."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from device import config, log
from device.errors import ConfigError
from device.settings import suggestion

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNDELIVERED = 3

DESCRIPTION = "A WSD scan device in software, and the scan server that takes its pages."

EPILOG = """\
examples:
  wsd-scanner run                                a scanner with built-in pages, found by everybody
  wsd-scanner run --source images:~/pages        pages come from files
  wsd-scanner run --profile kyocera-m2040dn --name "Second floor"
  wsd-scanner scan-server --store scans --generate-cert
  wsd-scanner send --server https://HOST:5362/ScanServer --source images:~/pages
  wsd-scanner COMMAND --help                     all flags of a command

exit codes: 0 done; 1 failed; 2 wrong use, said in one sentence; 3 pages were not delivered
"""

RUN_EPILOG = """\
Every setting can also stand in the file, by its name with underscores, or in the environment as
WSD_SCANNER_NAME. Flags win over the environment, that over the file, that over the default.

When everything is up, one line is printed: ready NAME urn:uuid:UUID URL
SIGHUP reads the source afresh and fills the feeder; SIGTERM and Ctrl-C end all jobs and say Bye.

examples:
  wsd-scanner run
  wsd-scanner run --source images:~/pages --interface eth0
  wsd-scanner run --host 127.0.0.1 --port 0 --no-discovery
  wsd-scanner run --config scanner.toml -v
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one sentence each, with a suggestion."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message[:1].upper()}{message[1:]}")

    def parse_all(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all arguments; an unknown one is answered with the nearest there is."""
        parsed, unknown = self.parse_known_args(words)
        if unknown:
            word = unknown[0].partition("=")[0]
            chosen = getattr(parsed, "parser", self)
            flags = [flag for action in chosen._actions for flag in action.option_strings]
            if word.startswith("-"):
                raise ConfigError(f"There is no flag {word}{_question(word, flags)}")
            raise ConfigError(f"{word!r} is one word too many; see {chosen.prog} --help.")
        return parsed


def _question(wrong: str, right: Sequence[str]) -> str:
    """`; did you mean X?`, or where all there are can be read."""
    found = suggestion(wrong, [flag for flag in right if flag.startswith("--")])
    return found if found.endswith("?") else "; --help lists them."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parser, commands = _parser()
        if words and not words[0].startswith("-") and words[0] not in commands:
            raise ConfigError(f"There is no command {words[0]!r}{suggestion(words[0], commands)}")
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


def _parser() -> tuple[Parser, tuple[str, ...]]:
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
    return parser, tuple(COMMANDS)


Commands = argparse._SubParsersAction


def _command(
    name: str,
    commands: Commands[Parser],
    function: Callable[[argparse.Namespace], int],
    summary: str,
    epilog: str = "",
) -> Parser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[:1].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=function, parser=parser)
    return parser


def add_settings(parser: Parser, names: Sequence[str]) -> None:
    """Flags for settings of `config`, all absent by default so that the file can decide."""
    for setting in config.SETTINGS:
        if setting.name not in names:
            continue
        match setting.kind:
            case "boolean":
                parser.add_argument(
                    setting.flag,
                    dest=setting.name,
                    action=argparse.BooleanOptionalAction,
                    default=None,
                    help=setting.help,
                )
            case "integer" | "number":
                parser.add_argument(
                    setting.flag,
                    dest=setting.name,
                    type=_integer if setting.kind == "integer" else _number,
                    metavar=setting.metavar,
                    help=setting.help,
                )
            case "texts":
                parser.add_argument(
                    setting.flag,
                    dest=setting.name,
                    action="append",
                    metavar=setting.metavar,
                    help=setting.help,
                )
            case _:
                parser.add_argument(
                    setting.flag, dest=setting.name, metavar=setting.metavar, help=setting.help
                )


def add_logging(parser: Parser) -> None:
    """`-v`, and the log's format."""
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="log more; twice: the wire as well"
    )
    if not any(action.dest == "log_format" for action in parser._actions):
        add_settings(parser, ["log_format"])


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def say(line: str) -> None:
    """One line on stdout, at once."""
    print(line, flush=True)


# ---- run


def _add_run(name: str, commands: Commands[Parser]) -> None:
    parser = _command(name, commands, _run, "be a scanner on the network", RUN_EPILOG)
    add_settings(parser, [setting.name for setting in config.SETTINGS])
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings from a TOML file")
    add_logging(parser)


def settings_of(parsed: argparse.Namespace) -> config.Config:
    """The configuration that the flags, the environment and the file amount to."""
    flags = {setting.name: getattr(parsed, setting.name, None) for setting in config.SETTINGS}
    return config.load(flags, os.environ, getattr(parsed, "config", None))


def _run(parsed: argparse.Namespace) -> int:
    settings = settings_of(parsed)
    log.configure(settings.log_format, parsed.verbose)
    from device import app
    from device.clock import SystemClock

    asyncio.run(app.run(settings, SystemClock(), say))
    return EXIT_OK


# ---- profiles, sources, check


def _add_profiles(name: str, commands: Commands[Parser]) -> None:
    _command(
        name,
        commands,
        _profiles,
        "list what the device can claim to be",
        "A profile of your own is a TOML file: wsd-scanner run --profile ./mine.toml\n"
        "wsd-scanner check ./mine.toml tells what is wrong with it.",
    )


def _profiles(parsed: argparse.Namespace) -> int:
    from device import profile
    from device.imaging.encoders import SUPPORTED

    for name in profile.shipped():
        say(f"{name:<20} {profile.load(name, SUPPORTED).summary}")
    return EXIT_OK


def _add_sources(name: str, commands: Commands[Parser]) -> None:
    _command(
        name,
        commands,
        _sources,
        "list where pages can come from",
        "examples:\n  --source chart\n  --source chart:sheets=5\n  --source images:~/pages\n"
        "  --source images:report.pdf",
    )


def _sources(parsed: argparse.Namespace) -> int:
    from scanner_backends import registry

    for name, help_ in registry.names():
        say(f"{name:<10} {help_}")
    return EXIT_OK


def _add_check(name: str, commands: Commands[Parser]) -> None:
    parser = _command(
        name,
        commands,
        _check,
        "check a configuration, a profile or a scan process",
        "A TOML file with a [scanner] table is read as a profile, any other TOML file as a\n"
        "configuration, and an XML file as a scan process.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")


def _check(parsed: argparse.Namespace) -> int:
    from device import checking

    say(f"{parsed.file}: {checking.check(parsed.file)}")
    return EXIT_OK


COMMANDS: dict[str, Callable[[str, Commands[Parser]], None]] = {
    "run": _add_run,
    "profiles": _add_profiles,
    "sources": _add_sources,
    "check": _add_check,
}
