"""The file-share filter: puts a job's documents into folders, each exactly once.

The names are reserved in the records first; a file appears under its name whole or not at all,
and never over another. So the filter may be killed anywhere and run again. A target that fails
gets nothing: what was put there is taken away, so that a later job does not bring it twice.

Source: ws-dsp sections 6.3, 7.4 and 8.3.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import logging
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from device.dsp import filters
from device.dsp.words import FilterState, FilterStateReason
from device.errors import InvalidArgs
from scan_server import names
from scan_server.post_scan_jobs import Document, PostScanJob
from scan_server.records import Records
from scan_server.shares import Shares, Target, UnknownShare
from scan_server.storage import FULL, Storage

log = logging.getLogger(__name__)

PIECE = 1 << 20
_BITMAP = b"BM"
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})


class Halted(Exception):
    """The filter was told to stop."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a filter ended."""

    state: FilterState
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileShare:
    """The filter with all that it works with. `run` blocks: call it in a thread."""

    shares: Shares
    storage: Storage
    records: Records
    umask: int

    def run(self, job: PostScanJob, position: int, halted: Callable[[], bool]) -> Outcome:
        """Serve filter `position` of `job`.

        Raises:
            Halted: `halted` came true; what is delivered stays.
        """
        entry = job.instructions.filters[position]
        try:
            config = filters.read(entry.dialect, entry.instructions)
        except InvalidArgs:
            return Outcome(FilterState.COMPLETED_WITH_ERRORS, (FilterStateReason.INVALID_ARGS,))
        assert isinstance(config, filters.FileShareConfig)
        alone = len(config.share_uncs) == 1 and len(job.filters) == 1
        failures: list[str] = []
        for number, unc in enumerate(config.share_uncs):
            try:
                self._deliver(job, f"{position}.{number}", self.shares.find(unc), alone, halted)
            except UnknownShare:
                log.error("job %s: no --share names %s", job.token, unc)
                failures.append(FilterStateReason.FILE_SHARE_ACCESS_DENIED)
            except OSError as error:
                why = error.strerror or type(error).__name__
                log.error("job %s: %s: %s", job.token, error.filename or unc, why)
                failures.append(_reason(error, self.shares.find(unc)))
            except sqlite3.Error as error:
                log.error("job %s: %s: %s", job.token, unc, error)
                full = "full" in str(error)
                failures.append(
                    FilterStateReason.OUT_OF_DISK_SPACE if full else FilterStateReason.UNKNOWN_ERROR
                )
            except MemoryError:
                failures.append(FilterStateReason.SERVER_OUT_OF_MEMORY)
        if failures:
            return Outcome(FilterState.COMPLETED_WITH_ERRORS, tuple(dict.fromkeys(failures)))
        return Outcome(FilterState.COMPLETED_SUCCESSFULLY)

    def _deliver(
        self,
        job: PostScanJob,
        key: str,
        target: Target,
        may_link: bool,
        halted: Callable[[], bool],
    ) -> None:
        """All documents to one target, or none."""
        folder = self._folder(job, target)
        known = self.records.planned(job.token, key)
        left = [
            d for d in job.documents if not (d.document_id in known and known[d.document_id].done)
        ]
        if not left:
            return
        formats = {document.document_id: document.format for document in job.documents}

        def name(document_id: int, taken: int) -> Path:
            root = job.instructions.document_root_name
            return folder / names.file_name(
                root, job.created, job.user, document_id, formats[document_id], taken
            )

        try:
            _make_folder(folder, target.folder)
            new = [d.document_id for d in left if d.document_id not in known]
            self.records.plan(job.token, key, new, name)
            for document in left:
                self._place(job, key, document, name, may_link, halted)
            _sync_folder(folder)
            self.records.placed(job.token, key)
        except (OSError, MemoryError, sqlite3.Error):
            with contextlib.suppress(sqlite3.Error):
                self._take_back(job, key, folder)
            raise

    def _folder(self, job: PostScanJob, target: Target) -> Path:
        if target.own_store:
            root = job.instructions.document_root_name
            return target.folder / names.job_folder(root, job.created, job.token)
        return target.folder / names.safe(job.user, "user")

    def _place(
        self,
        job: PostScanJob,
        key: str,
        document: Document,
        name: Callable[[int, int], Path],
        may_link: bool,
        halted: Callable[[], bool],
    ) -> None:
        """One document under its reserved name."""
        source = self.storage.path(job.token, document.document_id)
        header = _missing_header(source, document)
        while True:
            path = self.records.planned(job.token, key)[document.document_id].path
            if halted():
                raise Halted
            if self._appear(source, header, path, may_link, halted):
                return
            # Somebody else took the name since it was reserved.
            self.records.unplan(job.token, key, document.document_id)
            self.records.plan(job.token, key, [document.document_id], name)

    def _appear(
        self,
        source: Path,
        header: bytes,
        path: Path,
        may_link: bool,
        halted: Callable[[], bool],
    ) -> bool:
        """Make the file at `path`; False when another file is there."""
        unfinished = path.with_name(f".{path.name}.part")
        unfinished.unlink(missing_ok=True)  # of a run that was killed
        if may_link and not header:
            with contextlib.suppress(OSError):
                os.chmod(source, 0o666 & ~self.umask)
                os.link(source, path)
                return True
        if path.exists() and path.stat().st_size:
            return _same(source, header, path)
        try:
            _copy(source, header, unfinished, halted)
            return _name_it(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _take_back(self, job: PostScanJob, key: str, folder: Path) -> None:
        """Remove what was put to a target that failed."""
        for document_id, placed in self.records.planned(job.token, key).items():
            document = next((d for d in job.documents if d.document_id == document_id), None)
            if document is None or placed.done:
                continue
            source = self.storage.path(job.token, document_id)
            with contextlib.suppress(OSError):
                if _same(source, _missing_header(source, document), placed.path):
                    placed.path.unlink()
        self.records.unplan(job.token, key)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _reason(error: OSError, target: Target) -> str:
    if error.errno in FULL:
        return (
            FilterStateReason.OUT_OF_DISK_SPACE
            if target.own_store
            else FilterStateReason.FILE_SHARE_OUT_OF_DISK_SPACE
        )
    if error.errno in _DENIED:
        return FilterStateReason.FILE_SHARE_ACCESS_DENIED
    return FilterStateReason.UNKNOWN_ERROR


def _make_folder(folder: Path, root: Path) -> None:
    """`folder` below `root`; the root itself must be there: a share may not be mounted."""
    if not root.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(root))
    folder.mkdir(exist_ok=True)


