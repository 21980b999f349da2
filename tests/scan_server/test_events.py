"""The events of post-scan jobs, as a subscriber that shares no code with us hears them."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from clients.dsp_client import DSP, FSH, OWN_STORE, WSE, DspClient, file_share
from eventing.subscriber import Answer, Got, Sink
from support import dsp_rules

from device.eventing.subscriptions import Patience
from scan_server.notifications import Rules

from .conftest import Running, Start

PAGE = b"a page" * 1000
VENDOR = ("urn:vendor", '<v:x xmlns:v="urn:vendor"/>')
STATUS, END = "PostScanJobStatusEvent", "PostScanJobEndStateEvent"


@pytest.fixture
def make_sink() -> Iterator[Callable[[], Sink]]:
    with ExitStack() as stack:

        def make() -> Sink:
            sink = Sink()
            stack.callback(sink.close)
            return sink

        yield make


@pytest.fixture
def sink(make_sink: Callable[[], Sink]) -> Sink:
    return make_sink()


@pytest.fixture
def server(sink: Sink, start: Start) -> Running:
    return start(events=Rules(patience=Patience(retries_s=(0.01,))))


@pytest.fixture
def client(server: Running) -> DspClient:
    return server.client


def texts(got: Got, local: str) -> list[str]:
    return [(node.text or "").strip() for node in got.body.iter(f"{{{DSP}}}{local}")]


def text(got: Got, local: str) -> str:
    return next(iter(texts(got, local)), "")


def states(sink: Sink, token: str, *filters: str) -> list[str]:
    """Each state that the events of a job tell, in order of arrival; the end's in brackets."""
    mine = [got for got in list(sink.got) if text(got, "JobToken") == token]
    if mine[-1].name == END:
        dsp_rules.history([got.raw for got in mine], filters or [FSH])
    return [
        text(got, "JobState") if got.name == STATUS else f"[{text(got, 'JobCompletedState')}]"
        for got in mine
    ]


def finish(client: DspClient, token: str) -> None:
    client.send_image(token, 1, PAGE)
    client.end(token)


@pytest.mark.conformance("SS-02", "SS-04", "SJ-01", "SE-02")
def test_a_job_is_told_from_its_creation_to_its_end(client: DspClient, sink: Sink) -> None:
    assert client.subscribe(sink.url).name == "SubscribeResponse"
    token = client.new_job(root="Two  words")
    (first,) = sink.wait_for(STATUS)
    assert text(first, "JobState") == "Creating"
    assert text(first, "JobStateReason") == "None"
    assert texts(first, "FilterState") == ["Pending"]
    finish(client, token)
    (end,) = sink.wait_for(END)
    assert states(sink, token) == [
        "Creating",
        "Pending",
        "Started",
        "Processing",
        "Completed",
        "[Completed]",
    ]
    assert [child.tag.partition("}")[2] for child in end.body[0]] == [
        "JobToken",
        "PSP_Identifier",
        "PSP_DisplayName",
        "JobOriginatingUserName",
        "JobCompletedState",
        "JobCompletedStateReasons",
        "FilterCompletedStatuses",
        "ImagesReceived",
        "JobCompletedTime",
    ]
    assert text(end, "PSP_DisplayName") == "Two  words"
    assert text(end, "JobStateReason") == "PostScanJobCompletedSuccessfully"
    assert text(end, "ImagesReceived") == "1"
    assert end.header("To") == sink.url
    (last,) = [got for got in sink.of(STATUS) if text(got, "JobState") == "Completed"]
    assert text(last, "JobCompletedTime") == text(end, "JobCompletedTime")


@pytest.mark.conformance("SE-09")
def test_the_first_event_waits_for_the_token(client: DspClient, sink: Sink) -> None:
    """A device passes over events of tokens that it does not know."""
    known: set[str] = set()
    early: list[str] = []

    def answer(got: Got) -> Answer:
        if text(got, "JobToken") not in known:
            early.append(text(got, "JobToken"))
        return Answer()

    sink.answer = answer
    client.subscribe(sink.url)
    for _ in range(10):
        known.add(client.new_job())
    sink.wait_for(STATUS, 10)
    assert early == []


@pytest.mark.conformance("SS-05", "SJ-09", "SX-01", "SX-02", "SX-05", "SE-02")
def test_a_filter_after_the_other(client: DspClient, sink: Sink) -> None:
    client.subscribe(sink.url)
    token = client.new_job(VENDOR, OWN_STORE, continue_on_error=True)
    finish(client, token)
    (end,) = sink.wait_for(END)
    told = [texts(got, "FilterState") for got in sink.of(STATUS)]
    assert states(sink, token, "urn:vendor", FSH)[-1] == "[Completed]"
    assert told == [
        ["Pending", "Pending"],
        ["Pending", "Pending"],
        ["Pending", "Pending"],
        ["Processing", "Pending"],
        ["CompletedWithErrors", "Processing"],
        ["CompletedWithErrors", "CompletedSuccessfully"],
    ]
    assert texts(end, "FilterState") == told[-1]
    assert texts(end, "FilterStateReason") == ["InvalidArgs"]
    assert text(end, "JobStateReason") == "PostScanJobCompletedWithErrors"


