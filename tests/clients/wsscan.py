"""A small WS-Scan client, written from the standard alone.

It shares nothing with the product: standard library only, no import of `device`. Two ends that
share a parser share its bugs. It is strict where the standard is: a multipart answer without its
closing delimiter, a part without its headers or a SOAP part that is not first raise `BadAnswer`.

    client = Client("http://127.0.0.1:5357/scan")
    job = client.create_scan_job(scan_ticket(source="ADF", color="Grayscale8", dpi=100))
    for image in client.images(job):
        ...

`call` returns whatever came, a fault included. The named operations raise `FaultAnswer` instead.
"""

import http.client
import ssl
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from email.message import Message
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
SCAN = "http://schemas.microsoft.com/windows/2006/08/wdp/scan"
MEX = "http://schemas.xmlsoap.org/ws/2004/09/mex"
DPWS = "http://schemas.xmlsoap.org/ws/2006/02/devprof"
XOP = "http://www.w3.org/2004/08/xop/include"
WSE = "http://schemas.xmlsoap.org/ws/2004/08/eventing"
ANONYMOUS = f"{WSA}/role/anonymous"
GET_ACTION = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
FAULT_ACTION = f"{WSA}/fault"
SECTIONS = ("ScannerDescription", "ScannerConfiguration", "ScannerStatus", "DefaultScanTicket")

NO_MORE_IMAGES = "ClientErrorNoImagesAvailable"


class QName(NamedTuple):
    namespace: str
    local: str


class Fault(NamedTuple):
    """A SOAP 1.2 fault. `code` and `subcode` are resolved names; `detail` is the element."""

    code: QName
    subcode: QName | None
    reason: str
    detail: ET.Element | None


class Reply(NamedTuple):
    """One answer: `body` is the first child of soap:Body, or of nothing if there was no SOAP.

    `parts` holds what followed the SOAP part of a multipart answer; `soap` is the envelope's bytes.
    """

    status: int
    headers: Message
    envelope: ET.Element | None
    body: ET.Element | None
    fault: Fault | None
    raw: bytes
    parts: "tuple[Part, ...]" = ()
    soap: bytes = b""

    def header(self, name: str, namespace: str = WSA) -> str | None:
        """The text of a SOAP header block, stripped; None if it is not there."""
        if self.envelope is None:
            return None
        found = self.envelope.find(f"{{{SOAP}}}Header/{{{namespace}}}{name}")
        return None if found is None else (found.text or "").strip()

    def require(self) -> ET.Element:
        """The body of a successful answer."""
        if self.fault is not None:
            raise FaultAnswer(self.fault, self)
        if self.body is None:
            raise BadAnswer(f"HTTP {self.status} without a SOAP body: {self.raw[:200]!r}")
        return self.body


class Part(NamedTuple):
    headers: dict[str, str]
    content: bytes


class Job(NamedTuple):
    id: int
    token: str
    reply: Reply


class Image(NamedTuple):
    """The image part: its bytes, and its MIME headers by lower-case name."""

    content: bytes
    headers: dict[str, str]


class BadAnswer(Exception):
    """What came back breaks HTTP, MIME, XOP, SOAP or WS-Scan."""


class FaultAnswer(Exception):
    """A named operation was answered with a fault."""

    def __init__(self, fault: Fault, reply: Reply) -> None:
        name = fault.subcode.local if fault.subcode else fault.code.local
        super().__init__(f"{name}: {fault.reason}")
        self.fault = fault
        self.reply = reply
        self.name = name


