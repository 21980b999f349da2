"""Ticket XML → model. No decisions: a value that the device does not know is read all the same.

Child order, prefixes, padding, both members of a choice and foreign content are all accepted
(ws-scan section 6).
"""

from __future__ import annotations

from device.errors import InvalidArgs
from device.model.ticket import (
    DocumentParameters,
    JobDescription,
    RegionWish,
    ScanTicket,
    SideWish,
    Wish,
)
from device.soap import xml
from device.soap.namespaces import WSCN
from device.soap.xml import Element

MAX_TEXT = 255
"""Characters of a JobDescription string that are kept (ws-scan section 6.7)."""


def read_ticket(ticket: Element) -> ScanTicket:
    """The ticket in an element of whatever name: a scan process has it in its own namespace.

    Raises:
        InvalidArgs: something in it has the wrong shape.
    """
    parameters = xml.find(ticket, WSCN, "DocumentParameters")
    return ScanTicket(
        description=_description(xml.need(ticket, WSCN, "JobDescription")),
        parameters=None if parameters is None else _parameters(parameters),
    )


def _description(element: Element) -> JobDescription:
    def value(local: str) -> str | None:
        child = xml.find(element, WSCN, local)
        return None if child is None else xml.raw_text(child)[:MAX_TEXT]

    return JobDescription(
        job_name=value("JobName") or "",
        job_originating_user_name=value("JobOriginatingUserName") or "",
        job_information=value("JobInformation"),
    )


def _honored(element: Element, inherited: bool = False) -> bool:
    flag = xml.attribute(element, WSCN, "MustHonor")
    if flag is None:
        return inherited
    value = xml.boolean_text(flag)
    if value is None:
        raise InvalidArgs(xml.local_name(element), "has a MustHonor that is no boolean", flag[:80])
    return value or inherited


def _text_wish(parent: Element, local: str) -> Wish[str] | None:
    element = xml.find(parent, WSCN, local)
    return None if element is None else Wish(xml.text(element), _honored(element))


def _integer_wish(parent: Element | None, local: str, inherited: bool = False) -> Wish[int] | None:
    element = None if parent is None else xml.find(parent, WSCN, local)
    return None if element is None else Wish(xml.integer(element), _honored(element, inherited))


def _boolean_wish(parent: Element | None, local: str, inherited: bool = False) -> Wish[bool] | None:
    element = None if parent is None else xml.find(parent, WSCN, local)
    return None if element is None else Wish(xml.boolean(element), _honored(element, inherited))


def _pair(
    parent: Element | None, first: str, second: str, inherited: bool
) -> tuple[Wish[int] | None, Wish[int] | None]:
    """Two numbers of which both must be there, if their container is."""
    if parent is None:
        return None, None
    xml.need(parent, WSCN, first)
    xml.need(parent, WSCN, second)
    return _integer_wish(parent, first, inherited), _integer_wish(parent, second, inherited)


def _container(parent: Element, local: str, inherited: bool = False) -> tuple[Element | None, bool]:
    """A container and whether MustHonor on it binds everything inside."""
    element = xml.find(parent, WSCN, local)
    return element, element is not None and _honored(element, inherited)


def _parameters(parent: Element) -> DocumentParameters:
    size, size_honored = _container(parent, "InputSize")
    media = None if size is None else xml.find(size, WSCN, "InputMediaSize")
    detect = _boolean_wish(size, "DocumentSizeAutoDetect", size_honored)
    if size is not None and media is None and detect is None:
        raise InvalidArgs("InputSize", "holds neither a size nor DocumentSizeAutoDetect")
    media_width, media_height = _pair(media, "Width", "Height", size_honored)
    exposure, exposure_honored = _container(parent, "Exposure")
    settings = None if exposure is None else xml.find(exposure, WSCN, "ExposureSettings")
    scaling, scaling_honored = _container(parent, "Scaling")
    scaling_width, scaling_height = _pair(scaling, "ScalingWidth", "ScalingHeight", scaling_honored)
    sides, sides_honored = _container(parent, "MediaSides")
    return DocumentParameters(
        format=_text_wish(parent, "Format"),
        compression_quality_factor=_integer_wish(parent, "CompressionQualityFactor"),
        images_to_transfer=_integer_wish(parent, "ImagesToTransfer"),
        input_source=_text_wish(parent, "InputSource"),
        film_scan_mode=_text_wish(parent, "FilmScanMode"),
        content_type=_text_wish(parent, "ContentType"),
        document_size_auto_detect=detect,
        media_width=media_width,
        media_height=media_height,
        auto_exposure=_boolean_wish(exposure, "AutoExposure", exposure_honored),
        contrast=_integer_wish(settings, "Contrast", exposure_honored),
        brightness=_integer_wish(settings, "Brightness", exposure_honored),
        sharpness=_integer_wish(settings, "Sharpness", exposure_honored),
        scaling_width=scaling_width,
        scaling_height=scaling_height,
        rotation=_integer_wish(parent, "Rotation"),
        front=None if sides is None else _side(xml.find(sides, WSCN, "MediaFront")),
        back=None if sides is None else _side(xml.find(sides, WSCN, "MediaBack")),
        sides_must_honor=sides_honored,
        foreign_honored=_foreign_honored(parent, sides),
    )


def _foreign_honored(parent: Element, sides: Element | None) -> tuple[str, ...]:
    """The vendor elements with MustHonor, where the schema has room for such elements."""
    places = (parent, *(() if sides is None else sides))
    return tuple(
        f"{{{xml.namespace_of(child)}}}{xml.local_name(child)}"
        for place in places
        for child in place
        if xml.namespace_of(child) != WSCN and _honored(child)
    )


def _side(element: Element | None) -> SideWish | None:
    if element is None:
        return None
    region = xml.find(element, WSCN, "ScanRegion")
    resolution, honored = _container(element, "Resolution")
    if resolution is not None:
        xml.need(resolution, WSCN, "Width")
    if region is not None:
        xml.need(region, WSCN, "ScanRegionWidth")
        xml.need(region, WSCN, "ScanRegionHeight")
    return SideWish(
        region=None
        if region is None
        else RegionWish(
            x_offset=_integer_wish(region, "ScanRegionXOffset"),
            y_offset=_integer_wish(region, "ScanRegionYOffset"),
            width=_integer_wish(region, "ScanRegionWidth"),
            height=_integer_wish(region, "ScanRegionHeight"),
        ),
        color_processing=_text_wish(element, "ColorProcessing"),
        resolution_width=_integer_wish(resolution, "Width", honored),
        resolution_height=_integer_wish(resolution, "Height", honored),
    )
