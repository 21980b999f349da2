"""Scans started at the device: destinations, the press, and what CreateScanJob must show."""

from typing import Any

import pytest
from clients.wsscan import SCAN, WSE, FaultAnswer, Job, scan_ticket
from eventing.subscriber import (
    Answer,
    Sink,
    Subscription,
    free_port,
    read_subscribed,
    subscribe_body,
)
from eventing.wired import HASTY, EventDevice
from support import schema
from support.wait import wait_until

from device.errors import InvalidArgs, NoImagesAvailable, NotAcceptingJobs, OperationFailed
from device.model.changes import ButtonPressed
from device.model.status import ConditionName
from device.notifications import Rules
from device.scan.destinations import PressState

TICKET = scan_ticket(source="ADF", images=1)
FIVE = [(f"{name} to DESK-7", name) for name in ("Scan", "Print", "Email", "Fax", "OCR")]


class Receiver:
    """A computer that waits for scans."""

    def __init__(
        self, device: EventDevice, sink: Sink, destinations: Any = (("Scan to DESK-7", "Scan"),)
    ) -> None:
        self.device = device
        self.sink = sink
        self.made: Subscription = device.subscriber.subscribe(
            sink.url, events=["ScanAvailableEvent"], destinations=destinations
        )

    def identifier(self, count: int = 1) -> str:
        got = self.sink.wait_for("ScanAvailableEvent", count)[count - 1]
        return got.text("ScanIdentifier") or ""

    def create(self, identifier: str, context: str = "Scan", ticket: str = TICKET) -> Job:
        return self.device.client.create_scan_job(
            ticket, scan_identifier=identifier, destination_token=self.made.tokens[context]
        )

    def fetch(self, job: Job) -> None:
        self.device.client.retrieve_image(job.id, job.token)
        self.device.ended(job.id)


@pytest.fixture
def receiver(device, sink) -> Receiver:
    return Receiver(device, sink)


def refusal(device: EventDevice, identifier: str | None, token: str | None) -> str:
    with pytest.raises(FaultAnswer) as caught:
        device.client.create_scan_job(TICKET, scan_identifier=identifier, destination_token=token)
    return caught.value.name


# ---- destinations


@pytest.mark.conformance("EV-09", "EV-10", "EL-53", "EL-54")
def test_each_destination_gets_a_token_of_its_own(device, sink):
    receiver = Receiver(device, sink, FIVE)
    assert list(receiver.made.tokens) == ["Scan", "Print", "Email", "Fax", "OCR"]
    assert len(set(receiver.made.tokens.values())) == 5
    assert [one.name for one in device.destinations()] == [name for name, _ in FIVE]


@pytest.mark.conformance("EV-19", "EL-53")
def test_the_published_spellings_are_read(device, subscriber, sink):
    """2006/01, ClientDisplayString, and a context with blanks around it."""
    old = SCAN.replace("2006/08", "2006/01")
    more = (
        f'<p:ScanDestinations xmlns:p="{old}"><p:ScanDestination>'
        "<p:ClientContext> my  context\n</p:ClientContext>"
        "<p:ClientDisplayString>\n Den \n</p:ClientDisplayString>"
        "</p:ScanDestination></p:ScanDestinations>"
    )
    made = read_subscribed(subscriber.ask(subscribe_body(sink.url, more=more)))
    assert list(made.tokens) == ["my  context"]
    assert [one.name for one in device.destinations()] == ["Den"]


def test_without_the_event_there_is_no_destination(device, subscriber, sink):
    made = subscriber.subscribe(sink.url, events=["JobStatusEvent"], destinations=FIVE)
    assert made.tokens == {}
    assert device.destinations() == ()


def test_a_client_that_subscribes_again_replaces_its_entries(device, sink):
    tokens = set()
    for _ in range(30):
        receiver = Receiver(device, sink, FIVE)
        tokens |= set(receiver.made.tokens.values())
    assert len(tokens) == 150
    assert len(device.destinations()) == 5
    assert device.subscriptions() == 1


