"""A TOML file that says what a scanner's driver does not: options to set, to fix and to hide, and
what its buttons are for.

    [[device]]
    name = "genesys:.*"         # a regular expression; the whole SANE name must match
    hide = ["source"]           # as if the scanner did not have them
    [device.set]                # when the scanner is opened; a page may change them
    lamp-off-time = 15
    [device.fix]                # the only value there is; it is announced so, too
    source = "ADF"
    [device.buttons]            # options that the scanner sets: for which computer a press is
    scan = "Scan to DESK-7"     # the name that it registered, or a part of it
    file = { to = "first", source = "ADF" }     # the one that registered first; from the feeder

The scanner is held open while its buttons are watched: no other program can have it.

Every entry that matches counts; of two that name an option, the later one decides.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scanner_backends.base import Pressed, Source
from scanner_backends.errors import SourceError
from scanner_backends.sane.words import Value

_TABLES = ("set", "fix")
_KEYS = ("name", "hide", *_TABLES, "buttons")
_BUTTON_KEYS = ("to", "source")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a file says of one device: option names, and what is wished of them."""

    set: Mapping[str, Value] = field(default_factory=dict)
    fix: Mapping[str, Value] = field(default_factory=dict)
    hide: frozenset[str] = frozenset()
    buttons: Mapping[str, Pressed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceFile:
    """The entries of a file: patterns of SANE names, and what is wished of those devices."""

    entries: tuple[tuple[re.Pattern[str], Wishes], ...] = ()

    def wishes(self, sane_name: str) -> Wishes:
        """All that holds for one device."""
        put: dict[str, Value] = {}
        fix: dict[str, Value] = {}
        hide: set[str] = set()
        buttons: dict[str, Pressed] = {}
        for pattern, wishes in self.entries:
            if pattern.fullmatch(sane_name):
                put |= wishes.set
                fix |= wishes.fix
                hide |= wishes.hide
                buttons |= wishes.buttons
        return Wishes(put, fix, frozenset(hide), buttons)


def read(path: Path) -> DeviceFile:
    """Read a file.

    Raises:
        SourceError: it cannot be read, or something in it is wrong.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise SourceError(f"{path}: is no TOML file: {error}.") from None
    devices = document.pop("device", None)
    if document or not isinstance(devices, list):
        raise SourceError(f"{path}: must hold [[device]] tables and nothing else.")
    return DeviceFile(tuple(_entry(path, table) for table in devices))


def _entry(path: Path, table: Any) -> tuple[re.Pattern[str], Wishes]:
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise SourceError(f"{path}: each [[device]] must have a name, a regular expression.")
    unknown = sorted(table.keys() - set(_KEYS))
    if unknown:
        raise SourceError(f"{path}: {unknown[0]} is not known; there is {', '.join(_KEYS)}.")
    hide = table.get("hide", [])
    if not isinstance(hide, list) or not all(isinstance(name, str) for name in hide):
        raise SourceError(f"{path}: hide must be a list of option names.")
    values = {key: _values(path, key, table.get(key, {})) for key in _TABLES}
    try:
        pattern = re.compile(table["name"])
    except re.error as error:
        raise SourceError(f"{path}: {table['name']!r} is no regular expression: {error}.") from None
    buttons = _buttons(path, table.get("buttons", {}))
    return pattern, Wishes(values["set"], values["fix"], frozenset(hide), buttons)


def _buttons(path: Path, table: Any) -> dict[str, Pressed]:
    if not isinstance(table, dict):
        raise SourceError(f"{path}: buttons must be a table of options and names of computers.")
    return {name: _button(path, name, wished) for name, wished in table.items()}


def _button(path: Path, name: str, wished: Any) -> Pressed:
    told = {"to": wished} if isinstance(wished, str) else wished
    if not isinstance(told, dict) or not told.keys() <= set(_BUTTON_KEYS) or "to" not in told:
        right = "the name of a computer, or {to = NAME, source = NAME}"
        raise SourceError(f"{path}: buttons.{name} must be {right}.")
    if not isinstance(told["to"], str) or not told["to"].strip():
        raise SourceError(f"{path}: buttons.{name}.to must be the name of a computer, or first.")
    if "source" not in told:
        return Pressed(name, told["to"])
    known = ", ".join(Source)
    if told["source"] not in [*Source]:
        raise SourceError(f"{path}: buttons.{name}.source must be one of {known}.")
    return Pressed(name, told["to"], Source(told["source"]))


def _values(path: Path, key: str, table: Any) -> dict[str, Value]:
    if not isinstance(table, dict):
        raise SourceError(f"{path}: {key} must be a table of options and their values.")
    for name, value in table.items():
        if not isinstance(value, bool | int | float | str):
            raise SourceError(f"{path}: {key}.{name} must be a text, a number, true or false.")
    return dict(table)
