"""The file-share filter: documents into folders of this machine, each exactly once.

Source: ws-dsp sections 6.3, 7.4 and 8.3.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from device.dsp import filters
from device.dsp.words import FilterStateReason
from scan_server import names
from scan_server.filters import placing
from scan_server.filters.base import Failure, Kind, Retry, Target, Work
from scan_server.filters.documents import OutgoingDocument
from scan_server.shares import Folder, Shares, UnknownShare
from scan_server.storage import FULL

_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class FileShare:
    """The filter. `umask` is the process's own. `others` finds a share on another machine."""

    shares: Shares
    umask: int
    retry: Retry = field(default_factory=Retry)
    others: Callable[[str], Target | None] = lambda unc: None

    def targets(self, config: filters.Config, work: Work) -> Sequence[Target | Failure]:
        assert isinstance(config, filters.FileShareConfig)
        # FileShares may be missing, and pages that nobody is named for must not get lost.
        uncs = config.share_uncs or (filters.OWN_STORE,)
        alone = len(uncs) == 1 and len(work.job.filters) == 1
        return [self._target(unc, may_link=alone) for unc in uncs]

    def _target(self, unc: str, *, may_link: bool) -> Target | Failure:
        try:
            return FolderTarget(self.shares.find(unc), self.umask if may_link else None)
        except UnknownShare:
            reason = FilterStateReason.FILE_SHARE_ACCESS_DENIED
            unknown = Failure(reason, f"neither --share nor the settings name {unc}")
            return self.others(unc) or unknown


@dataclass(frozen=True, slots=True)
class FolderTarget:
    """A folder of this machine. With `link_umask`, the spool's own files may be moved there."""

    folder: Folder
    link_umask: int | None

    @property
    def name(self) -> str:
        return self.folder.name

    def deliver(self, work: Work, key: str) -> None:
        try:
            placing.deliver(_Folder(self, self._folder(work)), work, key, each=False)
        except OSError as error:
            raise self._failure(error) from error

    def _folder(self, work: Work) -> Path:
        job = work.job
        if self.folder.own_store:
            root = job.instructions.document_root_name
            return self.folder.path / names.job_folder(root, job.created, job.token)
        return self.folder.path / names.safe(work.user.name, "user")

    def _failure(self, error: OSError) -> Failure:
        why = error.strerror or type(error).__name__
        if error.errno in FULL:
            full = FilterStateReason.FILE_SHARE_OUT_OF_DISK_SPACE
            own = FilterStateReason.OUT_OF_DISK_SPACE
            return Failure(own if self.folder.own_store else full, why, Kind.PASSING)
        if error.errno in _DENIED:
            return Failure(FilterStateReason.FILE_SHARE_ACCESS_DENIED, why)
        return Failure(FilterStateReason.UNKNOWN_ERROR, why, Kind.PASSING)


@dataclass(frozen=True, slots=True)
class _Folder:
    """The folder of one job or user below a target."""

    target: FolderTarget
    folder: Path

    def prepare(self, work: Work) -> None:
        """The root itself must be there: a share may not be mounted."""
        root = self.target.folder.path
        if not root.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(root))
        self.folder.mkdir(exist_ok=True)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def taken(self, path: str) -> bool:
        return Path(path).exists()

    def put(self, work: Work, document: OutgoingDocument, path: str) -> bool:
        return _appear(work, document, Path(path), self.target.link_umask)

    def finish(self) -> None:
        _sync_folder(self.folder)

    def remove(self, document: OutgoingDocument, path: str) -> None:
        if _same(document, Path(path)):
            Path(path).unlink()

    def leave(self) -> None:
        self.folder.rmdir()


def _appear(work: Work, document: OutgoingDocument, path: Path, link_umask: int | None) -> bool:
    """Make the file at `path`; False when another file is there."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.unlink(missing_ok=True)  # of a run that was killed
    if link_umask is not None and not document.header:
        with contextlib.suppress(OSError):
            os.chmod(document.path, 0o666 & ~link_umask)
            os.link(document.path, path)
            return True
    if path.exists() and path.stat().st_size:
        return _same(document, path)
    try:
        _copy(work, document, unfinished)
        return _name_it(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _copy(work: Work, document: OutgoingDocument, path: Path) -> None:
    with path.open("xb") as writing:
        for piece in document.pieces():
            work.check()
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


def _same(document: OutgoingDocument, path: Path) -> bool:
    """Whether `path` is our own file: the very one, or its equal."""
    if not path.exists() or not document.path.exists():
        return False
    if path.samefile(document.path):
        return True
    if not document.header:
        return filecmp.cmp(document.path, path, shallow=False)
    return path.stat().st_size == document.size


def _sync_folder(folder: Path) -> None:
    for path in (folder, folder.parent):
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
