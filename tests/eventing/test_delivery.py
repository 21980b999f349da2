"""Sinks of all kinds: each costs itself only, and each gets its events in order."""

import socket
import threading
import time

import pytest
from clients.wsscan import SCAN, WSE, scan_ticket
from eventing.subscriber import Answer, Sink, free_port
from eventing.wired import HASTY, EventDevice
from support import schema
from support.wait import wait_until

from device.eventing.delivery import MAX_WAITING
from device.eventing.sender import Times
from device.eventing.subscriptions import Failed, Limits
from device.notifications import Rules
from device.scan.events import ScanEvent

MANY = Rules(Limits(total=2000, per_peer=2000), HASTY)


def publish(device: EventDevice, count: int, start: int = 0) -> None:
    """Events that carry their number, all published in one step of the device."""
    from device.notifications import _addressed

    def work() -> None:
        for number in range(start, start + count):
            body = f"<wscn:JobStatusEvent>{number}</wscn:JobStatusEvent>"
            event = ScanEvent(f"{SCAN}/JobStatusEvent", body)
            device.notifications.delivery.publish(_addressed(event))

    device.do(work)


def numbers(sink: Sink) -> list[int]:
    return [int(got.body.text or "") for got in list(sink.got)]


def outcomes(device: EventDevice, failure: Failed | None) -> int:
    return sum(one.failure is failure for one in list(device.outcomes))


def test_events_come_in_order_over_one_connection(device, subscriber, sink):
    subscriber.subscribe(sink.url)
    publish(device, 100)
    sink.wait_for("JobStatusEvent", 100)
    assert numbers(sink) == list(range(100))
    assert {got.connection for got in sink.got} == {1}
    assert {got.path for got in sink.got} == {"/sink"}
    assert {got.headers["host"] for got in sink.got} == {f"127.0.0.1:{sink.port}"}


