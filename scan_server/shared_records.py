"""Records that several servers share: who is alive, and what the others change.

A change is noted in the transaction that makes it, and its number is sent to all: PostgreSQL sends
in the order of the commits, so that everybody hears of a job's changes in their order.
"""

from __future__ import annotations

from dataclasses import dataclass

from scan_server import job_form
from scan_server.database import Database
from scan_server.post_scan_jobs import PostScanJob
from scan_server.postgres import CHANNEL
from scan_server.records import Change, Records

DEAD_S = 30
"""A server that was not heard of for so long is dead, and others go on with its jobs."""
KEPT_S = 600
"""How long a change can be asked for."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS servers (server TEXT PRIMARY KEY, seen TIMESTAMPTZ NOT NULL)",
    "CREATE TABLE IF NOT EXISTS changes (number BIGSERIAL PRIMARY KEY, server TEXT NOT NULL, "
    "before TEXT, after TEXT NOT NULL, token TEXT NOT NULL, "
    "made TIMESTAMPTZ NOT NULL DEFAULT now())",
)


@dataclass(frozen=True, slots=True)
class Noted:
    """A change with its number, and whether this server made it."""

    number: int
    here: bool
    change: Change


class SharedRecords(Records):
    """The records of one server among others; `server` is its name."""

    def __init__(self, database: Database, *, server: str) -> None:
        super().__init__(database, server=server)

    def prepare(self) -> None:
        super().prepare()
        with self._db.transaction():
            self._db.execute(self._database.alone)
            for statement in _SCHEMA:
                self._db.execute(statement)

    def mine(self) -> list[PostScanJob]:
        return self._jobs("ended IS NULL AND server = ?", (self.server,))

    def _note(self, before: PostScanJob | None, after: PostScanJob) -> None:
        written = None if before is None else job_form.write(before)
        row = self._db.execute(
            "INSERT INTO changes (server, before, after, token) VALUES (?, ?, ?, ?) "
            "RETURNING number",
            (self.server, written, job_form.write(after), after.token),
        ).fetchone()
        self._db.execute("SELECT pg_notify(?, ?)", (CHANNEL, str(row[0])))

    def noted(self, number: int) -> list[Noted]:
        """The change of that number; nothing if it was long ago."""
        return self._noted("number = ?", number)

    def since(self, number: int) -> list[Noted]:
        """The changes after that number."""
        return self._noted("number > ?", number)

    def _noted(self, which: str, number: int) -> list[Noted]:
        rows = self._db.execute(
            f"SELECT number, server, before, after, token FROM changes WHERE {which} "
            "ORDER BY number",
            (number,),
        ).fetchall()
        return [self._read(*row) for row in rows]

    def _read(self, number: int, server: str, before: str | None, after: str, token: str) -> Noted:
        documents = self._documents(token)
        was = None if before is None else job_form.read(before, documents)
        return Noted(number, server == self.server, Change(was, job_form.read(after, documents)))

    def beat(self) -> list[tuple[str, str]]:
        """Say that this server lives; the jobs that others have left, each with its last server."""
        with self._db.transaction():
            self._db.execute(
                "INSERT INTO servers VALUES (?, now()) "
                "ON CONFLICT (server) DO UPDATE SET seen = now()",
                (self.server,),
            )
            self._db.execute(
                "DELETE FROM changes WHERE made < now() - make_interval(secs => ?)", (KEPT_S,)
            )
        return [
            (str(token), str(server))
            for token, server in self._db.execute(
                "SELECT token, server FROM jobs WHERE ended IS NULL AND server NOT IN ("
                "SELECT server FROM servers WHERE seen > now() - make_interval(secs => ?)) "
                "ORDER BY number",
                (DEAD_S,),
            ).fetchall()
        ]

    def leave(self) -> None:
        """This server ends: others may go on with its jobs at once."""
        self._db.execute("DELETE FROM servers WHERE server = ?", (self.server,))
