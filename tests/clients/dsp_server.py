"""A small scan server, written from the digest of the standard alone; standard library only.

It keeps what it gets in memory and does what its script says: for the n-th call of an operation
an answer can be replaced by a fault, by silence, or by a cut connection.

    with DspServer() as server:
        server.script["SendImage"] = {2: "cut"}
        ...
        server.documents   # {token: {DocumentId: bytes}}

Script words: `cut` (hang up before reading the image), `lost` (do the work, then hang up without
an answer), `text` (no SOAP at all), or a fault's subcode, perhaps with its code: `Sender/Odd`.
"""

import email
import email.policy
import socket
import ssl
import threading
import urllib.error
import urllib.request
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

from support import dsp_rules

SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
WSD = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
DPWS = "http://schemas.xmlsoap.org/ws/2006/02/devprof"
MEX = "http://schemas.xmlsoap.org/ws/2004/09/mex"
DSP = "http://schemas.microsoft.com/windows/2008/12/wdp/distributedscan/processing"
XOP = "http://www.w3.org/2004/08/xop/include"
WSE = "http://schemas.xmlsoap.org/ws/2004/08/eventing"
FSH = "http://schemas.microsoft.com/windows/2007/10/imaging/postscan/filter/fileshare"

USER_ID, PSP_ID = "UserIdentifier", "PSP_Identifier"


