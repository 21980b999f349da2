"""The post-scan job's table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.dsp.process import Filter, PostScanInstructions
from device.dsp.words import FINAL_STATES, FilterState, JobStateReason
from device.dsp.words import PostScanJobState as S
from scan_server.post_scan_jobs import (
    TABLE,
    Document,
    Effect,
    Given,
    I,
    NotInThisState,
    PostScanJob,
    create,
    step,
)

AT = datetime(2026, 1, 2, tzinfo=UTC)
WELL = Given(I.FILTER, filter_state=FilterState.COMPLETED_SUCCESSFULLY)
WARNED = Given(I.FILTER, filter_state=FilterState.COMPLETED_WITH_WARNINGS)
WRONG = Given(
    I.FILTER, filter_state=FilterState.COMPLETED_WITH_ERRORS, filter_reasons=("UnknownError",)
)


def new(filters: int = 2, go_on: bool | None = None) -> PostScanJob:
    told = PostScanInstructions("scan", (Filter("urn:d"),) * filters, go_on)
    return create(
        token="T", user="U", psp_identifier="P", instructions=told, owner="", now=0, at=AT
    )


def image(number: int) -> Given:
    return Given(I.STORED, document=Document(number, "png", 1))


def after(job: PostScanJob, *inputs: Given | I) -> PostScanJob:
    for one in inputs:
        job, _ = step(job, one if isinstance(one, Given) else Given(one), 1.0, AT)
    return job


def working(filters: int = 2, go_on: bool | None = None) -> PostScanJob:
    return after(new(filters, go_on), image(1), I.END, I.TURN, I.BEGIN)


def states(job: PostScanJob) -> list[str]:
    return [str(one.state) for one in job.filters]


@pytest.mark.conformance("SO-01")
def test_a_new_job() -> None:
    job = new()
    assert (job.state, job.reason, states(job)) == (S.CREATING, "None", ["Pending", "Pending"])
    assert job.deadline == 600.0


@pytest.mark.conformance("SO-16")
def test_a_document_counts_once_and_its_content_is_replaced() -> None:
    job = after(new(), image(2), image(1), Given(I.STORED, document=Document(2, "png", 9)))
    assert job.status.images_received == 2
    assert job.documents == (Document(1, "png", 1), Document(2, "png", 9))


def test_an_image_renews_the_idle_time() -> None:
    assert after(new(), image(1)).deadline == 601.0


def test_nobody_goes_on_with_it() -> None:
    job, effects = step(new(), Given(I.IDLE), 600.0, AT)
    assert (job.state, job.reason) == (S.ABORTED, JobStateReason.TIMED_OUT)
    assert states(job) == ["Canceled", "Canceled"]
    assert effects == (Effect.DISCARD,)


@pytest.mark.conformance("SS-11")
def test_the_filters_run_one_after_the_other() -> None:
    job = working()
    assert states(job) == ["Processing", "Pending"]
    job = after(job, WELL)
    assert states(job) == ["CompletedSuccessfully", "Processing"]
    job = after(job, WELL)
    assert (job.state, job.reason) == (S.COMPLETED, JobStateReason.COMPLETED_SUCCESSFULLY)
    assert job.completed == AT


@pytest.mark.parametrize("go_on", [None, False])
def test_an_error_ends_the_job(go_on: bool | None) -> None:
    job = after(working(3, go_on), WELL, WRONG)
    assert (job.state, job.reason) == (S.ABORTED, JobStateReason.PROCESSING_FAILED)
    assert states(job) == ["CompletedSuccessfully", "CompletedWithErrors", "Canceled"]


def test_with_continue_on_error_the_rest_still_runs() -> None:
    job = after(working(3, True), WRONG, WARNED, WELL)
    assert (job.state, job.reason) == (S.COMPLETED, JobStateReason.COMPLETED_WITH_ERRORS)
    assert job.filters[0].reasons == ("UnknownError",)


def test_an_error_of_the_last_filter_ends_the_job_too() -> None:
    assert after(working(1), WRONG).state is S.ABORTED


def test_a_warning_never_stops_a_job() -> None:
    job = after(working(), WARNED, WELL)
    assert (job.state, job.reason) == (S.COMPLETED, JobStateReason.COMPLETED_WITH_WARNINGS)


def test_a_job_without_images_completes() -> None:
    assert after(new(1), I.END, I.TURN, I.BEGIN, WELL).state is S.COMPLETED


def test_a_running_filter_is_waited_for() -> None:
    job, effects = step(working(), Given(I.CANCEL), 1.0, AT)
    assert (job.state, effects) == (S.TERMINATING, (Effect.STOP_FILTER,))
    job = after(job, Given(I.FILTER, filter_state=FilterState.CANCELED))
    assert (job.state, job.reason) == (S.CANCELED, JobStateReason.CANCELED)
    assert states(job) == ["Canceled", "Canceled"]


@pytest.mark.parametrize("before", [(), (I.END,), (I.END, I.HOLD), (I.END, I.TURN)])
def test_cancel_before_that_is_at_once(before: tuple[I, ...]) -> None:
    assert after(new(), *before, I.CANCEL).reason is JobStateReason.CANCELED


@pytest.mark.conformance("SS-03")
def test_an_administrator_holds_a_job() -> None:
    job = after(new(), I.END, I.HOLD)
    assert job.state is S.PENDING_HELD
    _, effects = step(job, Given(I.RELEASE), 1.0, AT)
    assert effects == (Effect.QUEUE,)


@pytest.mark.parametrize(
    ("before", "state", "effects"),
    [
        ((), S.CREATING, ()),
        ((I.END,), S.PENDING, (Effect.QUEUE,)),
        ((I.END, I.HOLD), S.PENDING_HELD, ()),
        ((I.END, I.TURN), S.PENDING, (Effect.QUEUE,)),
        ((I.END, I.TURN, I.BEGIN), S.PROCESSING, (Effect.QUEUE,)),
        ((I.END, I.TURN, I.BEGIN, I.CANCEL), S.CANCELED, (Effect.DISCARD,)),
    ],
)
def test_a_restart(before: tuple[I, ...], state: S, effects: tuple[Effect, ...]) -> None:
    job, wanted = step(after(new(), image(1), *before), Given(I.RESTART), 5.0, AT)
    assert (job.state, wanted) == (state, effects)
    assert job.documents == (Document(1, "png", 1),)


@pytest.mark.conformance("SS-10")
def test_final_states_have_no_way_out() -> None:
    assert not [line for line in TABLE if line[0] in FINAL_STATES]
    assert set(TABLE.values()) == set(S)


@pytest.mark.conformance("SS-10")
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_walk_keeps_the_rules(data: st.DataObject) -> None:
    job = new(data.draw(st.integers(1, 3)), data.draw(st.sampled_from([None, True, False])))
    seen: set[int] = set()
    ends = 0
    for number in range(40):
        kind = data.draw(st.sampled_from([k for k in I if k.value <= I.RESTART.value]))
        wanted = Given(kind)
        if kind is I.STORED:
            wanted = image(data.draw(st.integers(1, 4)))
        if kind is I.FILTER:
            wanted = data.draw(st.sampled_from([WELL, WARNED, WRONG]))
        try:
            later, effects = step(job, wanted, float(number), AT + timedelta(seconds=number))
        except NotInThisState:
            continue
        assert not job.state.final
        if wanted.document:
            seen.add(wanted.document.document_id)
        assert later.status.images_received == len(seen)
        at_work = [one for one in later.filters if one.state == FilterState.PROCESSING]
        assert len(at_work) == (later.state in (S.PROCESSING, S.TERMINATING))
        assert (later.completed is not None) == later.state.final
        assert (later.deadline is not None) == (later.state is S.CREATING)
        ends += Effect.DISCARD in effects
        if later.state.final:
            assert later.reason is not JobStateReason.NONE
            assert not {"Pending", "Processing"} & set(states(later))
        job = later
    assert ends == job.state.final
