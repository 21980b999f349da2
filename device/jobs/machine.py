"""The job table: what a job is, and how it moves. Nothing else assigns a job's state.

    Pending ──RETRIEVE──> Processing ──LAST_IMAGE_SENT, NO_MORE_IMAGES──> Completed
       │  ^                   │  └──CANCEL, TRANSFER_BROKEN, SOURCE_FAILED…─> Terminating
       │  └──RELEASE, HOLD──> Held                                                │
       ├──CANCEL──> Canceled  │                                    BACKEND_STOPPED
       └──DEADLINE──> Aborted └──DEADLINE──> Aborted                              v
                                                              Canceled or Aborted

A job starts at its first RetrieveImage. `Started` is announced on the way to Processing and never
stays; `Creating` lasts no longer than the request that creates the job.

Source: ws-scan section 13.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from typing import Final

from device.model.job import JobRecord, JobState, JobStateReason, JobStatus
from device.model.ticket import DocumentFinalParameters, ImageInformation, ScanTicket

RETRIEVE_TIMEOUT_S: Final = 60.0
"""From CreateScanJobResponse to the first RetrieveImage, and between two exchanges."""

S = JobState
R = JobStateReason


class JobInput(Enum):
    """What can happen to a job."""

    WAIT = auto()  # a RetrieveImage waits for the scanner
    RETRIEVE = auto()  # a RetrieveImage has the scanner
    FIRST_BYTES = auto()
    IMAGE_SCANNED = auto()
    IMAGE_SENT = auto()
    LAST_IMAGE_SENT = auto()
    NO_MORE_IMAGES = auto()
    CANCEL = auto()
    CANCEL_AT_DEVICE = auto()
    TRANSFER_BROKEN = auto()
    SOURCE_FAILED = auto()
    SOURCE_BUSY = auto()  # the same RetrieveImage may succeed later
    TICKET_UNUSABLE = auto()  # the source cannot do what the ticket says after all
    DEADLINE = auto()
    SCANNER_STOPPED = auto()
    SCANNER_RESUMED = auto()
    BACKEND_STOPPED = auto()
    HOLD = auto()
    RELEASE = auto()
    SHUTDOWN = auto()


I = JobInput  # noqa: E741


class Effect(Enum):
    """What a step asks the edge to do."""

    CHANGED = auto()  # tell who watches
    STARTED = auto()  # tell that work has begun, before CHANGED
    STOP_BACKEND = auto()  # make the page line let go, then give BACKEND_STOPPED
    ENDED = auto()  # tell that it is over, after CHANGED


TABLE: Final[dict[tuple[JobState, JobInput], JobState]] = {
    (S.PENDING, I.WAIT): S.PENDING,
    (S.PENDING, I.RETRIEVE): S.PROCESSING,
    (S.PENDING, I.CANCEL): S.CANCELED,
    (S.PENDING, I.CANCEL_AT_DEVICE): S.CANCELED,
    (S.PENDING, I.TRANSFER_BROKEN): S.ABORTED,
    (S.PENDING, I.DEADLINE): S.ABORTED,
    (S.PENDING, I.SHUTDOWN): S.ABORTED,
    (S.PENDING, I.HOLD): S.HELD,
    (S.PENDING, I.SCANNER_STOPPED): S.PENDING,
    (S.PENDING, I.SCANNER_RESUMED): S.PENDING,
    (S.HELD, I.RELEASE): S.PENDING,
    (S.HELD, I.WAIT): S.HELD,
    (S.HELD, I.CANCEL): S.CANCELED,
    (S.HELD, I.CANCEL_AT_DEVICE): S.CANCELED,
    (S.HELD, I.TRANSFER_BROKEN): S.ABORTED,
    (S.HELD, I.SHUTDOWN): S.ABORTED,
    (S.HELD, I.SCANNER_STOPPED): S.HELD,
    (S.HELD, I.SCANNER_RESUMED): S.HELD,
    (S.PROCESSING, I.WAIT): S.PROCESSING,
    (S.PROCESSING, I.RETRIEVE): S.PROCESSING,
    (S.PROCESSING, I.FIRST_BYTES): S.PROCESSING,
    (S.PROCESSING, I.IMAGE_SCANNED): S.PROCESSING,
    (S.PROCESSING, I.IMAGE_SENT): S.PROCESSING,
    (S.PROCESSING, I.LAST_IMAGE_SENT): S.COMPLETED,
    (S.PROCESSING, I.NO_MORE_IMAGES): S.COMPLETED,
    (S.PROCESSING, I.CANCEL): S.TERMINATING,
    (S.PROCESSING, I.CANCEL_AT_DEVICE): S.TERMINATING,
    (S.PROCESSING, I.TRANSFER_BROKEN): S.TERMINATING,
    (S.PROCESSING, I.SOURCE_FAILED): S.TERMINATING,
    (S.PROCESSING, I.TICKET_UNUSABLE): S.TERMINATING,
    (S.PROCESSING, I.SHUTDOWN): S.TERMINATING,
    (S.PROCESSING, I.SOURCE_BUSY): S.PROCESSING,
    (S.PROCESSING, I.DEADLINE): S.ABORTED,
    (S.PROCESSING, I.SCANNER_STOPPED): S.PROCESSING,
    (S.PROCESSING, I.SCANNER_RESUMED): S.PROCESSING,
    # Where it ends is decided when it begins to terminate; `Job.ending` holds it.
    (S.TERMINATING, I.BACKEND_STOPPED): S.CANCELED,
    (S.TERMINATING, I.TRANSFER_BROKEN): S.TERMINATING,
    (S.TERMINATING, I.SOURCE_FAILED): S.TERMINATING,
    (S.TERMINATING, I.SOURCE_BUSY): S.TERMINATING,
    (S.TERMINATING, I.TICKET_UNUSABLE): S.TERMINATING,
    (S.TERMINATING, I.FIRST_BYTES): S.TERMINATING,
    (S.TERMINATING, I.IMAGE_SCANNED): S.TERMINATING,
    (S.TERMINATING, I.IMAGE_SENT): S.TERMINATING,
    (S.TERMINATING, I.LAST_IMAGE_SENT): S.TERMINATING,
    (S.TERMINATING, I.NO_MORE_IMAGES): S.TERMINATING,
    (S.TERMINATING, I.CANCEL): S.TERMINATING,
    (S.TERMINATING, I.CANCEL_AT_DEVICE): S.TERMINATING,
    (S.TERMINATING, I.SHUTDOWN): S.TERMINATING,
    (S.TERMINATING, I.SCANNER_STOPPED): S.TERMINATING,
    (S.TERMINATING, I.SCANNER_RESUMED): S.TERMINATING,
}

_ENDINGS: Final[dict[JobInput, tuple[JobState, JobStateReason]]] = {
    I.CANCEL: (S.CANCELED, R.NONE),
    I.CANCEL_AT_DEVICE: (S.CANCELED, R.JOB_CANCELED_AT_DEVICE),
    I.TRANSFER_BROKEN: (S.ABORTED, R.IMAGE_TRANSFER_ERROR),
    I.SOURCE_FAILED: (S.ABORTED, R.JOB_COMPLETED_WITH_ERRORS),
    I.TICKET_UNUSABLE: (S.ABORTED, R.INVALID_SCAN_TICKET),
    I.SHUTDOWN: (S.ABORTED, R.NONE),
    I.DEADLINE: (S.ABORTED, R.JOB_TIMED_OUT),
}
"""How a job ends that does not complete. No keyword fits a source that failed for good; of the
standard ones `JobCompletedWithErrors` says most, and the log says the rest."""


class ImpossibleStep(Exception):
    """An input that cannot happen in this state: a mistake of ours."""


@dataclass(frozen=True, slots=True)
class Job:
    """One scan job.

    `deadline` is the monotonic time at which the client has waited too long, None while the
    device works or keeps the client waiting. `images_left` is None when all there are are wanted.
    `overridden` tells that the ticket was altered, which is a warning at the end. `interrupted`
    holds the reasons that a stop of the scanner took the place of.
    """

    job_id: int
    token: str
    ticket: ScanTicket
    parameters: DocumentFinalParameters
    images: ImageInformation
    created: datetime
    deadline: float | None
    images_left: int | None
    overridden: bool = False
    state: JobState = S.PENDING
    reasons: tuple[JobStateReason, ...] = (R.NONE,)
    scans_completed: int = 0
    images_sent: int = 0
    retrieving: bool = False
    interrupted: tuple[JobStateReason, ...] = (R.NONE,)
    ending: tuple[JobState, JobStateReason] = (S.ABORTED, R.NONE)
    completed: datetime | None = None
    document_names: tuple[str, ...] = ()

    @property
    def record(self) -> JobRecord:
        """The job as others are told of it."""
        return JobRecord(
            status=JobStatus(
                job_id=self.job_id,
                state=self.state,
                reasons=self.reasons,
                scans_completed=self.scans_completed,
                created=self.created,
                completed=self.completed,
            ),
            ticket=self.ticket,
            parameters=self.parameters,
            images=self.images,
            document_names=self.document_names,
        )


def step(job: Job, given: JobInput, now: float, wall: datetime) -> tuple[Job, tuple[Effect, ...]]:
    """Move `job` by one input.

    Args:
        now: monotonic seconds, for deadlines.
        wall: the wall clock, for the stamp of a job that ends here.

    Raises:
        ImpossibleStep: the pair is not in the table.
    """
    target = TABLE.get((job.state, given))
    if target is None:
        raise ImpossibleStep(f"job {job.job_id}: {given.name} in {job.state}")
    moved = _moved(job, given, target, now)
    if moved.state.final:
        moved = replace(moved, completed=wall, deadline=None, retrieving=False)
    if moved == job:
        return job, ()
    effects: list[Effect] = []
    if job.state is S.PENDING and moved.state is S.PROCESSING:
        effects.append(Effect.STARTED)
    if moved.record != job.record:
        effects.append(Effect.CHANGED)
    if moved.state is S.TERMINATING and job.state is not S.TERMINATING:
        effects.append(Effect.STOP_BACKEND)
    if moved.state.final:
        effects.append(Effect.ENDED)
    return moved, tuple(effects)


def _moved(job: Job, given: JobInput, target: JobState, now: float) -> Job:
    """The job after `given`, its closing stamps aside."""
    if job.state is S.TERMINATING:
        if given is not I.BACKEND_STOPPED:
            return job
        return replace(job, state=job.ending[0], reasons=(job.ending[1],))
    job = replace(job, state=target)
    match given:
        case I.WAIT:
            return replace(job, deadline=None, retrieving=True)
        case I.RETRIEVE:
            return replace(job, deadline=None, retrieving=True, reasons=(R.JOB_SCANNING,))
        case I.FIRST_BYTES:
            return replace(job, reasons=(R.JOB_SCANNING_AND_TRANSFERRING,))
        case I.IMAGE_SCANNED:
            scans = job.scans_completed + 1
            return replace(job, reasons=(R.JOB_TRANSFERRING,), scans_completed=scans)
        case I.IMAGE_SENT | I.LAST_IMAGE_SENT:
            return _sent(job, target, now)
        case I.NO_MORE_IMAGES:
            return replace(job, reasons=(_verdict(job),))
        case I.SOURCE_BUSY:
            again = now + RETRIEVE_TIMEOUT_S
            return replace(job, reasons=(R.NONE,), deadline=again, retrieving=False)
        case I.SCANNER_STOPPED:
            if job.reasons == (R.SCANNER_STOPPED,):
                return job
            return replace(job, reasons=(R.SCANNER_STOPPED,), interrupted=job.reasons)
        case I.SCANNER_RESUMED:
            return replace(job, reasons=job.interrupted)
        case I.HOLD:
            return replace(job, deadline=None)
        case I.RELEASE:
            waiting = job.retrieving
            return replace(job, deadline=None if waiting else now + RETRIEVE_TIMEOUT_S)
        case _:
            state, reason = _ENDINGS[given]
            if target is S.TERMINATING:
                return replace(job, ending=(state, reason), deadline=None)
            return replace(job, reasons=(reason,))


def _sent(job: Job, target: JobState, now: float) -> Job:
    left = None if job.images_left is None else job.images_left - 1
    job = replace(job, images_sent=job.images_sent + 1, images_left=left, retrieving=False)
    if target is S.COMPLETED:
        return replace(job, reasons=(_verdict(job),))
    return replace(job, reasons=(R.NONE,), deadline=now + RETRIEVE_TIMEOUT_S)


def _verdict(job: Job) -> JobStateReason:
    """The reason of a completed job: a warning if the ticket was altered, or nothing was there."""
    if job.overridden or not job.images_sent:
        return R.JOB_COMPLETED_WITH_WARNINGS
    return R.NONE
