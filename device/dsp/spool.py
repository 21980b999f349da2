"""Pages on disk until a scan server has delivered them.

Each delivery has a folder `spool/<name>` of its own, mode 0700, holding one file per page
(`000001.jfif`, mode 0600) and `journal.json`. A page file has its name only when it is whole, and
the journal is replaced in one step, so that a kill at any moment leaves both readable. A lock,
which ends with its process, keeps two senders from one delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote

from device.dsp.room import Room
from device.errors import ConfigError, DeliveryError

JOURNAL = "journal.json"
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class SpooledPage:
    """A page in the spool. `format` is WS-Scan's keyword."""

    document_id: int
    format: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Journal:
    """All that a delivery needs beside its pages to go on after a kill.

    `authorities`, `digest` and `algorithm` are those of `Trust`. `process_name`, `principal` and
    `began` are for people.

    `scan_complete` is written when the last page is in the spool. Without it there may be pages
    that were never scanned, whose sender was killed or whose scanner jammed.
    """

    server: str
    user: str
    psp_identifier: str
    instructions: str
    ca: str = ""
    cert: str = ""
    key: str = ""
    token: str = ""
    stored: tuple[int, ...] = ()
    ends: int = 0
    filters: tuple[int, ...] | None = None
    cancel: bool = False
    scan_complete: bool = False
    authorities: str = ""
    digest: str = ""
    algorithm: str = ""
    process_name: str = ""
    principal: str = ""
    began: str = ""


class JobSpool:
    """The folder of one delivery, locked by us. Its pages take of `room`, if that is set."""

    room: Room | None = None

    def __init__(self, folder: Path, lock: IO[bytes]) -> None:
        self.folder = folder
        self._lock = lock
        self._journal: Journal | None = None

    @property
    def journal(self) -> Journal:
        """What was saved last.

        Raises:
            DeliveryError: it cannot be read.
        """
        if self._journal is None:
            self._journal = _read_journal(self.folder / JOURNAL)
        return self._journal

    async def save(self, journal: Journal) -> None:
        """Replace the journal. What must not be forgotten is on the disk afterwards."""
        before = self._journal
        weighty = before is None or _weighty(before) != _weighty(journal)
        if journal != before:
            await asyncio.to_thread(_write_journal, self.folder / JOURNAL, journal, weighty)
            self._journal = journal

    async def add(self, format_: str, chunks: AsyncIterator[bytes]) -> SpooledPage:
        """Store one more page; it counts only when it is whole.

        Raises:
            DeliveryError: the page is empty, or the disk does not take it.
        """
        document_id = len(self.pages()) + 1
        unfinished = self.folder / "unfinished"
        path = self.folder / f"{document_id:06d}.{quote(format_, safe='')}"
        size = taken = 0
        try:
            with _created(unfinished) as file:
                async for chunk in chunks:
                    if self.room is not None:
                        await self.room.take(self.folder, len(chunk))
                        taken += len(chunk)
                    size += file.write(chunk)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            if size:
                unfinished.rename(path)
                await asyncio.to_thread(_sync_folder, self.folder)
        except BaseException as error:
            if self.room is not None:
                self.room.give_back(self.folder, taken)
            if not isinstance(error, OSError):
                raise
            raise DeliveryError(
                f"page {document_id} cannot be kept in {self.folder}: "
                f"{os.strerror(error.errno or 0)}"
            ) from error
        if not size:
            raise DeliveryError(f"page {document_id} is empty")
        return SpooledPage(document_id, format_, path, size)

    def pages(self) -> list[SpooledPage]:
        """All whole pages, in order."""
        found = []
        for path in sorted(self.folder.glob("[0-9]*.*")):
            number, _, name = path.name.partition(".")
            found.append(SpooledPage(int(number), unquote(name), path, path.stat().st_size))
        return found

    def page(self, document_id: int) -> SpooledPage:
        """One page."""
        return next(page for page in self.pages() if page.document_id == document_id)

    def close(self) -> None:
        """Let another sender have it."""
        self._lock.close()

    def remove(self) -> None:
        """Forget the delivery. Renamed first: a half removed one is no delivery any more."""
        if self.room is not None:
            self.room.leave(self.folder, gone=True)
        done = self.folder.with_name(f".{self.folder.name}")
        self.folder.rename(done)
        shutil.rmtree(done, ignore_errors=True)
        self.close()


def _weighty(journal: Journal) -> tuple[object, ...]:
    return journal.token, journal.ends, journal.filters, journal.scan_complete


def _created(path: Path) -> IO[bytes]:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE), "wb")


def new_spool(state_dir: Path, stamp: str) -> JobSpool:
    """A folder for a new delivery, begun at `stamp`.

    Raises:
        ConfigError: the state folder cannot be written.
    """
    folder = state_dir / "spool" / f"{stamp}-{uuid.uuid4().hex[:8]}"
    try:
        state_dir.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        folder.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        folder.mkdir(mode=_FOLDER_MODE)
        lock = _lock(folder)
    except OSError as error:
        raise ConfigError(
            f"{state_dir}: the state folder cannot be written: {os.strerror(error.errno or 0)}."
        ) from None
    if lock is None:
        raise ConfigError(f"{folder}: another program holds this folder.")
    return JobSpool(folder, lock)


def reopen(folder: Path) -> JobSpool | None:
    """The delivery in a folder; None when somebody works on it, or it is gone."""
    try:
        lock = _lock(folder)
    except FileNotFoundError:
        return None
    return JobSpool(folder, lock) if lock else None


def left_over(state_dir: Path) -> list[JobSpool]:
    """The deliveries that nobody works on, oldest first. Remains of finished ones are removed.

    Raises:
        ConfigError: the state folder cannot be read.
    """
    root = state_dir / "spool"
    if not root.exists():
        return []
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir())
    except OSError as error:
        raise ConfigError(
            f"{root}: the spool cannot be read: {os.strerror(error.errno or 0)}."
        ) from None
    found = []
    for folder in folders:
        if folder.name.startswith("."):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        with contextlib.suppress(FileNotFoundError):
            if lock := _lock(folder):
                job = JobSpool(folder, lock)
                if (folder / JOURNAL).exists():
                    found.append(job)
                else:
                    job.remove()  # its sender died before the first page
    return found


def _lock(folder: Path) -> IO[bytes] | None:
    """The folder's lock, or None when somebody has it."""
    file = open(os.open(folder / "lock", os.O_RDWR | os.O_CREAT, _FILE_MODE), "rb+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _read_journal(path: Path) -> Journal:
    try:
        found = json.loads(path.read_bytes())
        known = {field.name for field in fields(Journal)}
        values = {name: value for name, value in found.items() if name in known}
        for name in ("stored", "filters"):
            if isinstance(values.get(name), list):
                values[name] = tuple(int(number) for number in values[name])
        return Journal(**values)
    except (OSError, ValueError, TypeError, AttributeError):
        raise DeliveryError(f"{path}: this journal of a delivery cannot be read.") from None


def _write_journal(path: Path, journal: Journal, sync: bool) -> None:
    unfinished = path.with_suffix(".new")
    with _created(unfinished) as file:
        file.write(json.dumps(asdict(journal)).encode())
        file.flush()
        if sync:
            os.fsync(file.fileno())
    unfinished.replace(path)
    if sync:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
