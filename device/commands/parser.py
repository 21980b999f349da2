"""What all commands share: a parser that helps, and flags for settings."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from device import config
from device.errors import ConfigError
from device.settings import suggestion


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one sentence each, with a suggestion."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message[:1].upper()}{message[1:]}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = str(action.metavar or action.dest).lower()
            hint = suggestion(str(value), map(str, action.choices))
            raise ConfigError(f"There is no {what} {value!r}{hint}")

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


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_command(
    name: str,
    commands: Commands,
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


def existing_path(text: str) -> Path:
    """A path with `~` expanded."""
    return Path(text).expanduser()


def settings_of(parsed: argparse.Namespace, *names: str) -> config.Config:
    """The configuration that the flags, the environment and the file amount to.

    `names` are the settings that the command has flags for; without any, it has them all.
    """
    flags = {
        setting.name: getattr(parsed, setting.name, None)
        for setting in config.SETTINGS
        if not names or setting.name in names
    }
    return config.load(flags, os.environ, getattr(parsed, "config", None))
