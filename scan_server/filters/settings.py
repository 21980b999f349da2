"""The settings of filters: one TOML file, read and checked as a whole before the server starts.

Secrets are never in it: it names the file or the variable that holds one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from device.dsp import filters
from device.settings import Table, parse_toml, read_toml
from scan_server.filters import reading
from scan_server.filters.base import Filter, Target
from scan_server.filters.file_share import FileShare
from scan_server.shares import Shares

OPTIONAL = {
    "email": ("mail", filters.EMAIL),
    "share_point": ("share_point", filters.SHARE_POINT),
    "http_hook": ("http_hook", filters.HTTP_HOOK),
    "command": ("command", filters.COMMAND),
    "object_storage": ("object_storage", filters.OBJECT_STORAGE),
}
"""Section → the module beside this one that reads it, and its dialect."""

Filters = Mapping[str, Filter]
"""The filters that a server has, by their dialect."""


def load(path: Path | None, shares: Shares) -> Filters:
    """Read the settings of filters; without a file there are only the folders of `shares`.

    Raises:
        ConfigError: something in it is wrong; the sentence says where and what would be right.
    """
    table = read_toml(path) if path else parse_toml("", "the settings of filters")
    return read(table, shares)


def read(table: Table, shares: Shares) -> Filters:
    """Read the settings of filters.

    Raises:
        ConfigError: something in it is wrong.
    """
    file_share = table.optional_table("file_share")
    found: dict[str, Filter] = {
        filters.FILE_SHARE: FileShare(
            shares, _umask(), reading.retry(file_share), _other_shares(file_share)
        ),
    }
    file_share.done()
    for name, (module, dialect) in OPTIONAL.items():
        section = table.optional_table(name)
        if name in table:
            # Only those in use are imported: some bring libraries of their own.
            found[dialect] = import_module(f"scan_server.filters.{module}").read(section)
    table.done()
    return found


def _other_shares(table: Table) -> Callable[[str], Target | None]:
    """Finds the share on another machine that a UNC names; the longest way there decides."""
    entries = table.tables("smb")
    if not entries:
        return lambda unc: None
    from scan_server.filters import smb  # brings a library of its own

    accounts = sorted(map(smb.read, entries), key=lambda one: len(one.unc), reverse=True)

    def find(unc: str) -> Target | None:
        for account in accounts:
            if there := account.below(unc):
                return smb.SmbTarget(account, there)
        return None

    return find


def _umask() -> int:
    """The process's own: it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
