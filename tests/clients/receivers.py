"""Four receivers of "scan to computer", in the shape of four open programs.

Written from descriptions of what those programs were seen to send (which messages, in which order,
with which headers and spellings); none of it is theirs. Standard library only. As a program:

    python -m clients.receivers SHAPE --address 10.77.0.2 --store DIR

finds a scanner by multicast, subscribes, says `subscribed`, and stores what the scanner's button
starts as `DIR/page-N.jpg`; on SIGTERM it leaves as its shape does.
"""

import argparse
import contextlib
import email
import email.policy
import re
import signal
import socket
import threading
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from clients.wsscan import ANONYMOUS, DPWS, SCAN, WSA, WSE, Client, Reply, new_message_id

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
WSD = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
GROUP = ("239.255.255.250", 3702)
STABLE_PATH = "/StableWSDiscoveryEndpoint/schemas-xmlsoap-org_ws_2005_04_discovery"
DIALECT = "http://schemas.xmlsoap.org/ws/2006/02/devprof/Action"
PUSH = f"{WSE}/DeliveryModes/Push"
NAMESPACES = (
    'xmlns:soap="http://www.w3.org/2003/05/soap-envelope" '
    f'xmlns:wsa="{WSA}" xmlns:wse="{WSE}" xmlns:wscn="{SCAN}" xmlns:wsd="{WSD}" '
    f'xmlns:wsdp="{DPWS}"'
)
FOUND_WITHIN_S = 10.0


