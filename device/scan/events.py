"""Change → event body. Not who receives it.

Bodies are text with house prefixes, made once for each change.

Source: ws-scan sections 9.6 and 13.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from device.model.capabilities import ScannerConfiguration, ScannerDescription
from device.model.changes import (
    Change,
    ConditionCleared,
    ConditionRaised,
    JobChanged,
    JobEnded,
    StatusChanged,
)
from device.model.job import JobRecord, JobState, JobStatus
from device.model.status import ScannerState, ScannerStateReason, ScannerStatus
from device.model.ticket import ScanTicket
from device.scan import write_job, write_scanner
from device.soap.datatypes import format_datetime
from device.soap.namespaces import WSCN
from device.soap.write import element, leaf, optional
from device.ticket import write as write_ticket

PREFIXES: Final = ("wscn",)
SCAN_AVAILABLE: Final = f"{WSCN}/ScanAvailableEvent"
ACTIONS: Final = frozenset(
    f"{WSCN}/{name}"
    for name in (
        "ScanAvailableEvent",
        "ScannerElementsChangeEvent",
        "ScannerStatusSummaryEvent",
        "ScannerStatusConditionEvent",
        "ScannerStatusConditionClearedEvent",
        "JobStatusEvent",
        "JobEndStateEvent",
    )
)


@dataclass(frozen=True, slots=True)
class ScanEvent:
    """A notification without its addressee."""

    action: str
    body: str


def _event(name: str, *content: str) -> ScanEvent:
    return ScanEvent(f"{WSCN}/{name}", element(f"wscn:{name}", *content))


def scan_available(context: str, identifier: str, source: str | None) -> ScanEvent:
    """ScanAvailableEvent: somebody chose this client's destination and pressed the button."""
    return _event(
        "ScanAvailableEvent",
        leaf("wscn:ClientContext", context),
        leaf("wscn:ScanIdentifier", identifier),
        optional("wscn:InputSource", source),
    )


def elements_changed(
    *,
    description: ScannerDescription | None = None,
    configuration: ScannerConfiguration | None = None,
    default_ticket: ScanTicket | None = None,
) -> ScanEvent:
    """ScannerElementsChangeEvent with the sections that changed, each as a whole."""
    return _event(
        "ScannerElementsChangeEvent",
        element(
            "wscn:ElementChanges",
            "" if description is None else write_scanner.description(description),
            "" if configuration is None else write_scanner.configuration(configuration),
            ""
            if default_ticket is None
            else write_ticket.ticket("DefaultScanTicket", default_ticket),
        ),
    )


class ScanEvents:
    """Turns changes into events, none of them twice.

    A job's creation is not told: its first event is that it has started, or how it ended.

    Args:
        publish: gets each event.
    """

    def __init__(self, publish: Callable[[ScanEvent], None]) -> None:
        self._publish = publish
        self._jobs: dict[int, JobStatus] = {}
        self._summary: tuple[ScannerState, tuple[ScannerStateReason, ...]] | None = None

    @property
    def job_under_way(self) -> bool:
        """Whether some job has begun and not ended."""
        return any(status.state is not JobState.PENDING for status in self._jobs.values())

    def heard(self, change: Change) -> None:
        """Something has happened."""
        match change:
            case JobChanged(job):
                self._job_changed(job.status)
            case JobEnded(job):
                self._job_ended(job)
            case StatusChanged(status):
                self._status_changed(status)
            case ConditionRaised(condition):
                self._publish(
                    _event("ScannerStatusConditionEvent", write_scanner.condition(condition))
                )
            case ConditionCleared(cleared):
                content = element(
                    "wscn:DeviceConditionCleared",
                    leaf("wscn:ConditionId", cleared.condition.condition_id),
                    leaf("wscn:ConditionClearTime", format_datetime(cleared.clear_time)),
                )
                self._publish(_event("ScannerStatusConditionClearedEvent", content))

    def _job_changed(self, status: JobStatus) -> None:
        known = self._jobs.get(status.job_id)
        self._jobs[status.job_id] = status
        if status == known or (known is None and status.state is JobState.PENDING):
            return
        self._publish(_event("JobStatusEvent", write_job.job_status(status)))

    def _job_ended(self, job: JobRecord) -> None:
        self._job_changed(job.status)
        del self._jobs[job.status.job_id]
        self._publish(_event("JobEndStateEvent", write_job.job_end_state(job)))

    def _status_changed(self, status: ScannerStatus) -> None:
        summary = (status.state, status.reasons)
        if summary != self._summary:
            self._summary = summary
            self._publish(_event("ScannerStatusSummaryEvent", write_scanner.status_summary(status)))
