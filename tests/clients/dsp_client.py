"""A small WS-DSP client, written from the digest of the standard alone.

Standard library only, no import of `device` or `scan_server`. It can write a SendImage in every
way that a scan server must read; `mtom` makes the usual one.
"""

import http.client
import ssl
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from typing import NamedTuple
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
WSD = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
DPWS = "http://schemas.xmlsoap.org/ws/2006/02/devprof"
WSE = "http://schemas.xmlsoap.org/ws/2004/08/eventing"
DSP = "http://schemas.microsoft.com/windows/2008/12/wdp/distributedscan/processing"
DSC = "http://schemas.microsoft.com/windows/2008/12/wdp/distributedscan/configuration"
PSP = "http://schemas.microsoft.com/windows/2008/02/imaging/postscan/psp"
FSH = "http://schemas.microsoft.com/windows/2007/10/imaging/postscan/filter/fileshare"
XOP = "http://www.w3.org/2004/08/xop/include"
GET = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
SOAP_TYPE = "application/soap+xml; charset=utf-8"


class Reply(NamedTuple):
    """An answer: HTTP status, the body's one element, the header's texts by local name, and all."""

    status: int
    body: ET.Element
    headers: dict[str, str]
    raw: bytes = b""

    @property
    def name(self) -> str:
        return self.body.tag.partition("}")[2]

    @property
    def subcode(self) -> str:
        """The fault's most specific code without its prefix; empty for no fault."""
        found = self.body.findall(f".//{{{SOAP}}}Subcode/{{{SOAP}}}Value")
        return found[-1].text.rpartition(":")[2] if found else ""

    @property
    def code(self) -> str:
        found = self.body.find(f"{{{SOAP}}}Code/{{{SOAP}}}Value")
        return "" if found is None else found.text.rpartition(":")[2]

    @property
    def detail(self) -> ET.Element | None:
        found = self.body.find(f"{{{SOAP}}}Detail")
        return None if found is None or not len(found) else found[0]

    def text(self, local: str, namespace: str = DSP) -> str:
        found = self.body.find(f".//{{{namespace}}}{local}")
        return "" if found is None else (found.text or "")

    @property
    def identifier(self) -> str:
        """Of the subscription that began."""
        return self.body.findtext(f".//{{{WSE}}}Identifier") or ""

    def texts(self, local: str, namespace: str = DSP) -> list[str]:
        return [node.text or "" for node in self.body.iter(f"{{{namespace}}}{local}")]


EVENTS = ("PostScanJobStatusEvent", "PostScanJobEndStateEvent")


def envelope(
    action: str, body: str, to: str, message_id: str | None = None, headers: str = ""
) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{WSA}" xmlns:x="{DSP}" xmlns:p="{PSP}" '
        f'xmlns:i="{XOP}" xmlns:w="{WSD}"><s:Header><a:To>{escape(to)}</a:To>'
        f"<a:Action>\n {escape(action)}\n </a:Action>"
        f"<a:MessageID>{message_id or uuid.uuid4().urn}</a:MessageID>{headers}</s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def file_share(*uncs: str) -> str:
    shares = "".join(f"<f:ShareUNC>{escape(unc)}</f:ShareUNC>" for unc in uncs)
    inner = f"<f:FileShares>{shares}</f:FileShares>"
    return f'<f:FileShareConfig xmlns:f="{FSH}">{inner}</f:FileShareConfig>'


def instructions(
    *filters: tuple[str, str], root: str = "scan", continue_on_error: bool | None = None
) -> str:
    """The children of PostScanInstructions; a filter is (dialect, XML)."""
    entries = "".join(
        f"<p:Filter><p:Dialect>\n{dialect}\n</p:Dialect>"
        f"<p:Instructions>{inner}</p:Instructions></p:Filter>"
        for dialect, inner in filters
    )
    go_on = (
        ""
        if continue_on_error is None
        else f"<p:ContinueOnError>{str(continue_on_error).lower()}</p:ContinueOnError>"
    )
    name = f"<p:DocumentRootName>{escape(root)}</p:DocumentRootName>"
    return f"{go_on}{name}<p:FiltersToProcess>{entries}</p:FiltersToProcess>"


