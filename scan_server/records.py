"""What the scan server remembers over a restart: its identity, jobs, documents, names.

A commit survives a kill. What decides whether a file is delivered once more (`plan`, `placed`) is
on the disk before anything is done, by a connection of its own that waits for the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime

from device.dsp.words import FINAL_STATES
from device.dsp.words import PostScanJobState as S
from scan_server import job_form
from scan_server.database import Database
from scan_server.post_scan_jobs import Document, Effect, PostScanJob

Move = Callable[[PostScanJob], tuple[PostScanJob, tuple[Effect, ...]]]
"""A step of a job, as `post_scan_jobs.step` makes it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    number {serial}, token TEXT NOT NULL UNIQUE, state TEXT NOT NULL, server TEXT NOT NULL,
    queued BIGINT, ended TEXT, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_ended ON jobs (ended);
CREATE TABLE IF NOT EXISTS documents (
    token TEXT NOT NULL, document_id INTEGER NOT NULL, format TEXT NOT NULL, size BIGINT NOT NULL,
    PRIMARY KEY (token, document_id)
);
CREATE TABLE IF NOT EXISTS placed (
    token TEXT NOT NULL, target TEXT NOT NULL, document_id INTEGER NOT NULL, path TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (token, target, document_id)
);
CREATE UNIQUE INDEX IF NOT EXISTS placed_path ON placed (path)
"""
_TAKEN_UP = "taken up"
"""The target that marks a job that is done once more."""


@dataclass(frozen=True, slots=True)
class Change:
    """A job as it was, None for a new one, and as it is; and what is to be done about that."""

    before: PostScanJob | None
    after: PostScanJob
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a document is to be, in the target's own words; `done` when it certainly is there."""

    path: str
    done: bool


