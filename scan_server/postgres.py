"""PostgreSQL, for several servers that share one table of jobs and one queue."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager

try:
    import psycopg
except ImportError:  # an optional part of the installation, or libpq is not there
    psycopg = None  # type: ignore[assignment]

from device.errors import ConfigError
from scan_server.database import BUSY_S, Connection, DatabaseTrouble, Rows

CONNECT_S = 5
CHANNEL = "wsd_scan_server"
_USUAL: dict[str, str | int] = {
    "application_name": "wsd-scanner",
    "connect_timeout": CONNECT_S,
    # Who only listens would else never notice that the other end is gone.
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_ALONE = 5362
"""The key of the lock that makes tables one server at a time."""


class Postgres:
    """A database by its URL."""

    serial = "BIGSERIAL PRIMARY KEY"
    row_lock = " FOR UPDATE"
    free_row = " FOR UPDATE SKIP LOCKED"
    alone = f"SELECT pg_advisory_xact_lock({_ALONE})"

    def __init__(self, url: str) -> None:
        """
        Raises:
            ConfigError: it is no such URL, or the library is not installed.
        """
        if not url.startswith(("postgresql://", "postgres://")):
            raise ConfigError(
                f"--database is {url.partition(':')[0]!r}, and must be a URL that begins with "
                "postgresql://."
            )
        if psycopg is None:
            raise ConfigError(
                "--database needs psycopg, and libpq beside it: pip install "
                "'wsd-scanner[postgresql]', and Debian's libpq5."
            )
        try:
            self._told = psycopg.conninfo.conninfo_to_dict(url, **_USUAL)
        except psycopg.Error as error:
            raise ConfigError(f"--database cannot be read: {_line(error)}.") from None

    def __str__(self) -> str:
        """Where it is, without the password."""
        shown = (self._told.get(name) for name in ("host", "port", "dbname"))
        return "database " + " ".join(str(part) for part in shown if part)

    def connect(self, *, careful: bool) -> Connection:
        """A connection; each of its commits waits for the disk, `careful` or not."""
        connection = _PostgresConnection(self._told)
        connection.live()
        return connection

    async def changes(self) -> AsyncIterator[str]:
        """What other servers, and this one, say on the channel; ends when the connection does.

        The first is empty: from then on nothing is missed.
        """
        try:
            db = await psycopg.AsyncConnection.connect(**self._told, autocommit=True)  # type: ignore[arg-type]
            async with db:
                await db.execute(f"LISTEN {CHANNEL}")
                yield ""
                async for notification in db.notifies():
                    yield notification.payload
        except psycopg.Error as error:
            raise DatabaseTrouble(_line(error)) from None


class _PostgresConnection:
    """Connects again when the connection is lost, and not within a transaction."""

    def __init__(self, told: Mapping[str, object]) -> None:
        self._told = told
        self._db: psycopg.Connection[tuple[object, ...]] | None = None
        self._inside = False

    def live(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._db is not None and self._db.closed and not self._inside:
            self._db = None
        if self._db is None:
            with _trouble():
                self._db = psycopg.connect(**self._told, autocommit=True)  # type: ignore[arg-type]
                limit = int(BUSY_S * 1000)
                self._db.execute(f"SET statement_timeout = {limit}")
                self._db.execute(f"SET idle_in_transaction_session_timeout = {3 * limit}")
        return self._db

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        db = self.live()
        with _trouble():
            return db.execute(statement.replace("?", "%s").encode(), values or None)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        db = self.live()
        self._inside = True
        try:
            with _trouble(), db.transaction():
                yield
        finally:
            self._inside = False

    def close(self) -> None:
        if self._db is not None:
            self._db.close()


@contextlib.contextmanager
def _trouble() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise DatabaseTrouble(
            _line(error), full=isinstance(error, psycopg.errors.DiskFull)
        ) from error


def _line(error: BaseException) -> str:
    """What libpq says, on one line."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
