"""The five operations over HTTP, asked by a client that shares no code with us."""

from __future__ import annotations

import base64
import re
import socket
import time
from urllib.parse import urlsplit

import pytest
from clients.dsp_client import (
    DSP,
    FSH,
    OWN_STORE,
    DspClient,
    MimePart,
    Reply,
    envelope,
    file_share,
    multipart,
)
from support.wait import wait_until

from .conftest import Running, Start

WELL = "PostScanJobCompletedSuccessfully"
PAGE = b"\x89PNG\r\n--boundary\r\n\r\n--\r" + bytes(range(256)) * 3000


@pytest.fixture
def server(start: Start) -> Running:
    return start()


@pytest.fixture
def client(server: Running) -> DspClient:
    return server.client


def finished(client: DspClient, token: str) -> Reply:
    return wait_until(lambda: client.ended(token), 10, "end of the job")


def refused(reply: Reply, subcode: str) -> None:
    assert (reply.name, reply.subcode) == ("Fault", subcode)
    assert reply.code == ("Sender" if subcode in SENDER else "Receiver")
    assert reply.status == (400 if subcode in SENDER else 500)
    assert reply.headers["Action"] == "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault"
    assert reply.headers["RelatesTo"]


SENDER = ("InvalidArgs", "ClientErrorJobTokenNotFound", "ActionNotSupported")


def test_the_ready_line(server: Running) -> None:
    assert re.fullmatch(
        r"ready Scan server urn:uuid:[0-9a-f-]{36} http://127\.0\.0\.1:\d+/ScanServer", server.ready
    )


