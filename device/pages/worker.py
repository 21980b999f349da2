"""The child process that a source lives in: backend → bands → convert → encode → frames.

    python -P -m device.pages.worker SOURCE [SPOOL_FOLDER [FOLDER_OF_FILES_LAID_IN [NICENESS]]]

Orders come as lines on the standard input, frames leave on the standard output. It is started by
exec, and imports neither asyncio nor an XML library: it stays small, and a backend's threads, leaks
and crashes stay here.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import logging
import os
import queue
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from device.child_process import NICENESS
from device.imaging.convert import fit
from device.imaging.encoders import DocumentEncoder, Pages, document_encoder_for
from device.imaging.miniature import Miniature
from device.imaging.spec import ImageSpec
from device.imaging.untouched import miniature_of, pieces_of, ready_file
from device.pages import frames
from device.pages.frames import (
    CancelOrder,
    DescribeOrder,
    FinishOrder,
    Frame,
    Kind,
    Order,
    PageOrder,
    Part,
    PollOrder,
    QuitOrder,
)
from device.pages.held import held
from device.pages.outlet import Outlet
from device.pages.reader import BandReader
from scanner_backends.base import Backend, PolledBackend, RawPage, RunningBackend, file_of
from scanner_backends.errors import BackendError, Cancelled, IoError, NoDocs, NoMem, WarmingUp
from scanner_backends.registry import open_backend

if TYPE_CHECKING:
    from scanner_backends.laid_in import FilesLaidIn

PIPE_SIZE = 1 << 20
"""Bytes. Some bands of a page in the pipe keep scanner and network from waiting for each other."""

WARM_UP_S = 90.0
WARM_UP_ASK_S = 0.5

_PR_SET_PDEATHSIG = 1
_F_SETPIPE_SZ = 1031

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Task:
    """An order on its way through the worker."""

    order: Order
    begun: bool = False
    """Whether a page of it was fed."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    following: queue.SimpleQueue[PageOrder | None] = field(default_factory=queue.SimpleQueue)
    """Of a document: the orders of its further pages. None ends it, or wakes it when cancelled."""


