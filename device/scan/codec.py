"""Model → WS-Scan XML, in schema order. No decisions.

Every function returns text with house prefixes; the envelope declares them.

Source: ws-scan section 10.8, the whole tree.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from device.model.capabilities import (
    LocalText,
    Range,
    ScannerConfiguration,
    ScannerDescription,
    SideCapabilities,
)
from device.model.job import JobRecord, JobStateReason, JobStatus
from device.model.status import ClearedCondition, DeviceCondition, ScannerStatus
from device.model.ticket import (
    DocumentFinalParameters,
    DocumentParameters,
    Final,
    FinalSide,
    ImageInfo,
    ImageInformation,
    JobDescription,
    ScanTicket,
    SideWish,
    Size,
    Wish,
)
from device.soap.datatypes import format_datetime
from device.soap.write import attribute, element, leaf, optional

MAX_TEXT = 255


# ---- description and configuration


def description(value: ScannerDescription) -> str:
    """ScannerDescription."""

    def texts(name: str, entries: tuple[LocalText, ...]) -> str:
        return "".join(
            leaf(name, entry.text, attribute("xml:lang", entry.language) if entry.language else "")
            for entry in entries
        )

    return element(
        "wscn:ScannerDescription",
        texts("wscn:ScannerName", value.names),
        texts("wscn:ScannerInfo", value.infos),
        texts("wscn:ScannerLocation", value.locations),
    )


def configuration(value: ScannerConfiguration) -> str:
    """ScannerConfiguration."""
    settings = value.settings
    parts = [
        element(
            "wscn:DeviceSettings",
            _list("wscn:FormatsSupported", "wscn:FormatValue", settings.formats),
            _range("wscn:CompressionQualityFactorSupported", settings.quality),
            _list("wscn:ContentTypesSupported", "wscn:ContentTypeValue", settings.content_types),
            leaf("wscn:DocumentSizeAutoDetectSupported", settings.document_size_auto_detect),
            leaf("wscn:AutoExposureSupported", settings.auto_exposure),
            leaf("wscn:BrightnessSupported", settings.brightness),
            leaf("wscn:ContrastSupported", settings.contrast),
            element(
                "wscn:ScalingRangeSupported",
                _range("wscn:ScalingWidth", settings.scaling_width),
                _range("wscn:ScalingHeight", settings.scaling_height),
            ),
            _list("wscn:RotationsSupported", "wscn:RotationValue", settings.rotations),
        )
    ]
    if value.platen:
        parts.append(element("wscn:Platen", _side_capabilities("Platen", value.platen)))
    if value.adf_front:
        back = value.adf_back or value.adf_front
        parts.append(
            element(
                "wscn:ADF",
                leaf("wscn:ADFSupportsDuplex", value.adf_duplex),
                element("wscn:ADFFront", _side_capabilities("ADF", value.adf_front)),
                element("wscn:ADFBack", _side_capabilities("ADF", back))
                if value.adf_duplex
                else "",
            )
        )
    if value.film:
        modes = _list(
            "wscn:FilmScanModesSupported", "wscn:FilmScanModeValue", value.film_scan_modes
        )
        parts.append(element("wscn:Film", modes, _side_capabilities("Film", value.film)))
    return element("wscn:ScannerConfiguration", *parts)


def _list(container: str, name: str, values: Iterable[object]) -> str:
    return element(container, *(leaf(name, value) for value in values))


def _range(name: str, value: Range) -> str:
    return element(name, leaf("wscn:MinValue", value.low), leaf("wscn:MaxValue", value.high))


def _size(name: str, size: Size) -> str:
    return _numbers(name, size.width_mil, size.height_mil)


def _numbers(name: str, width: int, height: int) -> str:
    return element(name, leaf("wscn:Width", width), leaf("wscn:Height", height))


def _side_capabilities(kind: str, side: SideCapabilities) -> str:
    prefix = f"wscn:{kind}"
    return "".join(
        (
            _numbers(f"{prefix}OpticalResolution", side.optical_width, side.optical_height),
            element(
                f"{prefix}Resolutions",
                _list("wscn:Widths", "wscn:Width", side.widths),
                _list("wscn:Heights", "wscn:Height", side.heights),
            ),
            _list(f"{prefix}Color", "wscn:ColorEntry", side.colors),
            _size(f"{prefix}MinimumSize", side.minimum),
            _size(f"{prefix}MaximumSize", side.maximum),
        )
    )


# ---- status


def status(value: ScannerStatus, now: datetime) -> str:
    """ScannerStatus as of `now`."""
    return element(
        "wscn:ScannerStatus",
        leaf("wscn:ScannerCurrentTime", format_datetime(now)),
        _state(value),
        element("wscn:ActiveConditions", *(condition(entry) for entry in value.conditions)),
        element("wscn:ConditionHistory", *(_cleared(entry) for entry in value.history))
        if value.history
        else "",
    )


def status_summary(value: ScannerStatus) -> str:
    """StatusSummary."""
    return element("wscn:StatusSummary", _state(value))


def _state(value: ScannerStatus) -> str:
    reasons = value.reasons or ("None",)
    return leaf("wscn:ScannerState", value.state) + _list(
        "wscn:ScannerStateReasons", "wscn:ScannerStateReason", reasons
    )


def condition(value: DeviceCondition) -> str:
    """DeviceCondition."""
    return element(
        "wscn:DeviceCondition",
        _condition_content(value),
        attributes=attribute("Id", str(value.condition_id)),
    )


def _cleared(value: ClearedCondition) -> str:
    return element(
        "wscn:ConditionHistoryEntry",
        _condition_content(value.condition),
        leaf("wscn:ClearTime", format_datetime(value.clear_time)),
        attributes=attribute("Id", str(value.condition.condition_id)),
    )


def _condition_content(value: DeviceCondition) -> str:
    return "".join(
        (
            leaf("wscn:Time", format_datetime(value.time)),
            leaf("wscn:Name", value.name),
            leaf("wscn:Component", value.component),
            leaf("wscn:Severity", value.severity),
        )
    )


# ---- tickets


def ticket(name: str, value: ScanTicket) -> str:
    """ScanTicket, DefaultScanTicket or ValidScanTicket: what is None is left out."""
    parameters = "" if value.parameters is None else _parameters(value.parameters)
    return element(f"wscn:{name}", _description(value.description), parameters)


def _description(value: JobDescription) -> str:
    return element(
        "wscn:JobDescription",
        leaf("wscn:JobName", value.job_name[:MAX_TEXT]),
        leaf("wscn:JobOriginatingUserName", value.job_originating_user_name[:MAX_TEXT]),
        optional("wscn:JobInformation", value.job_information),
    )


def _wish(name: str, wish: Wish[object] | None) -> str:
    if wish is None:
        return ""
    return leaf(f"wscn:{name}", wish.value, ' wscn:MustHonor="true"' if wish.must_honor else "")


def _bound(name: str, wishes: Iterable[Wish[object] | None], content: str) -> str:
    """A container around `content`; MustHonor stands on it, since its leaves may not carry it."""
    present = [wish for wish in wishes if wish is not None]
    if not present:
        return ""
    honored = any(wish.must_honor for wish in present)
    return element(f"wscn:{name}", content, attributes=' wscn:MustHonor="true"' if honored else "")


def _plain(name: str, wish: Wish[object] | None) -> str:
    return "" if wish is None else leaf(f"wscn:{name}", wish.value)


def _parameters(value: DocumentParameters) -> str:
    detect = value.document_size_auto_detect
    if detect is not None and (detect.value or value.media_width is None):
        size = _bound("InputSize", (detect,), _plain("DocumentSizeAutoDetect", detect))
    else:
        pair = (value.media_width, value.media_height)
        inner = _plain("Width", pair[0]) + _plain("Height", pair[1])
        size = _bound("InputSize", pair, element("wscn:InputMediaSize", inner))
    settings = (value.contrast, value.brightness, value.sharpness)
    auto = value.auto_exposure
    if auto is not None and (auto.value or not any(settings)):
        exposure = _bound("Exposure", (auto,), _plain("AutoExposure", auto))
    else:
        inner = "".join(map(_plain, ("Contrast", "Brightness", "Sharpness"), settings))
        exposure = _bound("Exposure", settings, element("wscn:ExposureSettings", inner))
    scaling = (value.scaling_width, value.scaling_height)
    sides = _side("MediaFront", value.front) + _side("MediaBack", value.back)
    honored = ' wscn:MustHonor="true"' if value.sides_must_honor else ""
    return element(
        "wscn:DocumentParameters",
        _wish("Format", value.format),
        _wish("CompressionQualityFactor", value.compression_quality_factor),
        _wish("ImagesToTransfer", value.images_to_transfer),
        _wish("InputSource", value.input_source),
        _wish("FilmScanMode", value.film_scan_mode),
        _wish("ContentType", value.content_type),
        size,
        exposure,
        _bound(
            "Scaling",
            scaling,
            _plain("ScalingWidth", scaling[0]) + _plain("ScalingHeight", scaling[1]),
        ),
        _wish("Rotation", value.rotation),
        element("wscn:MediaSides", sides, attributes=honored) if sides else "",
    )


def _side(name: str, side: SideWish | None) -> str:
    if side is None:
        return ""
    region = side.region
    resolution = (side.resolution_width, side.resolution_height)
    return element(
        f"wscn:{name}",
        ""
        if region is None
        else element(
            "wscn:ScanRegion",
            _wish("ScanRegionXOffset", region.x_offset),
            _wish("ScanRegionYOffset", region.y_offset),
            _wish("ScanRegionWidth", region.width),
            _wish("ScanRegionHeight", region.height),
        ),
        _wish("ColorProcessing", side.color_processing),
        _bound(
            "Resolution",
            resolution,
            _plain("Width", resolution[0]) + _plain("Height", resolution[1]),
        ),
    )


# ---- final parameters and geometry


def final_parameters(value: DocumentFinalParameters) -> str:
    """DocumentFinalParameters: complete and concrete, marks on leaves only."""
    return element(
        "wscn:DocumentFinalParameters",
        _final("Format", value.format),
        _final("CompressionQualityFactor", value.compression_quality_factor),
        _final("ImagesToTransfer", value.images_to_transfer),
        _final("InputSource", value.input_source),
        "" if value.film_scan_mode is None else _final("FilmScanMode", value.film_scan_mode),
        _final("ContentType", value.content_type),
        element(
            "wscn:InputSize",
            element(
                "wscn:InputMediaSize",
                _final("Width", value.media_width),
                _final("Height", value.media_height),
            ),
        ),
        element(
            "wscn:Exposure",
            element(
                "wscn:ExposureSettings",
                _final("Contrast", value.contrast),
                _final("Brightness", value.brightness),
                _final("Sharpness", value.sharpness),
            ),
        ),
        element(
            "wscn:Scaling",
            _final("ScalingWidth", value.scaling_width),
            _final("ScalingHeight", value.scaling_height),
        ),
        _final("Rotation", value.rotation),
        element(
            "wscn:MediaSides",
            _final_side("MediaFront", value.front),
            "" if value.back is None else _final_side("MediaBack", value.back),
        ),
    )


def _final(name: str, value: Final[object]) -> str:
    marks = ' wscn:Override="true"' if value.override else ""
    if value.used_default:
        marks += ' wscn:UsedDefault="true"'
    return leaf(f"wscn:{name}", value.value, marks)


def _final_side(name: str, side: FinalSide) -> str:
    region = side.region
    return element(
        f"wscn:{name}",
        element(
            "wscn:ScanRegion",
            _final("ScanRegionXOffset", region.x_offset),
            _final("ScanRegionYOffset", region.y_offset),
            _final("ScanRegionWidth", region.width),
            _final("ScanRegionHeight", region.height),
        ),
        _final("ColorProcessing", side.color_processing),
        element(
            "wscn:Resolution",
            _final("Width", side.resolution_width),
            _final("Height", side.resolution_height),
        ),
    )


def image_information(value: ImageInformation) -> str:
    """ImageInformation."""

    def side(name: str, info: ImageInfo) -> str:
        return element(
            name,
            leaf("wscn:PixelsPerLine", info.pixels_per_line),
            leaf("wscn:NumberOfLines", info.number_of_lines),
            leaf("wscn:BytesPerLine", info.bytes_per_line),
        )

    return element(
        "wscn:ImageInformation",
        side("wscn:MediaFrontImageInfo", value.front),
        "" if value.back is None else side("wscn:MediaBackImageInfo", value.back),
    )


# ---- jobs


def _reasons(name: str, reasons: tuple[JobStateReason, ...]) -> str:
    return _list(name, "wscn:JobStateReason", reasons or (JobStateReason.NONE,))


def job_status(value: JobStatus) -> str:
    """JobStatus."""
    completed = None if value.completed is None else format_datetime(value.completed)
    return element(
        "wscn:JobStatus",
        leaf("wscn:JobId", value.job_id),
        leaf("wscn:JobState", value.state),
        _reasons("wscn:JobStateReasons", value.reasons),
        leaf("wscn:ScansCompleted", value.scans_completed),
        leaf("wscn:JobCreatedTime", format_datetime(value.created)),
        optional("wscn:JobCompletedTime", completed),
    )


def job_summary(value: JobRecord) -> str:
    """JobSummary."""
    return element(
        "wscn:JobSummary",
        leaf("wscn:JobId", value.status.job_id),
        _job_names(value),
        leaf("wscn:JobState", value.status.state),
        _reasons("wscn:JobStateReasons", value.status.reasons),
        leaf("wscn:ScansCompleted", value.status.scans_completed),
    )


def job_end_state(value: JobRecord) -> str:
    """JobEndState."""
    completed = value.status.completed
    return element(
        "wscn:JobEndState",
        leaf("wscn:JobId", value.status.job_id),
        leaf("wscn:JobCompletedState", value.status.state),
        _reasons("wscn:JobCompletedStateReasons", value.status.reasons),
        _job_names(value),
        leaf("wscn:ScansCompleted", value.status.scans_completed),
        optional(
            "wscn:JobCompletedTime", None if completed is None else format_datetime(completed)
        ),
    )


def _job_names(value: JobRecord) -> str:
    names = value.ticket.description
    return leaf("wscn:JobName", names.job_name[:MAX_TEXT]) + leaf(
        "wscn:JobOriginatingUserName", names.job_originating_user_name[:MAX_TEXT]
    )


def documents(value: JobRecord) -> str:
    """Documents: the final parameters, and a Document for each image fetched (at least one)."""
    return element(
        "wscn:Documents",
        final_parameters(value.parameters),
        *(
            element(
                "wscn:Document",
                element("wscn:DocumentDescription", leaf("wscn:DocumentName", name)),
            )
            for name in value.document_names or ("",)
        ),
    )
