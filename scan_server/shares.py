"""ShareUNC → folder: the server's own store, and what `--share UNC=DIR` names.

Source: ws-dsp sections 7.4 and 8.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from device.dsp.filters import OWN_STORE
from device.errors import ConfigError
from scan_server.names import safe


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that files go to. `own_store` has a folder per job, a share one per user."""

    name: str
    path: Path
    own_store: bool


class UnknownShare(Exception):
    """No `--share` names this UNC, or the path below it is not safe."""


class Shares:
    """All shares that this server can write to.

    `hosts` are the server's own names: `\\\\HOST\\store` is the store as `\\\\.\\store` is.
    """

    def __init__(self, store: Path, shares: Mapping[str, Path], hosts: Iterable[str]) -> None:
        """
        Raises:
            ConfigError: a UNC has no host or no share.
        """
        self._store = store
        self._own = {_parts(OWN_STORE), *(_parts(rf"\\{host}\store") for host in hosts)}
        self._shares: dict[tuple[str, ...], Path] = {}
        for unc, folder in shares.items():
            if not unc.replace("/", "\\").startswith("\\\\") or len(_parts(unc)) < 2:
                raise ConfigError(
                    f"--share {unc}={folder}: the left side must be a UNC path, such as "
                    f"\\\\host\\scans."
                )
            self._shares[_parts(unc)] = folder

    @property
    def folders(self) -> list[Path]:
        """Every folder that files may go to."""
        return [self._store, *self._shares.values()]

    def find(self, unc: str) -> Folder:
        """Where `unc` leads. A path below a share is followed when all its names are safe.

        Raises:
            UnknownShare: nowhere.
        """
        parts = _parts(unc)
        for length in range(len(parts), 1, -1):
            folder = self._shares.get(parts[:length])
            if folder is not None:
                below = _written_parts(unc)[length:]
                if any(safe(part, "") != part for part in below):
                    raise UnknownShare(unc)
                return Folder(unc, folder.joinpath(*below), own_store=False)
        if parts in self._own:
            return Folder(unc, self._store, own_store=True)
        raise UnknownShare(unc)


def _written_parts(unc: str) -> tuple[str, ...]:
    return tuple(part for part in unc.replace("/", "\\").split("\\") if part)


def _parts(unc: str) -> tuple[str, ...]:
    """Names of hosts and shares have no case."""
    return tuple(part.casefold() for part in _written_parts(unc))
