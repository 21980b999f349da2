"""Scan jobs with our own small client: what no real client shows from outside."""

import contextlib
import http.client
import io
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from clients.wsscan import Client, FaultAnswer, retrieve_image_body, scan_ticket
from PIL import Image
from support.device import RunningDevice, on_loopback
from support.pages import assert_same_pixels, noisy_page, on_white, save_stack
from support.wait import wait_until

PROMPT_S = 2.0
FINAL = {"Completed", "Canceled", "Aborted"}


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[Client]:
    with on_loopback(tmp_path_factory.mktemp("device")) as device:
        yield Client(device.scan_url)


def test_cancel_is_answered_at_once_while_a_retrieve_image_hangs(client: Client):
    """A reader that stops reading: the transfer hangs in mid-image."""
    job = client.create_scan_job(scan_ticket(dpi=600, format="dib"))
    request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    with client.stream(request) as hanging:
        assert hanging.read(65536)
        asked_s = time.monotonic()
        client.cancel_job(job.id)
        assert time.monotonic() - asked_s < PROMPT_S
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            hanging.read()
        assert time.monotonic() - asked_s < 5 * PROMPT_S
    wait_until(lambda: client.job_state(job.id) in FINAL, 5, "end of the job")
    assert client.job_state(job.id) == "Canceled"
    wait_until(lambda: client.scanner_state() == "Idle", 5, "idle scanner")


def test_a_canceled_job_serves_no_more_images(client: Client):
    job = client.create_scan_job(scan_ticket(source="ADF"))
    client.retrieve_image(job.id, job.token)
    client.cancel_job(job.id)
    with pytest.raises(FaultAnswer) as refused:
        client.retrieve_image(job.id, job.token)
    assert refused.value.name == "ClientErrorJobCancelled"


def test_a_peer_that_hangs_up_aborts_its_job_and_nothing_else(client: Client):
    job = client.create_scan_job(scan_ticket(dpi=600, format="dib"))
    request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    with client.stream(request) as broken_off:
        assert broken_off.read(65536)
    wait_until(lambda: client.job_state(job.id) in FINAL, 10, "end of the job")
    assert client.job_state(job.id) == "Aborted"
    again = client.create_scan_job(scan_ticket(dpi=75))
    assert client.retrieve_image(again.id, again.token).content


def test_a_platen_job_completes_by_itself(client: Client):
    before = len(client.get_job_history())
    job = client.create_scan_job(scan_ticket(dpi=75))
    client.retrieve_image(job.id, job.token)
    wait_until(lambda: client.job_state(job.id) == "Completed", 5, "completed job")
    assert client.get_active_jobs() == []
    assert len(client.get_job_history()) == before + 1


def read_whole_answer(sock: socket.socket) -> bytes:
    """Everything up to the end of a multipart answer, and not a moment longer."""
    answer = b""
    ends = {True: b"--\r\n\r\n0\r\n\r\n", False: b"--\r\n"}  # chunked, and with a length
    while not answer.endswith(ends[b"chunked" in answer[:1000]]):
        received = sock.recv(65536)
        if not received:
            break
        answer += received
    return answer


def test_the_next_image_may_be_asked_for_the_moment_the_last_one_is_there(start_device, tmp_path):
    """As sane-airscan does: it closes the connection at once, and the next request is on its way.

    The connections are made beforehand, so that nothing lies between the two.
    """
    pages = [noisy_page(500, 600, seed) for seed in range(6)]
    source = save_stack(tmp_path / "source", pages, 150)
    client = Client(start_device("--source", f"images:{source}").scan_url)
    job = client.create_scan_job(scan_ticket(source="ADFDuplex", dpi=150))
    address = urlsplit(client.url)
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection((address.hostname, address.port), 10))
            for _ in pages
        ]
        for sock in sockets:
            body = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
            head = (
                f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
                f"Content-Type: application/soap+xml\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            sock.sendall(head.encode() + body)
            answer = read_whole_answer(sock)
            sock.close()
            assert answer.startswith(b"HTTP/1.1 200 "), answer[-600:]
    with pytest.raises(FaultAnswer, match="ClientErrorNoImagesAvailable"):
        client.retrieve_image(job.id, job.token)
    assert client.job_state(job.id) == "Completed"


def test_a_repeated_request_starts_nothing_twice(client: Client):
    first = client.create_scan_job(scan_ticket(), message_id="urn:uuid:same")
    second = client.create_scan_job(scan_ticket(), message_id="urn:uuid:same")
    assert (first.id, first.token) == (second.id, second.token)
    assert len(client.get_active_jobs()) == 1
    client.cancel_job(first.id)


def test_every_format_holds_the_same_pixels(start_device, tmp_path):
    page = noisy_page(300, 200, seed=5)
    source = save_stack(tmp_path / "source", [page], 100)
    device: RunningDevice = start_device("--source", f"images:{source}")
    client = Client(device.scan_url)
    for format in ("png", "tiff-single-uncompressed", "dib"):
        region = (0, 0, 4000, 3000)
        job = client.create_scan_job(scan_ticket(format=format, dpi=100, region=region))
        image = client.retrieve_image(job.id, job.token)
        with Image.open(io.BytesIO(image.content)) as got:
            assert got.size == (400, 300)
            assert_same_pixels(got.convert("RGB"), on_white(page, got.size))
