"""Ticket + capabilities → what will really be done, and what was wrong. No jobs.

`resolve` is the decision table of ws-scan section 11.1. It never fails: it says what it would put
in the place of each wrong value, and which of them the client would not have replaced. What that
means is for the operation: CreateScanJob refuses, ValidateScanTicket offers the repaired ticket.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from device.errors import (
    ConflictingRequiredParameters,
    FormatNotSupported,
    InvalidArgs,
    RequestError,
)
from device.model.capabilities import (
    ADF,
    ADF_DUPLEX,
    FILM,
    LOSSY_FORMATS,
    Range,
    ScannerConfiguration,
)
from device.model.ticket import (
    DocumentFinalParameters,
    DocumentParameters,
    Final,
    FinalSide,
    ImageInformation,
    ScanTicket,
    SideWish,
    Wish,
)
from device.scan.geometry import image_information
from device.scan.regions import resolve_region

T = TypeVar("T")

TONE_RANGE = Range(-1000, 1000)
SHARPNESS_RANGE = Range(-100, 100)
ALL_IMAGES = 0
NOT_APPLICABLE = "NotApplicable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a ticket amounts to.

    Attributes:
        parameters: every setting as it would be used.
        images: the geometry of the images that come of them.
        repaired: the ticket with the wrong settings replaced, and nothing else.
        changed: the settings that are not used as they were asked for.
        error: why a job with this ticket is refused; None if it is taken.
    """

    parameters: DocumentFinalParameters
    images: ImageInformation
    repaired: ScanTicket
    changed: tuple[str, ...]
    error: RequestError | None

    @property
    def valid(self) -> bool:
        """Whether the ticket is acceptable as it stands."""
        return self.error is None and not self.changed


def resolve(
    ticket: ScanTicket,
    configuration: ScannerConfiguration,
    default: ScanTicket,
    *,
    feeder_loaded: bool,
) -> Verdict:
    """Decide every setting of `ticket`.

    Args:
        default: the complete default ticket.
        feeder_loaded: whether the feeder is known to hold a sheet; auto mode prefers it.

    Source: ws-scan sections 10.4, 10.5 and 11.
    """
    return _Resolver(ticket, configuration, default, feeder_loaded).verdict()


