"""Images to disk as they come: one folder per job, one file per document, never in memory.

A file has its name only when it is whole. What a killed server was receiving is dropped at the
next start; what it had acknowledged stays.

Source: ws-dsp sections 4.3 and 7.4.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from device.errors import ConfigError, InternalError, OperationFailed, TemporaryError
from scan_server.post_scan_jobs import Document

log = logging.getLogger(__name__)

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
MIN_FREE = 16 << 20
"""Octets that must be free before a new job is taken."""
ABANDONED_S = 3_600
"""A folder of no known job that was not touched for so long is nobody's."""
_UNFINISHED = ".part"


class IncomingFile:
    """A document under way."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self._limit = limit
        self._number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.size = 0

    def write(self, data: bytes) -> None:
        """
        Raises:
            OperationFailed: the document is larger than this server takes.
            TemporaryError: the disk is full; the same request may work later.
            InternalError: the disk does not work.
        """
        self.size += len(data)
        if self.size > self._limit:
            raise OperationFailed(f"A document may have at most {self._limit} octets.")
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._number, view) :]
        except OSError as error:
            raise _as_fault(error, self.path) from error

    def close(self) -> None:
        """Drop what was not kept."""
        os.close(self._number)
        self.path.unlink(missing_ok=True)


def _as_fault(error: OSError, path: Path) -> TemporaryError | InternalError:
    if error.errno in FULL:
        log.error("%s: the disk is full", path)
        return TemporaryError("The server's disk is full.")
    log.error("%s: %s", path, error.strerror or type(error).__name__)
    return InternalError()


class Storage:
    """The documents of all jobs that have not ended, below `root`.

    `server` is the name of a server that shares the folder with others.
    """

    def __init__(self, root: Path, max_document: int, server: str = "") -> None:
        """
        Raises:
            ConfigError: the folder cannot be written.
        """
        self._root = root
        self._max_document = max_document
        self._server = server
        self._unfinished = f"{_UNFINISHED}{server[:8]}"
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{root}: this folder cannot be made: {os.strerror(error.errno or 0)}."
            ) from None

    def path(self, token: str, document_id: int) -> Path:
        """Where a document is."""
        return self._root / token / f"{document_id:06d}"

    def begin(self, token: str) -> None:
        """Make room for a job.

        Raises:
            TemporaryError: the disk is full.
        """
        if shutil.disk_usage(self._root).free < MIN_FREE:
            raise TemporaryError("The server's disk is full.")
        try:
            (self._root / token).mkdir(mode=0o700)
        except OSError as error:
            raise _as_fault(error, self._root / token) from error

    @contextmanager
    def receiving(self, token: str, document_id: int) -> Iterator[IncomingFile]:
        """A file for a document under way, dropped at the end unless it was kept."""
        path = self.path(token, document_id)
        try:
            file = IncomingFile(
                path.with_suffix(f"{self._unfinished}{uuid.uuid4().hex[:8]}"), self._max_document
            )
        except OSError as error:
            raise _as_fault(error, path) from error
        with contextlib.closing(file):
            yield file

    async def keep(self, file: IncomingFile, token: str, document_id: int) -> None:
        """The file is that document from now on; one of that number before is replaced.

        Raises:
            TemporaryError, InternalError: it cannot be kept.
        """
        path = self.path(token, document_id)
        try:
            file.path.rename(path)
        except OSError as error:
            raise _as_fault(error, path) from error

    def sync(self, token: str, document_ids: Iterable[int]) -> None:
        """Wait until the disk has these documents.

        Raises:
            TemporaryError, InternalError: it has not.
        """
        paths = [self.path(token, document_id) for document_id in document_ids]
        for path in (*paths, self._root / token):
            try:
                number = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(number)
                finally:
                    os.close(number)
            except OSError as error:
                raise _as_fault(error, path) from error

    def fetch(self, token: str, documents: Iterable[Document]) -> None:
        """Have the documents of a job whose turn has come at their `path`.

        Raises:
            TemporaryError: that cannot be now.
        """

    def let_go(self, token: str) -> None:
        """Nobody works here on the documents of that job any more."""

    def close(self) -> None:
        """Let go of what is open."""

    def tokens(self) -> list[str]:
        """The jobs that have documents here. Raises TemporaryError where they cannot be had."""
        return [folder.name for folder in self._root.iterdir()]

    def has(self, token: str) -> bool:
        """Whether a job has documents here."""
        return (self._root / token).is_dir()

    def hand_over(self, token: str, to: str) -> None:
        """Give the documents of one job to another, which is about to be recorded.

        Raises:
            TemporaryError, InternalError: the disk does not do it.
        """
        try:
            (self._root / token).rename(self._root / to)
        except OSError as error:
            raise _as_fault(error, self._root / token) from error

    def take_back(self, token: str, to: str) -> None:
        """Undo `hand_over`. Raises as that does."""
        self.hand_over(to, token)

    def discard(self, token: str) -> None:
        """Delete the documents of a job that has ended."""
        shutil.rmtree(self._root / token, ignore_errors=True)

    def tidy(self, living: Iterable[str], now: datetime) -> None:
        """After a start: delete unfinished documents, and folders of jobs that are over.

        In a shared folder, another server may have just begun what is not known here.
        """
        known = set(living)
        for folder in self._root.iterdir():
            if folder.name not in known:
                if not self._server or folder.stat().st_mtime < now.timestamp() - ABANDONED_S:
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            for path in folder.glob(f"*{self._unfinished}*"):
                path.unlink(missing_ok=True)