class Refused(Exception):
    """The scanner answered with a fault; `name` is its subcode."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Receiver:
    """What the four have in common; each shape says what it does otherwise.

    Args:
        address: our own, as the scanner can reach it.
        store: a folder for pages.
        device: the scanner's address; found by multicast when it is not given.
    """

    probe_types: ClassVar[str] = ""
    vectors: ClassVar[str] = ""
    destinations: ClassVar[tuple[tuple[str, str], ...]] = ()
    event_answer: ClassVar[tuple[int, str]] = (202, "")
    notify_path: ClassVar[str] = "events"
    whole_stack: ClassVar[bool] = False
    says_goodbye: ClassVar[bool] = False

    def __init__(self, address: str, store: Path, device: str = "") -> None:
        self.address = address
        self.store = store
        self.device = device
        self.service = ""
        self.endpoint = ""
        self.subscriptions: list[tuple[str, str]] = []  # identifier, manager
        self.tokens: dict[str, str] = {}
        self.events: list[str] = []
        self.failures: list[str] = []
        self._identifier = ""
        self._count = 0
        self._stopped = False
        self._work: list[threading.Thread] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                # A body without Content-Length is lost, as it is with the programs.
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                receiver._heard(raw)
                status, body = receiver.event_answer
                self.send_response(status)
                self.send_header("Content-Type", "application/soap+xml")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self.notify_to = f"http://{address}:{self._server.server_port}/{self.notify_path}"
        self._listener = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def start(self) -> None:
        """Find the scanner and subscribe."""
        self._listener.start()
        if not self.device:
            self.device = self.find()
        self.begin()

    def stop(self) -> None:
        """Finish what was begun, leave, and listen no more."""
        if self._stopped:
            return
        self._stopped = True
        for thread in self._work:
            thread.join(30)
        with contextlib.suppress(OSError):
            self.leave()
        self._server.shutdown()
        self._server.server_close()
        self._listener.join(10)

    # ---- what shapes do in their own way

    def begin(self) -> None:
        raise NotImplementedError

    def fetch(self, context: str, identifier: str, source: str) -> None:
        raise NotImplementedError

    def leave(self) -> None:
        """Two of the four just go."""

    # ---- finding

    def find(self) -> str:
        """The first address that answers a multicast Probe."""
        types = f"<wsd:Types>{self.probe_types}</wsd:Types>" if self.probe_types else ""
        probe = self.envelope(
            f"{WSD}/Probe",
            "urn:schemas-xmlsoap-org:ws:2005:04:discovery",
            f"<wsd:Probe>{types}</wsd:Probe>",
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            own = socket.inet_aton(self.address)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
            sock.bind((self.address, 0))
            sock.settimeout(FOUND_WITHIN_S / 5)
            for _ in range(5):
                sock.sendto(probe.encode(), GROUP)
                with contextlib.suppress(TimeoutError):
                    return self.take_match(sock.recv(65_536))
        raise TimeoutError("no scanner answers")

    def take_match(self, raw: bytes) -> str:
        found = ET.fromstring(raw)
        self.endpoint = (found.findtext(f".//{{{WSD}}}ProbeMatch//{{{WSA}}}Address") or "").strip()
        return (found.findtext(f".//{{{WSD}}}XAddrs") or "").split()[0]

    def probe_directly(self, url: str) -> None:
        """Ask by HTTP for what multicast would tell."""
        types = self.probe_types or "wscn:ScanDeviceType"
        reply = self.post(
            url,
            f"{WSD}/Probe",
            f"<wsd:Probe><wsd:Types>{types}</wsd:Types></wsd:Probe>",
            to="urn:schemas-xmlsoap-org:ws:2005:04:discovery",
        )
        self.take_match(reply.raw)

    def get_metadata(self, url: str, to: str) -> None:
        """WS-Transfer Get; it tells where the scan service lives."""
        reply = self.post(url, "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", "", to=to)
        for hosted in reply.require().iter(f"{{{DPWS}}}Hosted"):
            if "wscn:ScannerServiceType" in (hosted.findtext(f"{{{DPWS}}}Types") or "").split():
                self.service = (hosted.findtext(f".//{{{WSA}}}Address") or "").strip()

    # ---- the wire

    def envelope(self, action: str, to: str, body: str, headers: str = "") -> str:
        return (
            f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope {NAMESPACES}><soap:Header>'
            f"<wsa:To>{to}</wsa:To><wsa:Action>{action}</wsa:Action>"
            f"<wsa:MessageID>{new_message_id()}</wsa:MessageID>"
            f"<wsa:ReplyTo><wsa:Address>{ANONYMOUS}</wsa:Address></wsa:ReplyTo>{headers}"
            f"</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
        )

    def post(self, url: str, action: str, body: str, *, to: str = "", headers: str = "") -> Reply:
        """One exchange. Raises Refused for a fault."""
        return self.post_raw(url, self.envelope(action, to or url, body, headers))

    def post_raw(self, url: str, envelope: str) -> Reply:
        reply = Client(url).post(envelope.encode(), "application/soap+xml; charset=utf-8")
        if reply.fault is not None:
            raise Refused((reply.fault.subcode or reply.fault.code).local)
        return reply

    def subscribe(self, url: str, body: str) -> dict[str, str]:
        """One Subscribe; the tokens by context, in the order of the answer."""
        answer = self.post(url, f"{WSE}/Subscribe", f"<wse:Subscribe>{body}</wse:Subscribe>")
        found = answer.require()
        manager = found.find(f"{{{WSE}}}SubscriptionManager")
        assert manager is not None
        identifier = manager.findtext(f".//{{{WSE}}}Identifier") or ""
        self.subscriptions.append((identifier, manager.findtext(f"{{{WSA}}}Address") or ""))
        tokens = {
            one.findtext(f"{{{SCAN}}}ClientContext") or "": one.findtext(
                f"{{{SCAN}}}DestinationToken"
            )
            or ""
            for one in found.iter(f"{{{SCAN}}}DestinationResponse")
        }
        self.tokens.update(tokens)
        return tokens

    def manage(self, operation: str, identifier: str, url: str, inside: str = "") -> Reply:
        return self.post(
            url,
            f"{WSE}/{operation}",
            f"<wse:{operation}>{inside}</wse:{operation}>",
            headers=f"<wse:Identifier>{identifier}</wse:Identifier>",
        )

    def elements(self, *names: str) -> None:
        wanted = "".join(f"<wscn:Name>wscn:{name}</wscn:Name>" for name in names)
        self.post(
            self.service,
            f"{SCAN}/GetScannerElements",
            "<wscn:GetScannerElementsRequest><wscn:RequestedElements>"
            f"{wanted}</wscn:RequestedElements></wscn:GetScannerElementsRequest>",
        )

    def vector(self, name: str, to: str, **leaves: str) -> str:
        """A request as the vectors have it, with `leaves` put in by name."""
        path, *_ = sorted((VECTORS / self.vectors).glob(f"*-{name}.xml"))
        text = path.read_text()
        text = re.sub("(<wsa:To>)[^<]*", rf"\g<1>{to}", text)
        text = re.sub("(<wsa:MessageID>)[^<]*", rf"\g<1>{new_message_id()}", text)
        for leaf, value in leaves.items():
            text, count = re.subn(rf"(<wscn:{leaf}\b[^>]*>)[^<]*", rf"\g<1>{value}", text)
            if not count:
                added = f"<wscn:{leaf}>{value}</wscn:{leaf}><wscn:ScanTicket>"
                text = text.replace("<wscn:ScanTicket>", added)
        return text

    def create_job(self, url: str, identifier: str, token: str, source: str) -> tuple[str, str]:
        leaves = {"ScanIdentifier": identifier, "InputSource": source}
        if token:
            leaves |= {"DestinationToken": token}
        found = self.post_raw(url, self.vector("CreateScanJob", url, **leaves)).require()
        return (
            found.findtext(f"{{{SCAN}}}JobId") or "",
            found.findtext(f"{{{SCAN}}}JobToken") or "",
        )

    def retrieve(self, url: str, job: tuple[str, str], envelope: str = "") -> None:
        """Fetch one image, by the standard library's mail parser, and store it."""
        envelope = envelope or self.vector("RetrieveImage", url, JobId=job[0], JobToken=job[1])
        reply = self.post_raw(url, envelope)
        head = f"Content-Type: {reply.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + reply.raw, policy=email.policy.HTTP)
        images = [
            part.get_payload(decode=True)
            for part in message.walk()
            if part.get_content_maintype() == "image"
        ]
        (content,) = images
        assert isinstance(content, bytes)
        self._count += 1
        part = self.store / f"page-{self._count}.part"
        part.write_bytes(content)
        part.rename(part.with_suffix(".jpg"))

    # ---- inside

    def _heard(self, raw: bytes) -> None:
        envelope = ET.fromstring(raw)
        name = (envelope.findtext(f".//{{{WSA}}}Action") or "").rpartition("/")[2].strip()
        self.events.append(name)
        self.hears(name, envelope)
        if name == "ScanAvailableEvent":
            found = [
                (envelope.findtext(f".//{{{SCAN}}}{leaf}") or "").strip()
                for leaf in ("ClientContext", "ScanIdentifier", "InputSource")
            ]
            thread = threading.Thread(target=self._fetch, args=found)
            self._work.append(thread)
            thread.start()

    def hears(self, name: str, envelope: ET.Element) -> None:
        """Any event at all."""

    def _fetch(self, context: str, identifier: str, source: str) -> None:
        try:
            self.fetch(context, identifier, source)
        except (Refused, OSError) as error:
            self.failures.append(str(error))


