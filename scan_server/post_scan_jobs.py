"""The post-scan job, as one table.

A job is `Creating` from CreatePostScanJob to EndPostScanJob, waits as `Pending`, and has its
filters run in document order, one after another.

Source: ws-dsp sections 4.1, 6.3, 7.1 and 7.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from device.dsp.process import PostScanInstructions
from device.dsp.words import (
    FINAL_STATES,
    FilterState,
    FilterStatus,
    JobDescription,
    JobStateReason,
    JobStatus,
)
from device.dsp.words import PostScanJobState as S

IDLE_S = 600.0
"""Longest pause between Create or SendImage and the next SendImage or End (section 7.3)."""


WORKING = frozenset({S.STARTED, S.PROCESSING, S.TERMINATING})
"""The states in which the server works on a job's documents."""


class I(Enum):  # noqa: E742 - the table reads better so
    """What can happen to a job: first what comes from outside, then what follows from it."""

    STORED = auto()  # a SendImage is whole on the disk
    FAILED = auto()  # a SendImage failed for good
    REFUSED = auto()  # CreatePostScanJob failed after the job was recorded
    IDLE = auto()
    END = auto()
    HOLD = auto()  # by an administrator
    RELEASE = auto()
    TURN = auto()  # the queue has come to this job
    BEGIN = auto()
    FILTER = auto()  # the filter at work has ended
    CANCEL = auto()
    RESTART = auto()  # the server was started again

    NEXT = auto()  # a further filter is to run
    WELL = auto()
    WARNED = auto()
    ERRORS = auto()
    BROKEN_OFF = auto()  # a filter error, and ContinueOnError is not true


TABLE: dict[tuple[S, I], S] = {
    (S.CREATING, I.STORED): S.CREATING,
    (S.CREATING, I.FAILED): S.ABORTED,
    (S.CREATING, I.REFUSED): S.ABORTED,
    (S.CREATING, I.IDLE): S.ABORTED,
    (S.CREATING, I.END): S.PENDING,
    (S.CREATING, I.CANCEL): S.CANCELED,
    (S.CREATING, I.RESTART): S.CREATING,
    (S.PENDING, I.HOLD): S.PENDING_HELD,
    (S.PENDING, I.TURN): S.STARTED,
    (S.PENDING, I.CANCEL): S.CANCELED,
    (S.PENDING, I.RESTART): S.PENDING,
    (S.PENDING_HELD, I.RELEASE): S.PENDING,
    (S.PENDING_HELD, I.CANCEL): S.CANCELED,
    (S.PENDING_HELD, I.RESTART): S.PENDING_HELD,
    (S.STARTED, I.BEGIN): S.PROCESSING,
    (S.STARTED, I.CANCEL): S.CANCELED,
    (S.STARTED, I.RESTART): S.PENDING,
    (S.PROCESSING, I.NEXT): S.PROCESSING,
    (S.PROCESSING, I.WELL): S.COMPLETED,
    (S.PROCESSING, I.WARNED): S.COMPLETED,
    (S.PROCESSING, I.ERRORS): S.COMPLETED,
    (S.PROCESSING, I.BROKEN_OFF): S.ABORTED,
    (S.PROCESSING, I.CANCEL): S.TERMINATING,  # a filter still runs
    (S.PROCESSING, I.RESTART): S.PROCESSING,
    (S.TERMINATING, I.FILTER): S.CANCELED,
    (S.TERMINATING, I.CANCEL): S.TERMINATING,
    (S.TERMINATING, I.RESTART): S.CANCELED,
}

REASONS: dict[tuple[S, I], JobStateReason] = {
    (S.CREATING, I.FAILED): JobStateReason.SEND_IMAGE_FAILED,
    (S.CREATING, I.REFUSED): JobStateReason.CREATE_FAILED,
    (S.CREATING, I.IDLE): JobStateReason.TIMED_OUT,
    (S.PROCESSING, I.WELL): JobStateReason.COMPLETED_SUCCESSFULLY,
    (S.PROCESSING, I.WARNED): JobStateReason.COMPLETED_WITH_WARNINGS,
    (S.PROCESSING, I.ERRORS): JobStateReason.COMPLETED_WITH_ERRORS,
    (S.PROCESSING, I.BROKEN_OFF): JobStateReason.PROCESSING_FAILED,
}


@dataclass(frozen=True, slots=True)
class Document:
    """A document that is whole on the disk."""

    document_id: int
    format: str
    size: int


@dataclass(frozen=True, slots=True)
class PostScanJob:
    """One post-scan job.

    `owner` is what the client's certificate says, empty without one. `user_name`, `user_mail` and
    `display_name` are those of the directory, empty without one. `created` and `completed`
    are wall time for the wire; `deadline` is monotonic and has no meaning after a restart.
    """

    token: str
    user: str
    psp_identifier: str
    instructions: PostScanInstructions
    created: datetime
    filters: tuple[FilterStatus, ...]
    owner: str = ""
    user_name: str = ""
    user_mail: str = ""
    display_name: str = ""
    state: S = S.CREATING
    reason: JobStateReason = JobStateReason.NONE
    documents: tuple[Document, ...] = ()
    completed: datetime | None = None
    deadline: float | None = None
    idle_s: float = IDLE_S

    @property
    def status(self) -> JobStatus:
        """As the wire tells it. ImagesReceived counts each DocumentId once."""
        return JobStatus(
            job_token=self.token,
            state=self.state,
            reasons=(self.reason,),
            filters=self.filters,
            images_received=len(self.documents),
            created=self.created,
            completed=self.completed,
        )

    @property
    def description(self) -> JobDescription:
        """Without a directory a scan process has no name but its documents', a user but a SID."""
        return JobDescription(
            self.psp_identifier,
            self.display_name or self.instructions.document_root_name,
            self.user_name or self.user,
        )


