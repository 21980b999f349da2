"""Where we run: addresses, ports, folders. Not what the device is.

Flags win over the environment (`WSD_SCANNER_*`), that over the file, that over the default; all end
in one frozen `Config`.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from device import workflow_settings
from device.child_process import NICENESS
from device.errors import ConfigError
from device.settings import ENVIRONMENT, Setting, Table, read_toml, suggestion
from device.workflow_settings import WorkflowConfig

DEFAULT_PORT = 5357
SECOND_PORT = 8357
"""Taken when another program has the first one and no port was asked for."""
PANEL_PORT = 8358
PANEL_URL_VARIABLE = f"{ENVIRONMENT}PANEL_URL"
"""Where the command `panel` finds the front panel; `run` has no use for it."""
MAX_NAME = 256
MANAGEMENT_TYPE = "ScannerServiceType"
_LOCAL_NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


SETTINGS = (
    Setting("source", "text", "where pages come from (default: chart)", "NAME[:ARGUMENT]"),
    Setting("profile", "text", "what the device claims to be (default: generic)", "NAME|PATH"),
    Setting("name", "text", "the name that people see (default: the profile's)", "TEXT"),
    Setting("location", "text", "where the scanner stands", "TEXT"),
    Setting("host", "text", "address to listen on (default: all)", "ADDR"),
    Setting(
        "port",
        "integer",
        f"TCP port, 0 for a free one (default: {DEFAULT_PORT}, or {SECOND_PORT} if that is taken)",
        "PORT",
    ),
    Setting("interface", "texts", "be found on this interface only; may be repeated", "NAME"),
    Setting(
        "exclude_interface",
        "texts",
        "not be found on interfaces of this name, docker* for instance; may be repeated",
        "PATTERN",
    ),
    Setting("advertise", "text", "the address that clients are told, instead of ours", "ADDR"),
    Setting("discovery", "boolean", "be found by WS-Discovery (default: yes)"),
    Setting("uuid", "text", "the device's identity, instead of the stored one", "UUID"),
    Setting("state_dir", "text", "folder for identity, counters and spool", "DIR"),
    Setting(
        "spool_dir",
        "text",
        "folder on a disk, for pages that wait for a slow client (default: the state folder)",
        "DIR",
    ),
    Setting(
        "niceness",
        "integer",
        "how much scanning gives way to other programs of the machine, 0 to 19 (default: "
        f"{NICENESS})",
        "N",
    ),
    Setting(
        "waiting_jobs", "integer", "jobs that may wait behind the one at work (default: 8)", "N"
    ),
    Setting("history", "integer", "finished jobs that are remembered (default: 100)", "N"),
    Setting(
        "reload_feeder",
        "number",
        "seconds after which an empty feeder is full again; 0 is never "
        "(default: 10 with the chart, else 0; SIGHUP reloads at once)",
        "SECONDS",
    ),
    Setting("max_subscriptions", "integer", "event subscriptions in all (default: 100)", "N"),
    Setting(
        "max_subscriptions_per_client",
        "integer",
        "event subscriptions of one client (default: 20)",
        "N",
    ),
    Setting(
        "max_subscription_time",
        "number",
        "longest that a subscription lasts without being renewed (default: 86400)",
        "SECONDS",
    ),
    Setting(
        "event_network",
        "texts",
        "events may also go to these addresses, not only to the subscriber's own; "
        "'link' is every address on its link; may be repeated",
        "NETWORK",
    ),
    Setting(
        "scan_identifier_once",
        "boolean",
        "a press of the scan button is good for one job only, not for a job for each sheet "
        "(default: no)",
    ),
    Setting("panel", "boolean", "serve the front panel (default: yes)"),
    Setting(
        "panel_port",
        "integer",
        f"TCP port of the front panel, 0 for a free one (default: {PANEL_PORT})",
        "PORT",
    ),
    Setting(
        "panel_token",
        "text",
        "what the front panel asks for; without it, it listens on 127.0.0.1 only",
        "TOKEN",
    ),
    Setting(
        "management",
        "boolean",
        "serve management consoles, by WS-DSD (default: where there are scan processes)",
    ),
    Setting(
        "management_type",
        "text",
        "local name of that service's port type (default: ScannerServiceType)",
        "NAME",
    ),
    Setting(
        "management_events",
        "text",
        "namespace of the actions of its events: its own, or that of WS-Scan, which the published "
        "examples have (default: dsd)",
        "dsd|wscn",
    ),
    *workflow_settings.SETTINGS,
    Setting("log_format", "text", "how the log is written (default: text)", "text|json"),
)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that `run` needs to know. An empty `host` is every address; a `port` or
    `panel_port` of None is the default with its substitute."""

    source: str = "chart"
    profile: str = "generic"
    name: str = ""
    location: str = ""
    host: str = ""
    port: int | None = None
    interfaces: tuple[str, ...] = ()
    excluded_interfaces: tuple[str, ...] = ()
    advertise: str = ""
    discovery: bool = True
    uuid: str | None = None
    state_dir: Path = Path()
    spool_dir: Path = Path()
    niceness: int = NICENESS
    waiting_jobs: int = 8
    history: int = 100
    reload_feeder_s: float | None = None
    max_subscriptions: int = 100
    max_subscriptions_per_client: int = 20
    max_subscription_time_s: float = 86_400.0
    event_networks: tuple[str, ...] = ()
    scan_identifier_once: bool = False
    panel: bool = True
    panel_port: int | None = None
    panel_token: str = ""
    management: bool = False
    management_type: str = MANAGEMENT_TYPE
    management_events: str = "dsd"
    workflow: WorkflowConfig = field(default_factory=WorkflowConfig)
    log_format: str = "text"


