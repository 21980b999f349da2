"""HTTP hooks, by a real web server: what is posted, how it is signed, how answers are read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.clock import START, ManualClock
from support.post_scan import SID, Spool
from support.tls import server_context, write_authority

from device.dsp import filters
from device.dsp.filters import NamedConfig
from device.dsp.process import Filter as Entry
from device.dsp.words import FilterState
from device.errors import ConfigError
from device.settings import parse_toml
from scan_server.filters import http_hook
from scan_server.filters.base import Outcome
from scan_server.filters.http_hook import Hook
from scan_server.filters.named import Named
from scan_server.identity import User
from scan_server.post_scan_jobs import PostScanJob

WELL = Outcome(FilterState.COMPLETED_SUCCESSFULLY)
ANN = User(SID, "ann@example.org", "a@example.org")


def failed(again: bool = False, reason: str = "UnknownError") -> Outcome:
    return Outcome(FilterState.COMPLETED_WITH_ERRORS, (reason,), again)


@dataclass
class Receiver:
    """A web server that keeps what is posted, and answers as told."""

    posted: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    location: str = ""
    port: int = 0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.posted.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(kept.statuses.pop(0) if kept.statuses else 204)
            if kept.location:
                self.send_header("Location", kept.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *told: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = server_context().wrap_socket(server.socket, server_side=True)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


class Place:
    def __init__(self, root: Path, receiver: Receiver) -> None:
        self.root, self.receiver = root, receiver
        self.spool = Spool(root)
        write_authority(root)
        self.base = f"https://localhost:{receiver.port}"

    def filter(self, more: str = "", path: str = "/in/über") -> Named:
        text = f'[[hook]]\nname = "h"\nurl = "{self.base}{path}"\nca = "{self.root}/ca.pem"\n{more}'
        return http_hook.read(parse_toml(text, "filters.toml"))

    def job(self, *names: str, format_: str = "png") -> PostScanJob:
        told = filters.write_named(filters.HTTP_HOOK, NamedConfig(names or ("h",)))
        pages = (b"one\r\n--x", bytes(range(256)))
        return self.spool.job(Entry(filters.HTTP_HOOK, told), pages=pages, format_=format_)

    def run(self, job: PostScanJob | None = None, found: Named | None = None) -> Outcome:
        return self.spool.run(found or self.filter(), job or self.job(), user=ANN)


@pytest.fixture
def place(tmp_path: Path, receiver: Receiver) -> Place:
    return Place(tmp_path, receiver)


def test_a_form_with_the_job_and_all_documents(place: Place, receiver: Receiver) -> None:
    assert place.run(place.job(format_="pdf-a")) == WELL
    ((path, headers, body),) = receiver.posted
    assert path == "/in/%C3%BCber"
    top = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
    first, *others = message_from_bytes(top + body, policy=HTTP).iter_parts()
    assert first.get_param("name", header="content-disposition") == "job"
    told = json.loads(first.get_payload(decode=True))
    assert told["job"] == "aaaa"
    assert told["scan_process"] == "P"
    assert told["user"] == {"sid": SID, "name": "ann@example.org", "mail": "a@example.org"}
    names = [f"scan_20260102T030405_ann@example.org_000{n}.pdf" for n in (1, 2)]
    found = [(part.get_filename(), part.get_content_type()) for part in others]
    assert found == [(name, "application/pdf") for name in names]
    pages = [part.get_payload(decode=True) for part in others]
    assert pages == [b"one\r\n--x", bytes(range(256))]
    assert [(one["id"], one["name"], one["size"], one["sha256"]) for one in told["documents"]] == [
        (n, name, len(page), hashlib.sha256(page).hexdigest())
        for n, name, page in zip((1, 2), names, pages, strict=True)
    ]
    assert "webhook-signature" not in headers


def test_a_signature_in_the_way_of_standard_webhooks(place: Place, receiver: Receiver) -> None:
    secret = b"a secret of twenty-four."
    (place.root / "secret").write_text(f"whsec_{base64.b64encode(secret).decode()}\n")
    found = place.filter(f'secret_file = "{place.root}/secret"')
    (hook,) = found.known.values()
    assert isinstance(hook, Hook)
    assert "secret of" not in repr(hook)
    found = Named({"h": replace(hook, clock=ManualClock())})
    assert place.run(found=found) == WELL
    ((_, headers, body),) = receiver.posted
    assert headers["webhook-id"] == "aaaa.0.0"
    assert headers["webhook-timestamp"] == str(int(START.timestamp()))
    signed = b"aaaa.0.0.%d.%s" % (int(START.timestamp()), body)
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, WELL),
        (201, WELL),
        (400, failed()),
        (401, failed()),
        (404, failed()),
        (413, failed()),
        (408, failed(again=True)),
        (429, failed(again=True)),
        (500, failed(again=True)),
        (503, failed(again=True)),
    ],
)
def test_a_status(place: Place, receiver: Receiver, status: int, outcome: Outcome) -> None:
    receiver.statuses = [status]
    assert place.run() == outcome


def test_a_try_has_the_id_of_the_one_before(place: Place, receiver: Receiver) -> None:
    receiver.statuses = [500]
    job = place.job()
    assert place.run(job).again
    assert place.run(job) == WELL
    assert place.run(job) == WELL
    assert [headers["webhook-id"] for _, headers, _ in receiver.posted] == ["aaaa.0.0"] * 2


def test_a_redirect_is_not_followed(place: Place, receiver: Receiver) -> None:
    receiver.statuses, receiver.location = [307], f"{place.base}/elsewhere"
    assert place.run() == failed()
    assert len(receiver.posted) == 1


@pytest.mark.parametrize("name", ["https://localhost/other", "file:///etc/passwd", "H", "h2"])
def test_only_what_the_settings_name(place: Place, receiver: Receiver, name: str) -> None:
    assert place.run(place.job(name)) == failed(reason="InvalidArgs")
    assert receiver.posted == []


def test_a_login(place: Place, receiver: Receiver) -> None:
    (place.root / "token").write_text("a-token")
    assert place.run(found=place.filter(f'token_file = "{place.root}/token"')) == WELL
    ((_, headers, _),) = receiver.posted
    assert headers["authorization"] == "Bearer a-token"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "hook is missing"),
        ('[[hook]]\nurl = "https://h"', "hook[1].name is missing"),
        ('[[hook]]\nname = "h"', "hook[1].url is missing"),
        ('[[hook]]\nname = "h"\nurl = "http://h"', "is not encrypted"),
        (
            '[[hook]]\nname = "h"\nurl = "https://h"\nsecret = "x"',
            "secret may not be in the settings",
        ),
        ('[[hook]]\nname = "h"\nurl = "https://h"\nsecret_env = "HOOK"', "not in base64"),
    ],
)
def test_wrong_settings(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "whsec_not base64!")
    with pytest.raises(ConfigError) as caught:
        http_hook.read(parse_toml(text, "filters.toml"))
    assert said in str(caught.value)
    assert "not base64!" not in str(caught.value)