def test_a_client_may_subscribe_for_each_of_its_profiles(device, sink):
    for name in ("Photo", "Text"):
        Receiver(device, sink, [(name, name)])
    assert [one.context for one in device.destinations()] == ["Photo", "Text"]
    device.press("Text")
    (got,) = sink.wait_for("ScanAvailableEvent")
    assert got.text("ClientContext") == "Text"


@pytest.mark.conformance("EV-12")
def test_they_leave_with_their_subscription(device, subscriber, sink):
    lapses = Receiver(device, sink, [("A", "A")])
    ends = Receiver(device, sink, [("B", "B")])
    subscriber.manage("Unsubscribe", ends.made.identifier)
    assert [one.context for one in device.destinations()] == ["A"]
    device.turn(3600)
    assert device.destinations() == ()
    assert lapses.made.expires == "PT3600S"


@pytest.mark.parametrize(
    ("destinations", "subcode"),
    [
        ([(f"n{n}", f"c{n}") for n in range(11)], "EventSourceUnableToProcess"),
        ([("n", "c" * 257)], "InvalidMessage"),
    ],
)
def test_there_are_limits(device, subscriber, sink, destinations, subcode):
    reply = subscriber.ask(subscribe_body(sink.url, destinations=destinations))
    assert reply.fault is not None
    assert reply.fault.subcode == (WSE, subcode)
    assert device.destinations() == ()


# ---- the press


@pytest.mark.conformance("EV-01", "EV-15", "EV-16")
def test_only_the_owner_hears_of_a_press(device, make_sink):
    mine, other, nobody = make_sink(), make_sink(), make_sink()
    receiver = Receiver(device, mine, FIVE)
    Receiver(device, other, [("Elsewhere", "Elsewhere")])
    device.subscriber.subscribe(nobody.url)
    device.press("Email")
    device.press("Email")
    first, second = receiver.identifier(1), receiver.identifier(2)
    assert first != second
    got = mine.got[0]
    schema.check_document(got.raw)
    assert [(one.tag.rpartition("}")[2], one.text) for one in got.body] == [
        ("ClientContext", "Email"),
        ("ScanIdentifier", first),
        ("InputSource", "ADF"),
    ]
    assert other.got == []
    assert nobody.got == []


@pytest.mark.conformance("EV-18")
@pytest.mark.parametrize(("source", "told"), [("Platen", "Platen"), ("ADFDuplex", "ADFDuplex")])
def test_the_source_can_be_chosen(device, receiver, source, told):
    device.press("Scan", source)
    receiver.identifier()
    assert receiver.sink.got[0].text("InputSource") == told


def test_an_empty_feeder_means_the_glass(make_device, sink):
    device = make_device(sheets=0)
    receiver = Receiver(device, sink)
    device.press("Scan")
    receiver.identifier()
    assert sink.got[0].text("InputSource") == "Platen"
    with pytest.raises(NoImagesAvailable):
        device.press("Scan", "ADF")
    with pytest.raises(InvalidArgs):
        device.press("Scan", "Film")


def test_nobody_is_called_when_no_job_would_be_taken(make_device, sink):
    device = make_device(sheets=3, waiting=0)
    Receiver(device, sink)
    device.do(lambda: device.engine.raise_condition(ConditionName.COVER_OPEN, "ADF"))
    with pytest.raises(OperationFailed):
        device.press("Scan")
    number = device.do(lambda: device.engine.scanner.find("CoverOpen", "ADF").condition_id)
    device.do(lambda: device.engine.clear_condition(number))
    job = device.client.create_scan_job(scan_ticket())
    with pytest.raises(NotAcceptingJobs):
        device.press("Scan")
    device.client.cancel_job(job.id)
    device.press("Scan")
    sink.wait_for("ScanAvailableEvent")
    assert len(sink.got) == 1
    assert len(device.presses()) == 1


