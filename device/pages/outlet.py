"""Frames on their way out of the worker: a thread writes them, a file holds what the pipe does not.

A client that lags fills the pipe, and would stop the scan head in the midst of a page. So what the
pipe does not take waits, some of it in memory, the rest in a file without a name, which is gone
with the last byte. When that is full, too, whoever makes frames has to wait.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from device.pages.frames import Frame, Kind, pack_header

HELD = 1 << 20
"""Bytes that wait in memory, before any go to the file."""

SPOOL_LIMIT = 256 << 20
"""Bytes of the file: a page of A4 in colour at 1200 dpi has some 80 MB as a JPEG."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    """A frame that waits. Without a payload it lies in the file, `length` bytes from `start` on."""

    page: int
    frame: Frame
    length: int
    start: int | None = None


class Outlet:
    """Takes frames, and writes them to a file descriptor in their order.

    Args:
        fd: a pipe, blocking.
        spool_dir: where the file lies; the system's folder for temporary files if None.
        limit: the most bytes of the file; never more than half of what is free on its disk.
    """

    def __init__(self, fd: int, spool_dir: Path | None = None, limit: int = SPOOL_LIMIT) -> None:
        self._fd = fd
        self._spool = _Spool(spool_dir, limit)
        self._changed = threading.Condition()  # guards all that follows, and the spool
        self._queue: deque[_Waiting] = deque()
        self._held = 0
        self._broken = False
        threading.Thread(target=self._write, name="outlet", daemon=True).start()

    def put(self, frame: Frame, page: int = 0) -> None:
        """Add a frame, part of the page of that number. Waits while there is no room.

        Raises:
            BrokenPipeError: the other end is gone.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._broken or self._has_room(len(frame.payload)))
            if self._broken:
                raise BrokenPipeError
            self._queue.append(self._placed(frame, page))
            self._changed.notify_all()

    def put_before(self, page: int, frame: Frame) -> None:
        """Add a frame without a payload to speak of, ahead of what waits of that page."""
        with self._changed:
            at = next(
                (at for at, waiting in enumerate(self._queue) if waiting.page == page),
                len(self._queue),
            )
            self._held += len(frame.payload)
            self._queue.insert(at, _Waiting(page, frame, len(frame.payload)))
            self._changed.notify_all()

    def discard(self, job: int) -> None:
        """Nobody wants the data of that job any more; what tells how its pages ended stays."""
        with self._changed:
            kept = [
                waiting
                for waiting in self._queue
                if waiting.frame.job != job or waiting.frame.kind is not Kind.DATA
            ]
            self._queue = deque(kept)
            self._held = sum(waiting.length for waiting in kept if waiting.start is None)
            self._free()
            self._changed.notify_all()

    # ---- inside; with the lock held, but for the thread's own work

    def _has_room(self, length: int) -> bool:
        return self._fits_in_memory(length) or self._spool.has_room(length)

    def _fits_in_memory(self, length: int) -> bool:
        return not self._held or self._held + length <= HELD

    def _placed(self, frame: Frame, page: int) -> _Waiting:
        length = len(frame.payload)
        if not self._fits_in_memory(length):
            start = self._spool.add(frame.payload)
            if start is not None:
                return _Waiting(page, Frame(frame.job, frame.kind), length, start)
        self._held += length
        return _Waiting(page, frame, length)

    def _free(self) -> None:
        """Let go of the part of the file that nothing waits in."""
        starts = (waiting.start for waiting in self._queue if waiting.start is not None)
        self._spool.free(next(starts, None))

    def _write(self) -> None:
        try:
            while True:
                header, payload = self._next()
                _write_all(self._fd, header, payload)
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                log.exception("frames cannot be written any more")
            with self._changed:
                self._broken = True
                self._queue.clear()
                self._free()
                self._changed.notify_all()

    def _next(self) -> tuple[bytes, bytes]:
        with self._changed:
            self._changed.wait_for(lambda: self._queue)
            waiting = self._queue.popleft()
            header = pack_header(waiting.frame.job, waiting.frame.kind, waiting.length)
            payload = waiting.frame.payload
            if waiting.start is None:
                self._held -= waiting.length
            else:
                payload = self._spool.read(waiting.start, waiting.length)
                self._free()
            self._changed.notify_all()
            return header, payload


class _Spool:
    """A file that is used in a ring. Places in it are counted on and on, and never come again."""

    def __init__(self, folder: Path | None, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._file: IO[bytes] | None = None
        self._size = 0
        self._begin = self._end = 0
        self._unusable = False

    def has_room(self, length: int) -> bool:
        if self._unusable:
            return False
        most = self._size if self._file else self._limit
        return self._end - self._begin + length <= most

    def add(self, data: bytes) -> int | None:
        """Keep `data`, for which there is room; its place. None if the disk does not take it."""
        try:
            if self._file is None:
                self._open()
                if not self.has_room(len(data)):
                    raise OSError("too little of the disk is free")
            self._at(self._end, data)
        except OSError as error:
            log.warning("pages wait for slow clients in memory only: %s", error)
            self._unusable = True
            return None
        start, self._end = self._end, self._end + len(data)
        return start

    def read(self, start: int, length: int) -> bytes:
        assert self._file is not None
        place = start % self._size
        first = os.pread(self._file.fileno(), min(length, self._size - place), place)
        return first + os.pread(self._file.fileno(), length - len(first), 0)

    def free(self, begin: int | None) -> None:
        """All before that place is read; None: all there is. Then the file goes."""
        if begin is not None:
            self._begin = begin
        elif self._file is not None:
            self._file.close()
            self._file = None
            self._begin = self._end = 0

    def _open(self) -> None:
        self._file = TemporaryFile(dir=self._folder, buffering=0)  # of mode 0600, by its docs
        disk = os.fstatvfs(self._file.fileno())
        self._size = min(self._limit, disk.f_bavail * disk.f_frsize // 2)

    def _at(self, start: int, data: bytes) -> None:
        assert self._file is not None
        left = memoryview(data)
        while left:
            place = start % self._size
            written = os.pwrite(self._file.fileno(), left[: self._size - place], place)
            start, left = start + written, left[written:]


def _write_all(fd: int, *parts: bytes) -> None:
    left = [memoryview(part) for part in parts]
    while left:
        written = os.writev(fd, left)
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left:
            left[0] = left[0][written:]
