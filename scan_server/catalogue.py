"""The scan processes that jobs may belong to, and the users that the directory knows.

Source: ws-dsp section 9.3. The server asks with an identity of its own; whether the user may read
the process is the directory's secret, and was its answer to the device.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Protocol, TypeVar

from device.directory import client
from device.directory.client import Logon
from device.directory.words import Credentials, DirectorySettings, Login
from device.errors import (
    ConfigError,
    DirectoryUnavailable,
    InvalidArgs,
    LogonRefused,
    NoSuchProcess,
    OperationFailed,
    OperatorError,
    TemporaryError,
)
from device.model.operator import User as DirectoryUser
from device.processes.folder import Folder
from device.processes.in_directory import InDirectory
from device.processes.source import Offer, Source, Visitor
from device.settings import read_toml
from scan_server.filters import reading
from scan_server.identity import User

log = logging.getLogger(__name__)
T = TypeVar("T")
_SERVER = DirectoryUser("the scan server", "S-1-0-0")


class Catalogue(Protocol):
    """Where processes and users are looked up."""

    async def process(self, identifier: str) -> Offer:
        """The scan process of a PSP_Identifier.

        Raises:
            InvalidArgs: there is none.
            OperationFailed: there is one, and it is none that could be used.
            TemporaryError: it cannot be looked up now.
        """
        ...

    async def user(self, sid: str) -> User | None:
        """The user of a SID, if this knows users; None if it does not.

        Raises:
            OperationFailed: there is none.
            TemporaryError: it cannot be looked up now.
        """
        ...

    async def close(self) -> None: ...


class FolderCatalogue:
    """The processes of a folder of XML files. It knows no users."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            ConfigError: there is no such folder.
        """
        if not folder.is_dir():
            raise ConfigError(f"--processes {folder}: there is no such folder.")
        self._source = Folder(folder)

    async def process(self, identifier: str) -> Offer:
        return await _load(self._source, identifier, Visitor(_SERVER))

    async def user(self, sid: str) -> User | None:
        return None

    async def close(self) -> None:
        """Nothing is open."""


class DirectoryCatalogue:
    """The processes and users of a directory, asked by one logon that is made anew when it ends."""

    def __init__(self, settings: DirectorySettings, credentials: Credentials) -> None:
        self._settings = settings
        self._credentials = credentials
        self._logon: Logon | None = None
        self._turn = asyncio.Lock()

    async def process(self, identifier: str) -> Offer:
        async with self._turn:
            for last in (False, True):
                logon = await self._logged_on()
                try:
                    return await _load(InDirectory(), identifier, Visitor(_SERVER, logon))
                except TemporaryError:
                    await self._log_off()
                    if last:
                        raise
        raise AssertionError

    async def user(self, sid: str) -> User | None:
        async with self._turn:
            for last in (False, True):
                logon = await self._logged_on()
                try:
                    found = await logon.user_of(sid)
                except DirectoryUnavailable as error:
                    await self._log_off()
                    if last:
                        raise _unavailable(error) from None
                else:
                    if found is None:
                        log.warning("the directory knows nobody with the SID %s", sid)
                        raise OperationFailed
                    return User(sid, found.principal, found.mail)
        raise AssertionError

    async def close(self) -> None:
        await self._log_off()

    async def _logged_on(self) -> Logon:
        if self._logon is None:
            try:
                self._logon = await client.log_on(self._settings, self._credentials)
            except (LogonRefused, DirectoryUnavailable) as error:
                raise _unavailable(error) from None
        return self._logon

    async def _log_off(self) -> None:
        if self._logon is not None:
            logon, self._logon = self._logon, None
            await logon.close()


async def _load(source: Source, identifier: str, visitor: Visitor) -> Offer:
    try:
        return await source.load(identifier, visitor)
    except NoSuchProcess:
        raise InvalidArgs("PSP_Identifier", "is that of no scan process", identifier) from None
    except DirectoryUnavailable as error:
        raise _unavailable(error) from None
    except OperatorError as error:
        log.error("%s", error)
        raise OperationFailed from None


def _unavailable(error: OperatorError) -> TemporaryError:
    log.error("%s", error)
    return TemporaryError("The directory cannot be asked now.")


def open_directory(path: Path) -> DirectoryCatalogue:
    """The directory that a file describes.

    `server` and `account` are needed; `password_file`, `password_env` or `keytab` is the proof.
    `login` is simple (the default), gssapi or spnego; `ca`, `base`, `processes`, `domain` and
    `user_dn` are those of `--directory-…` of the device.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    table = read_toml(path)
    login = Login(table.choice("login", [str(one) for one in Login], str(Login.SIMPLE)))

    def file(key: str) -> str:
        text = table.text(key, "", limit=4096)
        return str(reading.path(text)) if text else ""

    settings = DirectorySettings(
        server=table.text("server").rstrip("/"),
        login=login,
        ca=file("ca"),
        base=table.text("base", "", limit=2048),
        processes=table.text("processes", "", limit=2048),
        domain=table.text("domain", ""),
        user_dn=table.text("user_dn", "", limit=2048),
    )
    credentials = Credentials(
        name=table.text("account"),
        password=reading.secret(table, "password"),
        keytab=file("keytab"),
    )
    if not credentials.password and not credentials.keytab and login is Login.SIMPLE:
        raise table.wrong("password_file", "is missing, and so the account has no proof")
    table.done()
    client.check_installed()
    return DirectoryCatalogue(settings, credentials)
