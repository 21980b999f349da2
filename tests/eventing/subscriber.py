"""A subscriber and its event sink, written from the standard alone: standard library only.

The sink answers as it is told: `Sink(answer=Answer(500))`, `Answer(hang=True)`. What it got is in
`got`, in order of arrival, whatever it answered.
"""

import socket
import socketserver
import ssl
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from clients.wsscan import SCAN, SOAP, WSA, WSE, Client, Reply
from support.wait import wait_until

ACTION_DIALECT = "http://schemas.xmlsoap.org/ws/2006/02/devprof/Action"
PUSH = f"{WSE}/DeliveryModes/Push"
EVENTS = (
    "ScanAvailableEvent",
    "ScannerElementsChangeEvent",
    "ScannerStatusSummaryEvent",
    "ScannerStatusConditionEvent",
    "ScannerStatusConditionClearedEvent",
    "JobStatusEvent",
    "JobEndStateEvent",
)
SOON_S = 5.0


class Got(NamedTuple):
    """One POST that reached the sink."""

    path: str
    headers: dict[str, str]
    raw: bytes
    connection: int

    @property
    def envelope(self) -> ET.Element:
        return ET.fromstring(self.raw)

    @property
    def body(self) -> ET.Element:
        return self.envelope[1][0]

    @property
    def action(self) -> str:
        return self.header("Action")

    @property
    def name(self) -> str:
        return self.action.rpartition("/")[2]

    def header(self, name: str, namespace: str = WSA) -> str:
        return (self.envelope.findtext(f"{{{SOAP}}}Header/{{{namespace}}}{name}") or "").strip()

    def text(self, path: str) -> str | None:
        found = self.body.find("/".join(f"{{{SCAN}}}{step}" for step in path.split("/")))
        return None if found is None else (found.text or "").strip()


@dataclass
class Answer:
    """What the sink does with a request."""

    status: int = 202
    body: bytes = b""
    location: str = ""
    hang: bool = False
    trickle: bool = False
    close_after: bool = False
    endless: bool = False


