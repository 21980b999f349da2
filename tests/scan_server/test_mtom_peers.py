"""The scan server and peers that know MIME and nothing of us: curl, and Python's mail library."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Sequence
from email import policy
from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.policy import Policy
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from clients.dsp_client import DSP, OWN_STORE, DspClient, envelope, instructions
from lxml import etree
from support import dsp_rules
from support.wait import wait_until

from .conftest import Running, Start

PAGE = b"\x89PNG\r\n--=_mail\r\n\r\n--\r" + bytes(range(256)) * 3000
INCLUDE = '<i:Include href="cid:image%40scan"/>'
Deliver = Callable[[bytes, str], None]


@pytest.fixture
def server(start: Start) -> Running:
    return start()


@pytest.fixture
def client(server: Running) -> DspClient:
    return server.client


def delivered(server: Running, client: DspClient, token: str) -> list[bytes]:
    client.end(token)
    wait_until(lambda: client.ended(token), 10, "end of the job")
    return list(server.files().values())


# ---- Python's mail library


def related(*parts: MIMEBase, start: str = "", boundary: str = "") -> MIMEMultipart:
    message = MIMEMultipart("related", boundary=boundary or None, type="application/xop+xml")
    if start:
        message.set_param("start", start)
    message.set_param("start-info", "application/soap+xml")
    for part in parts:
        message.attach(part)
    return message


def root(client: DspClient, token: str, number: int = 1) -> MIMEApplication:
    part = MIMEApplication(client.image_envelope(token, number, INCLUDE), "xop+xml")
    part.set_param("type", "application/soap+xml")
    part.set_param("charset", "UTF-8")
    part["Content-ID"] = "<root@scan>"
    return part


def image(**more: str) -> MIMEImage:
    part = MIMEImage(PAGE, "png", **more)
    part["Content-ID"] = "<image@scan>"
    return part


def post(client: DspClient, message: MIMEBase | EmailMessage, rules: Policy) -> str:
    """Send a mail as if it were an MTOM request; the name of the answer."""
    data = message.as_bytes(policy=rules)
    break_ = rules.linesep.encode()
    _, _, body = data.partition(break_ * 2)
    content_type = " ".join(str(message["Content-Type"]).split())
    return client.post(client.service, body, content_type).name


@pytest.mark.conformance("SO-11", "SO-14")
@pytest.mark.parametrize("rules", [policy.SMTP, policy.HTTP, policy.default, policy.compat32])
@pytest.mark.parametrize("order", ["root first", "image first"])
def test_base64_as_mail_has_it(
    server: Running, client: DspClient, rules: Policy, order: str
) -> None:
    token = client.new_job()
    parts: Sequence[MIMEBase] = [root(client, token), image()]
    if order == "image first":
        parts = [parts[1], parts[0]]
    message = related(*parts, start="<root@scan>")
    assert post(client, message, rules) == "SendImageResponse"
    assert delivered(server, client, token) == [PAGE]


@pytest.mark.conformance("SO-12")
def test_folded_headers(server: Running, client: DspClient) -> None:
    """A mail library folds what is longer than a line, wherever there is a blank."""
    token = client.new_job()
    picture = image(name="a picture with a name that does not fit into a line of a mail " * 3)
    first = root(client, token)
    first["Content-Description"] = "words " * 60
    message = related(first, picture, start="<root@scan>")
    assert message.as_bytes(policy=policy.SMTP).count(b"\r\n ") > 5
    assert post(client, message, policy.SMTP) == "SendImageResponse"
    assert delivered(server, client, token) == [PAGE]


@pytest.mark.conformance("SO-12")
def test_folded_lines_in_the_header_of_the_request(server: Running, client: DspClient) -> None:
    """On a connection that is used again, too; what looks so in an image stays as it is."""
    token, address = client.new_job(), urlsplit(client.service)
    page = b"\r\n \r\n\ta page\r\n\r\n \r\n"
    with socket.create_connection((address.hostname, address.port), 10) as sock:
        for number in (1, 2):
            root = client.image_envelope(token, number, INCLUDE)
            body = b"--b\r\nContent-ID: <root@scan>\r\n\r\n" + root + b"\r\n--b\r\n"
            body += b"Content-ID: <image@scan>\r\n\r\n" + page + b"\r\n--b--\r\n"
            head = (
                f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
                'Content-Type: multipart/related; boundary="b";\r\n type="application/xop+xml";'
                '\r\n\tstart="<root@scan>"\r\nX-Note: one\r\n  two\r\n'
                f"Content-Length: {len(body)}\r\n\r\n"
            ).encode()
            sock.sendall(head)
            sock.sendall(body[:200])
            sock.sendall(body[200:])
            answer = b""
            while b":Envelope>" not in answer and (piece := sock.recv(65_536)):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200")
    assert delivered(server, client, token) == [page, page]


@pytest.mark.conformance("SO-11")
@pytest.mark.parametrize(
    "boundary", ["===============1234567890123456789==", "'()+_,-./:=?", "x" * 70, "0", "a b"]
)
def test_odd_boundaries_and_no_start(server: Running, client: DspClient, boundary: str) -> None:
    token = client.new_job()
    message = related(root(client, token), image(), boundary=boundary)
    assert post(client, message, policy.SMTP) == "SendImageResponse"
    assert delivered(server, client, token) == [PAGE]


def test_the_newer_interface_of_the_library(server: Running, client: DspClient) -> None:
    token = client.new_job()
    message = EmailMessage()
    message.set_content(
        client.image_envelope(token, 1, INCLUDE),
        maintype="application",
        subtype="xop+xml",
        cid="<root@scan>",
    )
    message.add_related(PAGE, maintype="image", subtype="png", cid="<image@scan>")
    assert post(client, message, policy.HTTP) == "SendImageResponse"
    assert delivered(server, client, token) == [PAGE]


@pytest.mark.conformance("SO-14")
@pytest.mark.parametrize("encoding", ["quoted-printable", "x-gzip"])
def test_an_encoding_that_is_not_known_is_refused(
    server: Running, client: DspClient, encoding: str
) -> None:
    """Else a file would hold what the image is not."""
    token = client.new_job()
    part = image()
    part.replace_header("Content-Transfer-Encoding", encoding)
    reply = post(client, related(root(client, token), part), policy.SMTP)
    assert reply == "Fault"
    assert client.status(token).text("ImagesReceived") == "0"
    assert server.received() == []


@pytest.mark.conformance("SO-14")
@pytest.mark.parametrize("break_it", [lambda text: text[:-7], lambda text: "%" + text[1:]])
def test_base64_that_is_none(
    server: Running, client: DspClient, break_it: Callable[[str], str]
) -> None:
    token = client.new_job()
    part = image()
    part.set_payload(break_it(part.get_payload().strip()))
    assert post(client, related(root(client, token), part), policy.SMTP) == "Fault"
    assert client.status(token).text("ImagesReceived") == "0"
    assert client.send_image(token, 1, PAGE).name == "SendImageResponse"  # the job is intact


# ---- curl


class Curl:
    """Speaks to the server by curl alone."""

    def __init__(self, url: str, folder: Path, *flags: str) -> None:
        self._folder, self._flags = folder, flags
        self.url = self.service = url

    def run(self, *words: str) -> etree._Element:
        """The body's one element of the answer."""
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "20", *self._flags, *words],
            capture_output=True,
            check=True,
        )
        return dsp_rules.message(done.stdout).find(f"{dsp_rules.SOAP}Body")[0]

    def file(self, name: str, data: bytes) -> str:
        path = self._folder / name
        path.write_bytes(data)
        return str(path)

    def soap(self, action: str, body: str, to: str = "") -> etree._Element:
        message = self.file("message.xml", envelope(action, body, to or self.service))
        kind = f'Content-Type: application/soap+xml; charset=utf-8; action="{action}"'
        return self.run("--data-binary", f"@{message}", "-H", kind, to or self.service)

    def find(self) -> None:
        body = self.soap("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", "", self.url)
        for hosted in body.iter("{*}Hosted"):
            if "Processing" in hosted.findtext("{*}Types"):
                self.service = hosted.findtext("{*}EndpointReference/{*}Address")

    def call(self, operation: str, inner: str) -> etree._Element:
        body = f"<x:{operation}Request>{inner}</x:{operation}Request>"
        return self.soap(f"{DSP}/{operation}", body)

    def image(self, message: bytes, *flags: str) -> etree._Element:
        """SendImage as curl's own form: its boundary, its headers, in its order."""
        first = self.file("root.xml", message)
        picture = self.file("page.png", PAGE)
        return self.run(
            *flags,
            "-H",
            'Content-Type: multipart/related; type="application/xop+xml"; start="<root@scan>"',
            "-F",
            f'root=@{first};type=application/xop+xml;headers="Content-ID: <root@scan>"',
            "-F",
            f'image=@{picture};type=image/png;headers="Content-ID: <image@scan>"',
            self.service,
        )