BAD = {
    "hangs": Answer(hang=True),
    "answers 500": Answer(500),
    "refuses": None,
    "trickles": Answer(200, trickle=True),
    "never ends": Answer(200, endless=True),
    "redirects": Answer(307, location="http://127.0.0.1:9/"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_sink_costs_nothing_to_others(device, subscriber, make_sink, kind):
    good = make_sink()
    answer = BAD[kind]
    url = f"http://127.0.0.1:{free_port()}/" if answer is None else make_sink(answer).url
    subscriber.subscribe(url, end_to=good.url)
    subscriber.subscribe(good.url)
    began = time.monotonic()
    publish(device, 20)
    good.wait_for("JobStatusEvent", 20, 1.0)
    assert time.monotonic() - began < 1.0
    assert numbers(good)[:20] == list(range(20))
    job = device.client.create_scan_job(scan_ticket())
    device.client.cancel_job(job.id)


def test_the_end_waits_for_no_sink_that_hangs(make_device, make_sink):
    device = make_device(times=Times(4, 10))
    good, hanging = make_sink(), make_sink(Answer(hang=True))
    for number in range(10):
        device.subscriber.subscribe(f"{hanging.url}/{number}", end_to=hanging.url)
    device.subscriber.subscribe(good.url, end_to=f"{good.url}/end")
    publish(device, 3)
    hanging.wait_for("JobStatusEvent", 10)
    began = time.monotonic()
    device.close()
    assert time.monotonic() - began < 4
    (end,) = good.of("SubscriptionEnd")
    schema.check_document(end.raw)
    assert end.path == "/sink/end"


def test_a_refused_event_is_tried_again_and_then_the_next(device, subscriber, make_sink):
    answers = iter([500, 503, 202])
    sink = make_sink()
    sink.answer = lambda got: Answer(next(answers, 202))
    subscriber.subscribe(sink.url)
    publish(device, 2)
    sink.wait_for("JobStatusEvent", 4)
    assert numbers(sink) == [0, 0, 0, 1]
    first = sink.got[:3]
    assert len({got.header("MessageID") for got in first}) == 1


def test_what_may_have_been_taken_is_not_sent_twice(make_device, make_sink):
    device = make_device(times=Times(0.3, 0.3))
    sink = make_sink(Answer(hang=True))
    device.subscriber.subscribe(sink.url)
    publish(device, 1)
    wait_until(lambda: outcomes(device, Failed.UNANSWERED), 5, "outcome")
    publish(device, 1, 1)
    sink.wait_for("JobStatusEvent", 2)
    assert numbers(sink) == [0, 1]


def test_who_takes_an_event_and_says_nothing_gets_it_once(device, subscriber):
    """It may have acted on it; a second copy would be a second scan."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[bytes] = []

        def serve() -> None:
            for _ in range(2):
                connection, _peer = server.accept()
                with connection, connection.makefile("rb") as stream:
                    head = iter(stream.readline, b"\r\n")
                    length = next(
                        int(line.split()[1]) for line in head if b"content-length" in line.lower()
                    )
                    while next(head, None) is not None:
                        pass
                    taken.append(stream.read(length))

        thread = threading.Thread(target=serve)
        thread.start()
        subscriber.subscribe(f"http://127.0.0.1:{server.getsockname()[1]}/")
        publish(device, 2)
        thread.join(10)
    assert [b">0<" in taken[0], b">1<" in taken[1]] == [True, True]
    assert outcomes(device, Failed.UNANSWERED) >= 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 410])
def test_no_redirect_is_followed_and_a_no_is_a_no(device, subscriber, make_sink, status):
    other = make_sink()
    sink = make_sink(Answer(status, location=other.url))
    subscriber.subscribe(sink.url)
    publish(device, 2)
    sink.wait_for("JobStatusEvent", 2)
    assert numbers(sink) == [0, 1]
    assert other.got == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200),
        Answer(202),
        Answer(204),
        Answer(200, body=b"<soap/>"),
        Answer(202, body=b"x" * 100_000),
        Answer(202, close_after=True),
    ],
)
def test_any_success_is_one(device, subscriber, make_sink, answer):
    sink = make_sink(answer)
    subscriber.subscribe(sink.url)
    publish(device, 5)
    sink.wait_for("JobStatusEvent", 5)
    wait_until(lambda: outcomes(device, None) == 5, 5, "five deliveries")
    assert numbers(sink) == [0, 1, 2, 3, 4]


def test_a_closed_idle_connection_loses_nothing(device, subscriber, sink):
    """The sink says nothing of closing, and closes all the same after each answer."""
    sink.answer = lambda got: Answer(202, close_after=True)
    subscriber.subscribe(sink.url)
    for number in range(5):
        publish(device, 1, number)
        sink.wait_for("JobStatusEvent", number + 1)
    assert numbers(sink) == [0, 1, 2, 3, 4]


def test_who_fails_for_minutes_is_given_up_and_told(device, subscriber, make_sink):
    sink, end = make_sink(Answer(500)), make_sink()
    subscriber.subscribe(sink.url, end_to=end.url, destinations=[("Here", "Scan")])
    publish(device, 1)
    wait_until(lambda: outcomes(device, Failed.ANSWERED_BUSY) == 3, 5, "three failures")
    assert device.subscriptions() == 1
    device.turn(181)
    publish(device, 1)
    (got,) = end.wait_for("SubscriptionEnd")
    assert device.subscriptions() == 0
    assert device.destinations() == ()
    assert got.body.findtext(f"{{{WSE}}}Status") == f"{WSE}/DeliveryFailure"


def test_failures_are_forgotten_with_a_success(device, subscriber, make_sink):
    sink = make_sink(Answer(500))
    subscriber.subscribe(sink.url)
    publish(device, 1)
    wait_until(lambda: outcomes(device, Failed.ANSWERED_BUSY) == 3, 5, "three failures")
    sink.answer = Answer()
    publish(device, 1, 1)
    wait_until(lambda: outcomes(device, None) == 1, 5, "a success")
    sink.answer = Answer(500)
    device.turn(1000)
    publish(device, 1, 2)
    wait_until(lambda: outcomes(device, Failed.ANSWERED_BUSY) == 6, 5, "three failures more")
    assert device.subscriptions() == 1


def test_memory_is_bounded_and_the_newest_is_kept(make_device, make_sink):
    device = make_device(times=Times(2, 30))
    gate = threading.Event()
    sink = make_sink()
    sink.answer = lambda got: (gate.wait(10), Answer())[1]
    made = device.subscriber.subscribe(sink.url)
    publish(device, 1)
    sink.wait_for("JobStatusEvent", 1)
    publish(device, 3 * MAX_WAITING, 1)
    key = made.identifier.removeprefix("urn:uuid:")
    assert device.do(lambda: device.notifications.delivery.waiting(key)) == MAX_WAITING
    gate.set()
    sink.wait_for("JobStatusEvent", 1 + MAX_WAITING)
    assert numbers(sink) == [0, *range(2 * MAX_WAITING + 1, 3 * MAX_WAITING + 1)]


def test_unsubscribing_silences_what_waits(make_device, make_sink):
    device = make_device(times=Times(2, 30))
    gate = threading.Event()
    sink = make_sink()
    sink.answer = lambda got: (gate.wait(10), Answer())[1]
    made = device.subscriber.subscribe(sink.url)
    publish(device, 10)
    sink.wait_for("JobStatusEvent", 1)
    device.subscriber.manage("Unsubscribe", made.identifier)
    gate.set()
    probe = make_sink()
    device.subscriber.subscribe(probe.url)
    publish(device, 1, 10)
    probe.wait_for("JobStatusEvent")
    assert numbers(sink) == [0]


def test_the_answer_to_subscribe_comes_before_the_first_event(make_device, make_sink):
    device = make_device()
    sink = make_sink()
    stop = threading.Event()

    def keep_publishing() -> None:
        while not stop.wait(0.001):
            publish(device, 1)

    noise = threading.Thread(target=keep_publishing)
    noise.start()
    try:
        for number in range(10):
            device.subscriber.subscribe(f"{sink.url}/{number}")
            early = [got for got in list(sink.got) if got.path.endswith(f"/{number}")]
            assert early == []
    finally:
        stop.set()
        noise.join()


@pytest.mark.conformance("EV-13")
def test_a_clean_stop_ends_every_subscription(make_device, make_sink):
    device = make_device()
    sink = make_sink()
    made = device.subscriber.subscribe(
        sink.url,
        end_to=f"{sink.url}/end",
        end_parameters=f'<e:Identifier xmlns:e="{WSE}">the-end</e:Identifier>',
    )
    device.subscriber.subscribe(f"{sink.url}/without-end")
    device.close()
    (end,) = sink.of("SubscriptionEnd")
    assert end.path == "/sink/end"
    assert end.action == f"{WSE}/SubscriptionEnd"
    assert end.header("Identifier", WSE) == "the-end"
    assert end.body.findtext(f"{{{WSE}}}Status") == f"{WSE}/SourceShuttingDown"
    assert made.identifier in end.raw.decode()


def test_many_subscribers_get_each_event_once_though_some_hang(make_device, make_sink):
    """And one who shall scan need not wait until all the others have heard."""
    device = make_device(rules=MANY, times=Times(4, 10))
    sink, hanging, scans = make_sink(), make_sink(Answer(hang=True)), make_sink()
    for number in range(100):
        device.subscriber.subscribe(f"{sink.url}/{number}")
    for number in range(20):
        device.subscriber.subscribe(f"{hanging.url}/{number}")
    device.subscriber.subscribe(
        scans.url, events=["ScanAvailableEvent"], destinations=[("Here", "Scan")]
    )
    publish(device, 5)
    device.press("Scan")
    scans.wait_for("ScanAvailableEvent")
    assert len(sink.got) < 500
    wait_until(lambda: len(sink.got) >= 500, 20, "500 events")
    by_path: dict[str, list[int]] = {}
    for got in sink.got:
        by_path.setdefault(got.path, []).append(int(got.body.text or ""))
    assert all(found == list(range(5)) for found in by_path.values())
    assert len(by_path) == 100