OWN_STORE = (FSH, file_share(r"\\.\store"))


class MimePart(NamedTuple):
    headers: Sequence[str]
    data: bytes


def multipart(parts: Sequence[MimePart], boundary: str, newline: bytes = b"\r\n") -> bytes:
    """A multipart body; `newline` ends the delimiters' and the headers' lines."""
    body = b""
    for part in parts:
        lines = [f"--{boundary}", *part.headers, ""]
        body += b"".join(line.encode() + newline for line in lines) + part.data + newline
    return body + f"--{boundary}--".encode() + newline


class DspClient:
    """Talks to a scan server at `url`, on one connection a request.

    `check` sees each request's envelope with its answer.
    """

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext | None = None,
        check: Callable[[bytes, bytes], None] = lambda request, reply: None,
    ) -> None:
        self.url = url
        self._context = context
        self.check = check
        self._service = ""

    def connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=20, context=self._context
            )
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)

    def post(self, url: str, body: bytes, content_type: str = SOAP_TYPE) -> Reply:
        connection = self.connection()
        try:
            headers = {"Content-Type": content_type}
            connection.request("POST", urlsplit(url).path, body, headers)
            answer = connection.getresponse()
            raw = answer.read()
            start, end = body.find(b"<s:Envelope"), body.find(b"</s:Envelope>")
            if start >= 0 <= end:
                self.check(body[start : end + 13], raw)
            root = ET.fromstring(raw)
            header = root.find(f"{{{SOAP}}}Header")
            texts = {node.tag.partition("}")[2]: node.text or "" for node in header}
            body = next(iter(root.find(f"{{{SOAP}}}Body")), ET.Element("empty"))
            return Reply(answer.status, body, texts, raw)
        finally:
            connection.close()

    def probe(self, types: str = "") -> Reply:
        inner = f'<w:Types xmlns:d="{DPWS}">{types}</w:Types>' if types else ""
        to = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
        return self.post(self.url, envelope(f"{WSD}/Probe", f"<w:Probe>{inner}</w:Probe>", to))

    def get(self) -> Reply:
        return self.post(self.url, envelope(GET, "", self.url))

    @property
    def service(self) -> str:
        """The address of the processing service, from the metadata."""
        if not self._service:
            found = self.hosted()
            found.pop("RepositoryConfigurationServiceType", None)
            (self._service,) = found.values()
        return self._service

    def hosted(self) -> dict[str, str]:
        """The addresses of the hosted services, by the local names of their types."""
        return {
            hosted.find(f"{{{DPWS}}}Types").text.rpartition(":")[2]: hosted.find(
                f".//{{{WSA}}}Address"
            ).text
            for hosted in self.get().body.iter(f"{{{DPWS}}}Hosted")
        }

    def call(self, operation: str, inner: str, message_id: str | None = None) -> Reply:
        body = f"<x:{operation}Request>{inner}</x:{operation}Request>"
        return self.post(
            self.service, envelope(f"{DSP}/{operation}", body, self.service, message_id)
        )

    def create(
        self,
        *filters: tuple[str, str],
        user: str = "S-1-5-21-1-2-3-1000",
        message_id: str | None = None,
        root: str = "scan",
        continue_on_error: bool | None = None,
    ) -> Reply:
        told = instructions(
            *(filters or (OWN_STORE,)), root=root, continue_on_error=continue_on_error
        )
        return self.call(
            "CreatePostScanJob",
            f"<x:UserIdentifier>{user}</x:UserIdentifier>"
            "<x:PSP_Identifier>C4F199C7-6876-4549-A86E-A85035952448</x:PSP_Identifier>"
            f"<x:PostScanInstructions>{told}</x:PostScanInstructions>",
            message_id,
        )

    def new_job(self, *filters: tuple[str, str], **more: object) -> str:
        return self.create(*filters, **more).text("JobToken")

    def image_envelope(
        self, token: str, document_id: int, image: str, format_: str = "png"
    ) -> bytes:
        body = (
            f"<x:SendImageRequest><x:JobToken>{token}</x:JobToken><x:DocumentDescription>"
            f"<x:DocumentId>{document_id}</x:DocumentId><x:Format>{format_}</x:Format>"
            f"</x:DocumentDescription><x:ImageData>{image}</x:ImageData></x:SendImageRequest>"
        )
        return envelope(f"{DSP}/SendImage", body, self.service)

    def send_image(self, token: str, document_id: int, data: bytes, format_: str = "png") -> Reply:
        root = self.image_envelope(
            token, document_id, '<i:Include href="cid:image@scan"/>', format_
        )
        body, content_type = mtom(root, data)
        return self.post(self.service, body, content_type)

    def end(self, token: str, message_id: str | None = None) -> Reply:
        return self.call("EndPostScanJob", f"<x:JobToken>{token}</x:JobToken>", message_id)

    def cancel(self, token: str) -> Reply:
        return self.call("CancelPostScanJob", f"<x:JobToken>{token}</x:JobToken>")

    def elements(self, token: str, *names: str) -> Reply:
        asked = "".join(f"<x:Name>{name}</x:Name>" for name in names)
        return self.call(
            "GetPostScanJobElements",
            f"<x:JobToken>{token}</x:JobToken><x:RequestedElements>{asked}</x:RequestedElements>",
        )

    def subscribe(
        self,
        notify_to: str,
        *,
        events: Sequence[str] = EVENTS,
        namespace: str = DSP,
        end_to: str = "",
        expires: str = "PT1H",
        to: str = "",
    ) -> Reply:
        """Subscribe at the service; without `events`, for all that there are."""
        wanted = " ".join(f"{namespace}/{name}" for name in events)
        inner = (
            (f"<e:EndTo><a:Address>{end_to}</a:Address></e:EndTo>" if end_to else "")
            + f'<e:Delivery Mode="{WSE}/DeliveryModes/Push"><e:NotifyTo><a:Address>{notify_to}'
            + f"</a:Address></e:NotifyTo></e:Delivery><e:Expires>{expires}</e:Expires>"
            + (f'<e:Filter Dialect="{DPWS}/Action">{wanted}</e:Filter>' if events else "")
        )
        body = f'<e:Subscribe xmlns:e="{WSE}">{inner}</e:Subscribe>'
        to = to or self.service
        return self.post(to, envelope(f"{WSE}/Subscribe", body, to))

    def manage(self, operation: str, identifier: str, inner: str = "") -> Reply:
        """Renew, GetStatus or Unsubscribe."""
        body = f'<e:{operation} xmlns:e="{WSE}">{inner}</e:{operation}>'
        header = f'<e:Identifier xmlns:e="{WSE}">{identifier}</e:Identifier>'
        return self.post(
            self.service,
            envelope(f"{WSE}/{operation}", body, self.service, headers=header),
        )

    def status(self, token: str) -> Reply:
        return self.elements(token, "x:JobStatus")

    def ended(self, token: str) -> Reply | None:
        """The status once it is an end state, else None."""
        status = self.status(token)
        final = status.text("JobState") in ("Completed", "Aborted", "Canceled")
        return status if final else None


def mtom(root: bytes, data: bytes) -> tuple[bytes, str]:
    """The usual message, made by Python's own mail library: body and Content-Type."""
    message = MIMEMultipart("related", boundary="=_mail.library_=")
    first = MIMEApplication(root, "xop+xml", _encoder=_binary)
    first["Content-ID"] = "<root@scan>"
    second = MIMEApplication(data, "octet-stream", _encoder=_binary)
    second["Content-ID"] = "<image@scan>"
    parts = [
        MimePart([f"{k}: {v}" for k, v in p.items()], p.get_payload(decode=True))
        for p in (first, second)
    ]
    body = multipart(parts, message.get_boundary())
    return body, (
        'multipart/related; boundary="=_mail.library_="; type="application/xop+xml"; '
        'start="<root@scan>"; start-info="application/soap+xml"'
    )


def _binary(part: MIMEApplication) -> None:
    part["Content-Transfer-Encoding"] = "binary"