class Client:
    """Talks to one URL, one connection per request (as the most common client does).

    `check` sees every answer that `post` and the operations get, and raises what it does not like.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 30.0,
        tls: ssl.SSLContext | None = None,
        check: Callable[[Reply], None] | None = None,
    ) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._tls = tls
        self._check = check

    # The wire

    def envelope(
        self,
        action: str,
        body_xml: str = "",
        *,
        message_id: str | None = None,
        to: str | None = None,
        headers_xml: str = "",
    ) -> bytes:
        """A complete request; `action` is a URI, or a bare WS-Scan operation name."""
        return (
            '<?xml version="1.0" encoding="utf-8"?>'
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{WSA}" xmlns:sca="{SCAN}"><s:Header>'
            f"<a:MessageID>{message_id or new_message_id()}</a:MessageID>"
            f"<a:To>{escape(to or self.url)}</a:To>"
            f"<a:ReplyTo><a:Address>{ANONYMOUS}</a:Address></a:ReplyTo>"
            f"<a:Action>{escape(action_uri(action))}</a:Action>{headers_xml}"
            f"</s:Header><s:Body>{body_xml}</s:Body></s:Envelope>"
        ).encode()

    def call(
        self,
        action: str,
        body_xml: str = "",
        *,
        message_id: str | None = None,
        to: str | None = None,
        headers_xml: str = "",
    ) -> Reply:
        """Send one request and read its whole answer, fault or not."""
        request = self.envelope(
            action, body_xml, message_id=message_id, to=to, headers_xml=headers_xml
        )
        return self.post(request)

    def post(self, request: bytes, content_type: str = "application/soap+xml") -> Reply:
        """POST any bytes at all, and read what comes back."""
        with self.stream(request, content_type) as response:
            reply = read_reply(response.status, response.headers, response.read())
        if self._check is not None:
            self._check(reply)
        return reply

    @contextmanager
    def stream(
        self, request: bytes, content_type: str = "application/soap+xml"
    ) -> Iterator[http.client.HTTPResponse]:
        """POST, and leave the reading (or the breaking off) to the caller."""
        connection, path = self._connect()
        try:
            connection.request("POST", path, request, {"Content-Type": content_type})
            response = connection.getresponse()
            try:
                yield response
            finally:
                response.close()
        finally:
            connection.close()

    def _connect(self) -> tuple[http.client.HTTPConnection, str]:
        url = urlsplit(self.url)
        if url.hostname is None:
            raise ValueError(f"no host in {self.url}")
        path = url.path or "/"
        if url.scheme == "https":
            context = self._tls or ssl.create_default_context()
            return http.client.HTTPSConnection(
                url.hostname, url.port, timeout=self.timeout_s, context=context
            ), path
        return http.client.HTTPConnection(url.hostname, url.port, timeout=self.timeout_s), path

    # WS-Transfer

    def get(self, endpoint: str | None = None) -> ET.Element:
        """The device's mex:Metadata; `endpoint` is its urn:uuid: address."""
        return self.call(GET_ACTION, to=endpoint).require()

    # The eight operations of WS-Scan

    def create_scan_job(
        self,
        ticket_xml: str,
        *,
        scan_identifier: str | None = None,
        destination_token: str | None = None,
        message_id: str | None = None,
    ) -> Job:
        body = (
            "<sca:CreateScanJobRequest>"
            + element("ScanIdentifier", scan_identifier)
            + element("DestinationToken", destination_token)
            + f"{ticket_xml}</sca:CreateScanJobRequest>"
        )
        reply = self.call("CreateScanJob", body, message_id=message_id)
        answer = reply.require()
        return Job(int(text(answer, "JobId")), text(answer, "JobToken"), reply)

    def retrieve_image(
        self, job_id: int, token: str, *, document_name: str | None = "IMAGE000"
    ) -> Image:
        """The next image of a job. Raises `FaultAnswer` when there is none."""
        reply = self.call("RetrieveImage", retrieve_image_body(job_id, token, document_name))
        return image_of(reply)

    def images(self, job: Job) -> Iterator[Image]:
        """Every image of a job, until the device says that there are no more."""
        while True:
            try:
                yield self.retrieve_image(job.id, job.token)
            except FaultAnswer as answer:
                if answer.name == NO_MORE_IMAGES:
                    return
                raise

    def cancel_job(self, job_id: int) -> Reply:
        body = f"<sca:CancelJobRequest>{element('JobId', job_id)}</sca:CancelJobRequest>"
        reply = self.call("CancelJob", body)
        reply.require()
        return reply

    def validate_scan_ticket(self, ticket_xml: str) -> ET.Element:
        """The ValidationInfo."""
        body = f"<sca:ValidateScanTicketRequest>{ticket_xml}</sca:ValidateScanTicketRequest>"
        return child(self.call("ValidateScanTicket", body).require(), "ValidationInfo")

    def get_scanner_elements(self, *names: str) -> dict[str, ET.Element | None]:
        """Section by name; None where the device says Valid="false"."""
        names = names or SECTIONS
        body = f"<sca:GetScannerElementsRequest>{_requested(names)}</sca:GetScannerElementsRequest>"
        answer = self.call("GetScannerElements", body).require()
        return _element_data(child(answer, "ScannerElements"))

    def get_job_elements(self, job_id: int, *names: str) -> dict[str, ET.Element | None]:
        names = names or ("JobStatus", "ScanTicket", "Documents")
        body = (
            f"<sca:GetJobElementsRequest>{element('JobId', job_id)}{_requested(names)}"
            "</sca:GetJobElementsRequest>"
        )
        return _element_data(child(self.call("GetJobElements", body).require(), "JobElements"))

    def get_active_jobs(self) -> list[ET.Element]:
        """The JobSummary elements of jobs that have not ended."""
        answer = self.call("GetActiveJobs", "<sca:GetActiveJobsRequest/>").require()
        return child(answer, "ActiveJobs").findall(f"{{{SCAN}}}JobSummary")

    def get_job_history(self) -> list[ET.Element]:
        """The JobSummary elements of jobs that have ended."""
        answer = self.call("GetJobHistory", "<sca:GetJobHistoryRequest/>").require()
        return child(answer, "JobHistory").findall(f"{{{SCAN}}}JobSummary")

    # Short ways

    def job_state(self, job_id: int) -> str:
        status = self.get_job_elements(job_id, "JobStatus")["JobStatus"]
        if status is None:
            raise BadAnswer("JobStatus is not valid")
        return text(status, "JobState")

    def scanner_state(self) -> str:
        status = self.get_scanner_elements("ScannerStatus")["ScannerStatus"]
        if status is None:
            raise BadAnswer("ScannerStatus is not valid")
        return text(status, "ScannerState")


