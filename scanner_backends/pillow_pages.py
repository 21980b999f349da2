"""Pages from JPEG, PNG, BMP and TIFF files, by way of Pillow.

Where a page lies: its upper left corner on the lead corner, at the size that its resolution gives
it, with white around. A scan at its own resolution holds the very pixels of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from scanner_backends.base import FileKind, Mode, ScanRequest
from scanner_backends.by_rows import png
from scanner_backends.by_rows.deep import SideBySide
from scanner_backends.by_rows.rows import Rows
from scanner_backends.decoding import afford, decoded, has_alpha, laid_out, prove
from scanner_backends.errors import IoError, NoMem
from scanner_backends.picture import (
    BOMB,
    BROKEN,
    MAX_PIXELS,
    native_dpi,
    opened,
    orientation,
    plain_kind,
    size_mm,
    tag,
    told_dpi,
)
from scanner_backends.pixels import Area, Band, page_mode

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"II*\0", b"MM\0*")
_TIFF_SUBFILE, _TIFF_REDUCED = 254, 1
_TIFF_PLACES = ((273, 279), (324, 325))  # offsets and byte counts: of strips, of tiles
_MODES = {"L": Mode.GRAY, "RGB": Mode.COLOR, "RGBA": Mode.COLOR_ALPHA}


@dataclass(frozen=True, slots=True)
class PillowPage:
    """One image of a file."""

    path: Path
    frame: int
    label: str
    size_mm: tuple[float, float]
    alpha: bool

    def bands(self, request: ScanRequest, area: Area) -> Iterator[Band]:
        """The area at the request's resolution, top rows first.

        In mode "1", "L", "RGB" or "I"; in "RGBA" where alpha is asked for, and there. In halves
        where 16 bits of colour are.

        Raises:
            IoError: the file went away, or is broken.
            NoMem: it needs more memory than there is.
        """
        with self._telling(), opened(self.path) as image:
            image.seek(self.frame)
            turn = orientation(self.path, image)
            native = native_dpi(image, turn)
            shrink = min(native[0] // request.x_dpi, native[1] // request.y_dpi)
            alpha = page_mode(request, alpha=self.alpha) is Mode.COLOR_ALPHA
            exact = native == (request.x_dpi, request.y_dpi)
            wide = exact and (request.mode, request.depth) == (Mode.COLOR, 16)
            rows, size = decoded(self.path, self.frame, image, turn, shrink, alpha=alpha, deep=wide)
        width = max(1, round(size[0] * request.x_dpi / native[0]))
        height = max(1, round(size[1] * request.y_dpi / native[1]))
        return self._bands(rows, (width, height), area)

    def _bands(self, rows: Rows | SideBySide, size: tuple[int, int], area: Area) -> Iterator[Band]:
        with self._telling():
            if isinstance(rows, SideBySide):
                halves = (laid_out(half, size, area) for half in (rows.upper, rows.lower))
                yield from zip(*halves, strict=True)
            else:
                yield from laid_out(rows, size, area)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say of which page it is that something goes wrong."""
        try:
            yield
        except MemoryError:
            raise NoMem(f"{self.label} is too large for this machine's memory.") from None
        except UnidentifiedImageError:
            raise IoError(f"{self.label} cannot be read: {_unidentified(self.path)}.") from None
        except (*BROKEN, *BOMB) as error:
            raise IoError(f"{self.label} cannot be read: {_reason(error)}.") from error

    def as_it_is(self, request: ScanRequest, area: Area) -> FileKind | None:
        """What the file is, if it holds just the page that was asked for.

        That is: upright, of the same size, resolution, mode and depth, and as plain as readers
        expect of its kind.
        """
        try:
            with opened(self.path) as image:
                kind = plain_kind(self.path, image)
                fits = (
                    area == (0, 0, *image.size)
                    and told_dpi(image) == (request.x_dpi, request.y_dpi)
                    and orientation(self.path, image) == 1
                    and _MODES.get(image.mode) is page_mode(request, alpha=self.alpha)
                    and request.depth == 8
                )
        except (*BROKEN, *BOMB):
            return None  # the bands will tell
        return kind if fits else None


def pages_of(path: Path) -> tuple[list[PillowPage], list[str]]:
    """The pages of a file, and a sentence for each part of it that is left out."""
    try:
        with opened(path) as image:
            return _frames(path, image)
    except UnidentifiedImageError:
        return [], [f"{path.name}: {_unidentified(path)}."]
    except BOMB:
        return [], [f"{path.name}: {_TOO_LARGE}."]
    except MemoryError:
        return [], [f"{path.name}: there is not enough memory to read it."]
    except BROKEN as error:
        return [], [f"{path.name}: the file is broken ({_reason(error)})."]


_TOO_LARGE = f"the image has more than {MAX_PIXELS // 1_000_000} million pixels"


def _frames(path: Path, image: ImageFile.ImageFile) -> tuple[list[PillowPage], list[str]]:
    # A camera's JPEG may hold previews behind the picture; only TIFF has pages.
    count = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    pages, refused = [], []
    for frame in range(count):
        name = path.name if count == 1 else f"{path.name}, page {frame + 1} of {count}"
        try:
            image.seek(frame)
            if count > 1 and _is_preview(image):
                continue
            if image.width * image.height > MAX_PIXELS:
                refused.append(f"{name}: {_TOO_LARGE}.")
                continue
            size = size_mm(image, orientation(path, image))  # a JPEG shrinks when it is proven
            alpha = has_alpha(image)
            _prove(path, frame, image)
        except BOMB:  # older versions of Pillow look at every page themselves
            refused.append(f"{name}: {_TOO_LARGE}.")
            continue
        except MemoryError:
            refused.append(f"{name}: there is not enough memory to read it.")
            continue
        except BROKEN as error:
            refused.append(f"{name}: the file is broken ({_reason(error)}).")
            continue
        pages.append(PillowPage(path, frame, name, size, alpha))
    return pages, refused


def _is_preview(image: Image.Image) -> bool:
    kind = tag(image, _TIFF_SUBFILE)
    return isinstance(kind, int) and bool(kind & _TIFF_REDUCED)


def _prove(path: Path, frame: int, image: ImageFile.ImageFile) -> None:
    """Find out whether the file is whole, with as little work as each format lets us.

    Raises:
        BROKEN: it is not.
    """
    if image.format == "PNG":
        png.check(path)
    elif image.format == "TIFF":
        size = path.stat().st_size
        for offsets, counts in _TIFF_PLACES:
            for offset, count in zip(
                tag(image, offsets) or (), tag(image, counts) or (), strict=False
            ):
                if offset + count > size:
                    raise OSError("the file is truncated")
        prove(path, frame, image)  # strips have no checksums, and codecs may be missing
    elif image.format == "BMP" and image.tile and image.tile[0][0] == "raw":
        _, _, offset, arguments = image.tile[0]
        stride = arguments[1] if isinstance(arguments, tuple) else 0
        if offset + stride * image.height > path.stat().st_size:
            raise OSError("the file is truncated")
    else:
        image.draft("L", (1, 1))  # JPEG: an eighth of the size, but every byte is read
        afford(image)
        image.load()


def _unidentified(path: Path) -> str:
    try:
        with path.open("rb") as file:
            begins = file.read(8)
    except OSError as error:
        return f"it cannot be read ({_reason(error)})"
    if not begins:
        return "the file is empty"
    if begins.startswith(_MAGIC):
        return "the file is broken"
    return "it is not a JPEG, PNG, BMP, TIFF or PDF file"


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__
