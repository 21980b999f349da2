"""Ticket + capabilities → what will really be done, and what was wrong. No jobs.

`resolve` is the decision table of ws-scan section 11.1. It never fails: it says what it would put
in the place of each wrong value, and which of them the client would not have replaced. What that
means is for the operation: CreateScanJob refuses, ValidateScanTicket offers the repaired ticket.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from device.errors import (
    ConflictingRequiredParameters,
    FormatNotSupported,
    InvalidArgs,
    RequestError,
)
from device.jobs.geometry import image_information
from device.model.capabilities import (
    ADF,
    ADF_DUPLEX,
    FILM,
    LOSSY_FORMATS,
    PLATEN,
    Range,
    ScannerConfiguration,
)
from device.model.ticket import (
    DocumentFinalParameters,
    DocumentParameters,
    Final,
    ImageInformation,
    ScanTicket,
    Wish,
)
from device.scan.leaves import honored, value
from device.scan.side_rules import PageSize, SideRules

TONE_RANGE = Range(-1000, 1000)
SHARPNESS_RANGE = Range(-100, 100)
ALL_IMAGES = 0
NOT_APPLICABLE = "NotApplicable"
AUTO = "Auto"


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
    page_size: PageSize | None = None,
) -> Verdict:
    """Decide every setting of `ticket`.

    Args:
        default: the complete default ticket.
        feeder_loaded: whether the feeder is known to hold a sheet; auto mode prefers it.
        page_size: tells the size of the page that an InputSource would give first.

    Source: ws-scan sections 10.4, 10.5 and 11.
    """
    return _Resolver(ticket, configuration, default, feeder_loaded, page_size).verdict()


class _Resolver(SideRules):
    """One resolution under way: what was found wrong, and what takes its place."""

    # ---- the whole ticket

    def verdict(self) -> Verdict:
        source = self.source()
        format_ = self.format()
        self.foreign()
        media = self.media_size(source.value)
        wishes = self.sides(source.value)
        format_, colors = self.colors(source.value, format_, wishes)
        front, back = (
            *(
                self.side(source.value, wish, color, *media, back=bool(back))
                for back, (wish, color) in enumerate(zip(wishes, colors, strict=True))
            ),
            None,
        )[:2]
        assert front is not None
        auto, contrast, brightness, sharpness = self.exposure()
        scaling_width = self.ranged(
            "ScalingWidth",
            self.wishes.scaling_width,
            value(self.default.scaling_width),
            self.settings.scaling_width,
            "scaling_width",
        )
        scaling_height = self.ranged(
            "ScalingHeight",
            self.wishes.scaling_height,
            value(self.default.scaling_height),
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
                value(self.default.content_type),
                self.settings.content_types,
                "content_type",
            ),
            media_width=media[0],
            media_height=media[1],
            auto_exposure=auto,
            contrast=contrast,
            brightness=brightness,
            sharpness=sharpness,
            scaling_width=scaling_width,
            scaling_height=scaling_height,
            rotation=self.rotation(),
            front=front,
            back=back,
            detect_within=self.detect_within,
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
        parameters = replace(self.ticket.parameters, **self.repairs)  # type: ignore[arg-type]
        return replace(self.ticket, parameters=parameters)

    # ---- the settings one by one

    def source(self) -> Final[str]:
        """The input source. A ticket with only a Format leaves the choice to the device."""
        allowed = self.configuration.sources
        wish = self.wishes.input_source
        fallback = value(self.default.input_source)
        only_format = (
            self.wishes.format is not None
            and replace(self.wishes, format=None) == DocumentParameters()
        )
        # Receivers of scans send Auto when the button's event named no source (occino).
        asked_auto = wish is not None and wish.value == AUTO and AUTO not in allowed
        if (wish is None and only_format) or asked_auto:
            if self.feeder_loaded and ADF in allowed:
                fallback = ADF
            elif PLATEN in allowed:
                fallback = PLATEN
        if wish is not None and asked_auto:
            put = fallback if fallback in allowed else allowed[0]
            self.repairs["input_source"] = replace(wish, value=put)
            return Final(put, override=True)
        found = self.listed("InputSource", wish, fallback, allowed, "input_source")
        if found.value != value(self.default.input_source):
            return replace(found, used_default=False)  # our choice, not the default
        return found

    def foreign(self) -> None:
        """A vendor's element that must be honored is one that we do not support."""
        for name in self.wishes.foreign_honored:
            self.changed.append(name)
            self.rejected.append(InvalidArgs(name, "is not supported"))
        if self.wishes.foreign_honored:
            self.repairs["foreign_honored"] = ()

    def format(self) -> Final[str]:
        return self.listed(
            "Format",
            self.wishes.format,
            value(self.default.format),
            self.settings.formats,
            "format",
        )

    def quality(self, format_: Final[str]) -> Final[int]:
        """CompressionQualityFactor; a lossless format always loses nothing."""
        wish = self.wishes.compression_quality_factor
        if format_.value in LOSSY_FORMATS:
            return self.ranged(
                "CompressionQualityFactor",
                wish,
                value(self.default.compression_quality_factor),
                self.settings.quality,
                "compression_quality_factor",
            )
        if wish is None:
            return Final(100, used_default=True)
        if wish.value == 100:
            return Final(100)
        if wish.must_honor and honored(self.wishes.format):
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

    def exposure(self) -> tuple[bool, Final[int], Final[int], Final[int]]:
        """AutoExposure, contrast, brightness and sharpness.

        A client that gives both alternatives means the flag if it is true, else the numbers.
        """
        auto = self.wishes.auto_exposure
        settings = (self.wishes.contrast, self.wishes.brightness, self.wishes.sharpness)
        if auto is not None and auto.value:
            if self.settings.auto_exposure:
                if auto.must_honor and any(
                    honored(wish) and wish.value for wish in settings if wish
                ):
                    self.conflicts += ["AutoExposure", "ExposureSettings"]
                contrast, brightness, sharpness = (
                    Final(0, used_default=wish is None, override=bool(wish and wish.value))
                    for wish in settings
                )
                return True, contrast, brightness, sharpness
            self.replaced("AutoExposure", auto)
            self.repairs["auto_exposure"] = Wish(False, auto.must_honor)
        tones = (
            ("Contrast", TONE_RANGE, self.settings.contrast),
            ("Brightness", TONE_RANGE, self.settings.brightness),
            ("Sharpness", SHARPNESS_RANGE, self.settings.sharpness),
        )
        contrast, brightness, sharpness = (
            self.ranged(
                name,
                wish,
                value(getattr(self.default, name.lower())),
                allowed if has else Range(0, 0),
                name.lower(),
            )
            for (name, allowed, has), wish in zip(tones, settings, strict=True)
        )
        return False, contrast, brightness, sharpness

    def rotation(self) -> Final[int]:
        allowed = self.settings.rotations
        default = value(self.default.rotation)
        return self.leaf(
            "Rotation",
            self.wishes.rotation,
            default,
            allowed.__contains__,
            lambda _: default,
            repair="rotation",
        )
