"""The parameters of the scan ticket in a scan process document, checked by value.

They come out flat, by path: what a device makes of them is not known here.

Source: ws-dsp section 8.2; a stored ticket has no final parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from device.errors import InvalidArgs
from device.imaging.spec import MEDIA_TYPES
from device.soap import xml
from device.soap.namespaces import WSCN
from device.soap.xml import Element

_VENDOR = re.compile(r"[A-Za-z][\w.+-]*[/:][\w.+-]+")
MAX_MIL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Setting:
    """One value, as text with white space collapsed. `must_honor` also locks it."""

    value: str
    must_honor: bool = False


Check = Callable[[str], str]
"""Says what a value should have been, or nothing when it is right."""


def _number(low: int, high: int) -> Check:
    def check(value: str) -> str:
        right = re.fullmatch(r"[+-]?[0-9]{1,10}", value) and low <= int(value) <= high
        return "" if right else f"must be a whole number from {low} to {high}"

    return check


def _word(*words: str, vendor: bool = True) -> Check:
    def check(value: str) -> str:
        right = value in words or (vendor and _VENDOR.fullmatch(value))
        return "" if right else f"must be one of {', '.join(words)}"

    return check


def _boolean(value: str) -> str:
    return "must be true or false" if xml.boolean_text(value) is None else ""


_SIDE: dict[str, Check] = {
    "ScanRegion/ScanRegionXOffset": _number(0, MAX_MIL),
    "ScanRegion/ScanRegionYOffset": _number(0, MAX_MIL),
    "ScanRegion/ScanRegionWidth": _number(1, MAX_MIL),
    "ScanRegion/ScanRegionHeight": _number(1, MAX_MIL),
    "ColorProcessing": _word(
        "BlackAndWhite1",
        "Grayscale4",
        "Grayscale8",
        "Grayscale16",
        "RGB24",
        "RGB48",
        "RGBa32",
        "RGBa64",
    ),
    "Resolution/Width": _number(1, 100_000),
    "Resolution/Height": _number(1, 100_000),
}

LEAVES: dict[str, Check] = {
    "Format": _word(*MEDIA_TYPES),
    "CompressionQualityFactor": _number(0, 100),
    "ImagesToTransfer": _number(0, 2**31 - 1),
    "InputSource": _word("ADF", "ADFDuplex", "Film", "Platen"),
    "FilmScanMode": _word(
        "NotApplicable", "ColorSlideFilm", "ColorNegativeFilm", "BlackandWhiteNegativeFilm"
    ),
    "ContentType": _word("Auto", "Text", "Photo", "Halftone", "Mixed"),
    "InputSize/DocumentSizeAutoDetect": _boolean,
    "InputSize/InputMediaSize/Width": _number(1, MAX_MIL),
    "InputSize/InputMediaSize/Height": _number(1, MAX_MIL),
    "Exposure/AutoExposure": _boolean,
    "Exposure/ExposureSettings/Contrast": _number(-1000, 1000),
    "Exposure/ExposureSettings/Brightness": _number(-1000, 1000),
    "Exposure/ExposureSettings/Sharpness": _number(-100, 100),
    "Scaling/ScalingWidth": _number(1, 1000),
    "Scaling/ScalingHeight": _number(1, 1000),
    "Rotation": _word("0", "90", "180", "270", vendor=False),
    **{
        f"MediaSides/{side}/{path}": check
        for side in ("MediaFront", "MediaBack")
        for path, check in _SIDE.items()
    },
}
_INNER = {path.rsplit("/", depth)[0] for path in LEAVES for depth in range(1, path.count("/") + 1)}


def read(parameters: Element) -> dict[str, Setting]:
    """The settings below wscn:DocumentParameters.

    Raises:
        InvalidArgs: one is unknown, double, or out of its range; the sentence names its path.
    """
    found: dict[str, Setting] = {}
    _walk(parameters, "", False, found)
    for one, other in (
        ("InputSize/DocumentSizeAutoDetect", "InputSize/InputMediaSize/Width"),
        ("Exposure/AutoExposure", "Exposure/ExposureSettings/Contrast"),
    ):
        if one in found and other in found:
            raise InvalidArgs(one.split("/")[0], "holds both of two that exclude each other")
    return found


def _walk(parent: Element, above: str, locked: bool, found: dict[str, Setting]) -> None:
    for child in parent:
        if xml.namespace_of(child) != WSCN:
            continue
        path = f"{above}{xml.local_name(child)}"
        must_honor = _must_honor(child) or locked
        if path in _INNER:
            _walk(child, f"{path}/", must_honor, found)
        elif path not in LEAVES:
            raise InvalidArgs(xml.local_name(child), f"is no ticket parameter at {path}")
        elif path in found:
            raise InvalidArgs(xml.local_name(child), f"is there twice at {path}")
        else:
            value = xml.text(child)
            if wrong := LEAVES[path](value):
                raise InvalidArgs(xml.local_name(child), f"{wrong} at {path}", value[:80])
            found[path] = Setting(value, must_honor)


def _must_honor(element: Element) -> bool:
    value = xml.attribute(element, WSCN, "MustHonor")
    flag = None if value is None else xml.boolean_text(value)
    if value is not None and flag is None:
        raise InvalidArgs(xml.local_name(element), "MustHonor is not a boolean", value[:80])
    return bool(flag)
