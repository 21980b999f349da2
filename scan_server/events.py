"""Change of a job → the bodies of its events, for WS-DSP and for WS-DSC. Not who receives them.

Source: ws-dsp sections 6, 7.2 and 12.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from device.dsp.elements import (
    write_filters,
    write_reasons,
    write_status,
    write_time,
    write_whose,
)
from device.soap.namespaces import PREFIXES
from device.soap.write import element, leaf
from scan_server.post_scan_jobs import PostScanJob

JOB_STATUS: Final = "PostScanJobStatusEvent"
JOB_END: Final = "PostScanJobEndStateEvent"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A notification without its addressee. `prefix` is that of the service it comes from."""

    prefix: str
    name: str
    body: str

    @property
    def action(self) -> str:
        return f"{PREFIXES[self.prefix]}/{self.name}"


def actions(prefix: str, *names: str) -> frozenset[str]:
    """The actions of these events of a service."""
    return frozenset(f"{PREFIXES[prefix]}/{name}" for name in names)


def of_change(before: PostScanJob | None, after: PostScanJob, prefix: str) -> Iterator[JobEvent]:
    """What a change is told by: nothing, a status, or a last status and then the end.

    A further image alone is not told.
    """
    if before is not None and _told(before) == _told(after):
        return
    yield JobEvent(prefix, JOB_STATUS, status_event(after, prefix))
    if after.state.final:
        yield JobEvent(prefix, JOB_END, end_state_event(after, prefix))


def _told(job: PostScanJob) -> tuple[object, ...]:
    return job.state, job.reason, job.filters


def status_event(job: PostScanJob, prefix: str) -> str:
    """PostScanJobStatusEvent."""
    return element(f"{prefix}:{JOB_STATUS}", write_status(job.status, prefix))


def end_state_event(job: PostScanJob, prefix: str) -> str:
    """PostScanJobEndStateEvent. It has no start time, whatever the prose says (A16)."""
    return element(
        f"{prefix}:{JOB_END}",
        element(
            f"{prefix}:PostScanJobEndState",
            leaf(f"{prefix}:JobToken", job.token),
            write_whose(job.description, prefix),
            leaf(f"{prefix}:JobCompletedState", job.state),
            write_reasons(prefix, "JobCompletedStateReasons", "JobStateReason", (job.reason,)),
            write_filters(job.filters, prefix, "FilterCompletedStatuses"),
            leaf(f"{prefix}:ImagesReceived", len(job.documents)),
            write_time(f"{prefix}:JobCompletedTime", job.completed),
        ),
    )
