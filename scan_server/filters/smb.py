"""File shares on other machines, by SMB 2 or 3: for the file-share filter.

A document is written under another name and renamed, which never replaces a file. The library
(smbprotocol) waits without an end where a server says nothing; so each step here has its time, and
a halt or the end of that time closes the connection.

Source: ws-dsp sections 6.3, 7.4 and 8.3.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread, Timer
from typing import Any

from device.dsp.words import FilterStateReason as R
from device.errors import ConfigError
from device.settings import Table
from scan_server import names
from scan_server.filters import placing, reading
from scan_server.filters.base import Failure, Halted, Kind, Work
from scan_server.filters.documents import PIECE, OutgoingDocument

try:
    import smbclient
    from smbprotocol import exceptions
    from smbprotocol.connection import Connection
except ImportError:
    raise ConfigError(
        "[[file_share.smb]] needs smbprotocol: pip install 'wsd-scanner[smb]'."
    ) from None

# It tells of each message.
logging.getLogger("smbprotocol").setLevel(logging.WARNING)

GRACE_S = 1.0
SLOWEST = 50_000
"""Octets a second: slower than that is as good as nothing."""
_DENIED = frozenset(
    {
        0xC0000022,  # ACCESS_DENIED
        0xC000003A,  # OBJECT_PATH_NOT_FOUND
        0xC0000034,  # OBJECT_NAME_NOT_FOUND
        0xC0000103,  # NOT_A_DIRECTORY
        0xC00000CC,  # BAD_NETWORK_NAME
        0xC0000225,  # NOT_FOUND: what is left of it when the library looks for a DFS root
        0xC000006D,  # LOGON_FAILURE
        0xC000006E,  # ACCOUNT_RESTRICTION
        0xC0000072,  # ACCOUNT_DISABLED
        0xC00000A2,  # MEDIA_WRITE_PROTECTED
    }
)
_FULL = frozenset({0xC000007F, 0xC0000044})
"""DISK_FULL, QUOTA_EXCEEDED."""
_COLLISION = 0xC0000035


@dataclass(frozen=True, slots=True)
class Account:
    """A share, and who we are there. `unc` is `\\\\host\\share`, perhaps with folders below."""

    unc: str
    user: str
    password: str = field(repr=False)
    port: int = 445
    encrypt: bool = True
    timeout_s: float = 30.0

    @property
    def host(self) -> str:
        return self.unc.strip("\\").partition("\\")[0]

    def below(self, unc: str) -> str | None:
        """Where `unc` leads if that is here or below; names of hosts and shares have no case."""
        asked = [part for part in unc.replace("/", "\\").split("\\") if part]
        own = [part for part in self.unc.split("\\") if part]
        if [part.casefold() for part in asked[: len(own)]] != [part.casefold() for part in own]:
            return None
        rest = asked[len(own) :]
        if any(names.safe(part, "") != part for part in rest):
            return None
        return "\\".join((self.unc, *rest))


@dataclass(frozen=True, slots=True)
class SmbTarget:
    """A folder of a share."""

    account: Account
    name: str

    def deliver(self, work: Work, key: str) -> None:
        with _connected(self.account, work) as share:
            folder = f"{self.name}\\{names.safe(work.user.name, 'user')}"
            placing.deliver(_Folder(share, folder), work, key, each=True)


@dataclass(frozen=True, slots=True)
class _Share:
    """A connection of its own to a server: `options` goes to each call of smbclient."""

    account: Account
    connection: Connection
    options: dict[str, Any]

    def hang_up(self) -> None:
        """Close the connection, whatever waits for it."""
        # It may have to wait for somebody who sends; who says stop does not.
        Thread(target=_close, args=(self.connection,), daemon=True).start()

    @contextmanager
    def within(self, size: int = 0) -> Iterator[None]:
        """Have a step done in time, and say what went wrong in our words."""
        limit = Timer(self.account.timeout_s + size / SLOWEST, self.hang_up)
        limit.daemon = True
        limit.start()
        try:
            yield
        except exceptions.SMBException as error:
            raise _failure(error) from error
        except ValueError as error:  # "Failed to connect", says the library
            raise Failure(R.UNKNOWN_ERROR, "it cannot be reached", Kind.PASSING) from error
        finally:
            limit.cancel()


def _close(connection: Connection) -> None:
    with contextlib.suppress(OSError):
        connection.transport.close()


@contextmanager
def _connected(account: Account, work: Work) -> Iterator[_Share]:
    connection = Connection(uuid.uuid4(), account.host, account.port)
    cache = {f"{account.host.lower()}:{account.port}": connection}
    share = _Share(account, connection, {"connection_cache": cache, "port": account.port})

    def hang_up_soon() -> None:
        """What is halted between two steps can still clean up."""
        later = Timer(GRACE_S, share.hang_up)
        later.daemon = True
        later.start()

    with work.stop.calling(hang_up_soon):
        try:
            with share.within():
                connection.connect(timeout=account.timeout_s)
                smbclient.register_session(
                    account.host,
                    username=account.user,
                    password=account.password,
                    encrypt=account.encrypt,
                    **share.options,
                )
            yield share
        finally:
            with contextlib.suppress(Failure, OSError), share.within():
                connection.disconnect(close=True, timeout=account.timeout_s)
            _close(connection)


@dataclass(frozen=True, slots=True)
class _Folder:
    """The user's folder on a share. A path is a UNC path."""

    share: _Share
    folder: str

    def prepare(self, work: Work) -> None:
        with self.share.within(), _unless(_COLLISION):
            smbclient.mkdir(self.folder, **self.share.options)

    def path(self, name: str) -> str:
        return f"{self.folder}\\{name}"

    def taken(self, path: str) -> bool:
        return False

    def put(self, work: Work, document: OutgoingDocument, path: str) -> bool:
        unfinished = f"{path}.part"
        with self.share.within(document.size):
            try:
                # Sharing nothing: should an old run still be at it, one of the two fails.
                with smbclient.open_file(unfinished, mode="wb", **self.share.options) as file:
                    for piece in document.pieces():
                        work.check()
                        file.write(piece)
            except Halted:
                smbclient.remove(unfinished, **self.share.options)
                raise
            with _unless(_COLLISION):
                smbclient.rename(unfinished, path, **self.share.options)
                return True
            smbclient.remove(unfinished, **self.share.options)
        return self._same(document, path)

    def finish(self) -> None:
        """A server that has closed a file has it."""

    def remove(self, document: OutgoingDocument, path: str) -> None:
        with self.share.within(), _unless(*_DENIED):
            smbclient.remove(f"{path}.part", **self.share.options)
        if self._same(document, path):
            with self.share.within():
                smbclient.remove(path, **self.share.options)

    def leave(self) -> None:
        with self.share.within():
            smbclient.rmdir(self.folder, **self.share.options)

    def _same(self, document: OutgoingDocument, path: str) -> bool:
        digest = hashlib.sha256()
        with (
            self.share.within(document.size),
            _unless(*_DENIED),
            smbclient.open_file(path, mode="rb", **self.share.options) as file,
        ):
            while piece := file.read(PIECE):
                digest.update(piece)
        return digest.hexdigest() == document.sha256()