def test_no_answer_is_noticed(make_device):
    device = make_device(sheets=3)
    url = f"http://127.0.0.1:{free_port()}/"
    device.subscriber.subscribe(url, destinations=[("Gone", "Scan")])
    device.press("Scan")
    wait_until(lambda: device.presses()[0].state is PressState.NO_ANSWER, 5, "no answer")


def test_a_press_is_followed_to_its_end(device, receiver):
    assert device.press("Scan").state is PressState.WAITING
    job = receiver.create(receiver.identifier())
    assert device.presses()[0].state is PressState.SCANNING
    receiver.fetch(job)
    assert device.presses()[0].state is PressState.DONE


def test_who_never_comes_is_given_up_after_five_minutes(device, receiver):
    device.press("Scan")
    identifier = receiver.identifier()
    device.turn(299)
    assert device.presses()[0].state is PressState.WAITING
    device.turn(1)
    assert device.presses()[0].state is PressState.NO_ANSWER
    assert refusal(device, identifier, receiver.made.tokens["Scan"]) == INVALID_IDENTIFIER


# ---- CreateScanJob

INVALID_IDENTIFIER = "ClientErrorInvalidScanIdentifier"
INVALID_TOKEN = "ClientErrorInvalidDestinationToken"


def test_a_job_for_each_sheet_until_the_stack_is_empty(device, receiver):
    """One real receiver does so, and asks until a fault comes (clients.md, section 3.3)."""
    device.press("Scan")
    identifier = receiver.identifier()
    for _ in range(3):
        receiver.fetch(receiver.create(identifier))
    assert refusal(device, identifier, receiver.made.tokens["Scan"]) == INVALID_IDENTIFIER


def test_sheets_laid_in_later_are_another_stack(device, receiver):
    device.press("Scan")
    identifier = receiver.identifier()
    receiver.fetch(receiver.create(identifier))
    device.wait(device.engine.reload())
    assert refusal(device, identifier, receiver.made.tokens["Scan"]) == INVALID_IDENTIFIER


def test_one_job_that_empties_the_feeder_is_the_end_of_it(device, receiver):
    device.press("Scan")
    identifier = receiver.identifier()
    job = receiver.create(identifier, ticket=scan_ticket(source="ADF", images=0))
    assert len(list(device.client.images(job))) == 3
    device.wait(device.engine.reload())
    assert refusal(device, identifier, receiver.made.tokens["Scan"]) == INVALID_IDENTIFIER


@pytest.mark.conformance("OP-12", "EV-16", "FA-08")
def test_the_glass_is_scanned_once_for_each_press(device, receiver):
    device.press("Scan", "Platen")
    identifier = receiver.identifier()
    receiver.fetch(receiver.create(identifier, ticket=scan_ticket()))
    assert refusal(device, identifier, receiver.made.tokens["Scan"]) == INVALID_IDENTIFIER


@pytest.mark.conformance("EV-16", "FA-08")
def test_once_can_be_asked_for(make_device, sink):
    device = make_device(sheets=3, rules=Rules(patience=HASTY, identifier_once=True))
    receiver = Receiver(device, sink)
    device.press("Scan")
    identifier = receiver.identifier()
    receiver.create(identifier)
    assert refusal(device, identifier, receiver.made.tokens["Scan"]) == INVALID_IDENTIFIER


@pytest.mark.conformance("OP-12", "EV-17", "FA-08", "FA-09")
def test_what_does_not_belong_together_is_refused(device, make_sink):
    receiver = Receiver(device, make_sink(), FIVE)
    foreign = Receiver(device, make_sink(), [("Elsewhere", "Elsewhere")])
    device.press("Scan")
    identifier = receiver.identifier()
    token = receiver.made.tokens["Scan"]
    assert refusal(device, "urn:uuid:guess", token) == INVALID_IDENTIFIER
    assert refusal(device, None, token) == INVALID_IDENTIFIER
    assert refusal(device, identifier, None) == INVALID_TOKEN
    assert refusal(device, identifier, "guess") == INVALID_TOKEN
    assert refusal(device, identifier, receiver.made.tokens["Fax"]) == INVALID_TOKEN
    assert refusal(device, identifier, foreign.made.tokens["Elsewhere"]) == INVALID_TOKEN
    receiver.create(f"\n  {identifier} ")


