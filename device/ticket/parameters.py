"""The parameters of a ticket by path, for those who store tickets or change single values of them.

A path is that of the XML below DocumentParameters, for instance `InputSource` or
`MediaSides/MediaFront/Resolution/Width`. What a device makes of a value is not known here; that
it is one of the standard's, or a vendor's, is.

Source: ws-scan section 10.4; ws-dsp section 8.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from device.errors import InvalidArgs
from device.model.capabilities import MULTI_PAGE_FORMATS, SINGLE_IMAGE_FORMATS
from device.model.ticket import DocumentParameters, RegionWish, SideWish, Wish
from device.soap import xml
from device.soap.namespaces import WSCN
from device.soap.xml import Element

MAX_MIL: Final = 2**31 - 1
_VENDOR = re.compile(r"[A-Za-z][\w.+-]*[/:][\w.+-]+")

Value = str | int | bool
Check = Callable[[Value], str]
"""Says what a value should have been, or nothing when it is right."""


def _number(low: int, high: int) -> Check:
    def check(value: Value) -> str:
        right = type(value) is int and low <= value <= high
        return "" if right else f"must be a whole number from {low} to {high}"

    return check


def _quarter_turns(value: Value) -> str:
    return "" if type(value) is int and value in (0, 90, 180, 270) else "must be 0, 90, 180 or 270"


def _word(*words: str) -> Check:
    def check(value: Value) -> str:
        right = isinstance(value, str) and (value in words or _VENDOR.fullmatch(value))
        return "" if right else f"must be one of {', '.join(words)}"

    return check


def _flag(value: Value) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


_SIDE: dict[str, tuple[str, Check]] = {
    "ScanRegion/ScanRegionXOffset": ("region.x_offset", _number(0, MAX_MIL)),
    "ScanRegion/ScanRegionYOffset": ("region.y_offset", _number(0, MAX_MIL)),
    "ScanRegion/ScanRegionWidth": ("region.width", _number(1, MAX_MIL)),
    "ScanRegion/ScanRegionHeight": ("region.height", _number(1, MAX_MIL)),
    "ColorProcessing": (
        "color_processing",
        _word(
            "BlackAndWhite1",
            "Grayscale4",
            "Grayscale8",
            "Grayscale16",
            "RGB24",
            "RGB48",
            "RGBa32",
            "RGBa64",
        ),
    ),
    "Resolution/Width": ("resolution_width", _number(1, 100_000)),
    "Resolution/Height": ("resolution_height", _number(1, 100_000)),
}

PARAMETERS: Final[dict[str, tuple[str, Check]]] = {
    "Format": ("format", _word(*sorted(SINGLE_IMAGE_FORMATS | MULTI_PAGE_FORMATS))),
    "CompressionQualityFactor": ("compression_quality_factor", _number(0, 100)),
    "ImagesToTransfer": ("images_to_transfer", _number(0, 2**31 - 1)),
    "InputSource": ("input_source", _word("ADF", "ADFDuplex", "Film", "Platen")),
    "FilmScanMode": (
        "film_scan_mode",
        _word("NotApplicable", "ColorSlideFilm", "ColorNegativeFilm", "BlackandWhiteNegativeFilm"),
    ),
    "ContentType": ("content_type", _word("Auto", "Text", "Photo", "Halftone", "Mixed")),
    "InputSize/DocumentSizeAutoDetect": ("document_size_auto_detect", _flag),
    "InputSize/InputMediaSize/Width": ("media_width", _number(1, MAX_MIL)),
    "InputSize/InputMediaSize/Height": ("media_height", _number(1, MAX_MIL)),
    "Exposure/AutoExposure": ("auto_exposure", _flag),
    "Exposure/ExposureSettings/Contrast": ("contrast", _number(-1000, 1000)),
    "Exposure/ExposureSettings/Brightness": ("brightness", _number(-1000, 1000)),
    "Exposure/ExposureSettings/Sharpness": ("sharpness", _number(-100, 100)),
    "Scaling/ScalingWidth": ("scaling_width", _number(1, 1000)),
    "Scaling/ScalingHeight": ("scaling_height", _number(1, 1000)),
    "Rotation": ("rotation", _quarter_turns),
    **{
        f"MediaSides/{side}/{path}": (f"{field}.{name}", check)
        for side, field in (("MediaFront", "front"), ("MediaBack", "back"))
        for path, (name, check) in _SIDE.items()
    },
}
"""Path → the field of DocumentParameters, and what may stand there."""

_INSTEAD_OF = {
    "InputSize/DocumentSizeAutoDetect": "InputSize/InputMediaSize/",
    "InputSize/InputMediaSize/": "InputSize/DocumentSizeAutoDetect",
    "Exposure/AutoExposure": "Exposure/ExposureSettings/",
    "Exposure/ExposureSettings/": "Exposure/AutoExposure",
}
"""The two members of each choice, where one excludes the other."""
_INNER = {
    path.rsplit("/", depth)[0] for path in PARAMETERS for depth in range(1, path.count("/") + 1)
}


def wishes(parameters: DocumentParameters) -> dict[str, Wish[Value]]:
    """The values that are there, by path, in the order of the schema."""
    found = {path: _get(parameters, field) for path, (field, _) in PARAMETERS.items()}
    return {path: wish for path, wish in found.items() if wish is not None}


def _get(parameters: DocumentParameters, field: str) -> Wish[Value] | None:
    value: Any = parameters
    for name in field.split("."):
        if value is None:
            return None
        value = getattr(value, name)
    found: Wish[Value] | None = value
    return found


def with_value(parameters: DocumentParameters, path: str, value: Value) -> DocumentParameters:
    """The parameters with another value at `path`; its MustHonor stays.

    A choice of two keeps only the member that is set.

    Raises:
        InvalidArgs: there is no such parameter, or it cannot have this value.
    """
    if path not in PARAMETERS:
        raise InvalidArgs(path, "is no ticket parameter")
    field, check = PARAMETERS[path]
    if wrong := check(value):
        raise InvalidArgs(path, wrong, str(value)[:80])
    for member, other in _INSTEAD_OF.items():
        if path.startswith(member):
            parameters = _without(parameters, other)
    before = _get(parameters, field)
    put = Wish(value, before is not None and before.must_honor)
    changed: DocumentParameters = _put(parameters, field.split("."), put)
    return changed


def lock(parameters: DocumentParameters, path: str) -> DocumentParameters:
    """The parameters with MustHonor on the value at `path`, which must be there."""
    field, _ = PARAMETERS[path]
    wish = _get(parameters, field)
    assert wish is not None
    locked: DocumentParameters = _put(parameters, field.split("."), replace(wish, must_honor=True))
    return locked


def _without(parameters: DocumentParameters, beginning: str) -> DocumentParameters:
    fields = [field for path, (field, _) in PARAMETERS.items() if path.startswith(beginning)]
    return replace(parameters, **dict.fromkeys(fields))  # type: ignore[arg-type]


def _put(holder: Any, names: list[str], value: Any) -> Any:
    first, *rest = names
    if not rest:
        return replace(holder, **{first: value})
    inner = getattr(holder, first)
    if inner is None:
        inner = RegionWish() if first == "region" else SideWish()
    return replace(holder, **{first: _put(inner, rest, value)})


def check_names(parameters: Element) -> None:
    """Refuse what the schema has no place for, below wscn:DocumentParameters.

    Raises:
        InvalidArgs: an element is unknown, or there twice; the sentence names its path.
    """
    found: set[str] = set()
    _check_names(parameters, "", found)
    for one, other in _INSTEAD_OF.items():
        if one in found and any(path.startswith(other) for path in found):
            raise InvalidArgs(one.split("/")[0], "holds both of two that exclude each other")


def _check_names(parent: Element, above: str, found: set[str]) -> None:
    for child in parent:
        if xml.namespace_of(child) != WSCN:
            continue
        local = xml.local_name(child)
        path = f"{above}{local}"
        if path not in _INNER and path not in PARAMETERS:
            raise InvalidArgs(local, f"is no ticket parameter at {path}")
        if path in found:
            raise InvalidArgs(local, f"is there twice at {path}")
        found.add(path)
        if path in _INNER:
            _check_names(child, f"{path}/", found)


def check_values(parameters: DocumentParameters) -> None:
    """Refuse values that are neither the standard's nor a vendor's.

    Raises:
        InvalidArgs: there is one; the sentence names its path.
    """
    for path, wish in wishes(parameters).items():
        if wrong := PARAMETERS[path][1](wish.value):
            raise InvalidArgs(path.rpartition("/")[2], f"{wrong} at {path}", str(wish.value)[:80])