def new_message_id() -> str:
    return f"urn:uuid:{uuid.uuid4()}"


def action_uri(action: str) -> str:
    return action if "/" in action or ":" in action or not action else f"{SCAN}/{action}"


# Tickets


class Side(NamedTuple):
    """MediaFront or MediaBack. `region` is x, y, width, height in 1/1000 inch; None leaves out."""

    color: str | None = "RGB24"
    dpi: int | tuple[int, int] | None = 100
    region: tuple[int, int, int, int] | None = None


def scan_ticket(
    *,
    source: str | None = "Platen",
    color: str | None = "RGB24",
    dpi: int | tuple[int, int] | None = 100,
    region: tuple[int, int, int, int] | None = None,
    back: Side | None = None,
    format: str | None = "png",
    quality: int | None = None,
    images: int | None = None,
    size: tuple[int, int] | None = None,
    auto_size: bool | None = None,
    content_type: str | None = None,
    exposure: tuple[int, int, int] | None = None,
    auto_exposure: bool | None = None,
    scaling: tuple[int, int] | None = None,
    rotation: int | None = None,
    must_honor: Collection[str] = (),
    job_name: str = "a test",
    user: str | None = "tester",
    information: str | None = "an automatic test",
    root: str = "ScanTicket",
) -> str:
    """A ticket in the schema's order, for use inside a request made by this module.

    Args:
        region: left, top, width and height of the front side, in 1/1000 inch.
        size: width and height of the InputMediaSize, in 1/1000 inch.
        exposure: contrast, brightness, sharpness.
        must_honor: local names of the elements that get MustHonor="true".
    """

    def one(name: str, value: object, inner: str | None = None) -> str:
        return element(name, value, inner, must_honor=name in must_honor)

    def side(name: str, given: Side) -> str:
        inner = ""
        if given.region is not None:
            names = ("XOffset", "YOffset", "Width", "Height")
            numbers = zip(names, given.region, strict=True)
            inner += one("ScanRegion", None, "".join(one(f"ScanRegion{n}", v) for n, v in numbers))
        inner += one("ColorProcessing", given.color)
        if given.dpi is not None:
            x, y = given.dpi if isinstance(given.dpi, tuple) else (given.dpi, given.dpi)
            inner += one("Resolution", None, element("Width", x) + element("Height", y))
        return element(name, None, inner) if inner else ""

    input_size = ""
    if auto_size is not None:
        input_size += element("DocumentSizeAutoDetect", auto_size)
    if size is not None:
        inner = element("Width", size[0]) + element("Height", size[1])
        input_size += element("InputMediaSize", None, inner)
    exposed = ""
    if auto_exposure is not None:
        exposed += element("AutoExposure", auto_exposure)
    if exposure is not None:
        names = ("Contrast", "Brightness", "Sharpness")
        inner = "".join(one(n, v) for n, v in zip(names, exposure, strict=True))
        exposed += element("ExposureSettings", None, inner)
    scaled = ""
    if scaling is not None:
        scaled = element("ScalingWidth", scaling[0]) + element("ScalingHeight", scaling[1])
    sides = side("MediaFront", Side(color, dpi, region))
    if back is not None:
        sides += side("MediaBack", back)

    description = (
        element("JobName", job_name)
        + element("JobOriginatingUserName", user)
        + element("JobInformation", information)
    )
    parameters = (
        one("Format", format)
        + one("CompressionQualityFactor", quality)
        + one("ImagesToTransfer", images)
        + one("InputSource", source)
        + one("ContentType", content_type)
        + (one("InputSize", None, input_size) if input_size else "")
        + (one("Exposure", None, exposed) if exposed else "")
        + (one("Scaling", None, scaled) if scaled else "")
        + one("Rotation", rotation)
        + (one("MediaSides", None, sides) if sides else "")
    )
    return element(
        root,
        None,
        element("JobDescription", None, description)
        + element("DocumentParameters", None, parameters),
    )


