"""An open scanner: pages, and runs of pages from its feeder."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import BinaryIO

from scanner_backends.base import MM_PER_INCH, Abilities, RawPage, ScanRequest, band_rows
from scanner_backends.errors import BackendError, Cancelled, Inval, IoError
from scanner_backends.sane import mapping
from scanner_backends.sane.abilities import abilities
from scanner_backends.sane.controls import Controls
from scanner_backends.sane.device_file import Wishes
from scanner_backends.sane.roles import FEEDERS
from scanner_backends.sane.samples import Shape, joined, shape_of
from scanner_backends.sane.words import Frame, Handle, Parameters

SCRAP = 256 * 1024
NOTHING_YET_S = 0.01
START_S = 0.5
"""How long a cancellation waits for a frame to have started: there are drivers that lose track of
what they open meanwhile. Others wait for paper there, so it is not for ever."""
LAST_BYTES = 4096
"""What is left for the last read of a frame; every pipe holds as much. Many drivers read in a
thread that writes into a pipe, and with the last byte they cancel that thread wherever it is: in
the midst of freeing memory it would wait for itself, and the driver for it, for ever (seen with
SANE's test backend on a busy machine, once in 3000 pages). So the thread gets time to end."""
LAST_BREATH_S = 0.05
THREADS_ASK_S = 0.0005

_COLOURS = (Frame.RED, Frame.GREEN, Frame.BLUE)

log = logging.getLogger(__name__)


class Scanner:
    """One device, open. A feeder runs on from page to page until `stop`.

    Args:
        type_: the device's type in SANE's list.
        cancelled: set by `cancel`, cleared by whoever begins a page.
    """

    def __init__(
        self, handle: Handle, wishes: Wishes, type_: str, cancelled: threading.Event
    ) -> None:
        self._handle = handle
        self._type = type_
        self._cancelled = cancelled
        self._controls = Controls(handle, wishes)
        self._starting = threading.Lock()
        self._lock = threading.Lock()  # guards the next one, for `cancel`
        self._started = False
        self._run: ScanRequest | None = None
        self._placed = mapping.Placed(0, 0, 1, 1, (1, 1))
        self._in_frame = False
        self._threads = 0
        self._paused = False
        self.lost = False
        """Whether it broke off in a way after which it must be opened anew."""

    @property
    def controls(self) -> Controls:
        return self._controls

    def abilities(self) -> tuple[Abilities, ...]:
        """What its sources can do."""
        self.stop()
        return abilities(self._controls, self._type)

    def scan(self, request: ScanRequest) -> RawPage:
        """Begin a page, the next one of the run if the feeder is at it. Raises BackendError."""
        try:
            if self._continues(request):
                self._end_frame()
            else:
                self.stop()
                self._placed = mapping.apply(self._controls, request, self._type)
                self._run = request
            self._start()
            return self._page(request, self._handle.parameters())
        except BackendError as error:
            raise self._failed(error) from None

    def cancel(self) -> None:
        """End the page under way; called from another thread."""
        self._cancelled.set()
        started = self._starting.acquire(timeout=START_S)
        with self._lock:
            if self._started:
                self._handle.cancel()
        if started:
            self._starting.release()

    def stop(self) -> None:
        """End the run: the feeder lets go of its sheet, the head goes home."""
        self._run = None
        if self._in_frame and not self._cancelled.is_set():
            self._let_threads_end()  # or at least come to where they wait for us
        self._in_frame = False
        with self._lock:
            if self._started:
                self._handle.cancel()
            self._started = False

    def close(self) -> None:
        """Let other programs have the device."""
        self.stop()
        self._handle.close()

    # ---- a page

    def _continues(self, request: ScanRequest) -> bool:
        """Whether `request` is for the next page of the run.

        Between the sides of a sheet nothing can be set: the back comes as the front did. Its
        colour and its area are made to fit after the scan; its resolution cannot be.
        """
        run = self._run
        if run is None or not self._started or run.source not in FEEDERS:
            return False
        if not request.back:
            return replace(request, back=False) == replace(run, back=False)
        if (request.x_dpi, request.y_dpi) != (run.x_dpi, run.y_dpi):
            raise Inval("The scanner scans both sides of a sheet at the same resolution.")
        return request.source is run.source

    def _start(self) -> None:
        """Begin a frame."""
        self._check()
        with self._lock:
            self._started = True
        self._threads, self._paused = _threads(), False
        with self._starting:
            self._handle.start()
        self._in_frame = True

    def _page(self, request: ScanRequest, told: Parameters) -> RawPage:
        placed = self._placed
        left = round((request.left_mm - placed.left_mm) * placed.x_dpi / MM_PER_INCH)
        top = round((request.top_mm - placed.top_mm) * placed.y_dpi / MM_PER_INCH)
        if told.bytes_per_line < 1 or told.pixels_per_line < 1:
            raise IoError(f"The scanner {self._handle.name} announces an empty page.")
        shape = shape_of(told, left)
        three = told.frame in _COLOURS
        if three or told.lines < 1:
            rows, lines = self._spooled(told, shape, three)
        else:
            rows, lines = self._rows(told), told.lines
        top = max(0, min(top, lines - 1))
        bands = self._guarded(rows, shape, top)
        size = (shape.width_px, lines - top)
        return RawPage(*size, shape.mode, shape.depth, bands, dpi=placed.asked_dpi)

    def _guarded(self, rows: Iterator[bytes], shape: Shape, top: int) -> Iterator[bytes]:
        """The page's rows without those above it; afterwards the device is at rest."""
        nothing = True
        try:
            for band in rows:
                nothing = False
                if top:
                    skipped = min(top, len(band) // shape.row_bytes)
                    top -= skipped
                    band = band[skipped * shape.row_bytes :]
                if band:
                    yield shape.rows(band)
            if nothing:
                raise IoError(f"The scanner {self._handle.name} sent an empty page.")
        except BackendError as error:
            raise self._failed(error) from None
        if self._run is not None and self._run.source not in FEEDERS:
            self.stop()

    def _rows(self, told: Parameters) -> Iterator[bytes]:
        """The rows of one frame as the device sends them, whole ones, many at a time."""
        band = bytearray(band_rows(told.bytes_per_line) * told.bytes_per_line)
        view = memoryview(band)
        filled = 0
        missing = told.lines * told.bytes_per_line
        while (length := self._read(self._next(view[filled:], missing))) is not None:
            filled += length
            missing -= length
            if filled == len(band):
                yield bytes(band)
                filled = 0
        whole = filled - filled % told.bytes_per_line
        if whole:
            yield bytes(view[:whole])

    def _read(self, into: memoryview) -> int | None:
        self._check()
        length = self._handle.read(into)
        if length is None:
            self._in_frame = False
            self._check()
        elif length == 0:
            self._cancelled.wait(NOTHING_YET_S)
        return length

    def _next(self, free: memoryview, missing: int) -> memoryview:
        """How much of `free` to fill next; the last bytes come by themselves, after a pause."""
        if not 0 < missing <= len(free):
            return free
        if missing > LAST_BYTES:
            return free[: missing - LAST_BYTES]
        if not self._paused:
            self._paused = True
            self._let_threads_end()
        return free

    def _let_threads_end(self) -> None:
        """Wait while there is a thread that was not there before the frame began."""
        for _ in range(int(LAST_BREATH_S / THREADS_ASK_S)):
            if _threads() <= self._threads:
                return
            time.sleep(THREADS_ASK_S)

    def _end_frame(self) -> None:
        """Read what nobody wanted of the page before; without that there is no next one."""
        scrap = memoryview(bytearray(SCRAP))
        while self._in_frame:
            self._read(scrap)

    # ---- pages that must be whole before they can be passed on

    def _spooled(self, told: Parameters, shape: Shape, three: bool) -> tuple[Iterator[bytes], int]:
        """A page of unknown length, or one that comes colour by colour, through the disk."""
        with ExitStack() as stack:
            planes: dict[Frame, BinaryIO] = {}
            frame = told
            while True:
                file: BinaryIO = stack.enter_context(tempfile.TemporaryFile(prefix="wsd-scanner-"))
                for band in self._rows(frame):
                    file.write(band)
                planes[frame.frame] = file
                if not three or len(planes) == len(_COLOURS) or frame.last_frame:
                    break
                self._start()
                frame = self._handle.parameters()
            if three and set(planes) != set(_COLOURS):
                raise IoError(f"The scanner {self._handle.name} did not send all three colours.")
            lines = min(file.tell() for file in planes.values()) // told.bytes_per_line
            if lines < 1:
                raise IoError(f"The scanner {self._handle.name} sent an empty page.")
            for file in planes.values():
                file.seek(0)
            stack.pop_all()
        files = [planes[colour] for colour in _COLOURS] if three else [planes[told.frame]]
        size = band_rows(told.bytes_per_line) * told.bytes_per_line
        return _replayed(files, size, shape.depth), lines

    # ---- what goes wrong

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("The scan was cancelled.")

    def _failed(self, error: BackendError) -> BackendError:
        """Bring the device to rest, and say what it was.

        A device that somebody cancelled may call it anything. One that cancelled by itself did not
        do what it was told: for us that is a failure.
        """
        self.stop()
        if self._cancelled.is_set():
            return Cancelled("The scan was cancelled.")
        if isinstance(error, Cancelled):
            return IoError(f"The scan was cancelled at the scanner {self._handle.name}.")
        self.lost = isinstance(error, IoError)
        return error


def _threads() -> int:
    """How many threads this process has."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 0


def _replayed(files: list[BinaryIO], size: int, depth: int) -> Iterator[bytes]:
    """The rows of a spooled page, colours joined."""
    with ExitStack() as stack:
        for file in files:
            stack.enter_context(file)
        while True:
            parts = [file.read(size) for file in files]
            length = min(map(len, parts))
            if not length:
                return
            if len(parts) == 1:
                yield parts[0]
            else:
                red, green, blue = (part[:length] for part in parts)
                yield joined((red, green, blue), depth)
