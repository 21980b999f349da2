"""The one table between our words and the names that SANE's backends give to things.

The standard fixes the names of a few options and hardly any of their values; what stands here is
what the backends of sane-backends 1.0 to 1.3, brscan and hpaio really say. Where several patterns
fit, the first one decides. None means: known, and of no use to us.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeVar

from scanner_backends.base import Film, Mode, Source

_Found = TypeVar("_Found")


class Role(StrEnum):
    """What we use an option for."""

    SOURCE = "source"
    DUPLEX = "both sides"
    MODE = "mode"
    DEPTH = "bits per sample"
    X_DPI = "resolution"
    Y_DPI = "resolution down"
    BIND = "one resolution for both axes"
    LEFT = "left edge"
    TOP = "upper edge"
    RIGHT = "right edge"
    BOTTOM = "lower edge"
    PAGE_WIDTH = "width of the sheet"
    PAGE_HEIGHT = "height of the sheet"
    FILM = "kind of film"
    LAMP = "lamp, on while scanning"
    PREVIEW = "preview, always off"
    TONE = "left alone: made after the scan"


NAMES: dict[Role, tuple[str, ...]] = {
    Role.SOURCE: ("source", "doc-source"),
    Role.DUPLEX: ("duplex", "adf-mode", "adf_mode"),
    Role.MODE: ("mode",),
    Role.DEPTH: ("depth", "bit-depth"),
    Role.X_DPI: ("x-resolution", "resolution"),
    Role.Y_DPI: ("y-resolution",),
    Role.BIND: ("resolution-bind",),
    Role.LEFT: ("tl-x",),
    Role.TOP: ("tl-y",),
    Role.RIGHT: ("br-x",),
    Role.BOTTOM: ("br-y",),
    Role.PAGE_WIDTH: ("page-width", "pagewidth"),
    Role.PAGE_HEIGHT: ("page-height", "pageheight"),
    Role.FILM: ("film-type", "film_type", "negative"),
    Role.LAMP: ("lamp-switch", "lamp"),
    Role.PREVIEW: ("preview",),
    Role.TONE: (
        "brightness",
        "contrast",
        "threshold",
        "gamma",
        "analog-gamma",
        "custom-gamma",
        "gamma-table",
        "red-gamma-table",
        "green-gamma-table",
        "blue-gamma-table",
        "gamma-correction",
        "sharpness",
        "highlight",
        "shadow",
    ),
}
"""Role → option names; of several, the first that the device has now. No `resolution` is needed
where there is an `x-resolution`."""

ROLES = {name: role for role, names in NAMES.items() for name in names}

SOURCES: tuple[tuple[str, Source | None], ...] = (
    (r"\bback\b|\brear\b|\bcard\b", None),
    (r"duplex|both sides|(two|2|double).?sided", Source.ADF_DUPLEX),
    (r"feeder|\badf\b|sheet.?fed|simplex|\bfront\b", Source.ADF),
    (r"transparen|\btm[au]\b|\btpu|film|slide|negative|positive", Source.TRANSPARENCY),
    (r"flat.?bed|platen|table|normal|reflect|opaque|glass", Source.FLATBED),
)
"""Names of sources, in small letters."""

MODES: tuple[tuple[str, Mode | None], ...] = (
    (r"halftone|dither|diffusion|infrared|\bir\b|thumbnail|auto", None),
    (r"line.?art|binary|black.*white|mono|threshold|\bb.?w\b|^1[ -]?bit", Mode.LINEART),
    (r"gr[ae]y", Mode.GRAY),
    (r"colou?r|rgb", Mode.COLOR),
)
"""Names of modes, in small letters. Halftones are not used: one bit is made from grey."""

FILMS: tuple[tuple[str, Film | None], ...] = (
    (r"negativ", Film.NEGATIVE),
    (r"positiv|slide|transparen|reversal", Film.POSITIVE),
)
"""Names of kinds of film, in small letters; of sources, too, where each kind is one."""

NO_DUPLEX, DUPLEX = r"simplex|one|single|front", r"duplex|two|both|double"

TYPES: tuple[tuple[str, Source], ...] = (
    (r"sheet.?fed|feeder", Source.ADF),
    (r"film|slide|transparen", Source.TRANSPARENCY),
    (r"", Source.FLATBED),
)
"""What a device without a choice of sources has, by the type that SANE tells of it."""

SUBSTITUTES: dict[Mode, tuple[Mode, ...]] = {
    Mode.LINEART: (Mode.LINEART, Mode.GRAY, Mode.COLOR),
    Mode.GRAY: (Mode.GRAY, Mode.COLOR, Mode.LINEART),
    Mode.COLOR: (Mode.COLOR, Mode.GRAY, Mode.LINEART),
}
"""Mode → what is scanned, best first; the caller converts."""


def source_of(native: str) -> Source | None:
    """What a device means by the name of a source."""
    return _first(SOURCES, native)


def mode_of(native: str) -> Mode | None:
    """What a device means by the name of a mode."""
    return _first(MODES, native)


def film_of(native: str) -> Film | None:
    """The kind of film that a device means by the name of one, or of a source."""
    return _first(FILMS, native)


def source_of_type(type_: str) -> Source:
    """What a device of that type scans, if it has no sources to choose from."""
    return _first(TYPES, type_) or Source.FLATBED


def is_deep(native: str) -> bool:
    """Whether the name of a mode tells of more than 8 bits per sample: 48 bits color, Gray16."""
    bits = re.search(r"\d+", native)
    if bits is None:
        return False
    number = int(bits[0])
    return number > 24 or (number > 8 and (number <= 16 or mode_of(native) is not Mode.COLOR))


def _first(table: tuple[tuple[str, _Found], ...], native: str) -> _Found | None:
    small = native.casefold()
    return next((found for pattern, found in table if re.search(pattern, small)), None)