class _Resolver:
    """One resolution under way: what was found wrong, and what takes its place."""

    def __init__(
        self,
        ticket: ScanTicket,
        configuration: ScannerConfiguration,
        default: ScanTicket,
        feeder_loaded: bool,
    ) -> None:
        assert default.parameters is not None
        self.ticket = ticket
        self.wishes = ticket.parameters or DocumentParameters()
        self.default = default.parameters
        self.configuration = configuration
        self.settings = configuration.settings
        self.feeder_loaded = feeder_loaded
        self.changed: list[str] = []
        self.rejected: list[InvalidArgs] = []
        self.conflicts: list[str] = []
        self.repairs: dict[str, Wish[object] | None] = {}
        self.side_repairs: dict[str, SideWish] = {}

    # ---- one leaf

    def leaf(
        self,
        name: str,
        wish: Wish[T] | None,
        default: T,
        supported: Callable[[T], bool],
        substitute: Callable[[T], T],
        *,
        repair: str = "",
    ) -> Final[T]:
        """One value by the decision table.

        `repair` is the field of DocumentParameters that holds it, for the repaired ticket.
        """
        if wish is None:
            return Final(default, used_default=True)
        if supported(wish.value):
            return Final(wish.value)
        put = substitute(wish.value)
        self.replaced(name, wish)
        if repair:
            self.repairs[repair] = replace(wish, value=put)
        return Final(put, override=True)

    def replaced(self, name: str, wish: Wish[T]) -> None:
        """Note that `wish` is not met."""
        self.changed.append(name)
        if wish.must_honor:
            self.rejected.append(InvalidArgs(name, "is not supported", str(wish.value)[:80]))

    def ranged(
        self, name: str, wish: Wish[int] | None, default: int, allowed: Range, repair: str
    ) -> Final[int]:
        """A number between two bounds; one outside is moved to the nearer bound."""
        return self.leaf(name, wish, default, allowed.__contains__, allowed.nearest, repair=repair)

    def listed(
        self, name: str, wish: Wish[str] | None, default: str, allowed: tuple[str, ...], repair: str
    ) -> Final[str]:
        """A keyword of a list; another one gives way to the default."""
        put = default if default in allowed else allowed[0]
        return self.leaf(name, wish, put, allowed.__contains__, lambda _: put, repair=repair)

    # ---- the whole ticket

    def verdict(self) -> Verdict:
        source = self.source()
        format_ = self.format()
        front_wish = self.wishes.front or SideWish()
        media_width, media_height = self.media_size(source.value)
        format_, front_color = self.color(source.value, format_, front_wish, back=False)
        front = self.side(source.value, front_wish, front_color, media_width, media_height)
        back = self.back(source.value, format_, front, media_width, media_height)
        auto, contrast, brightness, sharpness = self.exposure()
        scaling_width = self.ranged(
            "ScalingWidth",
            self.wishes.scaling_width,
            _value(self.default.scaling_width),
            self.settings.scaling_width,
            "scaling_width",
        )
        scaling_height = self.ranged(
            "ScalingHeight",
            self.wishes.scaling_height,
            _value(self.default.scaling_height),
            self.settings.scaling_height,
            "scaling_height",
        )
        parameters = DocumentFinalParameters(
            format=format_,
            compression_quality_factor=self.quality(format_),
            images_to_transfer=self.images(source.value),
            input_source=source,
            film_scan_mode=self.film_scan_mode(source.value),
            content_type=self.listed(
                "ContentType",
                self.wishes.content_type,
                _value(self.default.content_type),
                self.settings.content_types,
                "content_type",
            ),
            media_width=media_width,
            media_height=media_height,
            auto_exposure=auto,
            contrast=contrast,
            brightness=brightness,
            sharpness=sharpness,
            scaling_width=scaling_width,
            scaling_height=scaling_height,
            rotation=self.rotation(),
            front=front,
            back=back,
        )
        return Verdict(
            parameters=parameters,
            images=image_information(parameters),
            repaired=self.repaired(),
            changed=tuple(dict.fromkeys(self.changed)),
            error=self.error(format_),
        )

    def error(self, format_: Final[str]) -> RequestError | None:
        """Why the ticket is refused: the most specific reason."""
        asked = self.wishes.format
        if asked is not None and asked.value not in self.settings.formats:
            return FormatNotSupported(asked.value, self.settings.formats)
        if self.conflicts:
            return ConflictingRequiredParameters(tuple(dict.fromkeys(self.conflicts)))
        return self.rejected[0] if self.rejected else None

    def repaired(self) -> ScanTicket:
        """The client's ticket with the wrong settings replaced; what it left out stays out."""
        if self.ticket.parameters is None:
            return self.ticket
        fields: dict[str, object] = {**self.repairs, **self.side_repairs}
        parameters = replace(self.ticket.parameters, **fields)  # type: ignore[arg-type]
        return replace(self.ticket, parameters=parameters)

    # ---- the settings one by one

    def source(self) -> Final[str]:
        """The input source. A ticket with only a Format leaves the choice to the device."""
        allowed = self.configuration.sources
        wish = self.wishes.input_source
        fallback = _value(self.default.input_source)
        only_format = replace(self.wishes, format=None) == DocumentParameters()
        automatic = (wish is None and only_format) or (wish is not None and wish.value == "Auto")
        if automatic and self.feeder_loaded and ADF in allowed:
            fallback = ADF
        return self.listed("InputSource", wish, fallback, allowed, "input_source")

    def format(self) -> Final[str]:
        return self.listed(
            "Format",
            self.wishes.format,
            _value(self.default.format),
            self.settings.formats,
            "format",
        )

    def color(
        self, source: str, format_: Final[str], wish: SideWish, *, back: bool
    ) -> tuple[Final[str], Final[str]]:
        """The colour mode, and the format if it is that which gives way."""
        side = self.configuration.side(source, back=back)
        asked = wish.color_processing
        default_side = self.default.front or SideWish()
        color = self.listed(
            "ColorProcessing", asked, _value(default_side.color_processing), side.colors, ""
        )
        if color.override:
            self.repair_side(back, color_processing=Wish(color.value, _honored(asked)))
        holds = self.configuration.format_colors
        if color.value in holds.get(format_.value, side.colors):
            return format_, color
        format_wish = self.wishes.format
        if asked is not None and asked.must_honor and not back:
            if _honored(format_wish):
                self.conflicts += ["Format", "ColorProcessing"]
            else:
                for candidate in self.settings.formats:
                    if color.value in holds.get(candidate, side.colors):
                        if format_wish is None:
                            return replace(format_, value=candidate), color
                        self.changed.append("Format")
                        self.repairs["format"] = replace(format_wish, value=candidate)
                        return Final(candidate, override=True), color
        put = _nearest_color(color.value, [c for c in side.colors if c in holds[format_.value]])
        if asked is None:
            return format_, Final(put, used_default=True)
        self.replaced("ColorProcessing", asked)
        self.repair_side(back, color_processing=replace(asked, value=put))
        return format_, Final(put, override=True)

    def quality(self, format_: Final[str]) -> Final[int]:
        """CompressionQualityFactor; a lossless format always loses nothing."""
        wish = self.wishes.compression_quality_factor
        if format_.value in LOSSY_FORMATS:
            return self.ranged(
                "CompressionQualityFactor",
                wish,
                _value(self.default.compression_quality_factor),
                self.settings.quality,
                "compression_quality_factor",
            )
        if wish is None:
            return Final(100, used_default=True)
        if wish.value == 100:
            return Final(100)
        if wish.must_honor and _honored(self.wishes.format):
            self.conflicts += ["Format", "CompressionQualityFactor"]
        self.replaced("CompressionQualityFactor", wish)
        self.repairs["compression_quality_factor"] = replace(wish, value=100)
        return Final(100, override=True)

    def images(self, source: str) -> Final[int]:
        """ImagesToTransfer: 0 is all there are, which is one on platen and film."""
        most = 2**31 - 1 if source in (ADF, ADF_DUPLEX) else 1
        return self.ranged(
            "ImagesToTransfer",
            self.wishes.images_to_transfer,
            ALL_IMAGES,
            Range(0, most),
            "images_to_transfer",
        )

    def film_scan_mode(self, source: str) -> Final[str] | None:
        """FilmScanMode: with other sources it is ignored, unless it must be honored."""
        wish = self.wishes.film_scan_mode
        if source == FILM:
            modes = self.configuration.film_scan_modes
            if wish is not None and wish.value == NOT_APPLICABLE:
                wish = None
            return self.listed("FilmScanMode", wish, modes[0], modes, "film_scan_mode")
        if wish is not None and wish.value != NOT_APPLICABLE and wish.must_honor:
            self.replaced("FilmScanMode", wish)
            self.repairs["film_scan_mode"] = Wish(NOT_APPLICABLE)
        return None

    def media_size(self, source: str) -> tuple[Final[int], Final[int]]:
        """InputMediaSize; with auto-detection on, the size that is taken for detected."""
        side = self.configuration.side(source)
        width, height = self.wishes.media_width, self.wishes.media_height
        default_width = min(_value(self.default.media_width), side.maximum.width_mil)
        default_height = min(_value(self.default.media_height), side.maximum.height_mil)
        detect = self.wishes.document_size_auto_detect
        if detect is not None and detect.value:
            if self.settings.document_size_auto_detect:
                if detect.must_honor and _honored(width):
                    self.conflicts += ["DocumentSizeAutoDetect", "InputMediaSize"]
                return (
                    Final(side.maximum.width_mil, override=True),
                    Final(side.maximum.height_mil, override=True),
                )
            self.replaced("DocumentSizeAutoDetect", detect)
            self.repairs["document_size_auto_detect"] = None
            if width is None or height is None:
                self.repairs["media_width"] = Wish(default_width)
                self.repairs["media_height"] = Wish(default_height)
                return (
                    Final(default_width, override=True),
                    Final(default_height, override=True),
                )
        return (
            self.ranged(
                "Width",
                width,
                default_width,
                Range(side.minimum.width_mil, side.maximum.width_mil),
                "media_width",
            ),
            self.ranged(
                "Height",
                height,
                default_height,
                Range(side.minimum.height_mil, side.maximum.height_mil),
                "media_height",
            ),
        )

    def exposure(self) -> tuple[bool, Final[int], Final[int], Final[int]]:
        """AutoExposure, contrast, brightness and sharpness.

        A client that gives both alternatives means the flag if it is true, else the numbers.
        """
        auto = self.wishes.auto_exposure
        settings = (self.wishes.contrast, self.wishes.brightness, self.wishes.sharpness)
        if auto is not None and auto.value:
            if self.settings.auto_exposure:
                if auto.must_honor and any(
                    _honored(wish) and wish.value for wish in settings if wish
                ):
                    self.conflicts += ["AutoExposure", "ExposureSettings"]
                return True, Final(0), Final(0), Final(0)
            self.replaced("AutoExposure", auto)
            self.repairs["auto_exposure"] = Wish(False, auto.must_honor)
        contrast = TONE_RANGE if self.settings.contrast else Range(0, 0)
        brightness = TONE_RANGE if self.settings.brightness else Range(0, 0)
        sharpness = SHARPNESS_RANGE if self.settings.sharpness else Range(0, 0)
        return (
            False,
            self.ranged(
                "Contrast", settings[0], _value(self.default.contrast), contrast, "contrast"
            ),
            self.ranged(
                "Brightness", settings[1], _value(self.default.brightness), brightness, "brightness"
            ),
            self.ranged(
                "Sharpness", settings[2], _value(self.default.sharpness), sharpness, "sharpness"
            ),
        )

    def rotation(self) -> Final[int]:
        allowed = self.settings.rotations
        default = _value(self.default.rotation)
        return self.leaf(
            "Rotation",
            self.wishes.rotation,
            default,
            allowed.__contains__,
            lambda _: default,
            repair="rotation",
        )

    def back(
        self,
        source: str,
        format_: Final[str],
        front: FinalSide,
        media_width: Final[int],
        media_height: Final[int],
    ) -> FinalSide | None:
        """MediaBack: only a duplex feeder has one; absent there, it is the front's."""
        wish = self.wishes.back
        if source != ADF_DUPLEX:
            if wish is not None and self.wishes.sides_must_honor:
                if _honored(self.wishes.input_source):
                    self.conflicts += ["InputSource", "MediaBack"]
                self.changed.append("MediaBack")
                self.rejected.append(InvalidArgs("MediaBack", f"does not go with {source}"))
                self.repairs["back"] = None
            return None
        if wish is None:
            return front
        merged = _inherit(wish, self.wishes.front)
        _, color = self.color(source, format_, merged, back=True)
        return self.side(source, merged, color, media_width, media_height, back=True)

    def side(
        self,
        source: str,
        wish: SideWish,
        color: Final[str],
        media_width: Final[int],
        media_height: Final[int],
        *,
        back: bool = False,
    ) -> FinalSide:
        """Region and resolution of one side, beside its colour mode."""
        capabilities = self.configuration.side(source, back=back)
        default = self.default.front or SideWish()
        region = resolve_region(wish.region, media_width, media_height, capabilities.maximum)
        self.changed += region.changed
        self.rejected += region.rejected
        if region.repaired is not None:
            self.repair_side(back, region=region.repaired)
        width = self.leaf(
            "Width",
            wish.resolution_width,
            _nearest(_value(default.resolution_width), capabilities.widths),
            capabilities.widths.__contains__,
            lambda value: _nearest(value, capabilities.widths),
        )
        if wish.resolution_width is not None and wish.resolution_height is None:
            height = Final(width.value, override=width.override)
            if width.value not in capabilities.heights:
                height = Final(_nearest(width.value, capabilities.heights), override=True)
        else:
            height = self.leaf(
                "Height",
                wish.resolution_height,
                _nearest(_value(default.resolution_height), capabilities.heights),
                capabilities.heights.__contains__,
                lambda value: _nearest(value, capabilities.heights),
            )
        if width.override or height.override:
            self.repair_side(
                back,
                resolution_width=Wish(width.value, _honored(wish.resolution_width)),
                resolution_height=Wish(height.value, _honored(wish.resolution_height)),
            )
        return FinalSide(region.final, color, width, height)

    def repair_side(self, back: bool, **fields: object) -> None:
        """Note replaced settings of one side."""
        name = "back" if back else "front"
        side = self.side_repairs.get(name) or (self.wishes.back if back else self.wishes.front)
        if side is not None:
            self.side_repairs[name] = replace(side, **fields)  # type: ignore[arg-type]