@dataclass(frozen=True, slots=True)
class Given:
    """An input with what came along: the document with STORED, the filter's end with FILTER."""

    kind: I
    document: Document | None = None
    filter_state: FilterState | None = None
    filter_reasons: tuple[str, ...] = ()
    reason: JobStateReason | None = None


class Effect(Enum):
    """What the edge shall do."""

    QUEUE = auto()  # wait for its turn
    RUN_FILTER = auto()  # the one whose state is Processing
    STOP_FILTER = auto()
    DISCARD = auto()  # delete the documents: the job has ended


class NotInThisState(Exception):
    """The input has no line in the table for this state."""

    def __init__(self, job: PostScanJob, kind: I) -> None:
        self.job = job
        super().__init__(f"{kind.name} in {job.state}")


def create(
    *,
    token: str,
    user: str,
    psp_identifier: str,
    instructions: PostScanInstructions,
    owner: str,
    user_name: str = "",
    user_mail: str = "",
    display_name: str = "",
    now: float,
    at: datetime,
    idle_s: float = IDLE_S,
) -> PostScanJob:
    """A new job: Creating, all filters Pending, the idle time running."""
    return PostScanJob(
        token=token,
        user=user,
        psp_identifier=psp_identifier,
        instructions=instructions,
        created=at,
        filters=tuple(
            FilterStatus(one.dialect, FilterState.PENDING) for one in instructions.filters
        ),
        owner=owner,
        user_name=user_name,
        user_mail=user_mail,
        display_name=display_name,
        deadline=now + idle_s,
        idle_s=idle_s,
    )


def running_filter(job: PostScanJob) -> int | None:
    """The position of the filter at work."""
    states = [one.state for one in job.filters]
    return states.index(FilterState.PROCESSING) if FilterState.PROCESSING in states else None


def check(job: PostScanJob, kind: I) -> None:
    """Refuse an input that `step` would refuse.

    Raises:
        NotInThisState: it cannot happen in this state.
    """
    if (job.state, kind) not in TABLE:
        raise NotInThisState(job, kind)


def step(
    job: PostScanJob, given: Given, now: float, at: datetime
) -> tuple[PostScanJob, tuple[Effect, ...]]:
    """Move `job` by one input at monotonic time `now` (seconds) and wall time `at`.

    Raises:
        NotInThisState: the input cannot happen in this state.
    """
    learned = _learn(job, given)
    kind = _refine(learned, given)
    line = (job.state, kind)
    if line not in TABLE:
        raise NotInThisState(job, kind)
    state = TABLE[line]
    reason = given.reason or REASONS.get(line, JobStateReason.NONE)
    if state is S.CANCELED:
        reason = JobStateReason.CANCELED
    after = replace(
        learned,
        state=state,
        reason=reason if state in FINAL_STATES else JobStateReason.NONE,
        deadline=now + job.idle_s if state is S.CREATING else None,
    )
    if state in FINAL_STATES:
        return _ended(after, at), (Effect.DISCARD,)
    return _effects(after, kind)


def _learn(job: PostScanJob, given: Given) -> PostScanJob:
    if given.kind is I.STORED and given.document:
        others = [d for d in job.documents if d.document_id != given.document.document_id]
        ordered = sorted((*others, given.document), key=lambda document: document.document_id)
        return replace(job, documents=tuple(ordered))
    at_work = running_filter(job)
    if given.kind is I.FILTER and at_work is not None and given.filter_state:
        return _with_filter(job, at_work, given.filter_state, given.filter_reasons)
    return job


def _with_filter(
    job: PostScanJob, position: int, state: FilterState, reasons: tuple[str, ...] = ()
) -> PostScanJob:
    filters = list(job.filters)
    filters[position] = replace(filters[position], state=state, reasons=reasons)
    return replace(job, filters=tuple(filters))


def _refine(job: PostScanJob, given: Given) -> I:
    """The line of the table that this input means here. A warning never stops a job."""
    if given.kind is not I.FILTER or job.state is not S.PROCESSING:
        return given.kind
    if running_filter(job) is not None:
        raise NotInThisState(job, given.kind)
    states = {one.state for one in job.filters}
    with_errors = FilterState.COMPLETED_WITH_ERRORS in states
    if with_errors and not job.instructions.continue_on_error:
        return I.BROKEN_OFF
    if FilterState.PENDING in states:
        return I.NEXT
    if with_errors:
        return I.ERRORS
    return I.WARNED if FilterState.COMPLETED_WITH_WARNINGS in states else I.WELL


def _effects(job: PostScanJob, kind: I) -> tuple[PostScanJob, tuple[Effect, ...]]:
    match job.state:
        case S.PENDING:
            return job, (Effect.QUEUE,)
        case S.PROCESSING if kind in (I.BEGIN, I.NEXT):
            first = [one.state for one in job.filters].index(FilterState.PENDING)
            return _with_filter(job, first, FilterState.PROCESSING), (Effect.RUN_FILTER,)
        case S.PROCESSING if kind is I.RESTART:
            return job, (Effect.QUEUE,)
        case S.TERMINATING:
            return job, (Effect.STOP_FILTER,)
    return job, ()


def _ended(job: PostScanJob, at: datetime) -> PostScanJob:
    """The end: filters that had not ended are Canceled."""
    open_states = (FilterState.PENDING, FilterState.PROCESSING)
    filters = tuple(
        replace(one, state=FilterState.CANCELED) if one.state in open_states else one
        for one in job.filters
    )
    return replace(job, filters=filters, completed=max(at, job.created))
