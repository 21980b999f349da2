"""The folders and the database that a scan server keeps things in."""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path
from typing import IO

from device.errors import ConfigError
from scan_server import bucket_storage
from scan_server.bucket_storage import BucketStorage
from scan_server.catalogue import Catalogue, FolderCatalogue, open_directory
from scan_server.database import Database, DatabaseTrouble, Sqlite
from scan_server.options import ServerOptions
from scan_server.postgres import Postgres
from scan_server.records import Records
from scan_server.shared_records import SharedRecords
from scan_server.storage import Storage


def open_records(options: ServerOptions) -> tuple[Database, Records]:
    """The database, and a connection to it: a file of our own, or one that several share.

    Raises:
        ConfigError: it cannot be used.
    """
    database: Database = Sqlite(options.state_dir / "scan-server.sqlite")
    if options.database:
        database = Postgres(options.database)
    try:
        records = (
            SharedRecords(database, server=_server_id(options.state_dir))
            if options.database
            else Records(database)
        )
        records.prepare()
    except DatabaseTrouble as error:
        raise ConfigError(f"{database}: the server's records cannot be used: {error}.") from None
    return database, records


def open_storage(options: ServerOptions, server: str) -> Storage:
    """Where documents are while their jobs last; `server` is our name among those that share it.

    Raises:
        ConfigError: it cannot be used.
    """
    folder = options.spool or options.state_dir / "received"
    if options.spool_bucket is not None:
        bucket = bucket_storage.read(options.spool_bucket)
        return BucketStorage(folder, options.max_page_bytes, bucket)
    return Storage(folder, options.max_page_bytes, server)


def open_catalogue(options: ServerOptions) -> Catalogue | None:
    """Where scan processes are looked up; None when every job may be.

    Raises:
        ConfigError: it cannot be used.
    """
    if options.directory is not None:
        return open_directory(options.directory)
    return FolderCatalogue(options.processes) if options.processes is not None else None


def _server_id(state_dir: Path) -> str:
    """What tells this server from others on the same database: made once and kept."""
    path = state_dir / "server-id"
    if not path.exists():
        path.write_text(uuid.uuid4().hex, encoding="ascii")
    return path.read_text(encoding="ascii").strip()


def check_folder(folder: Path) -> None:
    """
    Raises:
        ConfigError: files cannot be put there.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: this folder does not exist; make it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder}: this folder cannot be written.")


def alone(state_dir: Path) -> IO[bytes]:
    """A lock on the state folder, held while the file is open.

    Raises:
        ConfigError: another server has it, or it cannot be written.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = open(os.open(state_dir / "scan-server.lock", os.O_RDWR | os.O_CREAT, 0o600), "rb+")
    except OSError as error:
        raise ConfigError(
            f"{state_dir}: the state folder cannot be written: {os.strerror(error.errno or 0)}."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise ConfigError(f"{state_dir}: another scan server uses this state folder.") from None
    return lock