@pytest.mark.conformance("SJ-02", "SE-03")
@pytest.mark.parametrize("how", ["refused", "canceled", "timed out", "failed"])
def test_every_end_is_told_once_and_last(start: Start, sink: Sink, how: str) -> None:
    client = start(idle_s=0.1 if how == "timed out" else 600).client
    client.subscribe(sink.url)
    token = ""
    match how:
        case "refused":
            client.create(VENDOR)
        case "canceled":
            token = client.new_job()
            client.cancel(token)
        case "timed out":
            token = client.new_job()
        case "failed":
            token = client.new_job((FSH, file_share(r"\\nobody\here")))
            finish(client, token)
    (end,) = sink.wait_for(END)
    filters = ["urn:vendor"] if how == "refused" else []
    told = states(sink, token or text(end, "JobToken"), *filters)
    final, reason, before = {
        "refused": ("Aborted", "NoValidPostScanInstructionsFound", []),
        "canceled": ("Canceled", "PostScanJobCanceled", ["Creating"]),
        "timed out": ("Aborted", "PostScanJobTimedOut", ["Creating"]),
        "failed": (
            "Aborted",
            "PostScanJobProcessingFailed",
            ["Creating", "Pending", "Started", "Processing"],
        ),
    }[how]
    assert told == [*before, final, f"[{final}]"]
    assert text(end, "JobStateReason") == reason


@pytest.mark.conformance("SE-04")
def test_all_subscribers_hear_of_every_job(
    client: DspClient, sink: Sink, make_sink: Callable[[], Sink]
) -> None:
    sinks = [sink, *(make_sink() for _ in range(4))]
    for one in sinks:
        client.subscribe(one.url)
    tokens: list[str] = []

    def work() -> None:
        tokens.append(client.new_job())
        finish(client, tokens[-1])

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = ["Creating", "Pending", "Started", "Processing", "Completed", "[Completed]"]
    for one in sinks:
        one.wait_for(END, len(tokens))
        assert {token: states(one, token) for token in tokens} == dict.fromkeys(tokens, wanted)
        assert len(one.got) == len(wanted) * len(tokens)


def test_a_hanging_subscriber_holds_up_nobody(
    client: DspClient, sink: Sink, make_sink: Callable[[], Sink]
) -> None:
    hanging = make_sink()
    hanging.answer = Answer(hang=True)
    client.subscribe(hanging.url)
    client.subscribe(sink.url)
    token = client.new_job()
    finish(client, token)
    sink.wait_for(END, timeout_s=2)
    assert client.status(token).text("JobState") == "Completed"
    hanging.released.set()


@pytest.mark.conformance("SE-06")
def test_a_filter_lets_through_what_it_names(client: DspClient, sink: Sink) -> None:
    client.subscribe(sink.url, events=[END])
    finish(client, client.new_job())
    sink.wait_for(END)
    assert sink.names() == [END]


@pytest.mark.conformance("SE-06")
def test_without_a_filter_both_events_come(client: DspClient, sink: Sink) -> None:
    client.subscribe(sink.url, events=[])
    finish(client, client.new_job())
    sink.wait_for(END)
    assert set(sink.names()) == {STATUS, END}


@pytest.mark.conformance("SE-06")
def test_a_filter_for_events_of_others(client: DspClient, sink: Sink) -> None:
    reply = client.subscribe(sink.url, events=["JobStatusEvent"])
    assert reply.subcode == "FilterActionNotSupported"


@pytest.mark.conformance("SE-01")
def test_renew_status_and_unsubscribe(client: DspClient, sink: Sink) -> None:
    begun = client.subscribe(f"{sink.url}/first")
    assert begun.body.findtext(f".//{{{WSE}}}Expires") == "PT3600S"
    assert client.service in "".join(begun.body.itertext())
    identifier = begun.identifier
    renewed = client.manage("Renew", identifier, "<e:Expires>PT5M</e:Expires>")
    assert renewed.body.findtext(f"{{{WSE}}}Expires") == "PT300S"
    assert client.manage("GetStatus", identifier).name == "GetStatusResponse"
    client.manage("Unsubscribe", identifier)
    assert client.manage("GetStatus", identifier).subcode == "InvalidMessage"
    client.subscribe(f"{sink.url}/second", events=[END])
    finish(client, client.new_job())
    sink.wait_for(END)
    assert [got.path for got in sink.got] == ["/sink/second"]


@pytest.mark.conformance("SE-08")
def test_the_server_says_goodbye(server: Running, sink: Sink) -> None:
    server.client.subscribe(sink.url, end_to=f"{sink.url}/end")
    token = server.client.new_job()
    server.stop()
    (end,) = sink.of("SubscriptionEnd")
    assert end.path == "/sink/end"
    assert dsp_rules.message(end.raw) is not None
    assert end.body.findtext(f"{{{WSE}}}Status") == f"{WSE}/SourceShuttingDown"
    assert states(sink, token) == ["Creating"]


@pytest.mark.conformance("SE-07")
def test_events_go_to_the_subscriber_and_where_the_administrator_allows(
    start: Start, sink: Sink
) -> None:
    refused = start().client.subscribe("http://192.0.2.7/sink")
    assert refused.subcode == "DestinationUnreachable"


def test_more_networks_for_events(start: Start, sink: Sink) -> None:
    client = start(events=Rules(networks=("192.0.2.0/24",))).client
    assert client.subscribe("http://192.0.2.7/sink").name == "SubscribeResponse"


@pytest.mark.conformance("SE-07")
def test_a_sink_behind_tls(start: Start, sink: Sink) -> None:
    """Its certificate proves nothing to us: the address is what was checked."""
    server = start(http=False, generate_cert=True)
    sink.behind_tls(server.state_dir / "server.pem", server.state_dir / "server.key")
    trust = ssl.create_default_context(cafile=str(server.state_dir / "server.pem"))
    client = DspClient(server.url, trust)
    assert client.subscribe(sink.url).name == "SubscribeResponse"
    client.new_job()
    sink.wait_for(STATUS)
