"""The keywords of WS-DSP, and what its structures hold.

A keyword read from the wire may be a vendor's own (`prefix:keyword`), so the fields are strings;
the enums are strings too and compare equal.

Source: ws-dsp sections 4.6, 4.7, 6.1, 6.3 and 7.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PostScanJobState(StrEnum):
    """Where a post-scan job stands. `Started` is seen practically only in an event."""

    CREATING = "Creating"
    PENDING = "Pending"
    PENDING_HELD = "Pending-Held"
    STARTED = "Started"
    PROCESSING = "Processing"
    TERMINATING = "Terminating"
    CANCELED = "Canceled"
    ABORTED = "Aborted"
    COMPLETED = "Completed"

    @property
    def final(self) -> bool:
        return self in FINAL_STATES


FINAL_STATES = frozenset(
    {PostScanJobState.CANCELED, PostScanJobState.ABORTED, PostScanJobState.COMPLETED}
)


class JobStateReason(StrEnum):
    """Why a post-scan job is in its state."""

    NONE = "None"
    NO_VALID_INSTRUCTIONS = "NoValidPostScanInstructionsFound"
    CREATE_FAILED = "CreatePostScanJobFailed"
    SEND_IMAGE_FAILED = "SendImageFailed"
    TIMED_OUT = "PostScanJobTimedOut"
    CANCELED = "PostScanJobCanceled"
    PROCESSING_FAILED = "PostScanJobProcessingFailed"
    COMPLETED_SUCCESSFULLY = "PostScanJobCompletedSuccessfully"
    COMPLETED_WITH_ERRORS = "PostScanJobCompletedWithErrors"
    COMPLETED_WITH_WARNINGS = "PostScanJobCompletedWithWarnings"


class FilterState(StrEnum):
    """How far a filter is."""

    PENDING = "Pending"
    PROCESSING = "Processing"
    CANCELED = "Canceled"
    COMPLETED_SUCCESSFULLY = "CompletedSuccessfully"
    COMPLETED_WITH_WARNINGS = "CompletedWithWarnings"
    COMPLETED_WITH_ERRORS = "CompletedWithErrors"

    @property
    def delivered(self) -> bool:
        """Whether the documents are where the filter should put them."""
        return self in (FilterState.COMPLETED_SUCCESSFULLY, FilterState.COMPLETED_WITH_WARNINGS)


class FilterStateReason(StrEnum):
    """Why a filter ended with errors or warnings."""

    INVALID_ARGS = "InvalidArgs"
    OUT_OF_DISK_SPACE = "OutOfDiskSpace"
    SERVER_OUT_OF_MEMORY = "ServerOutOfMemory"
    FILE_SHARE_ACCESS_DENIED = "FileShareAccessDenied"
    FILE_SHARE_OUT_OF_DISK_SPACE = "FileShareOutOfDiskSpace"
    SHARE_POINT_ACCESS_DENIED = "SharePointAccessDenied"
    SHARE_POINT_OUT_OF_DISK_SPACE = "SharePointOutOfDiskSpace"
    INVALID_SMTP_SERVER = "InvalidSMTPServer"
    UNABLE_TO_SEND_EMAIL = "UnableToSendEmail"
    UNKNOWN_ERROR = "UnknownError"


MISSPELT = {
    "SendImangeFailed": JobStateReason.SEND_IMAGE_FAILED,
    "SharepointAccessDenied": FilterStateReason.SHARE_POINT_ACCESS_DENIED,
    "SharepointOutOfDiskSpace": FilterStateReason.SHARE_POINT_OUT_OF_DISK_SPACE,
}
"""Spellings that are accepted and never sent (section 6.3, A4 and A5)."""


@dataclass(frozen=True, slots=True)
class FilterStatus:
    """How one filter of a post-scan job stands."""

    dialect: str
    state: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How a post-scan job stands."""

    job_token: str
    state: str
    reasons: tuple[str, ...] = ()
    filters: tuple[FilterStatus, ...] = ()
    images_received: int = 0
    created: datetime | None = None
    completed: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobDescription:
    """Whose post-scan job it is, and of which scan process."""

    psp_identifier: str
    psp_display_name: str
    originating_user_name: str


@dataclass(frozen=True, slots=True)
class DocumentDescription:
    """One document of a post-scan job. `document_id` counts from 1."""

    document_id: int
    format: str