def delivery(notify_to: str, *, mode: bool = True, parameters: str = "") -> str:
    inside = (
        f"<wsa:ReferenceParameters>{parameters}</wsa:ReferenceParameters>" if parameters else ""
    )
    attribute = f' Mode="{PUSH}"' if mode else ""
    return (
        f"<wse:Delivery{attribute}><wse:NotifyTo><wsa:Address>{notify_to}</wsa:Address>{inside}"
        "</wse:NotifyTo></wse:Delivery>"
    )


def end_to(address: str, parameters: str) -> str:
    return (
        f"<wse:EndTo><wsa:Address>{address}</wsa:Address><wsa:ReferenceParameters>{parameters}"
        "</wsa:ReferenceParameters></wse:EndTo>"
    )


def filtered(*names: str, padding: str = "") -> str:
    actions = " ".join(f"{SCAN}/{name}" for name in names)
    return f'<wse:Filter Dialect="{DIALECT}">{padding}{actions}{padding}</wse:Filter>'


def destinations(*entries: tuple[str, str]) -> str:
    inside = "".join(
        f"<wscn:ScanDestination><wscn:ClientDisplayName>{name}</wscn:ClientDisplayName>"
        f"<wscn:ClientContext>{context}</wscn:ClientContext></wscn:ScanDestination>"
        for name, context in entries
    )
    return f"<wscn:ScanDestinations>{inside}</wscn:ScanDestinations>"


