"""How a job ends before its time: cancelled at any moment, or a transfer that breaks."""

import contextlib
import http.client
import socket
from urllib.parse import urlsplit

import pytest
from clients.wsscan import FaultAnswer, retrieve_image_body, scan_ticket
from support.scripted_pages import Act

conformance = pytest.mark.conformance


def fault_of(call):
    with pytest.raises(FaultAnswer) as refused:
        call()
    return refused.value.name


# ---- cancelling


@conformance("JM-05", "KW-079", "KW-077")
def test_a_cancelled_job_terminates_until_the_source_lets_go(device, client):
    (act,) = device.pages.then(Act(hold=True))
    device.do(device.pages.let_go.clear)
    job = client.create_scan_job(scan_ticket())
    pending = device.retrieving(job)
    client.cancel_job(job.id)
    assert device.state(job.id)[0] == "Terminating"
    client.cancel_job(job.id)  # still possible, and changes nothing
    device.do(device.pages.let_go.set)
    assert fault_of(lambda: pending.result(5)) == "ClientErrorJobCancelled"
    assert device.ended(job.id) == ("Canceled", ("None",))
    assert device.pages.cancels == [job.id]
    assert act.hold


@conformance("JM-05", "FA-17")
@pytest.mark.parametrize("at_device", [False, True])
@pytest.mark.parametrize("moment", ["pending", "held", "waiting", "scanning", "between", "sending"])
def test_a_job_can_be_cancelled_at_each_moment(device, client, moment, at_device, caplog):
    device.pages.then(Act(), Act(hold=moment == "scanning", pause=moment == "sending"))
    blocker = client.create_scan_job(scan_ticket(source="ADF")) if moment == "waiting" else None
    job = client.create_scan_job(scan_ticket(source="ADF"))
    pending = None
    if moment == "held":
        device.do(lambda: device.engine.hold(job.id))
    elif moment == "waiting":
        client.retrieve_image(blocker.id, blocker.token)
        pending = device.retrieving(job)
    elif moment in {"between", "scanning", "sending"}:
        client.retrieve_image(job.id, job.token)
        if moment != "between":
            pending = device.retrieving(job)
    if moment == "sending":
        device.until(lambda: "Transferring" in device.state(job.id)[1][0], "the first bytes")
    if at_device:
        device.do(lambda: device.engine.cancel(job.id, at_device=True))
    else:
        client.cancel_job(job.id)
    if moment == "sending":
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            pending.result(5)
    elif pending is not None:
        assert fault_of(lambda: pending.result(5)) == "ClientErrorJobCancelled"
    reason = "JobCanceledAtDevice" if at_device else "None"
    assert device.ended(job.id) == ("Canceled", (reason,))
    after = fault_of(lambda: client.retrieve_image(job.id, job.token))
    assert after == "ClientErrorJobCancelled"
    assert [record for record in caplog.records if record.exc_info] == []


@conformance("JM-06", "KW-094")
def test_a_cancel_at_the_panel_ends_the_pending_request(device, client):
    device.pages.then(Act(hold=True))
    job = client.create_scan_job(scan_ticket())
    pending = device.retrieving(job)
    device.do(lambda: device.engine.cancel(job.id, at_device=True))
    assert fault_of(lambda: pending.result(5)) == "ClientErrorJobCancelled"
    assert device.ended(job.id) == ("Canceled", ("JobCanceledAtDevice",))


@conformance("JM-05")
def test_the_sheet_of_a_cancelled_page_lies_in_the_feeder_again(device, client):
    device.pages.then(Act(hold=True))
    job = client.create_scan_job(scan_ticket(source="ADF"))
    pending = device.retrieving(job)
    client.cancel_job(job.id)
    fault_of(lambda: pending.result(5))
    device.ended(job.id)
    again = client.create_scan_job(scan_ticket(source="ADF"))
    assert len([*client.images(again)]) == 3


# ---- transfers that break


@conformance("JM-07", "MT-08", "KW-091")
def test_a_peer_that_hangs_up_aborts_the_job_and_the_page_is_kept(device, client):
    device.pages.then(Act(pause=True))
    job = client.create_scan_job(scan_ticket(source="ADF"))
    request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    with client.stream(request) as broken_off:
        assert broken_off.read(10)
    assert device.ended(job.id) == ("Aborted", ("ImageTransferError",))
    again = client.create_scan_job(scan_ticket(source="ADF"))
    assert len([*client.images(again)]) == 3


@conformance("JM-07", "KW-091")
def test_a_peer_that_hangs_up_before_the_first_byte_aborts_the_job(device, client):
    device.pages.then(Act(hold=True))
    job = client.create_scan_job(scan_ticket())
    request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    connection, path = client._connect()
    with contextlib.closing(connection):
        connection.request("POST", path, request, {"Content-Type": "application/soap+xml"})
        device.until(lambda: device.job(job.id).retrieving, "RetrieveImage")
    assert device.ended(job.id) == ("Aborted", ("ImageTransferError",))
    assert device.pages.cancels == [job.id]


@conformance("JM-07", "MT-08", "KW-091")
def test_a_source_that_breaks_in_mid_image_cuts_the_connection(device, client):
    """No closing delimiter, no last chunk: a truncated reply must not look whole."""
    from scanner_backends.errors import IoError

    device.pages.then(Act(breaks=IoError("unplugged")))
    job = client.create_scan_job(scan_ticket())
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        client.retrieve_image(job.id, job.token)
    assert device.ended(job.id) == ("Aborted", ("ImageTransferError",))


def test_the_page_on_the_glass_stays_when_nobody_got_it(make_device):
    device = make_device(platen=2)
    client = device.client
    device.pages.then(Act(pause=True))
    job = client.create_scan_job(scan_ticket())
    request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    with client.stream(request) as broken_off:
        assert broken_off.read(10)
    device.ended(job.id)
    for expected in (1000, 1001, 1000):
        again = client.create_scan_job(scan_ticket())
        client.retrieve_image(again.id, again.token)
        device.ended(again.id)
        assert device.pages.asked[-1].page == expected


@conformance("KW-080")
def test_a_device_that_goes_down_aborts_its_jobs(device, client):
    job = client.create_scan_job(scan_ticket())
    device.wait(device.engine.close(1))
    assert device.state(job.id)[0] == "Aborted"
    refused = fault_of(lambda: client.create_scan_job(scan_ticket()))
    assert refused == "ServerErrorNotAcceptingJobs"


@conformance("JM-07")
def test_bytes_that_lay_in_a_buffer_were_not_delivered(device, client):
    """All has left us, but the peer's window is full when it hangs up."""
    device.pages.then(Act(chunks=[bytes(30_000)] * 4))
    job = client.create_scan_job(scan_ticket(source="ADF"))
    request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    address = urlsplit(client.url)
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Content-Type: application/soap+xml\r\nContent-Length: {len(request)}\r\n\r\n"
    )
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((address.hostname, address.port))
        sock.sendall(head.encode() + request)
        sending = ("Processing", ("JobTransferring",))
        device.until(lambda: device.state(job.id) == sending, "the last byte's departure")
    assert device.ended(job.id) == ("Aborted", ("ImageTransferError",))
    again = client.create_scan_job(scan_ticket(source="ADF"))
    assert len([*client.images(again)]) == 3
