"""Whose badge is whose, by a file.

    [[badge]]
    number = "04A1B2C3"
    user = "joe"                    # as at the directory's logon, or the principal without one
    password_file = "joe.secret"    # with a directory: this, or keytab, or cache
    sid = "S-1-5-21-1-2-3-1000"     # without one
    mail = "joe@example.org"

A badge number alone proves nothing to a directory, so the file says what does (ws-dsp section 9.2,
step 3a).
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from device.directory.words import Credentials
from device.dsp.messages import is_sid
from device.errors import LogonRefused
from device.model.operator import User
from device.settings import Table, read_toml

MAX_SECRET = 1024


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a badge: the proof for a directory, or a user that is known without one."""

    name: str
    password_file: Path | None = None
    keytab: Path | None = None
    cache: str = ""
    user: User | None = None

    def credentials(self) -> Credentials:
        """The proof; a password is read anew, for it may have changed.

        Raises:
            LogonRefused: it cannot be read, or others can read it, too.
        """
        password = _secret(self.password_file) if self.password_file else ""
        return Credentials(self.name, password, keytab=str(self.keytab or ""), cache=self.cache)


class Badges:
    """All badges of a file.

    Raises (from `load`):
        ConfigError: it cannot be read, or something in it is wrong.
    """

    def __init__(self, holders: dict[str, Holder]) -> None:
        self._holders = holders

    @classmethod
    def load(cls, path: Path, *, directory: bool) -> Badges:
        """Read the file; `directory` tells whether there is one that wants a proof."""
        document = read_toml(path)
        holders: dict[str, Holder] = {}
        for table in document.tables("badge"):
            number = _spelt(table.text("number"))
            if not number:
                raise table.wrong("number", "is empty")
            if number in holders:
                raise table.wrong("number", "is that of another badge, too")
            holders[number] = _proving(table) if directory else _known(table)
            table.done()
        document.done()
        return cls(holders)

    def holder(self, number: str) -> Holder:
        """Who holds this badge. Raises LogonRefused when nobody does."""
        found = self._holders.get(_spelt(number))
        if found is None:
            raise LogonRefused("the badge is not known here")
        return found


def _spelt(number: str) -> str:
    """Readers differ in case, and in what they put between the octets."""
    return "".join(letter for letter in number.casefold() if letter not in " :-")


def _proving(table: Table) -> Holder:
    def path(key: str) -> Path | None:
        text = table.text(key, "", limit=4096)
        return table.folder / text if text else None

    password_file, keytab = path("password_file"), path("keytab")
    cache = table.text("cache", "", limit=4096)
    if sum((bool(password_file), bool(keytab), bool(cache))) != 1:
        raise table.wrong("number", "needs one of password_file, keytab and cache beside it")
    return Holder(table.text("user"), password_file, keytab, cache)


def _known(table: Table) -> Holder:
    sid = table.text("sid")
    if not is_sid(sid):
        raise table.wrong("sid", f"is {sid!r}, and must be like S-1-5-21-1-2-3-1000")
    principal = table.text("user")
    user = User(principal, sid, table.text("name", principal), table.text("mail", ""))
    return Holder(principal, user=user)


def _secret(path: Path) -> str:
    """The first line of a file that only its owner can read."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise LogonRefused(f"others can read the secret in {path.name} (chmod 600 helps)")
            text = file.read(MAX_SECRET).decode()
    except (OSError, UnicodeDecodeError):
        raise LogonRefused(f"the secret in {path.name} cannot be read") from None
    return text.partition("\n")[0].removesuffix("\r")
