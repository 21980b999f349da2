"""Pages from PDF files, by way of PDFium: rendered at whatever resolution is asked, in bands."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

from scanner_backends.base import MM_PER_INCH, FileKind, ScanRequest
from scanner_backends.errors import IoError
from scanner_backends.pixels import BAND_ROWS, Area

_POINTS_PER_INCH = 72
_BAND_BYTES = 8 << 20
"""Each means going through all of the page's content: few of them, and still not much memory."""

_WHITE = 0xFFFFFFFF
_FLAGS = pdfium.FPDF_ANNOT | pdfium.FPDF_PRINTING


@dataclass(frozen=True, slots=True)
class PdfPage:
    """One page of a file."""

    path: Path
    index: int
    label: str
    size_mm: tuple[float, float]
    alpha: ClassVar[bool] = False

    def as_it_is(self, request: ScanRequest, area: Area) -> FileKind | None:
        """A page of a PDF is drawn: it has no pixels of its own."""
        return None

    def bands(self, request: ScanRequest, area: Area) -> Iterator[Image.Image]:
        """The area at the request's resolution, top rows first, in mode "RGB".

        Raises:
            IoError: the file went away, or the page is broken.
        """
        try:
            with closing(pypdfium2.PdfDocument(self.path)) as document:
                document.init_forms()  # before the page is loaded
                page = document[self.index]
                dpi = (request.x_dpi, request.y_dpi)
                size = [
                    max(1, round(points * dots / _POINTS_PER_INCH))
                    for points, dots in zip(page.get_size(), dpi, strict=True)
                ]
                yield from _rendered(document, page, (size[0], size[1]), area)
                page.close()
        except (pypdfium2.PdfiumError, OSError, IndexError) as error:
            raise IoError(f"{self.label} cannot be read: {error}") from error


def pages_of(path: Path) -> tuple[list[PdfPage], list[str]]:
    """The pages of a file, and a sentence for what is left out."""
    try:
        with closing(pypdfium2.PdfDocument(path)) as document:
            count = len(document)
            sizes = [_size_mm(document, index) for index in range(count)]
    except (pypdfium2.PdfiumError, OSError) as error:
        if "password" in str(error).lower():
            return [], [f"{path.name}: the file needs a password."]
        return [], [f"{path.name}: the file is broken ({str(error).rstrip('.')})."]
    if count == 0:
        return [], [f"{path.name}: the file has no page."]
    pages = [
        PdfPage(path, n, path.name if count == 1 else f"{path.name}, page {n + 1} of {count}", size)
        for n, size in enumerate(sizes)
        if size is not None
    ]
    broken = count - len(pages)  # said once: a file may tell of a million pages that it has not
    what = "the only page is broken" if count == 1 else f"of {count} pages {broken} are broken"
    return pages, [f"{path.name}: {what}."] if broken else []


def _size_mm(document: pypdfium2.PdfDocument, index: int) -> tuple[float, float] | None:
    """The size of a page as it is seen; None if the page is broken."""
    try:
        width, height = document.get_page_size(index)
    except pypdfium2.PdfiumError:
        return None
    return width / _POINTS_PER_INCH * MM_PER_INCH, height / _POINTS_PER_INCH * MM_PER_INCH


def _rendered(
    document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage, size: tuple[int, int], area: Area
) -> Iterator[Image.Image]:
    """Bands of `area` out of the page, which has `size` px; white around it."""
    left, top, width, height = area
    most = max(BAND_ROWS, _BAND_BYTES // (3 * width))
    for row in range(top, top + height, most):
        rows = min(most, top + height - row)
        bitmap = pdfium.FPDFBitmap_CreateEx(width, rows, pdfium.FPDFBitmap_BGR, None, 0)
        if not bitmap:
            raise MemoryError
        try:
            pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, width, rows, _WHITE)
            place = (bitmap, page.raw, -left, -row, *size, 0, _FLAGS)
            pdfium.FPDF_RenderPageBitmap(*place)
            if document.formenv:  # what was filled into a form
                pdfium.FPDF_FFLDraw(document.formenv.raw, *place)
            yield from _bands(bitmap, width, rows)
        finally:
            pdfium.FPDFBitmap_Destroy(bitmap)


def _bands(bitmap: Any, width: int, height: int) -> Iterator[Image.Image]:
    stride = pdfium.FPDFBitmap_GetStride(bitmap)
    address: int = pdfium.FPDFBitmap_GetBuffer(bitmap)
    for row in range(0, height, BAND_ROWS):
        rows = min(BAND_ROWS, height - row)
        data = ctypes.string_at(address + row * stride, rows * stride)
        yield Image.frombytes("RGB", (width, rows), data, "raw", "BGR", stride, 1)
