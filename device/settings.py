"""Reading TOML strictly: typed values, and complaints that say what would have been right."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.errors import ConfigError

ENVIRONMENT = "WSD_SCANNER_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as users meet it: flag `--name`, environment, key in the file.

    `kind` is text, integer, number, boolean or texts.
    """

    name: str
    kind: str
    help: str
    metavar: str = ""

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        return f"{ENVIRONMENT}{self.name.upper()}"


def suggestion(wrong: str, right: Iterable[str]) -> str:
    """`; did you mean X?`, or else the list of what there is."""
    import difflib  # only who errs needs it

    known = sorted(right)
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there is {', '.join(known)}" if known else ""


class Table:
    """One table of a TOML document, read key by key. `done` refuses what was not asked for."""

    def __init__(self, values: Mapping[str, Any], origin: str, path: str = "") -> None:
        self._values = values
        self._origin = origin
        self._path = path
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def folder(self) -> Path:
        """The folder of the file that this table stands in."""
        return Path(self._origin).parent

    def spelt(self, key: str) -> str:
        """`key` as it is written where this table comes from."""
        return f"{self._path}{key}"

    def wrong(self, key: str, why: str) -> ConfigError:
        """A complaint about the value of `key`."""
        return ConfigError(f"{self._origin}: {self.spelt(key)} {why}.")

    def _get(self, key: str, kind: type | tuple[type, ...], what: str) -> Any:
        self._asked.add(key)
        if key not in self._values:
            return None
        value = self._values[key]
        is_bool = isinstance(value, bool)
        if not isinstance(value, kind) or (is_bool and kind is not bool):
            raise self.wrong(key, f"is {value!r}, and must be {what}")
        return value

    def _need(self, key: str, value: Any, what: str) -> Any:
        if value is None:
            raise self.wrong(key, f"is missing, and must be {what}")
        return value

    def text(self, key: str, default: str | None = None, *, limit: int = 256) -> str:
        """A string without control characters, of at most `limit` characters."""
        value = self._get(key, str, "a text")
        value = default if value is None else value
        value = self._need(key, value, "a text")
        if len(value) > limit:
            raise self.wrong(key, f"has {len(value)} characters, and may have {limit}")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            raise self.wrong(key, "holds a control character")
        return str(value)

    def integer(self, key: str, default: int | None = None, *, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        what = f"a whole number from {low} to {high}"
        value = self._get(key, int, what)
        value = self._need(key, default if value is None else value, what)
        if not low <= value <= high:
            raise self.wrong(key, f"is {value}, and must be {what}")
        return int(value)

    def number(self, key: str, default: float | None = None, *, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        what = f"a number from {low:g} to {high:g}"
        value = self._get(key, (int, float), what)
        value = self._need(key, default if value is None else value, what)
        if not low <= value <= high:
            raise self.wrong(key, f"is {value}, and must be {what}")
        return float(value)

    def boolean(self, key: str, default: bool | None = None) -> bool:
        """`true` or `false`."""
        value = self._get(key, bool, "true or false")
        return bool(self._need(key, default if value is None else value, "true or false"))

    def scalar(self, key: str) -> str | int | bool:
        """A text, a whole number or a truth value, whichever stands there."""
        self._asked.add(key)
        value = self._need(key, self._values.get(key), "a text, a whole number, true or false")
        if not isinstance(value, str | int):
            raise self.wrong(
                key, f"is {value!r}, and must be a text, a whole number, true or false"
            )
        return value

    def texts(
        self,
        key: str,
        default: tuple[str, ...] | None = None,
        *,
        known: Iterable[str] | None = None,
        empty: bool = False,
        repeats: bool = False,
    ) -> tuple[str, ...]:
        """A list of texts, each out of `known` if that is given, none twice but with `repeats`."""
        value = self._get(key, list, "a list of texts")
        if value is None:
            return tuple(self._need(key, default, "a list of texts"))
        if not value and not empty:
            raise self.wrong(key, "is empty")
        for entry in value:
            if not isinstance(entry, str):
                raise self.wrong(key, f"holds {entry!r}, and must hold texts")
            if known is not None and entry not in known:
                raise self.wrong(key, f"holds {entry!r}{suggestion(entry, known)}")
        if len(set(value)) != len(value) and not repeats:
            raise self.wrong(key, "holds an entry twice")
        return tuple(value)

    def integers(
        self, key: str, default: tuple[int, ...] | None = None, *, low: int, high: int
    ) -> tuple[int, ...]:
        """A list of whole numbers from `low` to `high`."""
        what = f"a list of whole numbers from {low} to {high}"
        value = self._get(key, list, what)
        if value is None:
            return tuple(self._need(key, default, what))
        for entry in value:
            if isinstance(entry, bool) or not isinstance(entry, int) or not low <= entry <= high:
                raise self.wrong(key, f"holds {entry!r}, and must be {what}")
        if not value:
            raise self.wrong(key, "is empty")
        return tuple(value)

    def choice(self, key: str, known: Iterable[str], default: str | None = None) -> str:
        """One of `known`."""
        options = tuple(known)
        value = self.text(key, default)
        if value not in options:
            raise self.wrong(key, f"is {value!r}{suggestion(value, options)}")
        return value

    def table(self, key: str) -> Table:
        """A table that must be there."""
        value = self._need(key, self._get(key, dict, "a table"), "a table")
        return Table(value, self._origin, f"{self._path}{key}.")

    def optional_table(self, key: str) -> Table:
        """A table, empty if it is not there."""
        value = self._get(key, dict, "a table")
        return Table(value or {}, self._origin, f"{self._path}{key}.")

    def tables(self, key: str) -> tuple[Table, ...]:
        """A list of tables, `[[key]]` each; empty if there is none."""
        what = f"a list of tables, each begun by [[{key}]]"
        values = self._get(key, list, what) or ()
        if not all(isinstance(value, dict) for value in values):
            raise self.wrong(key, f"must be {what}")
        return tuple(
            Table(value, self._origin, f"{self._path}{key}[{number}].")
            for number, value in enumerate(values, 1)
        )

    def done(self, known: Iterable[str] = ()) -> None:
        """Refuse the keys that nobody asked for, and that are not `known` otherwise.

        Raises:
            ConfigError: there is one; the sentence suggests the right one.
        """
        right = self._asked.union(known)
        for key in self._values:
            if key not in right:
                hint = suggestion(key, right)
                end = "" if hint.endswith("?") else "."
                raise ConfigError(f"{self._origin}: {self._path}{key} is not known{hint}{end}")


def read_toml(path: Path) -> Table:
    """Read a TOML file.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {why}.") from None
    return parse_toml(text, str(path))


def parse_toml(text: str, origin: str) -> Table:
    """Read TOML from text; `origin` names it in complaints."""
    try:
        return Table(tomllib.loads(text), origin)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin}: is not TOML: {error}.") from None


def read_number(name: str, text: str, low: float, high: float, *, whole: bool = False) -> float:
    """A number on the command line, from `low` to `high`.

    Raises:
        ConfigError: it is none, or out of range.
    """
    what = "whole number" if whole else "number"
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ConfigError(f"{name} is {text!r}, and must be a {what} from {low:g} to {high:g}.")
    return value