class Worker:
    """Carries out one order after the other.

    A second thread reads the orders, so that a cancellation reaches a backend that is at work.
    """

    def __init__(
        self,
        source: str,
        orders: BinaryIO,
        out: BinaryIO,
        spool_dir: Path | None = None,
        laid_dir: Path | None = None,
    ) -> None:
        self._source = source
        self._orders = orders
        self._out = Outlet(out.fileno(), spool_dir)
        self._spool_dir = spool_dir
        self._reader = BandReader()
        self._page_count = 0
        self._went_well = 0
        """The job whose page was the last one, if that ended well."""
        self._backend: Backend | None = None
        self._laid_dir = laid_dir
        self._files: FilesLaidIn | None = None
        self._run_job = 0
        self._waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards the two below
        self._pages: list[Task] = []
        self._scanning: Task | None = None

    def run(self) -> None:
        """Work until told to quit, or until the orders end."""
        threading.Thread(target=self._read_orders, name="orders", daemon=True).start()
        while True:
            task = self._waiting.get()
            if isinstance(task.order, QuitOrder):
                break
            if isinstance(task.order, DescribeOrder):
                self._guarded(task, 0, partial(self._describe, task.order.file))
            elif isinstance(task.order, PollOrder):
                self._guarded(task, 0, self._poll)
            elif isinstance(task.order, CancelOrder):
                self._end_run(task.order.job)
            elif isinstance(task.order, PageOrder):
                self._page(task, task.order)
        if self._backend:
            self._backend.close()

    def _read_orders(self) -> None:
        for line in self._orders:
            try:
                order = frames.order_of(line)
            except frames.FrameError as error:
                log.error("skipped: %s", error)
                continue
            if isinstance(order, CancelOrder):
                self._cancel(order.job)
            if isinstance(order, FinishOrder):
                self._follow(order.job, None)
                continue
            if isinstance(order, PageOrder) and order.part is Part.NEXT:
                self._follow(order.job, order)
                continue
            task = Task(order)
            if isinstance(order, PageOrder):
                with self._lock:
                    self._pages.append(task)
            self._waiting.put(task)
        # The other end is gone: nobody wants the rest.
        self._cancel(None)
        self._waiting.put(Task(QuitOrder()))

    def _cancel(self, job: int | None) -> None:
        """End what is under way or waits, for one job or for all."""
        with self._lock:
            for task in self._pages:
                if isinstance(task.order, PageOrder) and job in (None, task.order.job):
                    task.cancelled.set()
                    task.following.put(None)
                    if task is self._scanning:
                        for backend in (self._backend, self._files):
                            if backend is not None:
                                backend.cancel()
        if job is not None:
            self._out.discard(job)

    def _follow(self, job: int, order: PageOrder | None) -> None:
        """Hand an order on to the document that waits for it; it may have ended meanwhile."""
        with self._lock:
            for task in self._pages:
                if isinstance(task.order, PageOrder) and task.order.job == job:
                    task.following.put(order)

    def _page(self, task: Task, order: PageOrder) -> None:
        if order.ahead and self._went_well != order.job:
            task.cancelled.set()
        self._went_well = 0
        if self._guarded(task, order.job, lambda: self._scan(task, order)):
            self._went_well = order.job
        with self._lock:
            self._pages.remove(task)
            self._scanning = None

    def _guarded(self, task: Task, job: int, work: Callable[[], None]) -> bool:
        """Do `work`, and turn whatever goes wrong into a frame. True if nothing does."""
        failure: BackendError
        try:
            work()
            return True
        except BrokenPipeError:
            raise  # main is gone; there is nobody to tell
        except NoDocs:
            self._out.put(Frame(job, Kind.NONE))
            return False
        except BackendError as error:
            failure = error
        except MemoryError:
            failure = NoMem("There is not enough memory for the page.")
        except Exception as error:  # a backend may raise anything; it is told, and logged in full
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                failure = IoError(f"There is no room for the page in {tempfile.gettempdir()}.")
            else:
                log.exception("%s failed at job %d", self._source, job)
                failure = IoError(f"The source failed unexpectedly: {type(error).__name__}.")
        self._out.put(frames.error_frame(job, failure, begun=task.begun))
        return False

    def _describe(self, file: int | None) -> None:
        found = self._open().describe() if file is None else self._laid_in().describe_file(file)
        for frame in frames.described_frames(found):
            self._out.put(frame)

    def _poll(self) -> None:
        backend = self._open()
        pressed = backend.pressed() if isinstance(backend, PolledBackend) else ()
        self._out.put(frames.pressed_frame(pressed))

    def _scan(self, task: Task, order: PageOrder) -> None:
        self._check(task)
        encode = document_encoder_for(order.spec.format)
        if order.part is Part.WHOLE:
            encode = self._or_as_it_is(encode, order)
        self._backend_of(order.page)  # opened, which may take long, before it can be cancelled
        if order.job != self._run_job:
            self._end_run(self._run_job)
            self._run_job = order.job
        with self._lock:
            self._scanning = task
        width_px = height_px = sent = 0

        def pages() -> Iterator[tuple[RawPage, ImageSpec]]:
            nonlocal width_px, height_px
            for page, spec in self._fitted(task, order):
                width_px, height_px = page.width_px, page.height_px
                yield page, spec

        try:
            for piece in encode(pages(), self._spool_dir):
                self._check(task)
                self._out.put(Frame(order.job, Kind.DATA, piece), self._page_count)
                sent += len(piece)
        finally:
            self._reader.stop()
        told = {"width_px": width_px, "height_px": height_px, "bytes_sent": sent}
        self._out.put(frames.json_frame(order.job, Kind.END, told))

    def _or_as_it_is(self, encode: DocumentEncoder, order: PageOrder) -> DocumentEncoder:
        """The encoder, but for a page that a file already holds just as it was ordered."""

        def pieces(pages: Pages, spool_dir: Path | None) -> Iterator[bytes]:
            page, spec = next(pages)
            file = ready_file(page, spec)
            if file is None:
                yield from encode(chain([(page, spec)], pages), spool_dir)
                return
            try:
                yield from pieces_of(file)
            except OSError as error:
                raise IoError(f"{file.name} cannot be read: {error.strerror}.") from error
            if order.picture:
                self._pictured(order.job, miniature_of(page))

        return pieces

    def _fitted(self, task: Task, first: PageOrder) -> Iterator[tuple[RawPage, ImageSpec]]:
        """The page ordered, and of a document those that follow, each as it shall be encoded.

        A further page that cannot begin does not break the document: whoever ordered it decides,
        and may order it again. So it is with one that breaks off, where pages are held until they
        are scanned. Where none is found, the document is complete.
        """
        order: PageOrder | None = first
        while order is not None:
            self._check(task)
            trouble = None
            try:
                page = self._begun(task, order)
                task.begun = True
                if first.held:
                    page = self._held(task, order, page)
            except BackendError as error:
                self._reader.stop()
                if order is first or isinstance(error, Cancelled):
                    raise
                if isinstance(error, NoDocs):
                    return
                trouble = error
            else:
                self._page_count += 1
                if first.part is Part.WHOLE and ready_file(page, order.spec):
                    yield page, order.spec
                    return
                if not first.held:
                    page = self._as_ordered(order, page)
                if order.picture:
                    page = Miniature(page, partial(self._pictured, first.job)).watched
                yield page, order.spec
                self._reader.stop()
            if first.part is Part.WHOLE:
                return
            done = Frame(first.job, Kind.NEXT)
            if trouble is not None:
                done = frames.error_frame(first.job, trouble, Kind.NEXT)
            # The next page may be scanned while this one waits for a slow client, but no third.
            self._out.put_before(self._page_count, done)
            order = task.following.get()
        self._check(task)

    def _as_ordered(self, order: PageOrder, page: RawPage) -> RawPage:
        page = replace(page, bands=self._reader.read(page.bands), file=None)
        return fit(page, order.request, order.spec, self._spool_dir)

    def _held(self, task: Task, order: PageOrder, page: RawPage) -> RawPage:
        """The page as it shall be encoded, when all of it is scanned."""
        return held(self._as_ordered(order, page), self._spool_dir, partial(self._check, task))

    def _pictured(self, job: int, picture: bytes) -> None:
        self._out.put(Frame(job, Kind.PICTURE, picture), self._page_count)

    def _begun(self, task: Task, order: PageOrder) -> RawPage:
        """A page that begins; while the lamp warms up, it is tried again and again."""
        backend = self._backend_of(order.page)
        for attempt in range(int(WARM_UP_S / WARM_UP_ASK_S)):
            try:
                return backend.scan(order.request, order.page)
            except WarmingUp:
                if attempt == 0:
                    self._out.put(Frame(order.job, Kind.WARMING))
                task.cancelled.wait(WARM_UP_ASK_S)
                self._check(task)
        raise WarmingUp("The lamp of the scanner does not come to be warm.")

    def _end_run(self, job: int) -> None:
        """Let a feeder come to rest that may still run for that job."""
        if job == self._run_job and isinstance(self._backend, RunningBackend):
            self._backend.end_run()

    def _backend_of(self, page: int | None) -> Backend:
        """Where that page is from: the source, or a file that was laid in."""
        return self._open() if page is None or file_of(page) is None else self._laid_in()

    def _laid_in(self) -> FilesLaidIn:
        if self._files is None:
            # Most workers need none of its readers.
            from scanner_backends.laid_in import FilesLaidIn

            if self._laid_dir is None:
                raise NoDocs("Nothing can be laid in here.")
            self._files = FilesLaidIn(self._laid_dir)
        return self._files

    def _open(self) -> Backend:
        if self._backend is None:
            self._backend = open_backend(self._source)
        return self._backend

    @staticmethod
    def _check(task: Task) -> None:
        if task.cancelled.is_set():
            raise Cancelled("The scan was cancelled.")