def load(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None) -> Config:
    """Put the settings together.

    Raises:
        ConfigError: one of them is wrong; the sentence says where it came from.
    """
    if file is None and environment.get(f"{ENVIRONMENT}CONFIG"):
        file = Path(environment[f"{ENVIRONMENT}CONFIG"])
    sources: list[Table] = [_from_flags(flags), _from_environment(environment)]
    if file is not None:
        table = read_toml(file)
        check_file(table)
        sources.append(table)
    return _built(sources, environment)


def _built(tables: list[Table], environment: Mapping[str, str]) -> Config:
    """One configuration of several tables; the first that has a setting decides it."""
    merged = _Merged(tables)
    workflow = workflow_settings.read(merged)
    state_dir = Path(merged.path("state_dir") or default_state_dir(environment))
    return Config(
        source=merged.text("source", "chart", limit=4096),
        profile=merged.path("profile") or "generic",
        name=merged.text("name", "", limit=MAX_NAME).strip(),
        location=merged.text("location", "", limit=MAX_NAME),
        host=merged.text("host", ""),
        port=merged.port("port"),
        interfaces=merged.texts("interface"),
        excluded_interfaces=merged.texts("exclude_interface"),
        advertise=merged.advertise(),
        discovery=merged.boolean("discovery", True),
        uuid=merged.uuid(),
        state_dir=state_dir,
        spool_dir=Path(merged.path("spool_dir") or state_dir),
        niceness=merged.integer("niceness", NICENESS, low=0, high=19),
        waiting_jobs=merged.integer("waiting_jobs", 8, low=0, high=1000),
        history=merged.integer("history", 100, low=0, high=100_000),
        reload_feeder_s=merged.reload_feeder(),
        max_subscriptions=merged.integer("max_subscriptions", 100, low=0, high=100_000),
        max_subscriptions_per_client=merged.integer(
            "max_subscriptions_per_client", 20, low=0, high=100_000
        ),
        max_subscription_time_s=merged.number(
            "max_subscription_time", 86_400.0, low=60, high=31_536_000
        ),
        event_networks=merged.texts("event_network"),
        scan_identifier_once=merged.boolean("scan_identifier_once", False),
        panel=merged.boolean("panel", True),
        panel_port=merged.port("panel_port"),
        panel_token=merged.text("panel_token", ""),
        management=merged.boolean("management", workflow.offers_anything),
        management_type=merged.management_type(),
        management_events=merged.choice("management_events", ("dsd", "wscn"), "dsd"),
        workflow=workflow,
        log_format=merged.choice("log_format", ("text", "json"), "text"),
    )


def check_file(table: Table) -> Config:
    """Read a configuration file as `run` would, and refuse what it does not know.

    Raises:
        ConfigError: something in it is wrong.
    """
    built = _built([table], {})
    table.done(setting.name for setting in SETTINGS)
    return built


def unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """One sentence for each variable that looks like ours and is none.

    Not refused: Kubernetes sets variables of such names for a service of our name.
    """
    known = {setting.variable for setting in SETTINGS}
    known |= {f"{ENVIRONMENT}CONFIG", PANEL_URL_VARIABLE}
    return tuple(
        f"{name} is not known{suggestion(name, known)}"
        for name in sorted(environment)
        if name.startswith(ENVIRONMENT) and name not in known
    )


