"""Any walk of the job table, and the table itself against the standard's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from device import profile
from device.imaging.encoders import SUPPORTED
from device.jobs.machine import (
    RETRIEVE_TIMEOUT_S,
    TABLE,
    Effect,
    ImpossibleStep,
    Job,
    JobInput,
    step,
)
from device.model.job import FINAL_STATES, JobState, JobStateReason
from device.model.ticket import ScanTicket
from device.scan.validation import resolve

conformance = pytest.mark.conformance
OFFICE = str(Path(__file__).parents[1] / "support" / "office.toml")
WALL = datetime(2026, 5, 4, tzinfo=UTC)
S = JobState
# ws-scan section 13.1, as a table of ours; skipping Started or Terminating is allowed there.
LEGAL = {
    S.CREATING: {S.PENDING, S.TERMINATING, S.ABORTED},
    S.PENDING: {S.HELD, S.STARTED, S.PROCESSING, S.TERMINATING, S.ABORTED, S.CANCELED},
    S.HELD: {S.PENDING, S.TERMINATING, S.ABORTED, S.CANCELED},
    S.STARTED: {S.PROCESSING, S.TERMINATING, S.ABORTED},
    S.PROCESSING: {S.TERMINATING, S.COMPLETED, S.ABORTED},
    S.TERMINATING: {S.CANCELED, S.ABORTED},
}
REASONS_AT_THE_END = {
    S.COMPLETED: {JobStateReason.NONE, JobStateReason.JOB_COMPLETED_WITH_WARNINGS},
    S.CANCELED: {JobStateReason.NONE, JobStateReason.JOB_CANCELED_AT_DEVICE},
    S.ABORTED: {
        JobStateReason.NONE,
        JobStateReason.JOB_TIMED_OUT,
        JobStateReason.IMAGE_TRANSFER_ERROR,
        JobStateReason.INVALID_SCAN_TICKET,
        JobStateReason.JOB_COMPLETED_WITH_ERRORS,
    },
}


def new_job(images_left=None, overridden=False):
    shape = profile.load(OFFICE, SUPPORTED)
    verdict = resolve(ScanTicket(), shape.configuration, shape.default_ticket, feeder_loaded=False)
    return Job(
        job_id=1,
        token="t",
        ticket=ScanTicket(),
        parameters=verdict.parameters,
        images=verdict.images,
        created=WALL,
        deadline=RETRIEVE_TIMEOUT_S,
        images_left=images_left,
        overridden=overridden,
    )


@conformance("JM-01")
def test_the_table_allows_nothing_that_the_standard_does_not():
    for (state, given_), target in TABLE.items():
        assert state not in FINAL_STATES
        assert target == state or target in LEGAL[state], (state, given_)


@conformance("JM-01")
@pytest.mark.parametrize("state", sorted(FINAL_STATES))
@pytest.mark.parametrize("given_", JobInput)
def test_final_states_have_no_way_out(state, given_):
    with pytest.raises(ImpossibleStep):
        step(replace(new_job(), state=state), given_, 0.0, WALL)


def test_every_state_but_creating_and_started_is_reached():
    reached = set(TABLE.values()) | {S.ABORTED}
    assert reached | {S.CREATING, S.STARTED} == set(S)


@conformance("JM-05", "JM-07")
@pytest.mark.parametrize("state", [S.PENDING, S.HELD, S.PROCESSING, S.TERMINATING])
def test_a_cancel_and_a_broken_transfer_are_understood_in_every_state(state):
    for given_ in (
        JobInput.CANCEL,
        JobInput.CANCEL_AT_DEVICE,
        JobInput.TRANSFER_BROKEN,
        JobInput.SHUTDOWN,
        JobInput.SCANNER_STOPPED,
        JobInput.SCANNER_RESUMED,
    ):
        step(replace(new_job(), state=state), given_, 0.0, WALL)


def test_what_ends_a_job_first_decides_how_it_ends():
    job = replace(new_job(), state=S.PROCESSING)
    for given_ in (JobInput.CANCEL, JobInput.TRANSFER_BROKEN, JobInput.BACKEND_STOPPED):
        job, _ = step(job, given_, 0.0, WALL)
    assert (job.state, job.reasons) == (S.CANCELED, (JobStateReason.NONE,))


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_deadline_is_60_seconds_from_the_end_of_an_exchange(now, later):
    job = new_job()
    for given_ in (JobInput.WAIT, JobInput.RETRIEVE, JobInput.IMAGE_SCANNED):
        job, _ = step(job, given_, now, WALL)
        assert job.deadline is None
    job, _ = step(job, JobInput.IMAGE_SENT, later, WALL)
    assert job.deadline == later + RETRIEVE_TIMEOUT_S


class Walk(RuleBasedStateMachine):
    """Inputs in any order; those that the state does not know must leave the job alone."""

    def __init__(self):
        super().__init__()
        self.job = new_job(overridden=True)
        self.now = 0.0
        self.seen = [self.job.state]
        self.ended = 0
        self.started = 0
        self.stops = 0
        self.scans = 0

    @rule(given=st.sampled_from(JobInput), passed=st.floats(0, 100))
    def step(self, given, passed):
        self.now += passed
        before = self.job
        if (before.state, given) not in TABLE:
            with pytest.raises(ImpossibleStep):
                step(before, given, self.now, WALL)
            return
        wall = WALL + timedelta(seconds=self.now)
        self.job, effects = step(before, given, self.now, wall)
        self.ended += effects.count(Effect.ENDED)
        self.started += effects.count(Effect.STARTED)
        self.stops += effects.count(Effect.STOP_BACKEND)
        assert (Effect.CHANGED in effects) == (self.job.record != before.record)
        if Effect.ENDED in effects:
            assert effects[-1] is Effect.ENDED
        assert self.job.scans_completed - before.scans_completed in (0, 1)
        if self.job.state != before.state:
            assert self.job.state in LEGAL[before.state]
            self.seen.append(self.job.state)

    @invariant()
    def is_sound(self):
        job = self.job
        assert self.started <= 1
        assert self.stops <= 1
        assert self.ended == job.state.final
        assert (job.completed is not None) == job.state.final
        assert job.state in {S.PENDING, S.HELD, S.PROCESSING, S.TERMINATING, *FINAL_STATES}
        assert len(job.reasons) == 1
        if job.state.final:
            assert set(job.reasons) <= REASONS_AT_THE_END[job.state]
            assert job.deadline is None
            assert not job.retrieving
        if job.deadline is not None:
            assert not job.retrieving
            assert job.deadline <= self.now + RETRIEVE_TIMEOUT_S
        if job.state is S.HELD:
            assert job.deadline is None


TestWalk = Walk.TestCase