class LikeOccino(Receiver):
    """occino/wsd-scan-receiver: no Get; jobs go to the subscription manager's address."""

    probe_types = "wscn:ScanDeviceType wscn:ScannerServiceType"
    vectors = "occino"
    destinations = (("Paperless", "scan"),)

    def begin(self) -> None:
        self.subscribe(
            self.device,
            delivery(self.notify_to)
            + "<wse:Expires>PT1H</wse:Expires>"
            + filtered("ScanAvailableEvent")
            + destinations(*self.destinations),
        )

    def fetch(self, context: str, identifier: str, source: str) -> None:
        _, manager = self.subscriptions[-1]
        token = list(self.tokens.values())[-1]
        self.retrieve(manager, self.create_job(manager, identifier, token, source or "Auto"))


class LikeTobag(Receiver):
    """Tobag/wsd-scan: a destination for each profile, and a job for each sheet."""

    vectors = "wsd-python"
    destinations = (("Color JPEG", "jpeg_scan"), ("Grayscale", "grayscale"))
    notify_path = "wsd"
    whole_stack = True
    says_goodbye = True

    def begin(self) -> None:
        self.probe_directly(self.device)
        self.get_metadata(self.device, self.endpoint)
        others = (
            "ScannerElementsChangeEvent",
            "ScannerStatusSummaryEvent",
            "ScannerStatusConditionEvent",
            "JobStatusEvent",
            "ScannerStatusConditionClearedEvent",
            "JobEndStateEvent",
        )
        to = delivery(self.notify_to, mode=False)
        with contextlib.suppress(Refused):
            self.subscribe(self.service, to + filtered(*others))
        for entry in self.destinations:
            wish = filtered("ScanAvailableEvent", padding="\n                ")
            self.subscribe(self.service, to + wish + destinations(entry))

    def fetch(self, context: str, identifier: str, source: str) -> None:
        self.elements(
            "ScannerDescription", "ScannerConfiguration", "ScannerStatus", "DefaultScanTicket"
        )
        more = True
        while more:
            job = self.create_job(self.service, identifier, self.tokens[context], source or "ADF")
            self.retrieve(self.service, job)
            more = source != "Platen"

    def leave(self) -> None:
        for identifier, _ in self.subscriptions:
            self.manage("Unsubscribe", identifier, self.service)


