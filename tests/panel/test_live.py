"""What the page hears as it happens."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from clients.wsscan import scan_ticket
from panel.watcher import Watcher
from support.wait import wait_until

from device.panel import live

MakeWatcher = Callable[..., Watcher]


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.02)
    monkeypatch.setattr(live, "PAUSE_S", 0.005)


@pytest.fixture
def watch(panel) -> Iterator[MakeWatcher]:
    made: list[Watcher] = []

    def make(**headers: str) -> Watcher:
        made.append(Watcher(panel.port, **headers))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_everything_comes_first_and_then_what_changes(device, panel, watch, sink):
    watcher = watch()
    assert watcher.status == 200
    assert watcher.headers["content-type"].startswith("text/event-stream")
    assert watcher.headers["cache-control"] == "no-store"
    kind, first = watcher.next()
    assert kind == "all"
    assert first["device"]["name"] == "A scanner"
    assert first["scanner"] == panel.get("state")["scanner"]
    assert first["feeder"] == panel.get("feeder")
    assert (first["jobs"], first["history"], first["destinations"]) == ([], [], [])

    device.subscriber.subscribe(sink.url, destinations=[("Here", "Scan")])
    assert [one["name"] for one in watcher.until("destinations")] == ["Here"]
    job = device.client.create_scan_job(scan_ticket(source="ADF", images=1))
    assert [one["id"] for one in watcher.until("jobs")] == [job.id]
    raised = panel("POST", "conditions", {"name": "MediaJam"}).json
    event = watcher.next()
    assert event.kind == "change"
    assert event.data["scanner"]["conditions"] == [raised]
    assert "device" not in event.data
    panel("DELETE", f"conditions/{raised['id']}")
    device.client.retrieve_image(job.id, job.token)
    done = watcher.until("history", bool)
    assert done == panel.get("jobs")["history"]


def test_what_is_told_is_what_rest_tells(device, panel, watch, sink):
    device.subscriber.subscribe(sink.url, destinations=[("Here", "Scan")])
    panel("POST", f"destinations/{panel.get('destinations')[0]['id']}/press")
    sink.wait_for("ScanAvailableEvent")
    device.client.create_scan_job(scan_ticket())
    told = watch().next().data
    for section in ("feeder", "destinations", "presses"):
        assert told[section] == panel.get(section), section
    assert told["jobs"] == panel.get("jobs")["active"]
    (subscriber,) = panel.get("subscribers")
    del subscriber["expires_in_s"]
    assert told["subscribers"] == [subscriber]


def test_a_subscription_that_lapses_is_seen(device, watch, sink):
    device.subscriber.subscribe(sink.url, destinations=[("Here", "Scan")], expires="PT10S")
    watcher = watch()
    assert len(watcher.next().data["destinations"]) == 1
    device.turn(11)
    assert watcher.until("destinations") == []


def test_silence_is_broken_by_a_ping(device, watch):
    watcher = watch()
    watcher.next()
    device.advance(live.PING_S)
    assert watcher.next() == ("ping", {})


def test_there_are_not_too_many(panel, watch):
    first = watch()
    for _ in range(live.MAX_CLIENTS - 1):
        watch().next()
    refused = panel("GET", "events")
    assert refused.status == 503
    assert refused.headers["retry-after"] == "5"
    first.close()
    wait_until(lambda: room(panel), 5, "room for another")


def room(panel) -> bool:
    watcher = Watcher(panel.port)
    watcher.close()
    return watcher.status == 200


def test_one_that_does_not_read_holds_up_nobody(device, panel, watch):
    with socket.create_connection(("127.0.0.1", panel.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        watcher = watch()
        watcher.next()
        for number in range(40):
            job = device.client.create_scan_job(scan_ticket(job_name="x" * 200))
            panel("POST", f"jobs/{job.id}/cancel")
            assert watcher.until("history", lambda jobs, n=job.id: jobs and jobs[0]["id"] == n), (
                number
            )


def test_it_ends_with_its_device(device, watch):
    watcher = watch()
    watcher.next()
    device.panelled[:] = [replace(device.panelled[0], bell=live.Bell())]
    with pytest.raises(EOFError):
        watcher.next()


def test_it_ends_with_the_panel(device, watch):
    watcher = watch()
    watcher.next()
    device.wait(device._server.stop())
    with pytest.raises(EOFError):
        watcher.next()
