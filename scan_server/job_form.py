"""A post-scan job as the records keep it: JSON, without its documents."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache

from device.dsp.process import PostScanInstructions, read_alone, write_alone
from device.dsp.words import FilterStatus, JobStateReason, PostScanJobState
from scan_server.post_scan_jobs import Document, PostScanJob


def write(job: PostScanJob) -> str:
    """All of a job but its documents and what is of this run only."""
    return json.dumps(
        {
            "token": job.token,
            "user": job.user,
            "psp_identifier": job.psp_identifier,
            "instructions": _written(job.instructions),
            "created": job.created.isoformat(),
            "completed": job.completed.isoformat() if job.completed else None,
            "filters": [[one.dialect, one.state, list(one.reasons)] for one in job.filters],
            "owner": job.owner,
            "user_name": job.user_name,
            "user_mail": job.user_mail,
            "display_name": job.display_name,
            "state": job.state,
            "reason": job.reason,
        }
    )


def read(body: str, documents: tuple[Document, ...]) -> PostScanJob:
    """The job that `write` wrote."""
    found = json.loads(body)
    completed = found["completed"]
    return PostScanJob(
        token=found["token"],
        user=found["user"],
        psp_identifier=found["psp_identifier"],
        instructions=_instructions(found["instructions"]),
        created=datetime.fromisoformat(found["created"]),
        completed=datetime.fromisoformat(completed) if completed else None,
        filters=tuple(
            FilterStatus(dialect, state, tuple(reasons))
            for dialect, state, reasons in found["filters"]
        ),
        owner=found["owner"],
        user_name=found["user_name"],
        user_mail=found["user_mail"],
        display_name=found["display_name"],
        state=PostScanJobState(found["state"]),
        reason=JobStateReason(found["reason"]),
        documents=documents,
    )


# A job is written and read at each of its steps, and its instructions never change.
_written = lru_cache(maxsize=256)(write_alone)


@lru_cache(maxsize=256)
def _instructions(text: str) -> PostScanInstructions:
    return read_alone(text)
