"""The whole contract between the device and a source of pages.

A backend lives in a worker process of its own. It is opened once with the text behind the colon of
`--source NAME:ARGUMENT`, describes itself, and then yields pages, one call each.

The tray is the caller's: a backend with virtual media (files, charts) lists its pages in
`Description.platen` and `Description.feeder`, and the caller names the one to scan by its number.
A backend with real media (`virtual=False`) is asked with `page=None` and feeds what lies there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

MM_PER_INCH = 25.4


LAID_IN = 1 << 30
"""Pages from this number up are of files that were laid in beside the pages of a virtual source,
which never has that many of its own."""
PAGES_OF_A_FILE = 1 << 10


def file_of(page: int) -> int | None:
    """The number of the laid-in file that a page is of, None if it is the source's own."""
    return (page - LAID_IN) // PAGES_OF_A_FILE if page >= LAID_IN else None


class Source(StrEnum):
    """SANE's customary names of scan sources."""

    FLATBED = "Flatbed"
    ADF = "ADF"
    ADF_DUPLEX = "ADF Duplex"
    TRANSPARENCY = "Transparency Unit"


class Mode(StrEnum):
    """SANE's customary scan modes; the depth is said beside it.

    `COLOR_ALPHA` is ours, for pages alone: SANE has no such mode, and nobody asks for one by it.
    """

    LINEART = "Lineart"
    GRAY = "Gray"
    COLOR = "Color"
    COLOR_ALPHA = "Color with alpha"


class Film(StrEnum):
    """What kind of film lies in a transparency unit."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """One page to acquire: the area of the original, and how finely.

    `depth` is bits per sample: 1 with LINEART, 8 or 16 otherwise. Offsets count from the lead
    corner of the media. `back` is true for the second side of a sheet. `film` is for a transparency
    unit: a negative comes as a positive picture. With `alpha`, which goes with COLOR, a page that
    is clear in parts may come as COLOR_ALPHA; without it, it lies on white.
    """

    source: Source
    mode: Mode
    depth: int
    x_dpi: int
    y_dpi: int
    left_mm: float
    top_mm: float
    width_mm: float
    height_mm: float
    back: bool = False
    film: Film | None = None
    alpha: bool = False


_MOST_ROWS, _BLOCK_ROWS = 64, 16
_BAND_BYTES = 1 << 20


def band_rows(stride: int) -> int:
    """How many rows of `stride` bytes the encoders take at a time.

    Always a multiple of the 16 rows that a block of JPEG has. More rows cost memory, at every step
    that a band goes through, and save no time: that is so from 64 rows on, at 1200 dpi from 32.
    """
    return min(_MOST_ROWS, max(1, _BAND_BYTES // stride // _BLOCK_ROWS) * _BLOCK_ROWS)


class FileKind(StrEnum):
    """Files that may be given out as they are."""

    JFIF = "JFIF"
    EXIF = "Exif"
    PNG = "PNG"


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page as it comes from the source.

    `bands` yields whole rows, top row first, `stride` bytes each, any number of rows at a time.
    Samples: LINEART 1 bit, most significant bit leftmost, **1 is white**; GRAY and COLOR 0 is
    black; COLOR is interleaved RGB; COLOR_ALPHA is interleaved RGB and alpha, of which 0 is clear,
    and the colour is not multiplied by it; 16-bit samples are in the machine's byte order.
    The iterator raises a `BackendError` when the transfer breaks.

    The page may differ by a few pixels from what was asked; the caller crops or pads. `dpi` tells
    the resolutions across and down that it came at, if they are not those that were asked for:
    some scanners have the same for both only. The caller scales then.

    `file` holds these very samples, and tells the resolution that was asked for, where there is
    such a file. Whoever takes it as it is need not begin with the bands.
    """

    width_px: int
    height_px: int
    mode: Mode
    depth: int
    bands: Iterator[bytes]
    file: Path | None = None
    file_kind: FileKind | None = None
    dpi: tuple[int, int] | None = None

    @property
    def channels(self) -> int:
        return _CHANNELS.get(self.mode, 1)

    @property
    def stride(self) -> int:
        """Bytes of one row."""
        return (self.width_px * self.channels * self.depth + 7) // 8