CREATE = (
    "<x:UserIdentifier>S-1-5-21-1-2-3-1000</x:UserIdentifier>"
    "<x:PSP_Identifier>C4F199C7-6876-4549-A86E-A85035952448</x:PSP_Identifier>"
    f"<x:PostScanInstructions>{instructions(OWN_STORE)}</x:PostScanInstructions>"
)


@pytest.fixture
def curl_is_here() -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")


@pytest.mark.conformance("SL-01")
@pytest.mark.usefixtures("curl_is_here")
@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--http1.0",),
        ("-H", "Transfer-Encoding: chunked"),
        ("-H", "Expect: 100-continue"),
        ("-H", "Expect:"),
    ],
)
def test_a_whole_job_by_curl(start: Start, tmp_path: Path, flags: tuple[str, ...]) -> None:
    server = start(http=False, generate_cert=True)
    curl = Curl(server.url, tmp_path, "--cacert", str(server.state_dir / "server.pem"))
    curl.find()
    token = curl.call("CreatePostScanJob", CREATE).findtext("{*}JobToken")
    for number in (1, 2):
        message = DspClient(curl.url)
        message._service = curl.service
        sent = curl.image(message.image_envelope(token, number, INCLUDE), *flags)
        assert etree.QName(sent).localname == "SendImageResponse"
    lone = f"<x:JobToken>{token}</x:JobToken>"
    assert etree.QName(curl.call("EndPostScanJob", lone)).localname == "EndPostScanJobResponse"
    asked = f"{lone}<x:RequestedElements><x:Name>x:JobStatus</x:Name></x:RequestedElements>"

    def completed() -> bool:
        status = curl.call("GetPostScanJobElements", asked)
        return status.findtext(".//{*}JobState") == "Completed"

    wait_until(completed, 10, "end of the job")
    assert list(server.files().values()) == [PAGE, PAGE]