def element(
    name: str, value: object = None, inner: str | None = None, *, must_honor: bool = False
) -> str:
    """One scan element as text; nothing at all when there is neither `value` nor `inner`."""
    if value is None and inner is None:
        return ""
    if isinstance(value, bool):
        value = "true" if value else "false"
    mark = ' sca:MustHonor="true"' if must_honor else ""
    content = inner if inner is not None else escape(str(value))
    return f"<sca:{name}{mark}>{content}</sca:{name}>"


def retrieve_image_body(job_id: int, token: str, document_name: str | None = "IMAGE000") -> str:
    document = ""
    if document_name is not None:
        document = element("DocumentDescription", None, element("DocumentName", document_name))
    return (
        f"<sca:RetrieveImageRequest>{element('JobId', job_id)}{element('JobToken', token)}"
        f"{document}</sca:RetrieveImageRequest>"
    )


def _requested(names: Collection[str]) -> str:
    inner = "".join(element("Name", name if ":" in name else f"sca:{name}") for name in names)
    return element("RequestedElements", None, inner)


# Reading answers


def child(parent: ET.Element, path: str) -> ET.Element:
    """The element at a path of scan names, such as "MediaSides/MediaFront"."""
    found = parent.find("/".join(f"{{{SCAN}}}{step}" for step in path.split("/")))
    if found is None:
        raise BadAnswer(f"{parent.tag} has no {path}: {ET.tostring(parent)[:400]!r}")
    return found


def text(parent: ET.Element, path: str) -> str:
    return (child(parent, path).text or "").strip()


def _element_data(parent: ET.Element) -> dict[str, ET.Element | None]:
    found: dict[str, ET.Element | None] = {}
    for data in parent.findall(f"{{{SCAN}}}ElementData"):
        valid = data.get("Valid", data.get(f"{{{SCAN}}}Valid"))
        if valid not in {"true", "false", "1", "0"}:
            raise BadAnswer(f"ElementData without a boolean Valid: {valid!r}")
        sections = list(data)
        if (valid in {"true", "1"}) != bool(sections):
            raise BadAnswer("a section is present if and only if Valid is true")
        name = data.get("Name", data.get(f"{{{SCAN}}}Name")) or ""
        found[name.rpartition(":")[2]] = sections[0] if sections else None
    return found


def read_reply(status: int, headers: Message, raw: bytes) -> Reply:
    """Read an answer: plain SOAP, MTOM, or neither."""
    kind = headers.get_content_type() if headers.get("Content-Type") else ""
    if kind == "multipart/related":
        root, *others = read_multipart(headers, raw)
        if not root.headers.get("content-type", "").startswith("application/xop+xml"):
            raise BadAnswer(f"the first part is {root.headers.get('content-type')}, not SOAP")
        soap, parts = root.content, tuple(others)
    elif kind in {"application/soap+xml", "text/xml", "application/xml"}:
        soap, parts = raw, ()
    else:
        return Reply(status, headers, None, None, None, raw)
    if not soap.strip():
        return Reply(status, headers, None, None, None, raw)
    envelope, prefixes = _parse(soap)
    if envelope.tag != f"{{{SOAP}}}Envelope":
        raise BadAnswer(f"the root is {envelope.tag}")
    body = envelope.find(f"{{{SOAP}}}Body")
    if body is None:
        raise BadAnswer("no soap:Body")
    first = next(iter(body), None)
    fault = None
    if first is not None and first.tag == f"{{{SOAP}}}Fault":
        fault = _fault(first, prefixes)
    return Reply(status, headers, envelope, first, fault, raw, parts, soap)