@contextmanager
def _unless(*statuses: int) -> Iterator[None]:
    """Pass over these answers of the server."""
    try:
        yield
    except exceptions.SMBOSError as error:
        if error.ntstatus not in statuses:
            raise


def _failure(error: exceptions.SMBException) -> Failure:
    status = getattr(error, "ntstatus", None) or getattr(error, "status", None)
    why = type(error).__name__ if status is None else f"it answered 0x{status:08x}"
    if isinstance(error, exceptions.SMBAuthenticationError) or status in _DENIED:
        return Failure(R.FILE_SHARE_ACCESS_DENIED, why)
    if status in _FULL:
        return Failure(R.FILE_SHARE_OUT_OF_DISK_SPACE, why, Kind.PASSING)
    return Failure(R.UNKNOWN_ERROR, why, Kind.PASSING)


def read(table: Table) -> Account:
    """One `[[file_share.smb]]`.

    Raises:
        ConfigError: something in it is wrong.
    """
    unc = table.text("unc").replace("/", "\\").rstrip("\\")
    parts = [part for part in unc.split("\\") if part]
    if not unc.startswith("\\\\") or len(parts) < 2:
        raise table.wrong("unc", f"is {unc!r}, and must be like '\\\\host\\share'")
    user, password = table.text("user"), reading.secret(table, "password")
    if not password:
        raise table.wrong("password_file", "is missing, and so is password_env")
    found = Account(
        unc="\\\\" + "\\".join(parts),
        user=user,
        password=password,
        port=table.integer("port", 445, low=1, high=65_535),
        encrypt=table.boolean("encrypt", True),
        timeout_s=table.number("timeout", 30.0, low=0.1, high=600),
    )
    table.done()
    return found
