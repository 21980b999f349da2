"""Settings of Distributed Scan Management: processes, users, and the scan servers to go to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from device.settings import Setting, Table

SERVER_PORT = 5362
IDLE_LOGOFF_S = 120.0
DELIVERY_LIMIT_MB = 2048
LOGINS = ("simple", "gssapi", "spnego")
PROCESS_TABLES = "process"
"""The array of tables in the file that lists scan processes."""

SETTINGS = (
    Setting("process_folder", "text", "scan processes for the panel, one XML file each", "DIR"),
    Setting(
        "directory",
        "text",
        "where users and their scan processes are: ldaps://HOST, ldap://HOST or a domain's name",
        "URL|DOMAIN",
    ),
    Setting(
        "directory_login",
        "text",
        "how users prove who they are: simple (a password, inside TLS), gssapi or spnego "
        "(Kerberos, sealed); default: simple",
        "HOW",
    ),
    Setting(
        "directory_ca", "text", "the authorities to trust a directory by (default: system)", "FILE"
    ),
    Setting("directory_base", "text", "naming context of the directory (default: its own)", "DN"),
    Setting(
        "directory_processes",
        "text",
        "where scan processes are in it (default: CN=PSPs,CN=System,…)",
        "DN",
    ),
    Setting("directory_domain", "text", "DNS name of its domain (default: by the base)", "NAME"),
    Setting(
        "directory_user_dn",
        "text",
        "DN of a user, with {} for the name, where the directory is no Active Directory",
        "DN",
    ),
    Setting("badges", "text", "whose badge is whose, a TOML file", "FILE"),
    Setting(
        "idle_logoff",
        "number",
        f"seconds after which a user who does nothing is logged off (default: {IDLE_LOGOFF_S:g})",
        "SECONDS",
    ),
    Setting(
        "scan_server_port",
        "integer",
        f"TCP port of the scan servers that processes name (default: {SERVER_PORT})",
        "PORT",
    ),
    Setting("scan_server_ca", "text", "the authorities to trust scan servers by", "FILE"),
    Setting("scan_server_cert", "text", "our certificate for scan servers, PEM", "FILE"),
    Setting("scan_server_key", "text", "its private key, PEM", "FILE"),
    Setting(
        "insecure",
        "boolean",
        "do not check who a scan server is; every page can be read by others (default: no)",
    ),
    Setting(
        "delivery_limit",
        "integer",
        f"megabytes of pages that wait for scan servers, at most (default: {DELIVERY_LIMIT_MB})",
        "MB",
    ),
)


@dataclass(frozen=True, slots=True)
class WorkflowConfig:
    """What the panel offers to its users. Empty texts and None are what was not said.

    `processes` are the tables of the file that each describe one scan process.
    """

    process_folder: Path | None = None
    processes: tuple[Table, ...] = ()
    directory: str = ""
    directory_login: str = LOGINS[0]
    directory_ca: str = ""
    directory_base: str = ""
    directory_processes: str = ""
    directory_domain: str = ""
    directory_user_dn: str = ""
    badges: Path | None = None
    idle_logoff_s: float = IDLE_LOGOFF_S
    server_port: int = SERVER_PORT
    server_ca: Path | None = None
    server_cert: Path | None = None
    server_key: Path | None = None
    insecure: bool = False
    delivery_limit_mb: int = DELIVERY_LIMIT_MB

    @property
    def is_used(self) -> bool:
        """Whether anything of it was said."""
        return self != WorkflowConfig()

    @property
    def offers_anything(self) -> bool:
        """Whether there is any source of scan processes."""
        return bool(self.processes or self.process_folder or self.directory)


class Merged(Protocol):
    """Settings from all places that may say one."""

    def text(self, key: str, default: str, *, limit: int = 256) -> str: ...

    def path(self, key: str) -> str: ...

    def integer(self, key: str, default: int, *, low: int, high: int) -> int: ...

    def number(self, key: str, default: float, *, low: float, high: float) -> float: ...

    def boolean(self, key: str, default: bool) -> bool: ...

    def choice(self, key: str, known: tuple[str, ...], default: str) -> str: ...

    def tables(self, key: str) -> tuple[Table, ...]: ...


def read(merged: Merged) -> WorkflowConfig:
    """The settings, put together.

    Raises:
        ConfigError: one of them is wrong.
    """

    def path(key: str) -> Path | None:
        text = merged.path(key)
        return Path(text) if text else None

    def dn(key: str) -> str:
        return merged.text(key, "", limit=2048).strip()

    return WorkflowConfig(
        process_folder=path("process_folder"),
        processes=merged.tables(PROCESS_TABLES),
        directory=merged.text("directory", "", limit=512).strip(),
        directory_login=merged.choice("directory_login", LOGINS, LOGINS[0]),
        directory_ca=merged.path("directory_ca"),
        directory_base=dn("directory_base"),
        directory_processes=dn("directory_processes"),
        directory_domain=merged.text("directory_domain", "").strip(),
        directory_user_dn=dn("directory_user_dn"),
        badges=path("badges"),
        idle_logoff_s=merged.number("idle_logoff", IDLE_LOGOFF_S, low=5, high=86_400),
        server_port=merged.integer("scan_server_port", SERVER_PORT, low=1, high=65_535),
        server_ca=path("scan_server_ca"),
        server_cert=path("scan_server_cert"),
        server_key=path("scan_server_key"),
        insecure=merged.boolean("insecure", False),
        delivery_limit_mb=merged.integer(
            "delivery_limit", DELIVERY_LIMIT_MB, low=1, high=1_000_000
        ),
    )
