"""ScannerState, DeviceCondition and ActiveConditions.

Source: ws-scan sections 10.3 and 12.6 to 12.10.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ScannerState(StrEnum):
    """Ready, busy, or in need of somebody."""

    IDLE = "Idle"
    PROCESSING = "Processing"
    STOPPED = "Stopped"


class ScannerStateReason(StrEnum):
    """Why the scanner is in its state."""

    ATTENTION_REQUIRED = "AttentionRequired"
    CALIBRATING = "Calibrating"
    COVER_OPEN = "CoverOpen"
    INTERLOCK_OPEN = "InterlockOpen"
    INTERNAL_STORAGE_FULL = "InternalStorageFull"
    LAMP_ERROR = "LampError"
    LAMP_WARMING = "LampWarming"
    MEDIA_JAM = "MediaJam"
    MULTIPLE_FEED_ERROR = "MultipleFeedError"
    NONE = "None"
    PAUSED = "Paused"


class ConditionName(StrEnum):
    """What can be the matter with the device; vendors may add `prefix:keyword`."""

    CALIBRATING = "Calibrating"
    COVER_OPEN = "CoverOpen"
    INPUT_TRAY_EMPTY = "InputTrayEmpty"
    INTERLOCK_OPEN = "InterlockOpen"
    INTERNAL_STORAGE_FULL = "InternalStorageFull"
    LAMP_ERROR = "LampError"
    LAMP_WARMING = "LampWarming"
    MEDIA_JAM = "MediaJam"
    MULTIPLE_FEED_ERROR = "MultipleFeedError"


UNPLUGGED = "wsdscanner:Unplugged"
"""A vendor's condition: the scanner that the pages come from is not there."""


class Component(StrEnum):
    """Where."""

    ADF = "ADF"
    FILM = "Film"
    MEDIA_PATH = "MediaPath"
    PLATEN = "Platen"


class Severity(StrEnum):
    """No effect on scanning; no effect yet; cannot go on."""

    INFORMATIONAL = "Informational"
    WARNING = "Warning"
    CRITICAL = "Critical"


@dataclass(frozen=True, slots=True)
class DeviceCondition:
    """Something that is the matter. `condition_id` is not used again for as long as possible.

    `name` is a ConditionName and `component` a Component, or a vendor's keyword.
    """

    condition_id: int
    time: datetime
    name: str
    component: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class ClearedCondition:
    """A condition that has gone."""

    condition: DeviceCondition
    clear_time: datetime


@dataclass(frozen=True, slots=True)
class ScannerStatus:
    """The scanner's status at one moment."""

    state: ScannerState
    reasons: tuple[ScannerStateReason, ...]
    conditions: tuple[DeviceCondition, ...] = ()
    history: tuple[ClearedCondition, ...] = ()
