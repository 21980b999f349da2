"""SANE's scanners as a source of pages: which one, when it is open, and what when it is gone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from scanner_backends.base import Description, Pressed, RawPage, ScanRequest
from scanner_backends.errors import BackendError, Inval, IoError, SourceError
from scanner_backends.sane import device_file, finding
from scanner_backends.sane.library import LibSane
from scanner_backends.sane.options import NAMES, Role
from scanner_backends.sane.scanner import Scanner
from scanner_backends.sane.words import Handle, Library, SaneDevice, Value

PREFIX = "sane:"
OPTIONS = "?options="

log = logging.getLogger(__name__)


class SaneBackend:
    """A scanner that SANE drives; sane:NAME takes its name or a part of it, sane all there are.

    `sane:NAME?options=FILE` names a file that sets, fixes and hides options (`device_file`).

    The device is held open while a job scans, and let go when the job ends, so that other
    programs can have it. When it is lost, SANE is started afresh for the next page and asked
    again what there is: a scanner that was plugged in anew has another name.
    """

    def __init__(self, argument: str, library: Callable[[], Library] = LibSane) -> None:
        name, marked, path = argument.partition(OPTIONS)
        self._wanted = name.strip()
        self._file = (
            device_file.read(Path(path).expanduser()) if marked else device_file.DeviceFile()
        )
        self._make_library = library
        self._library: Library | None = None
        self._device: SaneDevice | None = None
        self._scanner: Scanner | None = None
        self._known = False
        self._sensed: dict[str, Value] | None = None
        self._cancelled = threading.Event()

    def describe(self) -> Description:
        """Ask the device what it can do. Raises SourceError when there is none."""
        self._cancelled.clear()
        scanner = self._open()
        assert self._device is not None
        try:
            sources = scanner.abilities()
            buttons = tuple(name for name in self._buttons() if name in scanner.controls)
        finally:
            self.end_run()
        return Description(self._device.name, virtual=False, sources=sources, buttons=buttons)

    def scan(self, request: ScanRequest, page: int | None) -> RawPage:
        self._cancelled.clear()
        if self._scanner is not None and self._scanner.lost:
            self._forget()
        return self._open().scan(request)

    def cancel(self) -> None:
        self._cancelled.set()
        scanner = self._scanner
        if scanner is not None:
            scanner.cancel()

    def pressed(self) -> tuple[Pressed, ...]:
        """The configured buttons that were pressed since the last call. Raises BackendError.

        What stands there at the first look nobody has pressed just now.
        """
        try:
            controls = self._open().controls
            now = {name: controls.value(name) for name in self._buttons()}
        except BackendError:
            self._forget()
            raise
        before, self._sensed = self._sensed, now
        if before is None:
            return ()
        return tuple(
            press
            for name, press in self._buttons().items()
            if now[name] and now[name] != before.get(name)
        )

    def end_run(self) -> None:
        """Let go of the device, unless its buttons are watched: then it comes to rest."""
        if self._scanner is None:
            return
        if self._buttons() and not self._scanner.lost:
            self._scanner.stop()
        else:
            self._let_go()

    def close(self) -> None:
        """Let go of the device, and of SANE."""
        self._forget()

    def opened(self) -> Scanner:
        """The device, open, for a look at its options. Raises BackendError."""
        return self._open()

    # ---- inside

    def _buttons(self) -> Mapping[str, Pressed]:
        return self._file.wishes(self._device.name).buttons if self._device else {}

    def _let_go(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            scanner.close()

    def _open(self) -> Scanner:
        if self._scanner is not None:
            return self._scanner
        try:
            handle = self._handle()
        except BackendError as error:
            self._forget()
            if self._known and isinstance(error, Inval | SourceError):
                raise IoError(f"The scanner {self._wanted} is not there any more.") from error
            if isinstance(error, Inval):
                raise SourceError(f"SANE cannot open the scanner {self._wanted!r}.") from error
            raise
        assert self._device is not None
        wishes = self._file.wishes(self._device.name)
        try:
            self._scanner = Scanner(handle, wishes, self._device.type, self._cancelled)
        except BackendError:
            handle.close()
            raise
        self._known = True
        return self._scanner

    def _handle(self) -> Handle:
        if self._library is None:
            self._library = self._make_library()
        if self._device is not None:
            return self._library.open(self._device.name)
        handle = self._opened_by_name(self._library)
        if handle is not None:
            return handle
        self._device = finding.choose(self._wanted, self._library.devices())
        return self._library.open(self._device.name)

    def _opened_by_name(self, library: Library) -> Handle | None:
        """Open the very name that was given, without asking for a list, which may take seconds.

        Not if it may be one of our own; and not if only the list tells what kind of device it is.
        """
        if ":" not in self._wanted or finding.is_network(self._wanted):
            return None
        try:
            handle = library.open(self._wanted)
        except Inval:
            return None
        names = {option.name for option in handle.options()}
        if not names.intersection(NAMES[Role.SOURCE]):
            handle.close()
            return None
        self._device = SaneDevice(self._wanted)
        return handle

    def _forget(self) -> None:
        """Close everything; SANE shall look for devices anew."""
        self._let_go()
        library, self._library = self._library, None
        self._device = None
        if library is not None:
            library.exit()