class LikeAirscand(Receiver):
    """retsamedoc/airscand: the Windows form of Subscribe, five destinations, waits for Idle."""

    probe_types = "wscn:ScanDeviceType"
    vectors = "airscand"
    destinations = (
        ("Scan to airscand", "Scan"),
        ("Scan for Print to airscand", "ScanToPrint"),
        ("Scan for E-mail to airscand", "ScanToEmail"),
        ("Scan for Fax to airscand", "ScanToFax"),
        ("Scan for OCR to airscand", "ScanToOCR"),
    )
    event_answer = (
        200,
        '<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Body/>'
        "</soap:Envelope>",
    )
    notify_path = "wsd"
    says_goodbye = True

    def __init__(self, address: str, store: Path, device: str = "") -> None:
        super().__init__(address, store, device)
        self._idle = threading.Event()

    def begin(self) -> None:
        self.get_metadata(self.device, self.device)
        for name in ("ScanAvailableEvent", "ScannerStatusSummaryEvent"):
            parameters = f"<wse:Identifier>{new_message_id()}</wse:Identifier>"
            self.subscribe(
                self.service,
                end_to(self.notify_to, parameters)
                + delivery(self.notify_to, parameters=parameters)
                + filtered(name)
                + destinations(*self.destinations)
                + "<wse:Expires>PT1H</wse:Expires>",
            )

    def hears(self, name: str, envelope: ET.Element) -> None:
        state = envelope.findtext(f".//{{{SCAN}}}ScannerState")
        if name == "ScannerStatusSummaryEvent" and state == "Idle":
            self._idle.set()

    def fetch(self, context: str, identifier: str, source: str) -> None:
        self.elements(
            "ScannerDescription", "ScannerConfiguration", "ScannerStatus", "DefaultScanTicket"
        )
        ticket = self.vector("ValidateScanTicket", self.service, InputSource=source)
        self.post_raw(self.service, ticket)
        self._idle.clear()
        try:
            job = self.create_job(self.service, identifier, self.tokens[context], source)
        except Refused as refused:
            if refused.name != "ClientErrorInvalidDestinationToken":
                raise
            job = self.create_job(self.service, identifier, "", source)
        self.retrieve(self.service, job)
        if not self._idle.wait(20):
            self.failures.append("the scanner does not become idle")

    def leave(self) -> None:
        for identifier, manager in reversed(self.subscriptions):
            self.manage("Unsubscribe", identifier, manager)


class LikeWsd4ha(Receiver):
    """rossi75/WSD4HA: asks the stable endpoint, three elements one by one, renews."""

    vectors = "wsd4ha"
    destinations = (("Home Assistant", "Scan"),)

    def begin(self) -> None:
        parts = urlsplit(self.device)
        self.probe_directly(f"http://{parts.netloc}{STABLE_PATH}")
        self.get_metadata(self.device, self.endpoint)
        identifier = new_message_id()
        self.notify_to += f"/{identifier.rpartition(':')[2]}"
        parameters = f"<wse:Identifier>{identifier}</wse:Identifier>"
        self.subscribe(
            self.device,
            end_to(self.notify_to, parameters)
            + delivery(self.notify_to, parameters=parameters)
            + "<wse:Expires>PT1H</wse:Expires>"
            + filtered("ScanAvailableEvent", padding="\n        ")
            + destinations(*self.destinations),
        )
        self.manage(
            "Renew", self.subscriptions[-1][0], self.device, "<wse:Expires>PT1H</wse:Expires>"
        )

    def fetch(self, context: str, identifier: str, source: str) -> None:
        for name in ("ScannerStatus", "ScannerConfiguration", "DefaultScanTicket"):
            self.elements(name)
        spaced = f"\n            {source}\n          "
        job = self.create_job(self.service, identifier, self.tokens[context], spaced)
        self.retrieve(
            self.service,
            job,
            self.envelope(
                f"{SCAN}/RetrieveImage",
                self.service,
                "<wscn:RetrieveImageRequest>"
                f"<wscn:JobId>{job[0]}</wscn:JobId><wscn:JobToken>{job[1]}</wscn:JobToken>"
                "<wscn:DocumentDescription><wscn:DocumentName>Scan</wscn:DocumentName>"
                "</wscn:DocumentDescription></wscn:RetrieveImageRequest>",
            ),
        )


SHAPES: dict[str, type[Receiver]] = {
    "occino": LikeOccino,
    "tobag": LikeTobag,
    "airscand": LikeAirscand,
    "wsd4ha": LikeWsd4ha,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("shape", choices=[*SHAPES])
    parser.add_argument("--address", required=True)
    parser.add_argument("--store", type=Path, required=True)
    parsed = parser.parse_args()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    receiver = SHAPES[parsed.shape](parsed.address, parsed.store)
    receiver.start()
    print("subscribed", flush=True)
    over.wait()
    receiver.stop()
    print(*receiver.failures, sep="\n", flush=True)


if __name__ == "__main__":
    main()
