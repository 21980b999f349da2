"""Tickets, final parameters and image geometry → XML, in schema order. No decisions.

Every function returns text with house prefixes; the envelope declares them.

Source: ws-scan sections 10.4 to 10.6.
"""

from __future__ import annotations

from collections.abc import Iterable

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
    Wish,
)
from device.soap.write import element, leaf, optional
from device.ticket.read import MAX_TEXT


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
    # The schema has no back without a front.
    front = value.front or (SideWish() if value.back else None)
    sides = _side("MediaFront", front) + _side("MediaBack", value.back)
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