def guarded_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the two pipes away from everybody else: orders in, frames out.

    What a library prints goes to the standard error; what reads the standard input finds it empty.
    The copies are not inherited by programs that a backend starts.
    """
    orders = os.fdopen(os.dup(0), "rb")
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    with suppress(OSError):  # not a pipe, or the user's share of pipe memory is used up
        fcntl.fcntl(out.fileno(), _F_SETPIPE_SZ, PIPE_SIZE)
    return orders, out


def become_a_child(niceness: int = NICENESS) -> None:
    """Be nice, ignore Ctrl-C (it goes to the whole group; main decides), die with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(niceness)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main(arguments: list[str]) -> int:
    """Run until the orders end.

    Takes the source, the spool folder, that of files laid in, and the niceness. All but the source
    may be missing or empty.
    """
    source, spool, laid, niceness = (*arguments, "", "", "")[:4]
    become_a_child(int(niceness or NICENESS))
    logging.basicConfig(level=logging.WARNING, format="worker: %(name)s: %(message)s")
    orders, out = guarded_pipes()
    spool_dir, laid_dir = (Path(one) if one else None for one in (spool, laid))
    if spool_dir is not None:
        tempfile.tempdir = str(spool_dir)  # also of what a backend keeps for a while
    with suppress(BrokenPipeError):  # main is gone
        Worker(source, orders, out, spool_dir, laid_dir).run()
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # The thread that reads orders blocks in a buffered stream, which a normal exit waits for.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