def _value(wish: Wish[T] | None) -> T:
    """A value of the default ticket, which is complete."""
    assert wish is not None
    return wish.value


def _honored(wish: Wish[T] | None) -> bool:
    return wish is not None and wish.must_honor


def _nearest(value: int, allowed: tuple[int, ...]) -> int:
    """The entry closest to `value`, the lower of two."""
    return min(allowed, key=lambda entry: (abs(entry - value), entry))


_COLORS_BY_KIN = {
    "BlackAndWhite1": ("Grayscale4", "Grayscale8", "Grayscale16", "RGB24", "RGB48"),
    "Grayscale4": ("Grayscale8", "Grayscale16", "BlackAndWhite1", "RGB24", "RGB48"),
    "Grayscale8": ("Grayscale16", "Grayscale4", "RGB24", "RGB48", "BlackAndWhite1"),
    "Grayscale16": ("Grayscale8", "RGB48", "RGB24", "Grayscale4", "BlackAndWhite1"),
    "RGB24": ("RGB48", "RGBa32", "Grayscale8", "Grayscale16", "BlackAndWhite1"),
    "RGB48": ("RGB24", "RGBa64", "Grayscale16", "Grayscale8", "BlackAndWhite1"),
    "RGBa32": ("RGBa64", "RGB24", "RGB48", "Grayscale8", "BlackAndWhite1"),
    "RGBa64": ("RGBa32", "RGB48", "RGB24", "Grayscale8", "BlackAndWhite1"),
}


def _nearest_color(wanted: str, allowed: list[str]) -> str:
    """The colour mode that stands in best for `wanted`."""
    kin = (wanted, *_COLORS_BY_KIN.get(wanted, ()))
    return next((color for color in kin if color in allowed), allowed[0])


def _inherit(wish: SideWish, front: SideWish | None) -> SideWish:
    """What the back leaves out is as at the front."""
    if front is None:
        return wish
    both = wish.resolution_width is None and wish.resolution_height is None
    return SideWish(
        region=wish.region or front.region,
        color_processing=wish.color_processing or front.color_processing,
        resolution_width=front.resolution_width if both else wish.resolution_width,
        resolution_height=front.resolution_height if both else wish.resolution_height,
    )
