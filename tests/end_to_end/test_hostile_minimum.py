"""What a stranger may throw at the device: each is answered or dropped, and the device lives on."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest
from clients.wsscan import Client, scan_ticket
from support.device import on_loopback
from support.wait import wait_until

SCAN = "http://schemas.microsoft.com/windows/2006/08/wdp/scan"
ENVELOPE = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><s:Header>
 <a:Action>{action}</a:Action><a:MessageID>urn:uuid:0b7e0000-0000-4000-8000-000000000001</a:MessageID>
 <a:To>http://x/scan</a:To></s:Header><s:Body>{body}</s:Body></s:Envelope>"""
LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
BOMB = f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l9;</x>'


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[Client]:
    """Of one device, which lives through all of it."""
    with on_loopback(tmp_path_factory.mktemp("device")) as device:
        yield Client(device.scan_url)


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def send(url: str, body: bytes) -> bytes:
    """POST `body`; everything that comes back until the header and a little more is there."""
    head = (
        "POST /scan HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Content-Type: application/soap+xml\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    answer = b""
    with closing(connect(url)) as sock:
        with suppress(ConnectionError):  # it may be refused before all of it was taken
            sock.sendall(head + body)
        with suppress(ConnectionError):
            while piece := sock.recv(65_536):
                answer += piece
    return answer


def alive(client: Client) -> bool:
    return client.get_active_jobs() == []


@pytest.mark.parametrize(
    ("body", "status", "subcode"),
    [
        ("<a><b></a>", b"400", b"wscn:InvalidArgs"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', b"400", b"wscn:InvalidArgs"),
        (BOMB, b"400", b"wscn:InvalidArgs"),
        (ENVELOPE.format(action="urn:x:nonsense", body=""), b"400", b"wsa:ActionNotSupported"),
        (
            ENVELOPE.format(action=f"{SCAN}/CreateScanJob", body='<q xmlns="urn:z"/>'),
            b"400",
            b"wscn:InvalidArgs",
        ),
    ],
    ids=["malformed", "a document type", "an entity bomb", "unknown action", "wrong body"],
)
def test_nonsense_is_answered_with_a_fault(client, body, status, subcode):
    answer = send(client.url, body.encode())
    assert answer.split()[1] == status
    assert subcode in answer
    assert b"Traceback" not in answer
    assert alive(client)


def test_fifty_megabytes_are_refused(client):
    answer = send(client.url, b"<x>" + b"a" * 50_000_000)
    assert answer.split()[1] == b"413"
    assert alive(client)


def test_a_connection_cut_in_mid_transfer_aborts_its_job(client):
    job = client.create_scan_job(scan_ticket(dpi=600, format="tiff-single-uncompressed"))
    body = ENVELOPE.format(
        action=f"{SCAN}/RetrieveImage",
        body=f'<w:RetrieveImageRequest xmlns:w="{SCAN}"><w:JobId>{job.id}</w:JobId>'
        f"<w:JobToken>{job.token}</w:JobToken></w:RetrieveImageRequest>",
    ).encode()
    with closing(connect(client.url)) as sock:
        sock.sendall(
            b"POST /scan HTTP/1.1\r\nHost: x\r\nContent-Type: application/soap+xml\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert re.match(rb"HTTP/1.1 200", sock.recv(65_536))
    wait_until(lambda: alive(client), 20, "end of the job")
    (ended,) = client.get_job_history()
    words = {(one.tag.rpartition("}")[2], one.text) for one in ended.iter()}
    assert ("JobState", "Aborted") in words
    assert ("JobStateReason", "ImageTransferError") in words
