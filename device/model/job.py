"""JobState, JobStateReason, and what a job is to those who look at it.

Source: ws-scan sections 10.7, 12.11, 12.12 and 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from device.model.ticket import DocumentFinalParameters, ImageInformation, ScanTicket


class JobState(StrEnum):
    """`Started` is transient: it is seen in events only."""

    CREATING = "Creating"
    PENDING = "Pending"
    HELD = "Held"
    STARTED = "Started"
    PROCESSING = "Processing"
    TERMINATING = "Terminating"
    CANCELED = "Canceled"
    ABORTED = "Aborted"
    COMPLETED = "Completed"

    @property
    def final(self) -> bool:
        return self in FINAL_STATES


FINAL_STATES = frozenset({JobState.CANCELED, JobState.ABORTED, JobState.COMPLETED})


class JobStateReason(StrEnum):
    """Why a job is in its state."""

    NONE = "None"
    JOB_SCANNING = "JobScanning"
    JOB_TRANSFERRING = "JobTransferring"
    JOB_SCANNING_AND_TRANSFERRING = "JobScanningAndTransferring"
    SCANNER_STOPPED = "ScannerStopped"
    JOB_TIMED_OUT = "JobTimedOut"
    IMAGE_TRANSFER_ERROR = "ImageTransferError"
    INVALID_SCAN_TICKET = "InvalidScanTicket"
    DOCUMENT_FORMAT_ERROR = "DocumentFormatError"
    JOB_CANCELED_AT_DEVICE = "JobCanceledAtDevice"
    JOB_COMPLETED_WITH_ERRORS = "JobCompletedWithErrors"
    JOB_COMPLETED_WITH_WARNINGS = "JobCompletedWithWarnings"


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How a job stands."""

    job_id: int
    state: JobState
    reasons: tuple[JobStateReason, ...]
    scans_completed: int
    created: datetime
    completed: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as it is told to others: its status, its ticket, and what became of that."""

    status: JobStatus
    ticket: ScanTicket
    parameters: DocumentFinalParameters
    images: ImageInformation
    document_names: tuple[str, ...] = ()
