"""What the device claims: ScannerDescription and ScannerConfiguration.

Lengths in mil, resolutions in pixels per inch.

Source: ws-scan sections 10.1 and 10.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from device.model.ticket import Size

PLATEN, ADF, ADF_DUPLEX, FILM = "Platen", "ADF", "ADFDuplex", "Film"

SINGLE_IMAGE_FORMATS = frozenset(
    {"dib", "exif", "jbig", "jfif", "jpeg2k", "png"}
    | {f"tiff-single-{kind}" for kind in ("uncompressed", "g4", "g3mh", "jpeg-tn2")}
)
MULTI_PAGE_FORMATS = frozenset(
    {"pdf-a", "xps"} | {f"tiff-multi-{kind}" for kind in ("uncompressed", "g4", "g3mh", "jpeg-tn2")}
)
LOSSY_FORMATS = frozenset(
    {"exif", "jfif", "jpeg2k", "pdf-a", "xps", "tiff-single-jpeg-tn2", "tiff-multi-jpeg-tn2"}
)
"""The formats whose CompressionQualityFactor means something (ws-scan section 12.1)."""

ALPHA_COLORS = frozenset({"RGBa32", "RGBa64"})
"""The colour entries that tell how clear a pixel is."""


def is_feeder(source: str) -> bool:
    """Whether an InputSource takes its pages from the feeder."""
    return source in (ADF, ADF_DUPLEX)


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, both included."""

    low: int
    high: int

    def __contains__(self, value: int) -> bool:
        return self.low <= value <= self.high

    def nearest(self, value: int) -> int:
        """`value`, moved to the nearer end if it is outside."""
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class LocalText:
    """A text for people, and its language if known."""

    text: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class ScannerDescription:
    """What administrators call the scanner."""

    names: tuple[LocalText, ...]
    infos: tuple[LocalText, ...] = ()
    locations: tuple[LocalText, ...] = ()


@dataclass(frozen=True, slots=True)
class SideCapabilities:
    """Platen, one side of the feeder, or the film unit."""

    optical_width: int
    optical_height: int
    widths: tuple[int, ...]
    heights: tuple[int, ...]
    colors: tuple[str, ...]
    minimum: Size
    maximum: Size


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What holds for every source."""

    formats: tuple[str, ...]
    quality: Range
    content_types: tuple[str, ...]
    document_size_auto_detect: bool
    auto_exposure: bool
    brightness: bool
    contrast: bool
    scaling_width: Range
    scaling_height: Range
    rotations: tuple[int, ...]
    sharpness: bool = False


@dataclass(frozen=True, slots=True)
class ScannerConfiguration:
    """Everything that clients may ask for."""

    settings: DeviceSettings
    platen: SideCapabilities | None = None
    adf_front: SideCapabilities | None = None
    adf_back: SideCapabilities | None = None
    adf_duplex: bool = False
    film: SideCapabilities | None = None
    film_scan_modes: tuple[str, ...] = ()
    format_colors: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """FormatValue → colour entries that this format can hold; not on the wire."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The InputSource keywords that a ticket may name."""
        return tuple(
            name
            for name, there in (
                (PLATEN, self.platen is not None),
                (ADF, self.adf_front is not None),
                (ADF_DUPLEX, self.adf_front is not None and self.adf_duplex),
                (FILM, self.film is not None),
            )
            if there
        )

    def side(self, source: str, *, back: bool = False) -> SideCapabilities:
        """What one side of `source` can do. A duplex feeder without a back has the front's."""
        found = {
            PLATEN: self.platen,
            ADF: self.adf_front,
            ADF_DUPLEX: (self.adf_back or self.adf_front) if back else self.adf_front,
            FILM: self.film,
        }[source]
        if found is None:
            raise KeyError(source)
        return found