def test_a_refused_job_leaves_the_identifier_good(make_device, sink):
    device = make_device(sheets=3, waiting=0, rules=Rules(patience=HASTY, identifier_once=True))
    receiver = Receiver(device, sink)
    device.press("Scan")
    busy = device.client.create_scan_job(scan_ticket())
    with pytest.raises(FaultAnswer, match="NotAcceptingJobs"):
        receiver.create(receiver.identifier())
    device.client.cancel_job(busy.id)
    receiver.create(receiver.identifier())


@pytest.mark.conformance("EV-12", "EV-17", "FA-08")
def test_an_ended_subscription_takes_its_identifiers_along(device, subscriber, receiver):
    device.press("Scan")
    identifier = receiver.identifier()
    subscriber.manage("Unsubscribe", receiver.made.identifier)
    assert refusal(device, identifier, receiver.made.tokens["Scan"]) == INVALID_IDENTIFIER


def test_who_subscribes_again_may_still_fetch_the_scan(device, receiver):
    device.press("Scan")
    identifier = receiver.identifier()
    again = Receiver(device, receiver.sink)
    assert refusal(device, identifier, receiver.made.tokens["Scan"]) == INVALID_TOKEN
    again.create(identifier)


@pytest.mark.conformance("OP-11")
def test_scans_from_the_computer_need_neither(device, receiver):
    device.client.create_scan_job(TICKET)


def test_a_slow_receiver_may_scan_before_it_answers_the_event(device, make_sink):
    """Some handle the event first and answer it then."""
    sink = make_sink()
    receiver = Receiver(device, sink)

    def scan_first(got) -> Answer:
        receiver.fetch(receiver.create(got.text("ScanIdentifier")))
        return Answer(200)

    sink.answer = scan_first
    device.press("Scan")
    wait_until(lambda: device.presses()[0].state is PressState.DONE, 5, "the scan")


# ---- a button of the scanner itself


def pressed(device: EventDevice, destination: str, source: str = "") -> None:
    change = ButtonPressed("scan", destination, source)
    device.do(lambda: device.notifications.heard(change))


@pytest.mark.parametrize(
    ("named", "context"),
    [("first", "Scan"), ("Fax to DESK-7", "Fax"), ("ocr", "OCR"), ("to desk-7", "Scan")],
)
def test_a_button_of_the_scanner_is_for_the_computer_that_it_is_configured_for(
    device, sink, named, context
):
    Receiver(device, sink, FIVE)
    pressed(device, named)
    (press,) = device.presses()
    assert press.destination.context == context
    assert sink.wait_for("ScanAvailableEvent")[0].text("ClientContext") == context


def test_a_button_may_say_where_to_scan_from(device, sink):
    receiver = Receiver(device, sink)
    pressed(device, "first", "Platen")
    receiver.identifier()
    (press,) = device.presses()
    assert press.source == "Platen"


def test_a_button_that_cannot_do_what_it_is_for_is_told_in_the_log(device, sink, caplog):
    pressed(device, "first")
    assert "button scan: no computer 'first' waits for scans" in caplog.text
    Receiver(device, sink)
    pressed(device, "nobody")
    assert "button scan: no computer 'nobody' waits for scans" in caplog.text
    pressed(device, "first", "Film")
    assert "button scan: " in caplog.messages[-1]
    assert "is no source of this scanner" in caplog.messages[-1]
    assert device.presses() == ()
