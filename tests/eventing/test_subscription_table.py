"""The table of subscriptions and that of destinations: a week of them, and any walk."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from device.errors import DeviceError, UnableToProcess
from device.eventing.subscriptions import (
    Failed,
    Limits,
    Patience,
    Sink,
    Subscription,
    Subscriptions,
)
from device.scan.destinations import ANSWER_S, Destinations, PressState, Wanted
from scanner_backends.base import TrayPage

DAY_S = 86_400.0
LIMITS = Limits(total=5, per_peer=3, longest_s=DAY_S)


def subscription(name: str, peer: str = "10.0.0.1", until: float = DAY_S) -> Subscription:
    return Subscription(
        identifier=name,
        peer=peer,
        notify_to=Sink(f"http://{peer}/{name}", peer),
        end_to=None,
        actions=frozenset({"a", "b"}),
        expires_at=until,
    )


def test_a_week_of_renewals_and_one_that_is_forgotten():
    table = Subscriptions()
    table.add(subscription("renews", until=3600))
    table.add(subscription("forgets", until=3600))
    now, gone = 0.0, []
    while now < 7 * DAY_S:
        now += 900
        gone += [(one.identifier, now) for one in table.expire(now)]
        if now % 1800 == 0:
            assert table.renew("renews", 3600, now, as_time=False)
    assert gone == [("forgets", 3600.0)]
    assert [one.identifier for one in table.listeners("a", now)] == ["renews"]
    assert table.next_expiry() == now + 3600
    assert table.listeners("c", now) == ()


@pytest.mark.parametrize(
    ("asked", "granted"), [(None, DAY_S), (0.2, 1.0), (61.5, 62.0), (1e8, DAY_S)]
)
def test_whole_seconds_up_to_the_longest_are_granted(asked, granted):
    assert Subscriptions(LIMITS).granted_s(asked) == granted


def test_what_makes_room_does_not_count():
    table = Subscriptions(LIMITS)
    for name in "abc":
        table.add(subscription(name))
    with pytest.raises(UnableToProcess):
        table.check_room("10.0.0.1")
    table.check_room("10.0.0.1", leaving=("b",))
    table.check_room("10.0.0.2")


def test_a_sink_is_given_up_after_minutes_not_after_misses():
    table = Subscriptions(patience=Patience(give_up_s=180, give_up_failures=5))
    table.add(subscription("x"))
    kept = [table.failed("x", Failed.UNREACHED, 1, now).keep for now in (0, 1, 2, 3, 4, 100, 179)]
    assert all(kept)
    assert not table.failed("x", Failed.UNREACHED, 1, 180).keep
    table.delivered("x")
    assert table.failed("x", Failed.UNREACHED, 1, 10_000).keep


def test_a_single_miss_after_a_long_silence_is_not_the_end():
    table = Subscriptions(patience=Patience(give_up_s=180, give_up_failures=5))
    table.add(subscription("x"))
    assert table.failed("x", Failed.UNANSWERED, 1, 0).keep
    assert table.failed("x", Failed.UNANSWERED, 1, 1000).keep


@pytest.mark.parametrize("failure", Failed)
def test_only_what_was_surely_not_taken_is_repeated(failure):
    table = Subscriptions(patience=Patience(retries_s=(1.0, 2.0)))
    table.add(subscription("x"))
    waits = [table.failed("x", failure, attempt, 0).again_s for attempt in (1, 2, 3)]
    repeated = failure in (Failed.UNREACHED, Failed.ANSWERED_BUSY)
    assert waits == ([1.0, 2.0, None] if repeated else [None] * 3)


class Walk(RuleBasedStateMachine):
    """Any order of anything, held against a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Subscriptions(LIMITS, Patience(give_up_s=100, give_up_failures=2))
        self.model: dict[str, tuple[str, float]] = {}
        self.now = 0.0
        self.count = 0

    def live(self) -> dict[str, tuple[str, float]]:
        return {name: kept for name, kept in self.model.items() if kept[1] > self.now}

    @rule(peer=st.sampled_from(["p", "q", "r"]), lasts=st.integers(1, 500))
    def add(self, peer: str, lasts: int) -> None:
        self.count += 1
        name = f"s{self.count}"
        self.table.expire(self.now)
        self.model = self.live()
        room = len(self.model) < 5 and sum(p == peer for p, _ in self.model.values()) < 3
        try:
            self.table.add(subscription(name, peer, self.now + lasts))
        except UnableToProcess:
            assert not room
        else:
            assert room
            self.model[name] = (peer, self.now + lasts)

    @rule(seconds=st.integers(0, 300))
    def turn(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        gone = {one.identifier for one in self.table.expire(self.now)}
        assert gone == set(self.model) - set(self.live())
        self.model = self.live()

    @precondition(lambda self: self.count)
    @rule(data=st.data(), lasts=st.integers(1, 500))
    def renew(self, data: st.DataObject, lasts: int) -> None:
        name = f"s{data.draw(st.integers(1, self.count))}"
        done = self.table.renew(name, lasts, self.now, as_time=False)
        assert done == (name in self.live())
        if done:
            self.model[name] = (self.model[name][0], self.now + lasts)

    @precondition(lambda self: self.count)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        name = f"s{data.draw(st.integers(1, self.count))}"
        assert (self.table.remove(name) is not None) == (name in self.model)
        self.model.pop(name, None)

    @precondition(lambda self: self.count)
    @rule(data=st.data(), failure=st.sampled_from(Failed), good=st.booleans())
    def deliver(self, data: st.DataObject, failure: Failed, good: bool) -> None:
        name = f"s{data.draw(st.integers(1, self.count))}"
        if good:
            self.table.delivered(name)
        else:
            verdict = self.table.failed(name, failure, 1, self.now)
            assert verdict.keep or verdict.again_s is None
            assert name in self.model or not verdict.keep

    @invariant()
    def agrees(self) -> None:
        live = self.live()
        assert [one.identifier for one in self.table.listeners("a", self.now)] == list(live)
        assert len(self.table) == len(self.model)
        due = [until for _, until in self.model.values()]
        assert self.table.next_expiry() == min(due, default=None)
        for name in self.model:
            assert (self.table.find(name, self.now) is not None) == (name in live)


Walk.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWalk = Walk.TestCase


# ---- destinations

STACK = tuple(TrayPage(number, f"sheet {number}") for number in range(1, 4))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["register", "drop", "press", "use", "turn"]), st.integers(0, 3)),
        max_size=40,
    )
)
def test_whatever_happens_an_identifier_serves_its_destination_only(steps):
    """After any walk: no token twice, at most one entry for each name, and no late identifier."""
    numbers = iter(range(10_000))
    table = Destinations(lambda: f"t{next(numbers)}")
    now, tokens, pressed = 0.0, [], {}
    for step, choice in steps:
        entries = table.all()
        if step == "register":
            wanted = [Wanted(f"n{choice}", "c"), Wanted(f"n{choice + 1}", "c")]
            tokens += [
                one.token for one in table.register(f"s{choice % 2}", "p", wanted, only=True)
            ]
        elif step == "drop":
            table.drop(f"s{choice % 2}")
        elif step == "press" and entries:
            press = table.press(entries[choice % len(entries)], "ADF", STACK, now)
            pressed[press.identifier] = (press.destination.same, now)
        elif step == "turn":
            now += 100.0 * choice
            table.tick(now)
        elif step == "use" and pressed and entries:
            identifier = list(pressed)[choice % len(pressed)]
            same, since = pressed[identifier]
            entry = entries[choice % len(entries)]
            try:
                press = table.check(identifier, entry.token, STACK, now)
            except DeviceError:
                assert entry.same != same or now >= since + ANSWER_S
            else:
                assert press is not None
                assert entry.same == same
                assert now < since + ANSWER_S
                table.used(press, 1, now, feeder=True)
                pressed[identifier] = (same, now)
    assert len(set(tokens)) == len(tokens)
    assert len({one.same for one in table.all()}) == len(table.all())


def test_a_press_is_done_with_its_latest_job():
    table = Destinations(lambda: "t")
    (entry,) = table.register("s", "p", [Wanted("n", "c")], only=True)
    press = table.press(entry, "ADF", STACK, 0)
    table.used(press, 7, 1, feeder=True)
    (press,) = table.presses()
    table.used(press, 8, 2, feeder=True)
    table.job_over(7, feeder_ended=False)
    assert table.presses()[0].state is PressState.SCANNING
    table.job_over(8, feeder_ended=False)
    assert table.presses()[0].state is PressState.DONE
    table.not_taken(press.identifier)
    assert table.presses()[0].state is PressState.DONE


@pytest.mark.parametrize("field", ["peer", "notify_to", "actions"])
def test_only_the_same_wish_is_the_same(field):
    table = Subscriptions()
    one = subscription("one")
    table.add(one)
    other = replace(one, identifier="other")
    assert table.same(other) == ("one",)
    changed = {"peer": "10.9.9.9", "notify_to": Sink("http://x/", "x"), "actions": frozenset("a")}
    assert table.same(replace(other, **{field: changed[field]})) == ()
