"""The delivery's table: what the device does about answers, silence and cancelling."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.dsp.delivery_steps import begin, next_deadline, step
from device.dsp.post_scan_job import FINAL, TABLE, Delivery, Ended, Given, I, Request, S

WELL = Given(I.STATUS, ended=Ended.WELL)
ANSWERS: dict[S, tuple[I, ...]] = {
    S.PROBING: (I.FOUND, I.BROKEN, I.TEMPORARY, I.REFUSED, I.GONE, I.HOPELESS),
    S.GETTING: (I.FOUND, I.BROKEN, I.TEMPORARY, I.REFUSED, I.GONE, I.HOPELESS),
    S.CHECKING: (I.STATUS, I.BROKEN, I.TEMPORARY, I.REFUSED, I.GONE, I.HOPELESS),
    S.CREATING: (I.DONE, I.BROKEN, I.TEMPORARY, I.REFUSED, I.GONE, I.HOPELESS),
    S.SENDING: (I.DONE, I.BROKEN, I.TEMPORARY, I.REFUSED, I.GONE, I.HOPELESS),
    S.ENDING: (I.DONE, I.BROKEN, I.TEMPORARY, I.REFUSED, I.GONE, I.HOPELESS),
    S.WATCHING: (I.STATUS, I.BROKEN, I.TEMPORARY, I.REFUSED, I.GONE, I.HOPELESS),
    S.CANCELING: (I.DONE, I.BROKEN, I.TEMPORARY, I.REFUSED, I.GONE, I.HOPELESS),
    S.WITHDRAWING: (I.DONE, I.BROKEN, I.TEMPORARY, I.REFUSED, I.GONE, I.HOPELESS),
}
"""Every answer that the client can give in a state."""


class Walk:
    """A delivery with the time and the request under way."""

    def __init__(self, delivery: Delivery | None = None) -> None:
        self.now = 0.0
        self.delivery, self.request = begin(delivery or Delivery())
        self.asked = [self.request]

    def give(self, *inputs: Given | I) -> Walk:
        for one in inputs:
            given = one if isinstance(one, Given) else Given(one)
            self.delivery, wanted = step(self.delivery, given, self.now)
            if wanted:
                self.request = wanted
                self.asked.append(wanted)
        return self

    def wait(self) -> float:
        """Until the deadline; how long that was."""
        deadline = next_deadline(self.delivery)
        assert deadline is not None
        waited, self.now = deadline - self.now, deadline
        self.give(I.DEADLINE)
        return waited

    def until_sending(self, pages: int = 1) -> Walk:
        self.give(I.FOUND, I.FOUND, *[I.PAGE] * pages, Given(I.DONE, token="T"))
        assert self.delivery.state is S.SENDING
        return self

    @property
    def state(self) -> S:
        return self.delivery.state


@pytest.mark.conformance("DO-01")
def test_a_job_is_created_after_the_first_page_only() -> None:
    walk = Walk().give(I.FOUND, I.FOUND)
    assert walk.state is S.READY
    assert walk.give(I.PAGE).request == Request(S.CREATING, 1)


def test_the_usual_way() -> None:
    walk = Walk().until_sending(2).give(I.SCAN_OVER, I.DONE, I.DONE, I.DONE)
    assert walk.state is S.WATCHING
    assert walk.give(WELL).state is S.DELIVERED
    assert [(r.state, r.document_id) for r in walk.asked][3:] == [
        (S.SENDING, 1),
        (S.SENDING, 2),
        (S.ENDING, 0),
        (S.WATCHING, 0),
    ]


def test_a_page_is_sent_while_the_next_is_scanned() -> None:
    walk = Walk().until_sending(1).give(I.DONE)
    assert walk.state is S.READY
    assert walk.give(I.PAGE).request == Request(S.SENDING, 2)


def test_no_page_makes_no_job() -> None:
    walk = Walk().give(I.FOUND, I.FOUND, I.SCAN_OVER)
    assert walk.state is S.DELIVERED
    assert S.CREATING not in {request.state for request in walk.asked}


@pytest.mark.conformance("DX-01")
@pytest.mark.parametrize("trouble", [I.TEMPORARY, I.BROKEN])
def test_trouble_is_tried_again_after_2_4_and_8_seconds(trouble: I) -> None:
    walk = Walk().until_sending()
    waits = []
    for _ in range(3):
        walk.give(trouble)
        waits.append(walk.wait())
        if trouble is I.BROKEN:
            walk.give(I.FOUND, I.FOUND)  # the server is looked for anew
        assert walk.request == Request(S.SENDING, 1)  # the same DocumentId
    assert waits == [2.0, 4.0, 8.0]
    assert walk.give(trouble).state is S.FAILED
    assert walk.delivery.token == "T"  # the job may still be there


def test_progress_renews_the_tries() -> None:
    walk = Walk().until_sending(2)
    for _ in range(2):
        for _ in range(3):
            walk.give(I.TEMPORARY)
            walk.wait()
        walk.give(I.DONE)
    assert walk.state is S.READY


@pytest.mark.parametrize("state", [S.PROBING, S.GETTING])
def test_an_untrusted_server_is_tried_once(state: S) -> None:
    walk = Walk()
    if state is S.GETTING:
        walk.give(I.FOUND)
    assert walk.give(I.HOPELESS).state is S.FAILED
    assert walk.delivery.keep_scanning


def test_a_lost_server_does_not_stop_the_scan() -> None:
    walk = Walk()
    for _ in range(3):
        walk.give(I.BROKEN)
        walk.wait()
    assert walk.give(I.BROKEN).state is S.FAILED
    assert walk.delivery.keep_scanning


@pytest.mark.parametrize("before", [(), (I.FOUND,), (I.FOUND, I.FOUND, I.PAGE)])
def test_a_refusal_ends_the_delivery_but_not_the_scan(before: tuple[I, ...]) -> None:
    walk = Walk().give(*before, Given(I.REFUSED, "why"))
    assert (walk.state, walk.delivery.why) == (S.FAILED, "why")
    assert walk.delivery.keep_scanning


def test_a_scan_that_paused_too_long_is_not_waited_for() -> None:
    walk = Walk().until_sending().give(I.DONE)
    walk.wait()
    assert walk.request.state is S.WITHDRAWING
    for _ in range(3):
        walk.give(I.BROKEN)
        walk.wait()
        walk.give(I.FOUND, I.FOUND)
    assert walk.give(I.BROKEN).state is S.FAILED
    assert not walk.delivery.keep_scanning


@pytest.mark.conformance("DX-01")
def test_a_refused_image_cancels_the_job() -> None:
    walk = Walk().until_sending().give(I.REFUSED)
    assert walk.request.state is S.WITHDRAWING
    assert walk.give(I.DONE).state is S.FAILED
    assert walk.delivery.token == ""  # a resume makes a new job
    assert walk.delivery.keep_scanning


@pytest.mark.conformance("DX-01")
@pytest.mark.parametrize("when", [S.SENDING, S.ENDING])
def test_a_job_that_the_server_does_not_know_ends_the_delivery(when: S) -> None:
    walk = Walk().until_sending()
    if when is S.ENDING:
        walk.give(I.SCAN_OVER, I.DONE)
    assert walk.state is when
    assert walk.give(I.GONE).state is S.FAILED


@pytest.mark.conformance("DO-03")
def test_end_without_answer_is_repeated_and_a_refused_repeat_asks_for_the_status() -> None:
    walk = Walk().until_sending().give(I.SCAN_OVER, I.DONE, I.BROKEN)
    walk.wait()
    walk.give(I.FOUND, I.FOUND)
    assert (walk.state, walk.delivery.ends) == (S.ENDING, 2)
    assert walk.give(I.REFUSED).state is S.WATCHING
    assert walk.give(WELL).state is S.DELIVERED


def test_an_end_that_never_arrived_is_sent_again_but_not_for_ever() -> None:
    walk = Walk().until_sending().give(I.SCAN_OVER, I.DONE, I.DONE)
    for _ in range(2):
        walk.give(Given(I.STATUS, ended=Ended.OPEN))
        assert walk.state is S.ENDING
        walk.give(I.DONE)
    assert walk.give(Given(I.STATUS, ended=Ended.OPEN)).state is S.FAILED


@pytest.mark.conformance("DO-05")
def test_the_status_is_asked_for_every_two_seconds() -> None:
    walk = Walk().until_sending().give(I.SCAN_OVER, I.DONE, I.DONE)
    for _ in range(5):
        walk.give(I.STATUS)
        assert walk.wait() == 2.0
        assert walk.request.state is S.WATCHING


class TestCancel:
    def test_without_a_job_nobody_is_told(self) -> None:
        assert Walk().give(I.FOUND, I.CANCEL).state is S.CANCELED

    def test_an_image_under_way_is_dropped(self) -> None:
        walk = Walk().until_sending().give(I.CANCEL)
        assert walk.request.state is S.CANCELING
        assert walk.give(I.DONE).state is S.CANCELED

    def test_a_create_under_way_is_waited_for(self) -> None:
        walk = Walk().give(I.FOUND, I.FOUND, I.PAGE, I.CANCEL)
        assert walk.state is S.CREATING
        assert walk.give(Given(I.DONE, token="T")).request.state is S.CANCELING

    def test_a_create_that_waits_for_its_next_try_is_given_up(self) -> None:
        walk = Walk().give(I.FOUND, I.FOUND, I.PAGE, I.TEMPORARY, I.CANCEL)
        assert walk.state is S.CANCELED

    def test_too_late(self) -> None:
        """A job that finishes first stays Completed."""
        walk = Walk().until_sending().give(I.SCAN_OVER, I.DONE, I.DONE, I.CANCEL, I.GONE)
        assert walk.state is S.WATCHING
        assert walk.give(WELL).state is S.DELIVERED

    def test_while_the_server_is_away(self) -> None:
        walk = Walk().until_sending().give(I.BROKEN, I.CANCEL)
        walk.wait()
        assert walk.give(I.FOUND, I.FOUND).request.state is S.CANCELING


class TestScan:
    def test_a_scan_that_breaks_off_withdraws_the_job(self) -> None:
        walk = Walk().until_sending().give(I.SCAN_FAILED)
        assert walk.request.state is S.WITHDRAWING

    def test_a_scan_that_breaks_off_before_there_is_a_job(self) -> None:
        walk = Walk().give(I.FOUND, I.SCAN_FAILED, I.FOUND)
        assert walk.state is S.FAILED

    @pytest.mark.conformance("DL-01")
    def test_a_scan_that_pauses_for_nine_minutes_withdraws_the_job(self) -> None:
        walk = Walk().until_sending().give(I.DONE)
        assert walk.wait() == 540.0
        assert walk.state is S.WITHDRAWING


class TestResume:
    def resumed(self, **facts: object) -> Walk:
        start = Delivery(token="T", pages=3, scan_over=True, stored=frozenset({1}))
        return Walk(replace(start, **facts)).give(I.FOUND, I.FOUND)  # type: ignore[arg-type]

    def test_it_asks_what_the_server_has(self) -> None:
        walk = self.resumed()
        assert walk.request.state is S.CHECKING
        walk.give(Given(I.STATUS, ended=Ended.OPEN, stored=frozenset({1, 2})))
        assert walk.request == Request(S.SENDING, 3)

    def test_a_job_that_ran_on_is_only_watched(self) -> None:
        assert self.resumed(ends=1).give(I.STATUS).state is S.WATCHING

    def test_a_completed_job_is_delivered(self) -> None:
        assert self.resumed(ends=1).give(WELL).state is S.DELIVERED

    def test_a_forgotten_job_that_never_ended_gets_a_successor(self) -> None:
        walk = self.resumed().give(I.GONE)
        assert walk.state is S.CREATING
        assert walk.delivery.next_document == 1

    def test_a_forgotten_job_that_ended_is_not_sent_twice(self) -> None:
        assert self.resumed(ends=1).give(I.GONE).state is S.FAILED

    def test_unless_that_is_wanted(self) -> None:
        assert self.resumed(ends=1, again=True).give(I.GONE).state is S.CREATING

    def test_filters_that_did_their_work_are_not_asked_again(self) -> None:
        given_ = Given(I.STATUS, ended=Ended.BADLY, undelivered=(1, 2))
        walk = self.resumed(ends=1).give(given_)
        assert (walk.state, walk.delivery.filters) == (S.CREATING, (1, 2))
        walk.give(Given(I.DONE, token="U"), *[I.DONE] * 4)
        walk.give(Given(I.STATUS, ended=Ended.BADLY, undelivered=(1,)))
        assert walk.delivery.filters == (2,)


def test_final_states_have_no_way_out() -> None:
    assert not [line for line in TABLE if line[0] in FINAL]


def test_every_state_is_reached() -> None:
    assert set(TABLE.values()) == set(S)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_walk_is_legal_and_ends(data: st.DataObject) -> None:
    """Whatever the server and the scanner do: no input without a line, no page forgotten."""
    walk = Walk()
    over = canceled = False
    for _ in range(60):
        if walk.delivery.final:
            return
        d = walk.delivery
        choices: list[I] = [] if over else [I.PAGE, I.PAGE, I.SCAN_OVER, I.SCAN_FAILED]
        choices += [] if canceled else [I.CANCEL]
        if d.deadline is None:
            choices += ANSWERS.get(d.state, ())
        else:
            choices += [I.DEADLINE]
        if not choices:
            return
        kind = data.draw(st.sampled_from(choices))
        over = over or kind in (I.SCAN_OVER, I.SCAN_FAILED)
        canceled = canceled or kind is I.CANCEL
        stored = d.stored
        if kind is I.DEADLINE:
            walk.wait()
        else:
            ended = data.draw(st.sampled_from(Ended))
            token = data.draw(st.sampled_from(["T", "U"]))
            walk.give(Given(kind, token=token, ended=ended, undelivered=(0,)))
        after = walk.delivery
        assert after.stored >= stored or after.token == "" or kind is I.DONE
        if after.state is S.DELIVERED:
            assert after.next_document is None or kind is I.STATUS
        assert after.tries <= 3
        assert after.ends <= 6
