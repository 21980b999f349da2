"""The database that the records are in, so that nobody else must know which one it is.

Statements are written as both SQLite and PostgreSQL read them, with `?` for values.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

BUSY_S = 10.0


class DatabaseTrouble(Exception):
    """The database did not do it; what was begun is undone. `full` tells that it lacks room."""

    def __init__(self, why: object, *, full: bool = False) -> None:
        self.full = full
        super().__init__(str(why))


class Rows(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """One connection. All of it may raise `DatabaseTrouble`."""

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Do a statement."""
        ...

    def transaction(self) -> Any:
        """A context manager: what is in it is done as a whole or not at all."""
        ...

    def close(self) -> None: ...


class Database(Protocol):
    """Where connections come from.

    `serial` is the type of a column that counts, `row_lock` what a SELECT in a transaction needs
    behind it so that its rows stay as they are, `free_row` the same for rows that nobody has
    locked, `alone` a statement that keeps others out until the transaction's end.
    """

    serial: str
    row_lock: str
    free_row: str
    alone: str

    def connect(self, *, careful: bool) -> Connection:
        """A connection. A `careful` one waits for the disk at each commit.

        Raises:
            DatabaseTrouble: there is no such database, or it cannot be used.
        """
        ...


class Sqlite:
    """A file of this server's own."""

    serial = "INTEGER PRIMARY KEY AUTOINCREMENT"
    row_lock = ""  # a transaction is alone in writing from its begin
    free_row = ""
    alone = "SELECT 1"

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def connect(self, *, careful: bool) -> Connection:
        try:
            # SQLite makes the files beside it with the same mode. Users and paths are in there.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self.path.chmod(0o600)
        except OSError as error:
            raise DatabaseTrouble(os.strerror(error.errno or 0)) from None
        try:
            db = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA synchronous = {'FULL' if careful else 'NORMAL'}")
        except sqlite3.Error as error:
            raise DatabaseTrouble(error) from None
        return _SqliteConnection(db)


class _SqliteConnection:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise DatabaseTrouble(error, full="full" in str(error)) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._db.close()
