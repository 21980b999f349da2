"""A client that stops reading: it must not hold the scanner."""

import asyncio
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from clients.wsscan import retrieve_image_body, scan_ticket
from support.scripted_pages import Act

from device.http import peer

conformance = pytest.mark.conformance
LARGE = [bytes(60_000)] * 400
"""More than the kernels of both ends keep."""
SENT = [bytes(30_000)] * 4
"""Little enough to leave us at once."""


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "GONE_CHECK_S", 0.01)


@pytest.fixture
def silent(device, client):
    """Ask for a job's image over a small window; the connection, and the job."""
    socks = []

    def ask(chunks):
        device.pages.then(Act(chunks=chunks))
        job = client.create_scan_job(scan_ticket(source="ADF"))
        request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
        address = urlsplit(client.url)
        head = (
            f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Content-Type: application/soap+xml\r\nContent-Length: {len(request)}\r\n\r\n"
        )
        sock = socket.socket()
        socks.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect((address.hostname, address.port))
        sock.sendall(head.encode() + request)
        device.until(lambda: "Transferring" in device.state(job.id)[1][0], "the first bytes")
        return sock, job

    yield ask
    for sock in socks:
        sock.close()


def final(device, job, step_s: float) -> Callable[[], bool]:
    def turned() -> bool:
        device.advance(step_s)
        return device.record(job.id).status.state.final

    return turned


@conformance("JM-07", "KW-091")
@pytest.mark.parametrize("chunks", [LARGE, SENT], ids=["in the midst", "at the end"])
def test_a_peer_that_takes_nothing_for_a_minute_loses_its_job(device, client, silent, chunks):
    _, job = silent(chunks)
    waiting = client.create_scan_job(scan_ticket())
    pending = device.retrieving(waiting)
    device.until(final(device, job, 5), "the end of the job")
    assert device.state(job.id) == ("Aborted", ("ImageTransferError",))
    pending.result(5)


def test_a_peer_that_takes_a_little_now_and_then_is_waited_for(device, silent):
    sock, job = silent(LARGE)
    for _ in range(10):
        taken = 0
        while taken < 200_000:
            taken += len(sock.recv(65_536))
        device.until(lambda: device.wait(_a_look()), "a look at the peer")
        device.advance(40)
        assert device.state(job.id)[0] == "Processing"


def test_a_stopped_scanner_does_not_count_against_the_peer(device, silent):
    _, job = silent(LARGE)
    device.do(lambda: device.engine.pause(paused=True))
    for _ in range(10):
        device.wait(_a_look())
        device.advance(40)
    assert device.state(job.id) == ("Processing", ("ScannerStopped",))
    device.do(lambda: device.engine.pause(paused=False))
    device.until(final(device, job, 5), "the end of the job")


async def _a_look() -> bool:
    """Long enough for the endpoint to have looked at the connection."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, done.set)
    await done.wait()
    return True