class _Handler(socketserver.StreamRequestHandler):
    server: "_Server"

    def handle(self) -> None:
        sink = self.server.sink
        number = sink.next_connection()
        while self.one(sink, number):
            pass

    def one(self, sink: "Sink", number: int) -> bool:
        line = self.rfile.readline()
        if not line:
            return False
        headers = {}
        while (field_ := self.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = field_.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        raw = self.rfile.read(int(headers.get("content-length", 0)))
        got = Got(line.split()[1].decode(), headers, raw, number)
        sink.take(got)
        answer = sink.answer(got) if callable(sink.answer) else sink.answer
        return self.reply(sink, answer)

    def reply(self, sink: "Sink", answer: Answer) -> bool:
        if answer.hang:
            sink.released.wait(60)
            return False
        head = f"HTTP/1.1 {answer.status} Told\r\n"
        if answer.location:
            head += f"Location: {answer.location}\r\n"
        if answer.trickle or answer.endless:
            self.wfile.write(f"{head}Content-Length: 1000000000\r\n\r\n".encode())
            pause, piece = (0.05, b"x") if answer.trickle else (0.0, b"x" * 65536)
            while not sink.released.wait(pause):
                self.wfile.write(piece)
            return False
        self.wfile.write(f"{head}Content-Length: {len(answer.body)}\r\n\r\n".encode() + answer.body)
        return not answer.close_after


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """The device cut the connection: that is its right."""


class Sink:
    """An event sink at 127.0.0.1. `answer` may be changed, or be a function of what came."""

    def __init__(self, answer: "Answer | Callable[[Got], Answer] | None" = None) -> None:
        self.answer = answer or Answer()
        self.got: list[Got] = []
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._connections = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.sink = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.port = self._server.server_address[1]
        self._scheme = "http"

    def behind_tls(self, cert: Path, key: Path) -> None:
        """Speak TLS from now on."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https"

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/sink"

    def next_connection(self) -> int:
        with self._lock:
            self._connections += 1
            return self._connections

    def take(self, got: Got) -> None:
        with self._lock:
            self.got.append(got)

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def names(self) -> list[str]:
        return [got.name for got in list(self.got)]

    def of(self, name: str) -> list[Got]:
        return [got for got in list(self.got) if got.name == name]

    def wait_for(self, name: str, count: int = 1, timeout_s: float = SOON_S) -> list[Got]:
        """The events of that name, once there are that many."""
        wait_until(
            lambda: len(self.of(name)) >= count, timeout_s, f"{name} × {count}", every_s=0.005
        )
        return self.of(name)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Subscription:
    """What SubscribeResponse gave."""

    identifier: str
    manager: str
    expires: str
    tokens: dict[str, str] = field(default_factory=dict)


def filter_of(*names: str) -> str:
    return " ".join(f"{SCAN}/{name}" for name in names)


def subscribe_body(
    notify_to: str,
    *,
    events: Sequence[str] = EVENTS,
    filter_text: str | None = None,
    dialect: str | None = ACTION_DIALECT,
    mode: str | None = PUSH,
    expires: str | None = "PT1H",
    end_to: str | None = None,
    parameters: str = "",
    end_parameters: str = "",
    destinations: Sequence[tuple[str, str]] = (),
    more: str = "",
) -> str:
    """A Subscribe. `destinations` are display name and context; None leaves something out."""

    def endpoint(name: str, address: str, inside: str) -> str:
        inside = f"<a:ReferenceParameters>{inside}</a:ReferenceParameters>" if inside else ""
        return f"<e:{name}><a:Address>{escape(address)}</a:Address>{inside}</e:{name}>"

    wanted = filter_of(*events) if filter_text is None else filter_text
    attribute = f' Dialect="{dialect}"' if dialect is not None else ""
    entries = "".join(
        f"<sca:ScanDestination><sca:ClientDisplayName>{escape(name)}</sca:ClientDisplayName>"
        f"<sca:ClientContext>{escape(context)}</sca:ClientContext></sca:ScanDestination>"
        for name, context in destinations
    )
    return (
        f'<e:Subscribe xmlns:e="{WSE}">'
        + (endpoint("EndTo", end_to, end_parameters) if end_to else "")
        + f"<e:Delivery{f' Mode={chr(34)}{mode}{chr(34)}' if mode else ''}>"
        + endpoint("NotifyTo", notify_to, parameters)
        + "</e:Delivery>"
        + (f"<e:Expires>{expires}</e:Expires>" if expires is not None else "")
        + (f"<e:Filter{attribute}>{wanted}</e:Filter>" if wanted or dialect else "")
        + (f"<sca:ScanDestinations>{entries}</sca:ScanDestinations>" if entries else "")
        + more
        + "</e:Subscribe>"
    )


class Subscriber:
    """A client that subscribes."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def ask(self, body: str) -> Reply:
        return self.client.call(f"{WSE}/Subscribe", body)

    def subscribe(self, notify_to: str, **options: object) -> Subscription:
        """Subscribe, and read the answer strictly."""
        return read_subscribed(self.ask(subscribe_body(notify_to, **options)))  # type: ignore[arg-type]

    def manage(self, operation: str, identifier: str | None, inside: str = "") -> Reply:
        """Renew, GetStatus or Unsubscribe."""
        header = f'<e:Identifier xmlns:e="{WSE}">{identifier}</e:Identifier>'
        return self.client.call(
            f"{WSE}/{operation}",
            f'<e:{operation} xmlns:e="{WSE}">{inside}</e:{operation}>',
            headers_xml=header if identifier is not None else "",
        )

    def renew(self, identifier: str, expires: str | None = None) -> Reply:
        return self.manage(
            "Renew", identifier, f"<e:Expires>{expires}</e:Expires>" if expires else ""
        )


def read_subscribed(reply: Reply) -> Subscription:
    body = reply.require()
    assert body.tag == f"{{{WSE}}}SubscribeResponse"
    assert reply.header("Action") == f"{WSE}/SubscribeResponse"
    manager = body[0]
    assert manager.tag == f"{{{WSE}}}SubscriptionManager"
    identifier = manager.findtext(f"{{{WSA}}}ReferenceParameters/{{{WSE}}}Identifier")
    assert identifier
    assert body[1].tag == f"{{{WSE}}}Expires"
    tokens = {}
    for entry in body.findall(f"{{{SCAN}}}DestinationResponses/{{{SCAN}}}DestinationResponse"):
        context, token = (
            entry.findtext(f"{{{SCAN}}}ClientContext"),
            entry.findtext(f"{{{SCAN}}}DestinationToken"),
        )
        assert context is not None
        assert token
        tokens[context] = token
    return Subscription(
        identifier, manager.findtext(f"{{{WSA}}}Address") or "", body[1].text or "", tokens
    )