def default_state_dir(environment: Mapping[str, str]) -> Path:
    """The folder that systemd gives us, else the user's own for state."""
    if environment.get("STATE_DIRECTORY"):
        return Path(environment["STATE_DIRECTORY"].split(":")[0])
    base = environment.get("XDG_STATE_HOME")
    if not base and os.geteuid() == 0 and not environment.get("HOME"):
        return Path("/var/lib/wsd-scanner")
    return (Path(base) if base else Path.home() / ".local" / "state") / "wsd-scanner"


def parse_uuid(value: str) -> str:
    """A UUID, with `urn:uuid:` before it or not, in lower case.

    Raises:
        ValueError: it is none.
    """
    return str(uuid.UUID(value.strip().lower().removeprefix("urn:").removeprefix("uuid:")))


def _from_flags(flags: Mapping[str, Any]) -> Table:
    named = {name: value for name, value in flags.items() if value is not None}
    return _Flags(named, "the command line")


def _from_environment(environment: Mapping[str, str]) -> Table:
    """The `WSD_SCANNER_*` variables, as the types that the file would have."""
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = environment.get(setting.variable)
        if text is None or text == "":
            continue
        match setting.kind:
            case "integer" | "number":
                try:
                    values[setting.name] = (int if setting.kind == "integer" else float)(text)
                except ValueError:
                    raise ConfigError(
                        f"{setting.variable} is {text!r}, and must be a number."
                    ) from None
            case "boolean":
                known = {
                    "1": True,
                    "true": True,
                    "yes": True,
                    "0": False,
                    "false": False,
                    "no": False,
                }
                if text.lower() not in known:
                    raise ConfigError(f"{setting.variable} is {text!r}, and must be yes or no.")
                values[setting.name] = known[text.lower()]
            case "texts":
                values[setting.name] = [word for word in text.replace(",", " ").split() if word]
            case _:
                values[setting.name] = text
    return _Variables(values, "the environment")


class _Flags(Table):
    """Settings from the command line."""

    def spelt(self, key: str) -> str:
        return f"--{key.replace('_', '-')}"


class _Variables(Table):
    """Settings from the environment."""

    def spelt(self, key: str) -> str:
        return f"{ENVIRONMENT}{key.upper()}"


class _Merged:
    """The first of several tables that has a key decides it."""

    def __init__(self, tables: list[Table]) -> None:
        self._tables = tables

    def _table(self, key: str) -> Table:
        return next((table for table in self._tables if key in table), self._tables[-1])

    def text(self, key: str, default: str, *, limit: int = 256) -> str:
        return self._table(key).text(key, default, limit=limit)

    def integer(self, key: str, default: int, *, low: int, high: int) -> int:
        return self._table(key).integer(key, default, low=low, high=high)

    def boolean(self, key: str, default: bool) -> bool:
        return self._table(key).boolean(key, default)

    def texts(self, key: str) -> tuple[str, ...]:
        return self._table(key).texts(key, ())

    def tables(self, key: str) -> tuple[Table, ...]:
        return self._table(key).tables(key)

    def choice(self, key: str, known: tuple[str, ...], default: str) -> str:
        return self._table(key).choice(key, known, default)

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        return self._table(key).number(key, default, low=low, high=high)

    def port(self, key: str) -> int | None:
        table = self._table(key)
        return table.integer(key, low=0, high=65_535) if key in table else None

    def reload_feeder(self) -> float | None:
        table = self._table("reload_feeder")
        if "reload_feeder" not in table:
            return None
        return table.number("reload_feeder", low=0, high=86_400)

    def uuid(self) -> str | None:
        table = self._table("uuid")
        if "uuid" not in table:
            return None
        value = table.text("uuid")
        try:
            return parse_uuid(value)
        except ValueError:
            raise table.wrong("uuid", f"is {value!r}, and must be a UUID") from None

    def management_type(self) -> str:
        """A name that XML can have; nobody has published the right one (ws-dsp section 2.3)."""
        table = self._table("management_type")
        value = table.text("management_type", MANAGEMENT_TYPE)
        if not _LOCAL_NAME.fullmatch(value):
            raise table.wrong("management_type", f"is {value!r}, and must be a name without prefix")
        return value

    def path(self, key: str) -> str:
        """A path with `~` expanded, wherever it was said: a shell does so for flags only."""
        text = self.text(key, "", limit=4096)
        return os.path.expanduser(text) if text.startswith("~") else text

    def advertise(self) -> str:
        """An address literal, or a name that could be a host's."""
        table = self._table("advertise")
        value = table.text("advertise", "").strip()
        try:
            return str(ip_address(value.partition("%")[0].strip("[]")))
        except ValueError:
            if value and not _HOST_NAME.fullmatch(value):
                raise table.wrong(
                    "advertise", f"is {value!r}, and must be an address or a host name"
                ) from None
            return value