def _missing_header(source: Path, document: Document) -> bytes:
    """The file header for a bitmap that comes without one (ws-dsp section 4.8)."""
    if document.format != "dib":
        return b""
    with source.open("rb") as file:
        start = file.read(40)
    if start[:2] == _BITMAP or len(start) < 16:
        return b""
    header_size = int.from_bytes(start[:4], "little")
    bits = int.from_bytes(start[14:16], "little")
    used = int.from_bytes(start[32:36], "little") if header_size >= 40 and len(start) >= 36 else 0
    colors = used or (1 << bits if bits <= 8 else 0)
    offset = 14 + header_size + 4 * colors
    size = 14 + document.size
    return _BITMAP + size.to_bytes(4, "little") + bytes(4) + offset.to_bytes(4, "little")


def _copy(source: Path, header: bytes, path: Path, halted: Callable[[], bool]) -> None:
    with source.open("rb") as reading, path.open("xb") as writing:
        writing.write(header)
        while piece := reading.read(PIECE):
            if halted():
                raise Halted
            writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())


def _name_it(unfinished: Path, path: Path) -> bool:
    """Rename without ever replacing a file; False when one is there.

    Where files have no second name, an empty one holds the place. One that is there already is
    taken for the remains of a run that was killed: the name was free when it was reserved.
    """
    try:
        os.link(unfinished, path)
        return True
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with contextlib.suppress(FileExistsError):
            path.touch(exist_ok=False)
    if path.stat().st_size:
        return False
    unfinished.replace(path)
    return True


def _same(source: Path, header: bytes, path: Path) -> bool:
    """Whether `path` is our own file: the very one, or its equal."""
    if not path.exists() or not source.exists():
        return False
    if path.samefile(source):
        return True
    if not header:
        return filecmp.cmp(source, path, shallow=False)
    return path.stat().st_size == source.stat().st_size + len(header)


def _sync_folder(folder: Path) -> None:
    for path in (folder, folder.parent):
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