def image_of(reply: Reply) -> Image:
    """The image that a RetrieveImageResponse refers to, through its xop:Include."""
    answer = reply.require()
    data = child(answer, "ScanData")
    include = data.find(f"{{{XOP}}}Include")
    if include is None or len(data) != 1:
        raise BadAnswer("ScanData holds something else than one xop:Include")
    href = include.get("href", "")
    if not href.startswith("cid:"):
        raise BadAnswer(f"href is {href!r}")
    if len(reply.parts) != 1:
        raise BadAnswer(f"{len(reply.parts)} parts follow the SOAP part")
    part = reply.parts[0]
    if part.headers.get("content-id") != f"<{unquote(href[4:])}>":
        raise BadAnswer(f"{href} does not name {part.headers.get('content-id')}")
    return Image(part.content, part.headers)


def read_multipart(headers: Message, raw: bytes) -> list[Part]:
    """Cut a MIME body at its delimiters, by RFC 2046 and nothing looser."""
    boundary = headers.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise BadAnswer(f"no boundary in {headers.get('Content-Type')}")
    delimiter = b"\r\n--" + boundary.encode()
    pieces = (b"" if raw.startswith(b"\r\n") else b"\r\n") + raw
    preamble, *bodies = pieces.split(delimiter)
    if preamble.strip() or len(bodies) < 2:
        raise BadAnswer(f"not a multipart body: {raw[:100]!r}")
    if not bodies.pop().startswith(b"--"):
        raise BadAnswer("no closing delimiter")
    parts = []
    for body in bodies:
        if not body.startswith(b"\r\n"):
            raise BadAnswer("something stands behind a delimiter")
        head, separator, content = body[2:].partition(b"\r\n\r\n")
        if not separator:
            raise BadAnswer("a part without an end of headers")
        fields = {}
        for line in head.decode("ascii").split("\r\n"):
            name, colon, value = line.partition(":")
            if not colon or "\n" in line:
                raise BadAnswer(f"not a header: {line!r}")
            fields[name.strip().lower()] = value.strip()
        parts.append(Part(fields, content))
    return parts


def _parse(soap: bytes) -> tuple[ET.Element, dict[str, str]]:
    """The root, and the namespace of every prefix (the last declaration of each wins)."""
    parser = ET.XMLPullParser(("start", "start-ns"))
    prefixes: dict[str, str] = {}
    root: ET.Element | None = None
    try:
        parser.feed(soap)
        parser.close()
        for event, value in parser.read_events():
            if event == "start-ns":
                prefixes[value[0]] = value[1]
            elif root is None:
                root = value
    except ET.ParseError as error:
        raise BadAnswer(f"not well-formed: {error}: {soap[:200]!r}") from error
    if root is None:
        raise BadAnswer("no element at all")
    return root, prefixes


def _fault(fault: ET.Element, prefixes: dict[str, str]) -> Fault:
    def name(path: str) -> QName | None:
        value = fault.findtext(path)
        if value is None:
            return None
        prefix, _, local = value.strip().rpartition(":")
        if prefix not in prefixes:
            raise BadAnswer(f"the prefix of {value!r} is not declared")
        return QName(prefixes[prefix], local)

    code = name(f"{{{SOAP}}}Code/{{{SOAP}}}Value")
    if code is None:
        raise BadAnswer("a fault without a code")
    return Fault(
        code,
        name(f"{{{SOAP}}}Code/{{{SOAP}}}Subcode/{{{SOAP}}}Value"),
        (fault.findtext(f"{{{SOAP}}}Reason/{{{SOAP}}}Text") or "").strip(),
        fault.find(f"{{{SOAP}}}Detail"),
    )
