"""Any order of Subscribe, Renew, GetStatus, Unsubscribe, time and events, through the messages."""

import asyncio
import re
from datetime import timedelta

from clients.wsscan import SCAN, WSE, Client
from eventing.subscriber import EVENTS, subscribe_body
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.clock import ManualClock

from device.errors import DeviceError, UnableToProcess, UnableToRenew
from device.eventing.delivery import MAX_WAITING
from device.eventing.subscriptions import Limits
from device.notifications import Notifications, Rules, _addressed
from device.scan.events import ScanEvent
from device.soap import envelope
from device.soap.dispatch import Incoming

DAY_S = 86_400
HOUR_S = 3_600
PEERS = ("10.0.0.1", "10.0.0.2", "fe80::1%lab0")
NAMES = ("Scan", "ScanToEmail", "ScanToOCR")
LIMITS = Limits(total=6, per_peer=4, longest_s=DAY_S)
CLIENT = Client("http://10.0.0.9:5357/scan")


class Scanner:
    """Notifications without a network: events wait for ever, and time is turned."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.parts = Notifications("/scan", clock=self.clock, rules=Rules(LIMITS))

    def ask(self, operation: str, peer: str, body: str, header: str = "") -> str:
        """The answer's body. Raises what becomes a fault."""
        raw = CLIENT.envelope(f"{WSE}/{operation}", body, headers_xml=header)
        incoming = Incoming(envelope.read(raw), peer, lambda: "http://10.0.0.9:5357", raw)
        (route,) = [one for one in self.parts.routes() if one.action == f"{WSE}/{operation}"]
        return asyncio.run(route.handler(incoming)).body

    def subscribe(self, peer: str, path: str, **wish: object) -> tuple[str, list[str]]:
        """The identifier, and the tokens."""
        host = f"[{peer.partition('%')[0]}]" if ":" in peer else peer
        sink = f"http://{host}:5357/{path}"
        body = self.ask("Subscribe", peer, subscribe_body(sink, **wish))  # type: ignore[arg-type]
        (identifier,) = re.findall("<wse:Identifier>(.+?)</", body)
        return identifier, re.findall("<wscn:DestinationToken>(.+?)</", body)

    def manage(self, operation: str, identifier: str, expires: str = "") -> str:
        header = f'<e:Identifier xmlns:e="{WSE}">{identifier}</e:Identifier>'
        inside = f"<e:Expires>{expires}</e:Expires>" if expires else ""
        body = f'<e:{operation} xmlns:e="{WSE}">{inside}</e:{operation}>'
        return self.ask(operation, PEERS[0], body, header)

    def publish(self, name: str) -> None:
        event = ScanEvent(f"{SCAN}/{name}", f"<wscn:{name}/>")
        self.parts.delivery.publish(_addressed(event))

    def turn(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.parts.service.tick()


def seconds_in(body: str) -> int:
    return int(re.findall(r"<wse:Expires>PT(\d+)S<", body)[0])


class Walk(RuleBasedStateMachine):
    """Held against what a subscriber may expect: that what it was told is so."""

    def __init__(self) -> None:
        super().__init__()
        self.scanner = Scanner()
        self.now = 0
        self.until: dict[str, int] = {}  # what each subscriber was told, by identifier
        self.tokens: list[str] = []

    @property
    def table(self) -> dict[str, object]:
        return {f"urn:uuid:{one.identifier}": one for one in self.scanner.parts.table.all()}

    @rule(
        peer=st.sampled_from(PEERS),
        path=st.sampled_from("ab"),
        events=st.sampled_from([EVENTS, EVENTS[:1], EVENTS[1:4]]),
        lasts=st.sampled_from([None, 1, HOUR_S, 10 * DAY_S]),
        as_time=st.booleans(),
        names=st.sets(st.sampled_from(NAMES)),
    )
    def subscribe(self, peer, path, events, lasts, as_time, names):
        expires = None
        if lasts is not None:
            moment = self.scanner.clock.now() + timedelta(seconds=lasts)
            expires = f"{moment:%Y-%m-%dT%H:%M:%SZ}" if as_time else f"PT{lasts}S"
        wanted = [(f"{name} here", name) for name in sorted(names)]
        before = set(self.table)
        try:
            identifier, tokens = self.scanner.subscribe(
                peer, path, events=events, expires=expires, destinations=wanted
            )
        except UnableToProcess:
            assert set(self.table) == before
            assert len(before) >= min(LIMITS.total, LIMITS.per_peer)
            return
        assert identifier not in self.until
        assert len(tokens) == (len(names) if EVENTS[0] in events else 0)
        self.tokens += tokens
        self.until[identifier] = self.now + min(lasts or DAY_S, DAY_S)
        for gone in before - set(self.table):  # replaced by the new one
            assert self.until.pop(gone) > self.now

    @precondition(lambda self: self.until)
    @rule(data=st.data(), lasts=st.sampled_from([1, HOUR_S, 10 * DAY_S]))
    def renew(self, data, lasts):
        identifier = data.draw(st.sampled_from(list(self.until)))
        try:
            granted = seconds_in(self.scanner.manage("Renew", identifier, f"PT{lasts}S"))
        except UnableToRenew:
            assert self.until[identifier] <= self.now
        else:
            assert self.until[identifier] > self.now
            assert granted == min(lasts, DAY_S)
            self.until[identifier] = self.now + granted

    @precondition(lambda self: self.until)
    @rule(data=st.data())
    def ask_how_long(self, data):
        identifier = data.draw(st.sampled_from(list(self.until)))
        try:
            body = self.scanner.manage("GetStatus", identifier)
        except DeviceError:
            assert self.until[identifier] <= self.now
        else:
            left = self.until[identifier] - self.now
            if "PT" in body:
                assert seconds_in(body) == left
            assert left > 0

    @precondition(lambda self: self.until)
    @rule(data=st.data(), here=st.booleans())
    def end(self, data, here):
        """The subscriber ends it, or somebody at the device."""
        identifier = data.draw(st.sampled_from(list(self.until)))
        lives = self.until.pop(identifier) > self.now
        if here:
            bare = identifier.removeprefix("urn:uuid:")
            assert self.scanner.parts.service.cancel(bare) == lives
            return
        try:
            assert self.scanner.manage("Unsubscribe", identifier) == ""
        except DeviceError:
            assert not lives
        else:
            assert lives

    @rule(seconds=st.sampled_from([1, 1800, HOUR_S, DAY_S]))
    def turn(self, seconds):
        self.now += seconds
        self.scanner.turn(seconds)

    @rule(name=st.sampled_from(EVENTS), count=st.sampled_from([1, MAX_WAITING]))
    def publish(self, name, count):
        for _ in range(count):
            self.scanner.publish(name)

    @invariant()
    def holds(self):
        live = {name for name, until in self.until.items() if until > self.now}
        assert set(self.table) == live
        assert len(live) <= LIMITS.total
        assert all(
            sum(one.peer == peer for one in self.table.values()) <= LIMITS.per_peer
            for peer in PEERS
        )
        assert len(set(self.tokens)) == len(self.tokens)
        entries = self.scanner.parts.destinations.all()
        assert len({one.same for one in entries}) == len(entries)
        for one in entries:
            assert self.table[f"urn:uuid:{one.subscription}"].peer == one.peer
        delivery = self.scanner.parts.delivery
        assert {f"urn:uuid:{key}" for key in delivery._lines} <= live
        assert all(len(line.waiting) <= MAX_WAITING for line in delivery._lines.values())


Walk.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestWalk = Walk.TestCase


def test_a_week_of_subscriptions():
    """One renews at half time, one by dateTimes when it is nearly over, one forgets."""
    scanner = Scanner()
    faithful, _ = scanner.subscribe(PEERS[0], "a", expires="PT1H", destinations=[("Here", "Scan")])
    soon = scanner.clock.now() + timedelta(hours=6)
    late, _ = scanner.subscribe(PEERS[1], "b", expires=f"{soon:%Y-%m-%dT%H:%M:%SZ}")
    forgetful, _ = scanner.subscribe(PEERS[2], "c", expires="PT20H")
    heard = {faithful: 0, late: 0, forgetful: 0}
    for half_hour in range(1, 7 * 48 + 1):
        scanner.turn(1800 - 1)
        assert seconds_in(scanner.manage("Renew", faithful, "PT1H")) == HOUR_S
        if half_hour % 11 == 0:
            until = scanner.clock.now() + timedelta(hours=6)
            body = scanner.manage("Renew", late, f"{until:%Y-%m-%dT%H:%M:%SZ}")
            assert f"{until:%Y-%m-%dT%H:%M:%SZ}" in body
        scanner.turn(1)
        scanner.publish("JobStatusEvent")
        for identifier in heard:
            bare = identifier.removeprefix("urn:uuid:")
            heard[identifier] += scanner.parts.delivery.waiting(bare)
            line = scanner.parts.delivery._lines.get(bare)
            if line is not None:
                line.waiting.clear()
    assert heard == {faithful: 7 * 48, late: 7 * 48, forgetful: 39}
    assert [one.name for one in scanner.parts.destinations.all()] == ["Here"]
    assert len(scanner.parts.table) == 2
