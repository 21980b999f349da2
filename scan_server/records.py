"""What the scan server remembers over a restart, in SQLite: its identity, jobs, documents, names.

A commit survives a kill. What decides whether a file is delivered once more (`plan`, `placed`) is
on the disk before anything is done, by a connection of its own that waits for the disk.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from device.dsp.process import read_alone, write_alone
from device.dsp.words import FINAL_STATES, FilterStatus, JobStateReason, PostScanJobState
from device.errors import ConfigError
from scan_server.post_scan_jobs import Document, PostScanJob

_SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    token TEXT PRIMARY KEY, number INTEGER NOT NULL, ended TEXT, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS documents (
    token TEXT NOT NULL, document_id INTEGER NOT NULL, format TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (token, document_id)
);
CREATE TABLE IF NOT EXISTS placed (
    token TEXT NOT NULL, target TEXT NOT NULL, document_id INTEGER NOT NULL, path TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (token, target, document_id)
);
CREATE UNIQUE INDEX IF NOT EXISTS placed_path ON placed (path);
"""
_BUSY_S = 10.0


class Records:
    """One connection. `careful` waits for the disk at each commit."""

    def __init__(self, path: Path, *, careful: bool = False) -> None:
        """
        Raises:
            ConfigError: the file cannot be used.
        """
        try:
            # SQLite makes the files beside it with the same mode. Users and paths are in there.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise ConfigError(f"{path}: the server's records cannot be used: {why}.") from None
        try:
            self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(f"PRAGMA synchronous = {'FULL' if careful else 'NORMAL'}")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise ConfigError(f"{path}: the server's records cannot be used: {error}.") from None

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone in writing from its begin."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def identity(self, name: str, make: Callable[[], str]) -> str:
        """A value that is made once and then stays."""
        with self._change() as db:
            db.execute("INSERT OR IGNORE INTO identity VALUES (?, ?)", (name, make()))
            row = db.execute("SELECT value FROM identity WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    def save(self, job: PostScanJob, document: Document | None = None) -> None:
        """Remember how a job stands now, and a document that came in with this step."""
        ended = job.completed.isoformat() if job.state in FINAL_STATES and job.completed else None
        with self._change() as db:
            db.execute(
                "INSERT INTO jobs (token, number, ended, body) "
                "VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM jobs), ?, ?) "
                "ON CONFLICT (token) DO UPDATE SET ended = excluded.ended, body = excluded.body",
                (job.token, ended, _written(job)),
            )
            if document:
                db.execute(
                    "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)",
                    (job.token, document.document_id, document.format, document.size),
                )

    def jobs(self) -> list[PostScanJob]:
        """All jobs, in the order in which they were created."""
        documents: dict[str, list[Document]] = {}
        rows = self._db.execute(
            "SELECT token, document_id, format, size FROM documents ORDER BY token, document_id"
        )
        for token, document_id, format_, size in rows:
            documents.setdefault(token, []).append(Document(document_id, format_, size))
        found = self._db.execute("SELECT token, body FROM jobs ORDER BY number").fetchall()
        return [_read(body, tuple(documents.get(token, ()))) for token, body in found]

    def forget(self, tokens: Iterable[str]) -> None:
        """Forget ended jobs."""
        with self._change() as db:
            for token in tokens:
                for table in ("jobs", "documents", "placed"):
                    db.execute(f"DELETE FROM {table} WHERE token = ?", (token,))

    def planned(self, token: str, target: str) -> dict[int, Placed]:
        """What the documents of a job are called, or shall be, at a target."""
        rows = self._db.execute(
            "SELECT document_id, path, done FROM placed WHERE token = ? AND target = ?",
            (token, target),
        )
        return {row[0]: Placed(row[1], bool(row[2])) for row in rows}

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
        with self._change() as db:
            for document_id in documents:
                for n in range(100_000):
                    path = name(document_id, n)
                    if taken(path):
                        continue
                    cursor = db.execute(
                        "INSERT OR IGNORE INTO placed (token, target, document_id, path) "
                        "VALUES (?, ?, ?, ?)",
                        (token, target, document_id, path),
                    )
                    if cursor.rowcount:
                        break

    def unplan(self, token: str, target: str, document_id: int | None = None) -> None:
        """Give up the reserved path of one document, or of all, at a target."""
        with self._change() as db:
            db.execute(
                "DELETE FROM placed WHERE token = ? AND target = ? AND document_id = "
                "coalesce(?, document_id)",
                (token, target, document_id),
            )

    def placed(self, token: str, target: str, document_id: int | None = None) -> None:
        """One document is at a target for certain, or everything planned for it."""
        with self._change() as db:
            db.execute(
                "UPDATE placed SET done = 1 WHERE token = ? AND target = ? AND document_id = "
                "coalesce(?, document_id)",
                (token, target, document_id),
            )


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a document is to be, in the target's own words; `done` when it certainly is there."""

    path: str
    done: bool


@contextmanager
def opened(path: Path) -> Iterator[Records]:
    """A careful connection for a while."""
    with closing(Records(path, careful=True)) as records:
        yield records


def _written(job: PostScanJob) -> str:
    return json.dumps(
        {
            "token": job.token,
            "user": job.user,
            "psp_identifier": job.psp_identifier,
            "instructions": write_alone(job.instructions),
            "created": job.created.isoformat(),
            "completed": job.completed.isoformat() if job.completed else None,
            "filters": [[one.dialect, one.state, list(one.reasons)] for one in job.filters],
            "owner": job.owner,
            "state": job.state,
            "reason": job.reason,
        }
    )


def _read(body: str, documents: tuple[Document, ...]) -> PostScanJob:
    found = json.loads(body)
    completed = found["completed"]
    return PostScanJob(
        token=found["token"],
        user=found["user"],
        psp_identifier=found["psp_identifier"],
        instructions=read_alone(found["instructions"]),
        created=datetime.fromisoformat(found["created"]),
        completed=datetime.fromisoformat(completed) if completed else None,
        filters=tuple(
            FilterStatus(dialect, state, tuple(reasons))
            for dialect, state, reasons in found["filters"]
        ),
        owner=found["owner"],
        state=PostScanJobState(found["state"]),
        reason=JobStateReason(found["reason"]),
        documents=documents,
    )
