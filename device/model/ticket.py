"""ScanTicket, DocumentParameters, MediaSides, ScanRegion, and what becomes of them.

Lengths are in mil, the unit of ScanRegion (1/1000 inch). Keywords stay the wire text, since almost
every list is open to vendors; what a device does not know is for `scan.validation` to decide.

Source: ws-scan sections 10.4 to 10.6 and 11.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)

MEDIA_BACK_SOURCE = "ADFDuplex"


@dataclass(frozen=True, slots=True)
class Wish(Generic[T_co]):
    """A value that a client asks for, and whether it must be honored.

    `must_honor` is also true when a container around the value says so.
    """

    value: T_co
    must_honor: bool = False


@dataclass(frozen=True, slots=True)
class JobDescription:
    """What a job is called, and who asked for it."""

    job_name: str = ""
    job_originating_user_name: str = ""
    job_information: str | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """Width (fast scan direction) and height (slow scan direction), in mil."""

    width_mil: int
    height_mil: int


@dataclass(frozen=True, slots=True)
class RegionWish:
    """A ScanRegion as asked for. A width or height left out is the media's."""

    x_offset: Wish[int] | None = None
    y_offset: Wish[int] | None = None
    width: Wish[int] | None = None
    height: Wish[int] | None = None


@dataclass(frozen=True, slots=True)
class SideWish:
    """MediaFront or MediaBack as asked for."""

    region: RegionWish | None = None
    color_processing: Wish[str] | None = None
    resolution_width: Wish[int] | None = None
    resolution_height: Wish[int] | None = None


@dataclass(frozen=True, slots=True)
class DocumentParameters:
    """The settings of a ticket; what the client left out is None.

    `sides_must_honor` is MustHonor on MediaSides itself; it matters for a MediaBack that the
    source does not have. `foreign_honored` names the vendor elements that must be honored.
    """

    format: Wish[str] | None = None
    compression_quality_factor: Wish[int] | None = None
    images_to_transfer: Wish[int] | None = None
    input_source: Wish[str] | None = None
    film_scan_mode: Wish[str] | None = None
    content_type: Wish[str] | None = None
    document_size_auto_detect: Wish[bool] | None = None
    media_width: Wish[int] | None = None
    media_height: Wish[int] | None = None
    auto_exposure: Wish[bool] | None = None
    contrast: Wish[int] | None = None
    brightness: Wish[int] | None = None
    sharpness: Wish[int] | None = None
    scaling_width: Wish[int] | None = None
    scaling_height: Wish[int] | None = None
    rotation: Wish[int] | None = None
    front: SideWish | None = None
    back: SideWish | None = None
    sides_must_honor: bool = False
    foreign_honored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScanTicket:
    """What a client wants of a job."""

    description: JobDescription = JobDescription()
    parameters: DocumentParameters | None = None


@dataclass(frozen=True, slots=True)
class Final(Generic[T_co]):
    """A value as it will be used: the client's, one put in its place, or the default's."""

    value: T_co
    override: bool = False
    used_default: bool = False


@dataclass(frozen=True, slots=True)
class FinalRegion:
    """The area that will be scanned."""

    x_offset: Final[int]
    y_offset: Final[int]
    width: Final[int]
    height: Final[int]


@dataclass(frozen=True, slots=True)
class FinalSide:
    """One side as it will be scanned."""

    region: FinalRegion
    color_processing: Final[str]
    resolution_width: Final[int]
    resolution_height: Final[int]


@dataclass(frozen=True, slots=True)
class DocumentFinalParameters:
    """Every setting of a job as it will be used.

    `detect_within` is the largest size that the source detects; None where none is to be detected.
    """

    format: Final[str]
    compression_quality_factor: Final[int]
    images_to_transfer: Final[int]
    input_source: Final[str]
    film_scan_mode: Final[str] | None
    content_type: Final[str]
    media_width: Final[int]
    media_height: Final[int]
    auto_exposure: bool
    contrast: Final[int]
    brightness: Final[int]
    sharpness: Final[int]
    scaling_width: Final[int]
    scaling_height: Final[int]
    rotation: Final[int]
    front: FinalSide
    back: FinalSide | None
    detect_within: Size | None = None

    def side(self, *, back: bool) -> FinalSide:
        """The settings of one side; the back's are the front's where none are given."""
        return self.back if back and self.back else self.front


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Geometry of an image to come, all adjustments included.

    `bytes_per_line` counts padding, and is 0 for every compressed format.
    """

    pixels_per_line: int
    number_of_lines: int
    bytes_per_line: int


@dataclass(frozen=True, slots=True)
class ImageInformation:
    """Geometry of the front, and of the back of a duplex job."""

    front: ImageInfo
    back: ImageInfo | None = None
