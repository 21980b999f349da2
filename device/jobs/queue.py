"""All jobs, live and remembered: who may scan next, and who has waited too long. No asyncio."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from device.clock import Clock
from device.errors import JobCancelled, JobIdNotFound, NoImagesAvailable
from device.jobs.history import HistoryStore
from device.jobs.machine import Effect, Job, JobInput, step
from device.model.changes import Change, JobChanged, JobEnded
from device.model.job import JobRecord, JobState, JobStateReason

log = logging.getLogger(__name__)

MAX_NAMES = 250
"""Document names that are kept of one job: more than one answer may hold."""


class JobQueue:
    """Jobs in the order of their creation.

    Args:
        remembered: how many ended jobs are kept.
        store: keeps them over restarts.
        publish: told of every change, in order.
        stop_backend: told the JobId of a job whose page must be let go of.
        moved: told that something has changed, after it was published.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        remembered: int,
        publish: Callable[[Change], None],
        stop_backend: Callable[[int], None],
        moved: Callable[[], None],
        store: HistoryStore | None = None,
    ) -> None:
        self._clock = clock
        self._remembered = remembered
        self._publish = publish
        self._stop_backend = stop_backend
        self._moved = moved
        self._active: OrderedDict[int, Job] = OrderedDict()
        self._ended: OrderedDict[int, Job] = OrderedDict()
        self._store = store
        for job in store.load(remembered) if store else ():
            self._ended[job.job_id] = job

    def __len__(self) -> int:
        """How many jobs are not finished."""
        return len(self._active)

    def active(self) -> tuple[Job, ...]:
        """All jobs not yet finished, oldest first."""
        return tuple(self._active.values())

    def history(self) -> tuple[JobRecord, ...]:
        """The finished jobs that are remembered, newest first."""
        return tuple(job.record for job in reversed(self._ended.values()))

    def find(self, job_id: int | str) -> Job:
        """One job, live or finished.

        Raises:
            JobIdNotFound: there is none, or it is forgotten.
        """
        job = None
        if isinstance(job_id, int):
            job = self._active.get(job_id) or self._ended.get(job_id)
        if job is None:
            raise JobIdNotFound(job_id)
        return job

    def is_active(self, job_id: int) -> bool:
        """Whether that job is not finished."""
        return job_id in self._active

    def add(self, job: Job) -> None:
        """Take a new job in."""
        self._active[job.job_id] = job
        self._publish(JobChanged(job.record))
        self._moved()

    def has_turn(self, job_id: int) -> bool:
        """Whether no job that may be scheduled was there before this one."""
        first = next((job for job in self._active.values() if job.state is not JobState.HELD), None)
        return first is not None and first.job_id == job_id

    def give(self, job_id: int, given: JobInput, document_name: str | None = None) -> None:
        """Move a job, keep it where it belongs now, and do what the step asks for.

        `document_name` is the client's name of an image that it has got.
        """
        before = self._active[job_id]
        if document_name is not None and len(before.document_names) < MAX_NAMES:
            before = replace(before, document_names=(*before.document_names, document_name))
        job, effects = step(before, given, self._clock.monotonic(), self._clock.now())
        self._active[job_id] = job
        for effect in effects:
            match effect:
                case Effect.STARTED:
                    started = replace(job, state=JobState.STARTED, reasons=(JobStateReason.NONE,))
                    self._publish(JobChanged(started.record))
                case Effect.CHANGED:
                    self._publish(JobChanged(job.record))
                case Effect.STOP_BACKEND:
                    self._stop_backend(job_id)
                case Effect.ENDED:
                    self._end(job)
        self._moved()

    def give_if_active(self, job_id: int, given: JobInput) -> None:
        """Move a job, unless it has ended meanwhile."""
        if job_id in self._active:
            self.give(job_id, given)

    def _end(self, job: Job) -> None:
        del self._active[job.job_id]
        self._ended[job.job_id] = job
        if self._store is not None and self._remembered:
            self._store.add(job, self._remembered)
        while len(self._ended) > self._remembered:
            self._ended.popitem(last=False)
        reason = "" if job.reasons == (JobStateReason.NONE,) else f" ({', '.join(job.reasons)})"
        log.info("job %d %s%s, %d images", job.job_id, job.state, reason, job.images_sent)
        self._publish(JobEnded(job.record))

    def tick(self) -> None:
        """Abort the jobs whose clients have waited too long."""
        now = self._clock.monotonic()
        for job in self.active():
            if job.deadline is not None and job.deadline <= now:
                log.info("job %d: nobody fetched its image in time", job.job_id)
                self.give(job.job_id, JobInput.DEADLINE)

    def next_deadline(self) -> float | None:
        """The monotonic time at which `tick` has something to do, None if it never has."""
        return min(
            (job.deadline for job in self._active.values() if job.deadline is not None),
            default=None,
        )


def check_has_images(job: Job) -> None:
    """Refuse a job that has no more images, with the reason that its client needs.

    A job that was aborted is not found any more: NoImagesAvailable would hide that it was
    (ws-scan section 18, points 8 and 9).

    Raises:
        NoImagesAvailable, JobCancelled, JobIdNotFound: by the job's state.
    """
    if job.state is JobState.COMPLETED:
        raise NoImagesAvailable
    ending = job.ending[0] if job.state is JobState.TERMINATING else job.state
    if ending is JobState.CANCELED:
        raise JobCancelled
    if ending is JobState.ABORTED:
        raise JobIdNotFound(job.job_id)
