"""What the settings of several filters have in common: tries, secrets, certificates, addresses.

A secret is never in the settings, on the command line or in a log: the settings name the file or
the environment variable that holds it.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from device.settings import Table
from scan_server.filters.base import Retry

MAX_SECRET = 65_536


def retry(table: Table) -> Retry:
    """`tries` and `pause` (seconds) of a filter."""
    usual = Retry()
    return Retry(
        tries=table.integer("tries", usual.tries, low=1, high=100),
        pause_s=table.number("pause", usual.pause_s, low=0, high=3600),
    )


def secret(table: Table, name: str) -> str:
    """The first line of the file `NAME_file`, or the variable `NAME_env`; empty without either.

    `$VARIABLE` and `~` in the file's path mean what they mean in a shell.

    Raises:
        ConfigError: it cannot be read, is empty, or is in the settings themselves.
    """
    file, variable = f"{name}_file", f"{name}_env"
    if name in table:
        raise table.wrong(name, f"may not be in the settings: name its file as {file}")
    if file in table and variable in table:
        raise table.wrong(file, f"and {variable} cannot both say it")
    if file in table:
        text = table.text(file, limit=4096)
        try:
            with path(text).open(encoding="utf-8") as reading:
                value = reading.read(MAX_SECRET).partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise table.wrong(file, f"is {text!r}, which cannot be read: {why}") from None
        if not value:
            raise table.wrong(file, f"is {text!r}, whose first line is empty")
        return value
    if variable in table:
        text = table.text(variable)
        if not os.environ.get(text):
            raise table.wrong(variable, f"is {text!r}, and there is no such variable")
        return os.environ[text]
    return ""


def path(text: str) -> Path:
    """A path with `~` and `$VARIABLE` in it."""
    return Path(os.path.expanduser(os.path.expandvars(text)))


def tls(table: Table) -> ssl.SSLContext:
    """TLS 1.2 or newer, the peer's certificate checked: by the file `ca`, else as the system does.

    Raises:
        ConfigError: the file cannot be read, or holds no certificate.
    """
    text = table.text("ca", "", limit=4096)
    try:
        context = ssl.create_default_context(cafile=str(path(text)) if text else None)
    except (OSError, ssl.SSLError) as error:
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise table.wrong("ca", f"is {text!r}: {why}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def url(table: Table, key: str) -> SplitResult:
    """An https address without user, query and fragment; http only where `plain_http` says so.

    Raises:
        ConfigError: it is none.
    """
    text = table.text(key, limit=2048)
    try:
        found = urlsplit(text)
        port = found.port or 1
    except ValueError:
        raise table.wrong(key, f"is {text!r}, and must be a URL") from None
    if found.scheme not in ("https", "http") or not found.hostname or not port:
        raise table.wrong(key, f"is {text!r}, and must begin with https:// and a host")
    if found.username is not None or found.query or found.fragment:
        raise table.wrong(key, f"is {text!r}, and may have no user, query or fragment")
    if found.scheme == "http" and not table.boolean("plain_http", False):
        raise table.wrong(key, "is not encrypted; say plain_http = true if that is meant")
    table.boolean("plain_http", False)
    return found


def patterns(table: Table, key: str) -> tuple[str, ...]:
    """A list of texts in which `*` stands for any letters.

    Raises:
        ConfigError: there is none: what may be delivered to must be said.
    """
    return tuple(text.casefold() for text in table.texts(key))
