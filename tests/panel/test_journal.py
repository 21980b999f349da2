"""What the journal keeps, and how one waits for it."""

import asyncio
import re
import socket
import threading

import pytest
from clients.wsscan import WSE, scan_ticket
from eventing.subscriber import Sink, Subscriber
from panel.conftest import Panel
from support.clock import ManualClock
from support.device import RunningDevice, refuse
from support.wait import wait_until

from device.panel.journal import KEPT, MAX_ALL, MAX_XML, Direction, Filter, Journal
from device.soap.dispatch import Exchange

LOOPBACK = ("run", "--no-discovery", "--host", "127.0.0.1", "--port", "0")


def note(journal: Journal, action: str = "urn:x/Get", outcome: str = "ok", xml: str = "") -> None:
    exchange = Exchange("10.0.0.1", action, outcome, 0.1, xml.encode())
    journal.add(Direction.REQUEST, exchange)


def test_it_is_bounded_in_number_and_size():
    journal = Journal(ManualClock(), kept=3)
    for number in range(5):
        note(journal, f"urn:x/{number}", xml="x" * (MAX_XML + 1))
    assert [entry.name for entry in journal.find(Filter())] == ["2", "3", "4"]
    assert [entry.number for entry in journal.find(Filter(after=4))] == [5]
    assert journal.entry(1) is None
    found = journal.entry(5)
    assert found is not None
    assert len(found.request_xml) == MAX_XML


def test_all_of_it_together_is_bounded_too():
    journal = Journal(ManualClock())
    for _ in range(2 * MAX_ALL // MAX_XML):
        note(journal, xml="x" * MAX_XML)
    assert len(journal.find(Filter())) == MAX_ALL // MAX_XML
    for _ in range(KEPT + 1):
        note(journal)
    assert len(journal.find(Filter())) == KEPT


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Filter(action="Get"), 2),
        (Filter(action="urn:x/Get"), 2),
        (Filter(action="Get", outcome="ok"), 1),
        (Filter(direction="event"), 0),
        (Filter(peer="10.0.0.1"), 3),
        (Filter(peer="10.0.0.2"), 0),
        (Filter(text="invalidARGS"), 1),
        (Filter(text="<Glass"), 1),
        (Filter(text="10.0.0"), 3),
        (Filter(text="nowhere"), 0),
    ],
)
def test_it_is_filtered(wanted, count):
    journal = Journal(ManualClock())
    note(journal)
    note(journal, outcome="wscn:InvalidArgs")
    note(journal, "urn:x/Put", xml="<glass/>")
    assert len(journal.find(wanted)) == count


async def test_who_waits_hears_of_what_passes_and_of_nothing_else():
    journal = Journal(ManualClock())
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(journal.wait(Filter(action="Put"), 5))
        await asyncio.sleep(0)
        note(journal)
        await asyncio.sleep(0)
        assert not waiting.done()
        note(journal, "urn:x/Put")
    assert [entry.name for entry in waiting.result()] == ["Put"]
    assert await journal.wait(Filter(action="Post"), 0.01) == []
    assert not journal._waiting


# ---- the whole program


def panel_of(device: RunningDevice) -> Panel:
    found = wait_until(
        lambda: re.search(r"panel at port (\d+)", device.stderr()), 5, "the panel's port"
    )
    return Panel(int(found[1]))


def test_requests_faults_and_events_are_kept(start_device):
    device = start_device("--panel-port", "0")
    panel, client, sink = panel_of(device), device.client, Sink()
    client.url = device.scan_url
    try:
        Subscriber(client).subscribe(sink.url, events=["JobEndStateEvent"])
        waiting: list[object] = []
        waiter = threading.Thread(
            target=lambda: waiting.append(panel.get("journal?action=RetrieveImage&wait=20"))
        )
        waiter.start()
        job = client.create_scan_job(scan_ticket(dpi=75))
        image = client.retrieve_image(job.id, job.token)
        waiter.join(20)
        ((retrieved,),) = waiting
        assert retrieved["outcome"] == "ok"
        assert retrieved["sent_octets"] >= len(image.content)
        (event,) = panel.get("journal?direction=event&wait=5")
        assert (event["name"], event["peer"]) == ("JobEndStateEvent", sink.url)
        client.call("GetJobStatus", "<sca:X/>")
        client.call(
            "CancelJob", "<sca:CancelJobRequest><sca:JobId>99</sca:JobId></sca:CancelJobRequest>"
        )
        assert panel.get("journal?outcome=wsa:ActionNotSupported")[0]["name"] == "GetJobStatus"
        (refused,) = panel.get("journal?outcome=wscn:ClientErrorJobIdNotFound")
        whole = panel.get(f"journal/{refused['id']}")
        assert "<sca:JobId>99</sca:JobId>" in whole["request_xml"]
        assert panel.get(f"journal?after={refused['id']}") == []
        assert panel("GET", "journal?colour=red").status == 422
        assert panel("GET", "journal?wait=1000").status == 422
        assert len(panel.get("journal?limit=2")) == 2
    finally:
        sink.close()


def test_every_request_is_kept_with_who_sent_it_and_what_it_was_told(start_device):
    device = start_device("--panel-port", "0")
    panel, client = panel_of(device), device.client
    client.url = device.scan_url
    asked = "<sca:GetActiveJobsRequest/>"
    odd = '<x:Odd xmlns:x="urn:x" s:mustUnderstand="1"/>'
    subscribe = client.envelope(f"{WSE}/Subscribe", f'<Subscribe xmlns="{WSE}"/>')
    sent = {
        "ok": client.envelope("GetActiveJobs", asked),
        "wsa:DestinationUnreachable": client.envelope("GetActiveJobs", asked, to="urn:uuid:1"),
        "wsa:ActionNotSupported": client.envelope("GetNothing", asked),
        "wscn:InvalidArgs": client.envelope("GetActiveJobs", "<sca:GetJobHistoryRequest/>"),
        "MustUnderstand": client.envelope("GetActiveJobs", asked, headers_xml=odd),
        "wse:InvalidMessage": subscribe,
        "repeated": subscribe,
        "VersionMismatch": b"<Envelope/>",
    }
    for outcome, request in sent.items():
        told = client.post(request).soap
        entry = panel.get(f"journal/{panel.get('journal')[-1]['id']}")
        assert (entry["peer"], entry["outcome"]) == ("127.0.0.1", outcome)
        assert entry["request_xml"].encode() == request
        assert entry["reply_xml"].encode() == told
        assert (entry["received_octets"], entry["sent_octets"]) == (len(request), len(told))
    assert len(panel.get("journal")) == 1 + len(sent), "the first is for the metadata"


def test_without_a_panel_there_is_no_port(start_device):
    device = start_device("--no-panel")
    device.client.get(device.endpoint)
    assert "panel" not in device.stderr()


def test_a_port_that_is_taken_matters_only_if_it_was_asked_for(start_device, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = refuse(
            [*LOOPBACK, "--state-dir", tmp_path / "state", "--panel-port", port],
            tmp_path,
        )
    assert done.returncode == 2
    assert f"Port {port}" in done.stderr
    first, second = start_device(), start_device()
    assert first.client.get(first.endpoint) is not None
    assert second.client.get(second.endpoint) is not None
