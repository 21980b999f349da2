"""What just happened inside; a notification on the wire is called an event, and made of these."""

from __future__ import annotations

from dataclasses import dataclass

from device.model.job import JobRecord
from device.model.status import ClearedCondition, DeviceCondition, ScannerStatus


@dataclass(frozen=True, slots=True)
class JobChanged:
    """Some part of a job's status is new."""

    job: JobRecord


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A job has come to a final state; nothing follows for it."""

    job: JobRecord


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The scanner's state or its reasons are new."""

    status: ScannerStatus


@dataclass(frozen=True, slots=True)
class ConditionRaised:
    """A condition was added, or changed."""

    condition: DeviceCondition


@dataclass(frozen=True, slots=True)
class ConditionCleared:
    """A condition is gone."""

    cleared: ClearedCondition


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    """Somebody pressed a button of the scanner, for a computer. An empty source is the usual one.

    `destination` is a part of the name that the computer registered, or `first`.
    """

    button: str
    destination: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class PagesLaidIn:
    """There lies more in the feeder, or something else on the glass, than the source has."""


Change = (
    ButtonPressed
    | JobChanged
    | JobEnded
    | StatusChanged
    | ConditionRaised
    | ConditionCleared
    | PagesLaidIn
)
