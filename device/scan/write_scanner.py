"""ScannerDescription, ScannerConfiguration and ScannerStatus → XML, in schema order. No decisions.

Every function returns text with house prefixes; the envelope declares them.

Source: ws-scan sections 10.1 to 10.3.
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
from device.model.status import ClearedCondition, DeviceCondition, ScannerStatus
from device.model.ticket import Size
from device.soap.datatypes import format_datetime
from device.soap.write import attribute, element, leaf


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
