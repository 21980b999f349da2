"""What WS-DSC adds to the structures that it shares with WS-DSP ↔ XML.

Source: ws-dsp section 12.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from device.dsp.elements import write_data, write_filters, write_reasons, write_whose
from device.dsp.messages import QName
from device.soap.namespaces import DSC, PREFIX_OF
from device.soap.write import attribute, element, leaf
from scan_server.post_scan_jobs import PostScanJob

PREFIX: Final = "dsc"
STATUS_SUMMARY_EVENT: Final = "RepositoryStatusSummaryEvent"
ELEMENTS_CHANGE_EVENT: Final = "RepositoryElementsChangeEvent"
PREFIXES: Final = (PREFIX,)
REPOSITORY_CONFIGURATION: Final[QName] = (DSC, "RepositoryConfiguration")
REPOSITORY_STATUS: Final[QName] = (DSC, "RepositoryStatus")
_LOCAL_NAME = re.compile(r"[^\W\d][\w.-]*")


class RepositoryState(StrEnum):
    """What the scan server does as a whole."""

    IDLE = "Idle"
    PROCESSING = "Processing"
    STOPPED = "Stopped"


@dataclass(frozen=True, slots=True)
class Repository:
    """The scan server as a whole: its state, and the dialects of its filters as URIs."""

    state: RepositoryState
    dialects: tuple[str, ...]


def write_configuration(repository: Repository) -> str:
    """A RepositoryConfiguration. Dialects are QNames here, and URIs everywhere else (A23)."""
    filters = [
        element("dsc:Filter", written, element("dsc:FilterConfig"))
        for written in map(_write_dialect, repository.dialects)
        if written
    ]
    return element(
        "dsc:RepositoryConfiguration", element("dsc:Filters", *filters) if filters else ""
    )


def _write_dialect(uri: str) -> str:
    """`ftr:email` for `<ftr namespace>/email`; nothing for a URI that no QName can express."""
    namespace, _, local = uri.rpartition("/")
    if not namespace or not _LOCAL_NAME.fullmatch(local):
        return ""
    prefix = PREFIX_OF.get(namespace, "own")
    declared = attribute(f"xmlns:{prefix}", namespace)
    return leaf("dsc:Dialect", f"{prefix}:{local}", declared)


def write_status(repository: Repository, name: str = "RepositoryStatus") -> str:
    """A RepositoryStatus, or the StatusSummary of an event."""
    return element(
        f"dsc:{name}",
        leaf("dsc:RepositoryState", repository.state),
        write_reasons(PREFIX, "RepositoryStateReasons", "RepositoryStateReason", ("None",)),
    )


def write_summary_event(repository: Repository) -> str:
    """RepositoryStatusSummaryEvent."""
    return element(f"dsc:{STATUS_SUMMARY_EVENT}", write_status(repository, "StatusSummary"))


def write_change_event(repository: Repository) -> str:
    """RepositoryElementsChangeEvent: the whole configuration, as it is now."""
    changes = element("dsc:ElementChanges", write_configuration(repository))
    return element(f"dsc:{ELEMENTS_CHANGE_EVENT}", changes)


def write_elements(found: Iterable[tuple[QName, str | None]]) -> str:
    """GetRepositoryElementsResponse."""
    data = write_data(found, PREFIX)
    return element("dsc:GetRepositoryElementsResponse", element("dsc:RepositoryElements", data))


def write_summary(job: PostScanJob) -> str:
    """A JobSummary."""
    status = job.status
    return element(
        "dsc:JobSummary",
        leaf("dsc:JobToken", job.token),
        write_whose(job.description, PREFIX),
        leaf("dsc:JobState", status.state),
        write_reasons(PREFIX, "JobStateReasons", "JobStateReason", status.reasons),
        write_filters(status.filters, PREFIX, "FilterStatuses"),
        leaf("dsc:ImagesReceived", status.images_received),
    )


def write_jobs(operation: str, holder: str, summaries: Iterable[str]) -> str:
    """GetActiveJobsResponse or GetJobHistoryResponse."""
    return element(f"dsc:{operation}Response", element(f"dsc:{holder}", *summaries))