_CHANNELS = {Mode.COLOR: 3, Mode.COLOR_ALPHA: 4}


@dataclass(frozen=True, slots=True)
class TrayPage:
    """One side of a virtual sheet. `back` sides are passed over by one-sided scans.

    A size of 0 mm is one that is not known. `alpha` tells of a page that can be clear in parts.
    """

    number: int
    label: str
    back: bool = False
    width_mm: float = 0.0
    height_mm: float = 0.0
    alpha: bool = False


@dataclass(frozen=True, slots=True)
class Resolutions:
    """Resolutions in pixels per inch: those `listed`, or else every `step` from `low` to `high`."""

    listed: tuple[int, ...] = ()
    low: int = 0
    high: int = 0
    step: int = 1

    def __contains__(self, dpi: int) -> bool:
        if self.listed:
            return dpi in self.listed
        return self.low <= dpi <= self.high and (dpi - self.low) % self.step == 0

    @property
    def best(self) -> int:
        """The highest one, 0 if there is none."""
        if self.listed:
            return max(self.listed)
        return self.high - (self.high - self.low) % self.step


@dataclass(frozen=True, slots=True)
class Abilities:
    """What one source of real media can do: modes with their depths, resolutions, its area.

    `native` is the device's own name for the source, '' if it has none. `films` are for a
    transparency unit.
    """

    source: Source
    modes: tuple[tuple[Mode, int], ...]
    x_dpi: Resolutions
    y_dpi: Resolutions
    width_mm: float
    height_mm: float
    native: str = ""
    films: tuple[Film, ...] = ()


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody pressed a button of a scanner, for a computer and from a source as configured.

    Without a source it is the usual one.
    """

    button: str
    destination: str
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What a backend has. An empty `platen` or `feeder` with `virtual` means: no such source.

    With real media, `sources` tells what there is, and `buttons` those that are to be polled.
    """

    name: str
    virtual: bool
    platen: tuple[TrayPage, ...] = ()
    feeder: tuple[TrayPage, ...] = ()
    refused: tuple[str, ...] = ()
    """One sentence for each file or entry that was left out, and why."""
    sources: tuple[Abilities, ...] = ()
    buttons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """One of several sources that a source without an argument stands for.

    `source` names it alone. `key` is the same whenever it comes back; of two that have the same
    one, `place` tells which is which. `maker` may be ''; `name` is what its driver calls it now.
    """

    source: str
    key: str
    place: str
    maker: str
    model: str
    name: str

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.maker} {self.model}".strip()


class Backend(Protocol):
    """A source of pages, opened."""

    def describe(self) -> Description:
        """List what is there; reads the source afresh, so that a reload sees new files."""
        ...

    def scan(self, request: ScanRequest, page: int | None) -> RawPage:
        """Begin one page. `page` is a `TrayPage.number`, or None with real media.

        Raises:
            BackendError: whatever keeps the page from beginning.
        """
        ...

    def cancel(self) -> None:
        """End the page under way; called from another thread. Its bands raise `Cancelled`."""
        ...

    def close(self) -> None:
        """Release the source."""
        ...


@runtime_checkable
class RunningBackend(Backend, Protocol):
    """A backend with real media, which may feed on from page to page of a job."""

    def end_run(self) -> None:
        """The job is over, or another one follows: whatever still runs shall come to rest."""
        ...


@runtime_checkable
class PolledBackend(Backend, Protocol):
    """A backend with buttons."""

    def pressed(self) -> tuple[Pressed, ...]:
        """What was pressed since the last call. Raises BackendError."""
        ...
