"""Jobs → XML, in schema order. No decisions.

Every function returns text with house prefixes; the envelope declares them.

Source: ws-scan section 10.7.
"""

from __future__ import annotations

from device.model.job import JobRecord, JobStateReason, JobStatus
from device.soap.datatypes import format_datetime
from device.soap.write import element, leaf, optional
from device.ticket.read import MAX_TEXT
from device.ticket.write import final_parameters


def _reasons(name: str, reasons: tuple[JobStateReason, ...]) -> str:
    return element(
        name, *(leaf("wscn:JobStateReason", one) for one in reasons or (JobStateReason.NONE,))
    )


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


def documents(value: JobRecord, room: int) -> str:
    """Documents: the final parameters, and a Document for each image fetched (at least one).

    As many Documents from the front as `room` octets hold.
    """
    parameters = final_parameters(value.parameters)
    room -= len(element("wscn:Documents", parameters))
    found: list[str] = []
    for name in value.document_names or ("",):
        document = element(
            "wscn:Document",
            element("wscn:DocumentDescription", leaf("wscn:DocumentName", name)),
        )
        room -= len(document.encode())
        if found and room < 0:
            break
        found.append(document)
    return element("wscn:Documents", parameters, *found)
