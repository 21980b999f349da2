"""A source that takes its pages from image files: a folder, or one file with one page or many."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from scanner_backends import pillow_pages
from scanner_backends.base import Description, FileKind, RawPage, ScanRequest, TrayPage
from scanner_backends.errors import Cancelled, NoDocs, SourceError
from scanner_backends.pixels import Area, Band, area_px, page_mode, samples

_PDF_MAGIC, _PDF_MAGIC_WITHIN = b"%PDF-", 1024
_REASONS_TOLD = 3


class FilePage(Protocol):
    """A page that a file holds."""

    @property
    def label(self) -> str: ...

    @property
    def path(self) -> Path: ...

    @property
    def size_mm(self) -> tuple[float, float]: ...

    @property
    def alpha(self) -> bool:
        """Whether it can be clear in parts."""
        ...

    def bands(self, request: ScanRequest, area: Area) -> Iterator[Band]: ...

    def as_it_is(self, request: ScanRequest, area: Area) -> FileKind | None:
        """What the file is, if it holds just the page that was asked for."""
        ...


_Found = tuple[Sequence[FilePage], Sequence[str]]
"""The pages of a file, and what of it is left out."""


class ImageFilesBackend:
    """JPEG, PNG, BMP, TIFF and PDF files; images:PATH takes a folder, or one file.

    Glass and feeder offer the same pages, in the order of the names, in which numbers count by
    their value. Hidden files, and folders within the folder, are left alone.
    """

    def __init__(self, argument: str) -> None:
        if not argument.strip():
            raise SourceError(
                "The source images needs a path: write images:PATH, with a folder or a file."
            )
        self._path = Path(argument).expanduser()
        self._pages: Sequence[FilePage] | None = None
        self._known: dict[tuple[Path, int, int], _Found] = {}
        self._cancelled = threading.Event()

    def describe(self) -> Description:
        """List the pages. Raises SourceError when there is none."""
        pages: list[FilePage] = []
        refused: list[str] = []
        known: dict[tuple[Path, int, int], _Found] = {}
        for path in _files(self._path):
            try:
                status = path.stat()
            except OSError as error:
                refused.append(f"{path.name}: it cannot be read ({error.strerror}).")
                continue
            key = (path, status.st_mtime_ns, status.st_size)
            known[key] = found = self._known.get(key) or pages_of(path)
            pages += found[0]
            refused += found[1]
        self._known = known
        if not pages:
            raise SourceError(_no_page(self._path, refused))
        self._pages = pages
        tray = tray_of(pages)
        return Description("images", True, platen=tray, feeder=tray, refused=tuple(refused))

    def scan(self, request: ScanRequest, page: int | None) -> RawPage:
        area = area_px(request)
        if self._pages is None:
            self.describe()
        pages = self._pages or ()
        number = page or 0
        if not 0 <= number < len(pages):
            raise NoDocs(f"{self._path} has {len(pages)} pages; there is no page {number}.")
        self._cancelled.clear()
        chosen = pages[number]
        kind = chosen.as_it_is(request, area)
        mode = page_mode(request, alpha=chosen.alpha)

        def bands() -> Iterator[bytes]:
            for image in chosen.bands(request, area):
                if self._cancelled.is_set():
                    raise Cancelled("The scan was cancelled.")
                yield samples(image, mode, request.depth)

        shape = (area[2], area[3], mode, request.depth)
        if kind is not None:
            return RawPage(*shape, bands(), chosen.path, kind)
        return RawPage(*shape, bands())

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        """No file stays open between two pages."""


def tray_of(pages: Sequence[FilePage], first: int = 0) -> tuple[TrayPage, ...]:
    """The pages as they lie in a tray, by numbers from `first`."""
    return tuple(
        TrayPage(number, page.label, False, *page.size_mm, page.alpha)
        for number, page in enumerate(pages, first)
    )


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorts names as people do: scan2 before scan10, capitals beside small letters."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part.casefold())
        for part in re.split(r"(\d+)", name)
        if part
    ]


def _files(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            path.stat()
            return [path]
        names = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
        files = [entry for entry in names if not entry.is_dir()]
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist; name a folder or a file with pages.") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    return sorted(files, key=lambda entry: (natural_key(entry.name), entry.name))


def pages_of(path: Path) -> _Found:
    """The pages of a file, going by what is in it, and a sentence for what is left out."""
    if not path.is_file():
        return [], [f"{path.name}: it is not a regular file."]
    try:
        with path.open("rb") as file:
            is_pdf = _PDF_MAGIC in file.read(_PDF_MAGIC_WITHIN)
    except OSError as error:
        return [], [f"{path.name}: it cannot be read ({error.strerror})."]
    if not is_pdf:
        return pillow_pages.pages_of(path)
    from scanner_backends import pdf_pages  # 10 MB that most workers need not have

    return pdf_pages.pages_of(path)


def _no_page(path: Path, refused: list[str]) -> str:
    if not refused:
        return f"{path} holds no page; put JPEG, PNG, BMP, TIFF or PDF files into it."
    told = " ".join(refused[:_REASONS_TOLD])
    more = len(refused) - _REASONS_TOLD
    rest = f" And {more} more." if more > 0 else ""
    return f"{path} holds no page that can be scanned. {told}{rest}"