class TestFinding:
    @pytest.mark.conformance("SL-02")
    def test_a_probe_is_answered_with_the_name_that_was_asked(self, server: Running) -> None:
        by_name = DspClient(server.url.replace("127.0.0.1", "localhost"))
        reply = by_name.probe("d:Device")
        assert reply.headers["Action"].endswith("/ProbeMatches")
        assert by_name.url in "".join(reply.body.itertext())
        assert urlsplit(by_name.service).hostname == "localhost"

    def test_a_probe_for_something_else_finds_nothing(self, client: DspClient) -> None:
        assert len(client.probe("d:Printer").body) == 0

    def test_a_forged_host_name_goes_nowhere(self, server: Running) -> None:
        parts = urlsplit(server.url)
        message = envelope("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", "", server.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(
                b"POST /ScanServer HTTP/1.1\r\nHost: a/'<b>\r\nConnection: close\r\n"
                b"Content-Type: application/soap+xml\r\nContent-Length: %d\r\n\r\n%s"
                % (len(message), message)
            )
            answer = b""
            while piece := connection.recv(65_536):
                answer += piece
        assert b"a/'" not in answer

    @pytest.mark.conformance("SL-06")
    def test_identity_and_service_outlive_the_server(self, start: Start) -> None:
        first = start()
        service, ready = urlsplit(first.client.service).path, first.ready.split()[3]
        first.stop()
        second = start()
        assert urlsplit(second.client.service).path == service
        assert second.ready.split()[3] == ready


@pytest.mark.conformance(
    "SW-01", "SM-01", "SO-01", "SO-10", "SO-41", "SS-01", "SS-09", "SJ-08", "SX-04"
)
def test_a_job_from_begin_to_end(server: Running, client: DspClient) -> None:
    token = client.new_job(root="Invoice/../..")
    for number in (2, 1):
        assert client.send_image(token, number, PAGE + bytes([number])).name == "SendImageResponse"
    status = client.status(token)
    assert (status.text("JobState"), status.text("ImagesReceived")) == ("Creating", "2")
    assert client.end(token).name == "EndPostScanJobResponse"
    status = finished(client, token)
    assert (status.text("JobState"), status.text("JobStateReason")) == ("Completed", WELL)
    assert status.text("FilterState") == "CompletedSuccessfully"
    assert status.text("JobCompletedTime").endswith("Z")
    files = server.files()
    assert sorted(files.values()) == [PAGE + b"\1", PAGE + b"\2"]
    assert all(path.startswith("Invoice_.._") for path in files)
    assert len(list(server.store.iterdir())) == 1
    assert server.received() == []


@pytest.mark.conformance("SO-40", "SO-41")
def test_elements_come_in_the_order_asked(client: DspClient) -> None:
    token = client.new_job(root="Two  words")
    client.send_image(token, 7, PAGE, "jfif")
    reply = client.elements(token, "x:Documents", "p:JobStatus", "x:JobDescription", "x:Nothing")
    data = list(reply.body.iter(f"{{{DSP}}}ElementData"))
    valid = [one.get(f"{{{DSP}}}Valid") for one in data]
    assert valid == ["true", "false", "true", "false"]
    names = [one.get(f"{{{DSP}}}Name").rpartition(":")[2] for one in data]
    assert names == ["Documents", "JobStatus", "JobDescription", "Nothing"]
    assert (reply.text("DocumentId"), reply.text("Format")) == ("7", "jfif")
    assert reply.text("PSP_DisplayName") == "Two  words"
    assert reply.text("PSP_Identifier") == "C4F199C7-6876-4549-A86E-A85035952448"
    assert reply.text("JobOriginatingUserName") == "S-1-5-21-1-2-3-1000"
    assert len(data[1]) == 0


class TestOrder:
    @pytest.mark.conformance("SO-20")
    def test_end_without_an_image(self, client: DspClient) -> None:
        token = client.new_job()
        client.end(token)
        assert finished(client, token).text("JobStateReason") == WELL

    @pytest.mark.conformance("SO-19")
    def test_after_end_nothing_more_comes(self, client: DspClient) -> None:
        token = client.new_job()
        client.end(token)
        refused(client.end(token), "OperationFailed")
        refused(client.send_image(token, 1, PAGE), "OperationFailed")

    @pytest.mark.conformance("SW-10")
    def test_a_repeated_message_gets_the_same_answer(self, client: DspClient) -> None:
        tokens = {client.create(message_id="urn:uuid:1").text("JobToken") for _ in range(2)}
        assert len(tokens) == 1
        for _ in range(2):
            assert client.end(tokens.copy().pop(), "urn:uuid:2").name == "EndPostScanJobResponse"

    @pytest.mark.conformance("SO-16")
    def test_a_document_sent_again_replaces_the_first(
        self, server: Running, client: DspClient
    ) -> None:
        token = client.new_job()
        for data in (b"first", b"second"):
            client.send_image(token, 1, data)
        assert client.status(token).text("ImagesReceived") == "1"
        client.end(token)
        finished(client, token)
        assert list(server.files().values()) == [b"second"]

    @pytest.mark.conformance("SO-30", "SO-32", "SS-07", "SJ-06", "SX-03", "SH-02")
    def test_a_canceled_job(self, server: Running, client: DspClient) -> None:
        token = client.new_job()
        client.send_image(token, 1, PAGE)
        assert client.cancel(token).name == "CancelPostScanJobResponse"
        status = client.status(token)
        assert status.text("JobState") == "Canceled"
        assert status.text("JobStateReason") == "PostScanJobCanceled"
        assert status.texts("FilterState") == ["Canceled"]
        refused(client.send_image(token, 2, PAGE), "ServerErrorPostScanJobCanceled")
        refused(client.end(token), "ServerErrorPostScanJobCanceled")
        refused(client.cancel(token), "ClientErrorJobTokenNotFound")
        assert server.received() == []
        assert server.files() == {}

    @pytest.mark.parametrize("token", ["no-guid", "00000000-0000-4000-8000-000000000000", "../x"])
    def test_an_unknown_token(self, client: DspClient, token: str) -> None:
        for reply in (
            client.status(token),
            client.end(token),
            client.cancel(token),
            client.send_image(token, 1, PAGE),
        ):
            refused(reply, "ClientErrorJobTokenNotFound")
            assert reply.detail.tag == f"{{{DSP}}}JobToken"
            assert reply.detail.text == token

    def test_an_unknown_action(self, client: DspClient) -> None:
        refused(client.call("HoldPostScanJob", ""), "ActionNotSupported")

    @pytest.mark.conformance("SS-08", "SJ-05")
    def test_nobody_goes_on(self, start: Start) -> None:
        server = start(idle_s=0.2)
        token = server.client.new_job()
        server.client.send_image(token, 1, PAGE)
        status = finished(server.client, token)
        assert status.text("JobState") == "Aborted"
        assert status.text("JobStateReason") == "PostScanJobTimedOut"
        assert server.received() == []

    @pytest.mark.conformance("SO-42")
    def test_the_history_is_bounded(self, start: Start) -> None:
        client = start(history_jobs=2).client
        tokens = [client.new_job() for _ in range(4)]
        for token in tokens:
            client.cancel(token)
        known = [client.status(token).subcode == "" for token in tokens]
        assert known == [False, False, True, True]


class TestFilters:
    VENDOR = ("urn:vendor", '<v:x xmlns:v="urn:vendor"/>')

    @pytest.mark.conformance("SO-03")
    def test_no_known_dialect(self, client: DspClient) -> None:
        reply = client.create(self.VENDOR)
        refused(reply, "InvalidArgs")
        assert reply.detail.tag == f"{{{DSP}}}PostScanInstructions"

    @pytest.mark.conformance("SS-12", "SR-01", "SI-09")
    @pytest.mark.parametrize("go_on", [True, False])
    def test_an_unknown_dialect_among_known_ones(
        self, server: Running, client: DspClient, go_on: bool
    ) -> None:
        token = client.new_job(self.VENDOR, OWN_STORE, continue_on_error=go_on)
        client.send_image(token, 1, PAGE)
        client.end(token)
        status = finished(client, token)
        assert status.texts("FilterState")[0] == "CompletedWithErrors"
        assert status.texts("FilterStateReason") == ["InvalidArgs"]
        assert status.text("JobState") == ("Completed" if go_on else "Aborted")
        assert len(server.files()) == go_on

    @pytest.mark.conformance("SI-04")
    def test_a_share_lands_in_the_folder_of_the_user(self, start: Start, tmp_path) -> None:
        folder = tmp_path / "scans"
        folder.mkdir()
        server = start(shares={r"\\host\scans": folder})
        token = server.client.new_job((FSH, file_share(r"\\HOST\Scans", r"\\.\store")))
        server.client.send_image(token, 1, PAGE)
        server.client.end(token)
        finished(server.client, token)
        (path,) = (folder / "S-1-5-21-1-2-3-1000").iterdir()
        assert path.read_bytes() == PAGE
        assert list(server.files().values()) == [PAGE]

    @pytest.mark.conformance("SJ-07", "SR-04")
    @pytest.mark.parametrize("unc", [r"\\host\nobody", r"\\.\store\..\..\x"])
    def test_an_unknown_share(self, server: Running, client: DspClient, unc: str) -> None:
        token = client.new_job((FSH, file_share(unc)))
        client.send_image(token, 1, PAGE)
        client.end(token)
        status = finished(client, token)
        assert status.texts("FilterStateReason") == ["FileShareAccessDenied"]
        assert status.text("JobStateReason") == "PostScanJobProcessingFailed"
        assert server.files() == {}


class TestBadArguments:
    @pytest.mark.conformance("SO-02")
    def test_create(self, client: DspClient) -> None:
        for reply, named in (
            (client.create(user="joe"), "UserIdentifier"),
            (client.create(root=""), "DocumentRootName"),
            (client.create((FSH, "<f:Other xmlns:f='urn:f'/>")), "Instructions"),
            (client.create((FSH, file_share("/etc"))), "ShareUNC"),
            (client.call("CreatePostScanJob", ""), "UserIdentifier"),
        ):
            refused(reply, "InvalidArgs")
            assert reply.detail.tag.endswith(f"}}{named}")

    @pytest.mark.conformance("SO-15")
    @pytest.mark.parametrize(
        ("image", "parts"),
        [
            ('<i:Include href="cid:a"/><i:Include href="cid:a"/>', ["a"]),
            ('<i:Include href="cid:b"/>', ["a"]),
            ('<i:Include href="cid:a"/>', []),
            ('<i:Include href="cid:a"/>', ["a", "a"]),
            ('<i:Include href="http://127.0.0.1/"/>', ["a"]),
            ("", ["a"]),
            ("%%%", []),
        ],
    )
    def test_send_image(
        self, server: Running, client: DspClient, image: str, parts: list[str]
    ) -> None:
        token = client.new_job()
        root = client.image_envelope(token, 1, image)
        message = [MimePart(ROOT_HEADERS, root)]
        message += [MimePart([f"Content-ID: <{name}>"], PAGE) for name in parts]
        refused(client.post(client.service, multipart(message, "b"), RELATED), "InvalidArgs")
        assert client.status(token).text("ImagesReceived") == "0"
        assert server.received() == []
        assert client.send_image(token, 1, PAGE).subcode == ""  # the job is intact

    @pytest.mark.conformance("SO-15")
    def test_an_empty_image(self, server: Running, client: DspClient) -> None:
        token = client.new_job()
        refused(client.send_image(token, 1, b""), "InvalidArgs")
        assert server.received() == []

    @pytest.mark.conformance("SF-11")
    def test_a_document_id_of_0(self, client: DspClient) -> None:
        refused(client.send_image(client.new_job(), 0, PAGE), "InvalidArgs")

    @pytest.mark.conformance("SO-17")
    def test_a_page_over_the_limit(self, start: Start) -> None:
        server = start(max_page_bytes=1 << 20)
        client = server.client
        token = client.new_job()
        refused(client.send_image(token, 1, bytes((1 << 20) + 1)), "OperationFailed")
        assert server.received() == []
        assert client.send_image(token, 1, bytes(1 << 20)).subcode == ""
        assert client.status(token).text("ImagesReceived") == "1"


ROOT_HEADERS = (
    'Content-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"',
    "Content-Transfer-Encoding: binary",
    "Content-ID: <root@x>",
)
RELATED = (
    'multipart/related; boundary=b; type="application/xop+xml"; start="<root@x>"; '
    'start-info="application/soap+xml"'
)
IMAGE = '<i:Include href="cid:img%40x"/>'
IMAGE_HEADERS = (
    "Content-Type: application/octet-stream;",
    "Content-Transfer-Encoding: binary",
    "Content-ID: <img@x>",
)
FOLDED = (
    'Content-Type: application/xop+xml;\r\n\tcharset=UTF-8;\r\n type="application/soap+xml"',
    "content-transfer-encoding:binary",
    "CONTENT-ID:\r\n <root@x>",
)


class TestTolerance:
    """What a scan server must read (ws-dsp section 4.3)."""

    @pytest.mark.conformance("SO-11", "SO-12")
    @pytest.mark.parametrize(
        ("content_type", "order", "headers", "newline"),
        [
            (RELATED, "root first", ROOT_HEADERS, b"\r\n"),
            (RELATED, "image first", ROOT_HEADERS, b"\r\n"),
            (RELATED, "root first", FOLDED, b"\r\n"),
            (RELATED, "root first", ROOT_HEADERS, b"\n"),
            (RELATED, "another part between", ROOT_HEADERS, b"\r\n"),
            ("multipart/related; boundary=b", "root first", ROOT_HEADERS, b"\r\n"),
            ('Multipart/Related;BOUNDARY="b";', "root first", ROOT_HEADERS, b"\r\n"),
            ("multipart/related; start=<root@x> boundary=b", "image first", FOLDED, b"\r\n"),
        ],
    )
    def test_mtom(
        self,
        server: Running,
        client: DspClient,
        content_type: str,
        order: str,
        headers: tuple[str, ...],
        newline: bytes,
    ) -> None:
        token = client.new_job()
        root = MimePart(headers, client.image_envelope(token, 1, IMAGE))
        image, other = MimePart(IMAGE_HEADERS, PAGE), MimePart(["Content-ID: <z>"], b"other")
        parts = {
            "root first": [root, image],
            "image first": [image, root],
            "another part between": [root, other, image, other],
        }[order]
        reply = client.post(client.service, multipart(parts, "b", newline), content_type)
        assert reply.name == "SendImageResponse"
        client.end(token)
        finished(client, token)
        assert list(server.files().values()) == [PAGE]

    def test_odd_boundaries(self, server: Running, client: DspClient) -> None:
        token = client.new_job()
        for number, boundary in enumerate(("'()+_,-./:=?", "a b", "x" * 70), start=1):
            parts = [
                MimePart(ROOT_HEADERS, client.image_envelope(token, number, IMAGE)),
                MimePart(IMAGE_HEADERS, PAGE + f"--{boundary}".encode()),
            ]
            kind = f'multipart/related; boundary="{boundary}"; start="<root@x>"'
            reply = client.post(client.service, multipart(parts, boundary), kind)
            assert reply.name == "SendImageResponse", boundary
        assert client.status(token).text("ImagesReceived") == "3"

    @pytest.mark.conformance("SO-13")
    def test_inline_base64_with_and_without_mime(self, server: Running, client: DspClient) -> None:
        token = client.new_job()
        data = base64.encodebytes(PAGE[:9000]).decode()
        client.post(client.service, client.image_envelope(token, 1, data))
        parts = [MimePart(ROOT_HEADERS, client.image_envelope(token, 2, data))]
        client.post(client.service, multipart(parts, "b"), RELATED)
        client.end(token)
        finished(client, token)
        assert list(server.files().values()) == [PAGE[:9000]] * 2


class TestCutConnections:
    def begin(self, client: DspClient, token: str, declared: int) -> socket.socket:
        """A SendImage whose body stops in the middle of the image."""
        parts = [
            MimePart(ROOT_HEADERS, client.image_envelope(token, 1, IMAGE)),
            MimePart(IMAGE_HEADERS, PAGE),
        ]
        body = multipart(parts, "b")[: len(PAGE) // 2]
        url = urlsplit(client.service)
        connection = socket.create_connection((url.hostname, url.port), timeout=10)
        connection.sendall(
            f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: {RELATED}\r\n"
            f"Content-Length: {declared or len(body)}\r\n\r\n".encode()
        )
        connection.sendall(body)
        return connection

    def answer(self, connection: socket.socket) -> bytes:
        """The answer up to the end of its envelope."""
        answer = b""
        while b":Envelope>" not in answer and (piece := connection.recv(65_536)):
            answer += piece
        return answer

    @pytest.mark.conformance("SO-18")
    def test_a_partial_page_is_dropped_and_the_job_intact(
        self, server: Running, client: DspClient
    ) -> None:
        token = client.new_job()
        with self.begin(client, token, 10_000_000):
            wait_until(server.received, 10, "partial page")
        wait_until(lambda: not server.received(), 10, "dropped page")
        assert client.status(token).text("ImagesReceived") == "0"
        assert client.send_image(token, 1, PAGE).name == "SendImageResponse"
        client.end(token)
        finished(client, token)
        assert list(server.files().values()) == [PAGE]

    @pytest.mark.conformance("SO-18")
    def test_a_message_without_its_end_does_not_count(
        self, server: Running, client: DspClient
    ) -> None:
        token = client.new_job()
        with self.begin(client, token, 0) as connection:
            assert b"InvalidArgs" in self.answer(connection)
        assert client.status(token).text("ImagesReceived") == "0"
        assert server.received() == []

    def test_a_job_is_not_idle_while_a_page_comes_in(self, start: Start) -> None:
        server = start(idle_s=0.2)
        token = server.client.new_job()
        with self.begin(server.client, token, 10_000_000):
            wait_until(server.received, 10, "partial page")
            seen = [server.client.status(token).text("JobState") for _ in range(150)]
        assert set(seen) == {"Creating"}
        assert finished(server.client, token).text("JobState") == "Aborted"

    def test_a_page_under_way_does_not_keep_the_server_from_stopping(
        self, server: Running, client: DspClient
    ) -> None:
        with self.begin(client, client.new_job(), 10_000_000):
            wait_until(server.received, 10, "partial page")
            asked_s = time.monotonic()
            server.stop()
            assert time.monotonic() - asked_s < 5.0
        assert server.received() == []

    def test_a_job_canceled_while_a_page_comes_in(self, server: Running, client: DspClient) -> None:
        token = client.new_job()
        parts = [
            MimePart(ROOT_HEADERS, client.image_envelope(token, 1, IMAGE)),
            MimePart(IMAGE_HEADERS, PAGE),
        ]
        body = multipart(parts, "b")
        with self.begin(client, token, len(body)) as connection:
            wait_until(server.received, 10, "partial page")
            client.cancel(token)
            connection.sendall(body[len(PAGE) // 2 :])
            assert b"ServerErrorPostScanJobCanceled" in self.answer(connection)
        assert server.received() == []


@pytest.mark.conformance("SO-04")
def test_a_full_disk_is_a_passing_trouble(
    server: Running, client: DspClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from scan_server import storage

    def full(number: int, data: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    token = client.new_job()
    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "write", full)
        refused(client.send_image(token, 1, PAGE), "ServerErrorTemporaryError")
    assert client.send_image(token, 1, PAGE).name == "SendImageResponse"
    with monkeypatch.context() as patch:
        patch.setattr(storage, "MIN_FREE", 1 << 62)
        refused(client.create(), "ServerErrorTemporaryError")


@pytest.mark.conformance("SO-04")
def test_records_that_cannot_be_written_are_a_passing_trouble(
    server: Running, client: DspClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scan_server import database, processing

    execute = database._SqliteConnection.execute
    failures: list[str] = []
    wanted = ["COMMIT"]

    def full(self: object, statement: str, values: tuple[object, ...] = ()) -> object:
        states = [str(value) for value in values[:1]]
        if wanted and (statement in wanted or states == wanted):
            failures.append(statement)
            if wanted != ["COMMIT"]:
                wanted.clear()
            raise database.DatabaseTrouble("database or disk is full", full=True)
        return execute(self, statement, values)

    monkeypatch.setattr(processing, "RETRY_S", 0.01)
    token = client.new_job()
    with monkeypatch.context() as patch:
        patch.setattr(database._SqliteConnection, "execute", full)
        refused(client.create(), "ServerErrorTemporaryError")
        refused(client.send_image(token, 1, PAGE), "ServerErrorTemporaryError")
        refused(client.end(token), "ServerErrorTemporaryError")
    assert client.status(token).text("ImagesReceived") == "0"
    client.send_image(token, 1, PAGE)
    wanted[:] = ["Completed"]  # and once more in the queue, after the filter has run
    monkeypatch.setattr(database._SqliteConnection, "execute", full)
    client.end(token)
    assert finished(client, token).text("JobState") == "Completed"
    assert (len(failures), list(server.files().values())) == (4, [PAGE])


@pytest.mark.conformance("SS-08", "SJ-04")
def test_a_broken_disk_aborts_the_job(
    server: Running, client: DspClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scan_server import storage

    def broken(number: int, data: object) -> int:
        raise OSError(5, "broken")

    token = client.new_job()
    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "write", broken)
        refused(client.send_image(token, 1, PAGE), "ServerErrorInternalError")
    assert client.status(token).text("JobStateReason") == "SendImageFailed"
    assert server.received() == []


@pytest.mark.conformance("SS-13")
def test_jobs_go_on_after_a_restart(start: Start) -> None:
    first = start()
    token, other = first.client.new_job(), first.client.new_job()
    first.client.send_image(token, 1, PAGE)
    (path,) = first.received()
    path.with_name("000002.partdead").write_bytes(b"half")
    first.client.cancel(other)
    first.stop()
    second = start()
    client = second.client
    assert [path.name for path in second.received()] == ["000001"]
    assert client.status(token).text("ImagesReceived") == "1"
    assert client.status(other).text("JobState") == "Canceled"
    client.send_image(token, 2, PAGE)
    client.end(token)
    finished(client, token)
    assert list(second.files().values()) == [PAGE, PAGE]