class Records:
    """The records by one connection. All of it may raise `DatabaseTrouble`.

    `server` is the name of the server that asks: each job that has not ended is in the care of the
    one that touched it last.
    """

    def __init__(self, database: Database, *, careful: bool = False, server: str = "") -> None:
        self._database = database
        self.server = server
        self._db = database.connect(careful=careful)

    def prepare(self) -> None:
        """Make the tables, if they are not there."""
        with self._db.transaction():
            self._db.execute(self._database.alone)
            for statement in _SCHEMA.format(serial=self._database.serial).split(";"):
                self._db.execute(statement)

    def close(self) -> None:
        self._db.close()

    def identity(self, name: str, make: Callable[[], str]) -> str:
        """A value that is made once and then stays."""
        with self._db.transaction():
            self._db.execute(
                "INSERT INTO identity VALUES (?, ?) ON CONFLICT DO NOTHING", (name, make())
            )
            row = self._db.execute("SELECT value FROM identity WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    # ---- jobs

    def add(self, job: PostScanJob) -> Change:
        """Take a new job in."""
        with self._db.transaction():
            return self._added(job)

    def _added(self, job: PostScanJob) -> Change:
        self._db.execute(
            "INSERT INTO jobs (token, state, server, ended, body) VALUES (?, ?, ?, ?, ?)",
            (job.token, job.state.value, self.server, _ended(job), job_form.write(job)),
        )
        self._add_documents(job.token, job.documents)
        self._note(None, job)
        return Change(None, job, (Effect.DISCARD,) if job.state.final else ())

    def get(self, token: str) -> PostScanJob | None:
        """A job by its token."""
        row = self._db.execute("SELECT body FROM jobs WHERE token = ?", (token,)).fetchone()
        return None if row is None else job_form.read(row[0], self._documents(token))

    def change(self, token: str, move: Move, *, holder: str | None = None) -> Change | None:
        """Move a job, as a whole or not at all; None if there is none.

        With a `holder`, also None when another server has it in its care by now.
        """
        with self._db.transaction():
            row = self._db.execute(
                f"SELECT body, server FROM jobs WHERE token = ?{self._database.row_lock}", (token,)
            ).fetchone()
            if row is None or holder not in (None, row[1]):
                return None
            return self._moved(row[0], token, move)

    def claim(self, move: Move) -> Change | None:
        """Move the job that has waited longest for its turn; None if none waits."""
        with self._db.transaction():
            row = self._db.execute(
                "SELECT body, token FROM jobs WHERE state = ? ORDER BY queued, number LIMIT 1"
                f"{self._database.free_row}",
                (S.PENDING.value,),
            ).fetchone()
            return None if row is None else self._moved(row[0], row[1], move)

    def _moved(self, body: str, token: str, move: Move) -> Change:
        before = job_form.read(body, self._documents(token))
        after, effects = move(before)
        self._db.execute(
            "UPDATE jobs SET state = ?, server = ?, ended = ?, body = ? WHERE token = ?",
            (after.state.value, self.server, _ended(after), job_form.write(after), token),
        )
        if after.state is S.PENDING and before.state is not S.PENDING:
            self._db.execute(
                "UPDATE jobs SET queued = (SELECT coalesce(max(queued), 0) + 1 FROM jobs) "
                "WHERE token = ?",
                (token,),
            )
        self._add_documents(token, set(after.documents) - set(before.documents))
        self._note(before, after)
        return Change(before, after, effects)

    def _note(self, before: PostScanJob | None, after: PostScanJob) -> None:
        """A change is about to be committed."""

    def _add_documents(self, token: str, documents: Iterable[Document]) -> None:
        """One that is there already is replaced."""
        for new in documents:
            self._db.execute(
                "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT (token, document_id) "
                "DO UPDATE SET format = excluded.format, size = excluded.size",
                (token, new.document_id, new.format, new.size),
            )

    def _documents(self, token: str) -> tuple[Document, ...]:
        rows = self._db.execute(
            "SELECT document_id, format, size FROM documents WHERE token = ? ORDER BY document_id",
            (token,),
        )
        return tuple(Document(*row) for row in rows.fetchall())

    def active(self) -> list[PostScanJob]:
        """The jobs that have not ended, oldest first."""
        return self._jobs("ended IS NULL")

    def mine(self) -> list[PostScanJob]:
        """The jobs that have not ended and are in this server's care, oldest first."""
        return self.active()

    def ended(self) -> list[PostScanJob]:
        """The jobs that have ended and are remembered, oldest first."""
        return self._jobs("ended IS NOT NULL")

    def _jobs(self, which: str, values: tuple[object, ...] = ()) -> list[PostScanJob]:
        documents: dict[str, list[Document]] = {}
        with self._db.transaction():
            rows = self._db.execute(
                f"SELECT token, body FROM jobs WHERE {which} ORDER BY number", values
            ).fetchall()
            found = self._db.execute(
                "SELECT token, document_id, format, size FROM documents "
                f"WHERE token IN (SELECT token FROM jobs WHERE {which}) ORDER BY document_id",
                values,
            ).fetchall()
        for token, *document in found:
            documents.setdefault(token, []).append(Document(*document))
        return [job_form.read(body, tuple(documents.get(token, ()))) for token, body in rows]

    def count_active(self) -> int:
        """How many jobs have not ended."""
        row = self._db.execute("SELECT count(*) FROM jobs WHERE ended IS NULL").fetchone()
        return int(row[0])

    def take_up(self, token: str, again: PostScanJob, filters: Sequence[int]) -> Change | None:
        """Take in a job that does some of another's filters, with what they had delivered.

        None where another job does so already.
        """
        with self._db.transaction():
            marked = self._db.execute(
                "INSERT INTO placed (token, target, document_id, path) VALUES (?, ?, 0, ?) "
                "ON CONFLICT DO NOTHING",
                (token, _TAKEN_UP, f"{_TAKEN_UP} {token}"),
            )
            if not marked.rowcount:
                return None
            rows = self._db.execute(
                "SELECT DISTINCT target FROM placed WHERE token = ? AND target <> ?",
                (token, _TAKEN_UP),
            ).fetchall()
            for (target,) in rows:
                position, _, rest = target.partition(".")
                if int(position) in filters:
                    self._db.execute(
                        "UPDATE placed SET token = ?, target = ? WHERE token = ? AND target = ?",
                        (again.token, f"{filters.index(int(position))}.{rest}", token, target),
                    )
            return self._added(again)

    def delivered(self, token: str) -> list[tuple[str, int, str]]:
        """What certainly was delivered of a job: target, DocumentId, and the name there."""
        rows = self._db.execute(
            "SELECT target, document_id, path FROM placed WHERE token = ? AND done = 1 "
            "ORDER BY target, document_id",
            (token,),
        ).fetchall()
        return [(str(target), int(number), str(path)) for target, number, path in rows]

    def forget(self, *, keep: int, oldest: datetime) -> list[str]:
        """Forget the jobs that ended before `oldest`, and all but the newest `keep` that ended.

        Returns their tokens.
        """
        with self._db.transaction():
            rows = self._db.execute(
                "SELECT token FROM jobs WHERE ended < ? OR (ended IS NOT NULL AND number <= ("
                "SELECT number FROM jobs WHERE ended IS NOT NULL "
                "ORDER BY number DESC LIMIT 1 OFFSET ?))",
                (oldest.isoformat(), keep),
            ).fetchall()
            for (token,) in rows:
                for table in ("jobs", "documents", "placed"):
                    self._db.execute(f"DELETE FROM {table} WHERE token = ?", (token,))
        return [str(token) for (token,) in rows]

    # ---- names of files

    def planned(self, token: str, target: str) -> dict[int, Placed]:
        """What the documents of a job are called, or shall be, at a target."""
        rows = self._db.execute(
            "SELECT document_id, path, done FROM placed WHERE token = ? AND target = ?",
            (token, target),
        )
        return {row[0]: Placed(row[1], bool(row[2])) for row in rows.fetchall()}

    def plan(
        self,
        token: str,
        target: str,
        documents: Iterable[int],
        name: Callable[[int, int], str],
        taken: Callable[[str], bool],
    ) -> None:
        """Reserve a path for each of these documents.

        `name(document_id, n)` proposes; `n` counts up from 0 while a path is `taken` at the target
        or reserved by another job.
        """
        with self._db.transaction():
            for document_id in documents:
                for n in range(100_000):
                    path = name(document_id, n)
                    if taken(path):
                        continue
                    rows = self._db.execute(
                        "INSERT INTO placed (token, target, document_id, path) "
                        "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                        (token, target, document_id, path),
                    )
                    if rows.rowcount:
                        break

    def unplan(self, token: str, target: str, document_id: int | None = None) -> None:
        """Give up the reserved path of one document, or of all, at a target."""
        which, values = _placed_rows(token, target, document_id)
        self._db.execute(f"DELETE FROM placed WHERE {which}", values)

    def placed(self, token: str, target: str, document_id: int | None = None) -> None:
        """One document is at a target for certain, or everything planned for it."""
        which, values = _placed_rows(token, target, document_id)
        self._db.execute(f"UPDATE placed SET done = 1 WHERE {which}", values)


def _placed_rows(
    token: str, target: str, document_id: int | None
) -> tuple[str, tuple[object, ...]]:
    which = "token = ? AND target = ?"
    if document_id is None:
        return which, (token, target)
    return f"{which} AND document_id = ?", (token, target, document_id)


def _ended(job: PostScanJob) -> str | None:
    return job.completed.isoformat() if job.state in FINAL_STATES and job.completed else None


@contextmanager
def opened(database: Database) -> Iterator[Records]:
    """A careful connection for a while."""
    with closing(Records(database, careful=True)) as records:
        yield records
