"""What a post-scan job's status means for the delivery of its pages.

Source: ws-dsp sections 4.6, 6.3 and 7.1.
"""

from __future__ import annotations

from device.dsp.post_scan_job import Ended, Given, I
from device.dsp.words import DocumentDescription, FilterState, JobStateReason, JobStatus
from device.dsp.words import PostScanJobState as JobState

_WELL = (FilterState.COMPLETED_SUCCESSFULLY, FilterState.COMPLETED_WITH_WARNINGS)


def as_given(status: JobStatus, documents: tuple[DocumentDescription, ...] | None = None) -> Given:
    """The status as an input for the delivery's table.

    A job that is completed, but with a filter that is not, has not delivered everything.
    """
    undelivered = tuple(n for n, one in enumerate(status.filters) if one.state not in _WELL)
    with_errors = JobStateReason.COMPLETED_WITH_ERRORS in status.reasons or any(
        one.state == FilterState.COMPLETED_WITH_ERRORS for one in status.filters
    )
    match status.state:
        case JobState.CREATING:
            stored = None if documents is None else frozenset(d.document_id for d in documents)
            return Given(I.STATUS, ended=Ended.OPEN, stored=stored)
        case JobState.COMPLETED if not with_errors:
            return Given(I.STATUS, ended=Ended.WELL)
        case JobState.COMPLETED | JobState.ABORTED | JobState.CANCELED:
            why = f"the server's job ended as {status.state}{_reasons(status)}"
            return Given(I.STATUS, why, ended=Ended.BADLY, undelivered=undelivered)
    return Given(I.STATUS, ended=Ended.NOT_YET)


def _reasons(status: JobStatus) -> str:
    words = [word for word in status.reasons if word != JobStateReason.NONE]
    words += [word for one in status.filters for word in one.reasons]
    return f" ({', '.join(dict.fromkeys(words))})" if words else ""