class DspServer:
    """The server, its memory and its script.

    `check` sees each envelope that comes; what it says of them is raised at the end.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        check: Callable[[bytes], None] = dsp_rules.request,
    ) -> None:
        self.check = check
        self.complaints: list[str] = []
        self.script: dict[str, dict[int, str]] = {}
        self.calls: list[str] = []
        self.requests: list[tuple[str, dict[str, str], ET.Element]] = []
        self.documents: dict[str, dict[int, bytes]] = {}
        self.states: dict[str, str] = {}
        self.end_state = "Completed"
        self.end_reason = "PostScanJobCompletedSuccessfully"
        self.filter_state = "CompletedSuccessfully"
        self.service_type = "x:AnyNameAtAll"
        self.xaddrs: list[str] | None = None
        self.on_call: Any = lambda operation: None
        self.has_events = False
        self.hold_ends = False
        """Whether a job that has all its documents waits for `finish`."""
        self.sinks: dict[str, str] = {}
        self.expires = "PT1H"
        self._counts: dict[str, int] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.peer = self  # type: ignore[attr-defined]
        if context:
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.scheme = "https" if context else "http"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))

    @property
    def base(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.base}/ScanServer"

    def __enter__(self) -> "DspServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        assert not self.complaints, self.complaints

    def todo(self, operation: str) -> str:
        self.calls.append(operation)
        self._counts[operation] = self._counts.get(operation, 0) + 1
        self.on_call(operation)
        steps = self.script.get(operation, {})
        return steps.get(self._counts[operation], steps.get(0, ""))

    def answer(
        self, operation: str, body: ET.Element, image: bytes | None, subscription: str = ""
    ) -> tuple[str, str]:
        """(action, body XML) of the answer, or raises KeyError with a subcode."""
        match operation:
            case "Probe":
                addresses = " ".join(self.xaddrs if self.xaddrs is not None else [self.url])
                return f"{WSD}/ProbeMatches", (
                    f'<w:ProbeMatches xmlns:w="{WSD}"><w:ProbeMatch><a:EndpointReference>'
                    f"<a:Address>urn:uuid:{uuid.uuid4()}</a:Address></a:EndpointReference>"
                    f"<w:XAddrs>{addresses}</w:XAddrs>"
                    f"<w:MetadataVersion>1</w:MetadataVersion></w:ProbeMatch></w:ProbeMatches>"
                )
            case "Get":
                return "http://schemas.xmlsoap.org/ws/2004/09/transfer/GetResponse", (
                    f'<m:Metadata xmlns:m="{MEX}" xmlns:d="{DPWS}"><m:MetadataSection '
                    f'Dialect="{DPWS}/Relationship"><d:Relationship Type="{DPWS}/host"><d:Hosted>'
                    f"<a:EndpointReference><a:Address>{self.base}/ScanServer/8a1</a:Address>"
                    f"</a:EndpointReference><d:Types>{self.service_type}</d:Types>"
                    "<d:ServiceId>urn:x</d:ServiceId></d:Hosted></d:Relationship>"
                    "</m:MetadataSection></m:Metadata>"
                )
        if operation in ("Subscribe", "Renew", "Unsubscribe"):
            return self._subscription(operation, body, subscription)
        token = body.findtext(f"{{{DSP}}}JobToken", "").strip()
        inside = ""
        if operation == "CreatePostScanJob":
            token = str(uuid.uuid4())
            self.documents[token] = {}
            self.states[token] = "Creating"
            inside = f"<x:JobToken>\n {token} </x:JobToken>"
        elif token not in self.states:
            raise KeyError("ClientErrorJobTokenNotFound")
        elif operation == "SendImage":
            if self.states[token] != "Creating" or image is None:
                raise KeyError("OperationFailed")
            number = int(body.findtext(f".//{{{DSP}}}DocumentId"))
            self.documents[token][number] = image
        elif operation == "EndPostScanJob":
            if self.states[token] != "Creating":
                raise KeyError("OperationFailed")
            self.states[token] = "Processing" if self.hold_ends else self.end_state
        elif operation == "CancelPostScanJob":
            self.states[token] = "Canceled"
        elif operation == "GetPostScanJobElements":
            inside = self._elements(token, body)
        response = f"x:{operation}Response"
        return f"{DSP}/{operation}Response", f"<{response}>{inside}</{response}>"

    def _subscription(self, operation: str, body: ET.Element, subscription: str) -> tuple[str, str]:
        if not self.has_events:
            raise KeyError("Sender/ActionNotSupported")
        expires = f'<e:Expires xmlns:e="{WSE}">{self.expires}</e:Expires>'
        manager = ""
        if operation == "Subscribe":
            dialect = body.find(f"{{{WSE}}}Filter").get("Dialect")
            assert dialect == f"{DPWS}/Action", dialect
            identifier = str(uuid.uuid4())
            self.sinks[identifier] = body.findtext(f".//{{{WSE}}}NotifyTo/{{{WSA}}}Address")
            manager = (
                f'<e:SubscriptionManager xmlns:e="{WSE}"><a:Address>{self.base}/ScanServer/8a1'
                f"</a:Address><a:ReferenceParameters><x:Which>{identifier}</x:Which>"
                "</a:ReferenceParameters></e:SubscriptionManager>"
            )
        elif subscription not in self.sinks:
            raise KeyError("Receiver/UnableToRenew")
        if operation == "Unsubscribe":
            del self.sinks[subscription]
            return f"{WSE}/UnsubscribeResponse", "<x:nothing/>"
        inside = manager + expires
        response = f'<e:{operation}Response xmlns:e="{WSE}">{inside}</e:{operation}Response>'
        return f"{WSE}/{operation}Response", response

    def finish(self, token: str, state: str = "Completed") -> None:
        """End a job that waits, and tell of it."""
        self.states[token] = state
        self.tell(token)
        self.tell(token, end=True)

    def tell(self, token: str, *, end: bool = False, named: str = "", state: str = "") -> list[int]:
        """Send an event of this job, or of one that is `named`, to every sink; their statuses.

        It tells the job's state, or another `state`, which is not what an answer would tell.
        """
        if end:
            inner = (
                f"<x:PostScanJobEndState><x:JobToken>{named or token}</x:JobToken>"
                f"<x:JobCompletedState>{self.states[token]}</x:JobCompletedState>"
                "</x:PostScanJobEndState>"
            )
        else:
            inner = self._status(token).replace(token, named or token)
        if state:
            inner = inner.replace(f">{self.states[token]}<", f">{state}<")
        name = "PostScanJobEndStateEvent" if end else "PostScanJobStatusEvent"
        return [
            self.post(sink, f"{DSP}/{name}", f"<x:{name}>{inner}</x:{name}>")
            for sink in list(self.sinks.values())
        ]

    def post(self, sink: str, action: str, body: str) -> int:
        """Send a message one way; the HTTP status."""
        data = (
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{WSA}" xmlns:x="{DSP}"><s:Header>'
            f"<a:Action>{action}</a:Action><a:MessageID>urn:uuid:{uuid.uuid4()}</a:MessageID>"
            f"<a:To>{sink}</a:To></s:Header><s:Body>{body}</s:Body></s:Envelope>"
        ).encode()
        request = urllib.request.Request(
            sink, data, {"Content-Type": "application/soap+xml; charset=utf-8"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def _elements(self, token: str, body: ET.Element) -> str:
        data = ""
        for name in body.iter(f"{{{DSP}}}Name"):
            local = name.text.strip().rpartition(":")[2]
            inner = self._status(token) if local == "JobStatus" else self._documents(token)
            data += f'<x:ElementData x:Name="x:{local}" x:Valid="true">{inner}</x:ElementData>'
        return f"<x:JobElements>{data}</x:JobElements>"

    def _status(self, token: str) -> str:
        state = self.states[token]
        over = state not in ("Creating", "Pending", "Processing")
        reason = self.end_reason if over else "None"
        return (
            f"<x:JobStatus><x:JobToken>{token}</x:JobToken><x:JobState> {state}\n</x:JobState>"
            f"<x:JobStateReasons><x:JobStateReason>{reason}</x:JobStateReason></x:JobStateReasons>"
            f"<x:FilterStatuses><x:FilterStatus><x:Dialect>{FSH}</x:Dialect><x:FilterState>"
            f"{self.filter_state if over else 'Pending'}</x:FilterState></x:FilterStatus>"
            f"</x:FilterStatuses><x:ImagesReceived>{len(self.documents[token])}</x:ImagesReceived>"
            "<x:JobCreatedTime>2026-01-02T03:04:05</x:JobCreatedTime></x:JobStatus>"
        )

    def _documents(self, token: str) -> str:
        entries = "".join(
            f"<x:Document><x:DocumentDescription><x:DocumentId>{n}</x:DocumentId>"
            "<x:Format>png</x:Format></x:DocumentDescription></x:Document>"
            for n in self.documents[token]
        )
        return f"<x:Documents>{entries}</x:Documents>"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        peer: DspServer = self.server.peer  # type: ignore[attr-defined]
        kind = self.headers.get_content_type()
        length = int(self.headers["Content-Length"])
        is_image = kind == "multipart/related"
        if is_image and (what := peer.todo("SendImage")) == "cut":
            self.rfile.read(min(length, 2000))
            return self._hang_up()
        data = self.rfile.read(length)
        image = None
        if is_image:
            data, image = self._split(data)
        else:
            assert kind == "application/soap+xml", kind
        try:
            peer.check(data)
        except AssertionError as error:
            peer.complaints.append(str(error))
        root = ET.fromstring(data)
        texts = {n.tag.partition("}")[2]: (n.text or "").strip() for n in root[0]}
        operation = texts["Action"].rpartition("/")[2]
        subscription = texts.get("Which", "")
        body = root[1][0] if len(root[1]) else ET.Element("none")
        peer.requests.append((operation, texts, body))
        if not is_image:
            what = peer.todo(operation)
            if what == "cut":
                return self._hang_up()
        if what == "text":
            return self._send(404, b"<html>nothing here</html>", "text/html")
        if what and what != "lost":
            return self._fault(what, texts["MessageID"])
        try:
            action, inner = peer.answer(operation, body, image, subscription)
        except KeyError as error:
            return self._fault(str(error.args[0]), texts["MessageID"])
        if what == "lost":
            return self._hang_up()
        return self._send(200, _envelope(action, inner, texts["MessageID"]))

    def _split(self, data: bytes) -> tuple[bytes, bytes]:
        """Root and image, read by Python's mail library; the reference must fit."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + data, policy=email.policy.HTTP)
        assert message.get_param("type") == "application/xop+xml"
        first, second = message.get_payload()
        assert first["Content-ID"] == message.get_param("start")
        root = first.get_payload(decode=True)
        include = ET.fromstring(root).find(f".//{{{XOP}}}Include")
        assert include.get("href") == "cid:" + second["Content-ID"].strip("<>")
        return root, _binary_part(data, self.headers.get_param("boundary"))

    def _fault(self, what: str, relates_to: str) -> None:
        code, _, subcode = what.rpartition("/")
        sender = code or ("Sender" if "Client" in what or what == "InvalidArgs" else "Receiver")
        fault = (
            f"<s:Fault><s:Code><s:Value>s:{sender}</s:Value><s:Subcode>"
            f"<s:Value>x:{subcode}</s:Value></s:Subcode></s:Code><s:Reason>"
            f'<s:Text xml:lang="en">It went wrong.</s:Text></s:Reason></s:Fault>'
        )
        self._send(200, _envelope(f"{WSA}/fault", fault, relates_to))

    def _send(self, status: int, data: bytes, kind: str = "application/soap+xml") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def _binary_part(data: bytes, boundary: str) -> bytes:
    """The second part to the octet: the mail library is free with line ends."""
    part = data.split(b"--" + boundary.encode())[2]
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def _envelope(action: str, body: str, relates_to: str) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{WSA}" xmlns:x="{DSP}"><s:Header>'
        f"<a:Action>{action}</a:Action><a:RelatesTo>{escape(relates_to)}</a:RelatesTo>"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()
