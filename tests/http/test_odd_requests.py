"""Requests that are cut, odd or greedy: what is answered, and what is logged."""

import gzip
import logging
import socket
import tempfile
from urllib.parse import urlsplit

import pytest
from clients.wsscan import read_reply
from support.schema import check

from device.http import peer, soap_endpoint

SOAP_TYPE = b"Content-Type: application/soap+xml\r\n"


def talk(url: str, head: bytes, body: bytes = b"", *, hang_up: bool = False) -> bytes:
    """Send one request as it is; what comes back, up to the end of the header at least."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), 10) as sock:
        start = f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n".encode()
        sock.sendall(start + head + b"\r\n" + body)
        if hang_up:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        while b"\r\n\r\n" not in answer and (piece := sock.recv(65_536)):
            answer += piece
        return answer


def length(body: bytes) -> bytes:
    return b"Content-Length: %d\r\nConnection: close\r\n" % len(body)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (SOAP_TYPE + b"Content-Length: 500\r\n", b"<a"),
        (SOAP_TYPE + b"Transfer-Encoding: chunked\r\n", b"20\r\n<a"),
        (SOAP_TYPE + b"Transfer-Encoding: chunked\r\n", b"nonsense\r\n<a"),
        (b'Content-Type: multipart/related; boundary="b"\r\nContent-Length: 500\r\n', b"--b\r\n"),
        (b"Content-Length: nonsense\r\n", b""),
    ],
    ids=["cut body", "cut chunk", "bad chunk", "cut multipart", "bad length"],
)
def test_a_broken_request_is_told_of_quietly(client, caplog, head, body):
    caplog.set_level(logging.INFO)
    answer = talk(client.url, head, body, hang_up=True)
    assert not answer or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    client.get_active_jobs()
    for record in caplog.records:
        assert record.exc_info is None
        assert record.levelno <= logging.INFO
        assert "\n" not in record.getMessage()


def test_a_web_page_cannot_speak_to_us_whatever_name_it_calls_us_by(client):
    """A name of its own that suddenly means our address makes it the same site for a browser."""
    body = client.envelope("GetActiveJobs", "<sca:GetActiveJobsRequest/>")
    for origin in (b"http://site.example", b"null", b"http://127.0.0.1"):
        head = SOAP_TYPE + length(body) + b"Origin: " + origin + b"\r\n"
        assert talk(client.url, head, body).startswith(b"HTTP/1.1 403")
    assert talk(client.url, SOAP_TYPE + length(body), body).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"zstd", b"compress", b"x"])
@pytest.mark.parametrize("body", [b"junk", gzip.compress(b"<a/>")], ids=["junk", "whole"])
def test_a_compressed_body_is_not_taken(client, caplog, encoding, body):
    head = SOAP_TYPE + b"Content-Encoding: " + encoding + b"\r\n" + length(body)
    answer = talk(client.url, head, body)
    assert answer.split()[1] == b"415"
    assert b"Server: wsd-scanner\r\n" in answer
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_identity_is_no_compression(client):
    body = client.envelope("GetActiveJobs", "<sca:GetActiveJobsRequest/>")
    head = SOAP_TYPE + b"Content-Encoding: identity\r\n" + length(body)
    assert talk(client.url, head, body).split()[1] == b"200"


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (b"Content-Type: text/xml\r\n", b"<a/>", b"415"),
        (SOAP_TYPE, b" " * 32_768, b"413"),
        (SOAP_TYPE, b"<a/>", b"400"),
        (SOAP_TYPE + b"Content-Length: 10\r\n", b"<a", b"408"),
    ],
)
def test_every_answer_carries_our_name(client, monkeypatch, head, body, status):
    monkeypatch.setattr(peer, "BODY_TIMEOUT_S", 0.05)
    answer = talk(client.url, head if b"Length" in head else head + length(body), body)
    assert answer.split()[1] == status
    assert b"Server: wsd-scanner\r\n" in answer
    assert b"aiohttp" not in answer


def test_parts_before_the_envelope_are_not_kept(device, client, monkeypatch):
    """They would lie on disk before anything of the request is checked."""

    def refuse() -> None:
        raise AssertionError("nothing may be kept")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    envelope = client.envelope("GetActiveJobs", "<sca:GetActiveJobsRequest/>")
    early = b"--b\r\nContent-ID: <other>\r\n\r\n" + bytes(10_000) + b"\r\n"
    root = b"--b\r\nContent-ID: <root>\r\n\r\n" + envelope + b"\r\n--b--\r\n"
    kind = 'multipart/related; boundary="b"; start="<root>"; type="application/xop+xml"'
    with client.stream(early + root, kind) as response:
        reply = read_reply(response.status, response.headers, response.read())
    assert reply.status == 400
    assert reply.fault.subcode[1] == "InvalidArgs"
    check(reply)
    with client.stream(root, kind) as response:
        assert response.status == 200


def test_a_mistake_of_ours_gives_nothing_away(device, client, monkeypatch, caplog):
    def mistaken(*_: object) -> None:
        raise RuntimeError("the secret path")

    monkeypatch.setattr(soap_endpoint, "read", mistaken)
    answer = talk(client.url, SOAP_TYPE + length(b"<a/>"), b"<a/>")
    assert answer.split()[1] == b"500"
    assert b"Server: wsd-scanner\r\n" in answer
    assert b"secret" not in answer
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert record.exc_info is not None
