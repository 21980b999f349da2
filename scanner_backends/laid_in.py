"""Files that somebody laid in beside the pages of a source: uploaded ones.

Each lies in a folder named by its number, in a folder that the caller keeps. A page's number tells
which file it is of, so a worker that has just been started finds it like the one before.
"""

from __future__ import annotations

from pathlib import Path

from scanner_backends.base import (
    LAID_IN,
    PAGES_OF_A_FILE,
    Description,
    RawPage,
    ScanRequest,
    file_of,
)
from scanner_backends.errors import NoDocs
from scanner_backends.image_files import ImageFilesBackend, pages_of, tray_of


class FilesLaidIn:
    """The pages of those files, as a backend."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None
        self._backend: ImageFilesBackend | None = None

    def describe(self) -> Description:
        """Nothing: the caller knows what was laid in."""
        return Description("files laid in", virtual=True)

    def describe_file(self, number: int) -> Description:
        """The pages of one file, and a sentence for what of it is left out."""
        path = self._path(number)
        pages, refused = pages_of(path)
        if len(pages) > PAGES_OF_A_FILE:
            refused = [*refused, f"{path.name}: pages after {PAGES_OF_A_FILE} are left out."]
        first = LAID_IN + number * PAGES_OF_A_FILE
        tray = tray_of(pages[:PAGES_OF_A_FILE], first)
        return Description(path.name, virtual=True, feeder=tray, refused=tuple(refused))

    def scan(self, request: ScanRequest, page: int | None) -> RawPage:
        number = file_of(page or 0)
        if page is None or number is None:
            raise NoDocs("That page was not laid in.")
        if self._backend is None or number != self._file:
            self._file, self._backend = number, ImageFilesBackend(str(self._path(number)))
        return self._backend.scan(request, (page - LAID_IN) % PAGES_OF_A_FILE)

    def cancel(self) -> None:
        if self._backend is not None:
            self._backend.cancel()

    def close(self) -> None:
        """No file stays open between two pages."""

    def _path(self, number: int) -> Path:
        folder = self._folder / str(number)
        try:
            return next(iter(folder.iterdir()))
        except (OSError, StopIteration):
            raise NoDocs("The file was taken out.") from None
