"""WS-DSC: what a management console asks, and who may ask it."""

from __future__ import annotations

import contextlib
import datetime
import ssl
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from clients.dsc_client import DscClient
from clients.dsp_client import DSC, DSP, OWN_STORE, DspClient, Reply, envelope
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from eventing.subscriber import Sink
from support import dsp_rules
from support.wait import wait_until

from device.errors import ConfigError
from scan_server.configuration_messages import Repository, RepositoryState, write_configuration
from scan_server.identity import Administration, load

from .conftest import Running, Start

PAGE = b"a page" * 1000
VENDOR = ("urn:vendor", '<v:x xmlns:v="urn:vendor"/>')
FTR = "http://schemas.microsoft.com/windows/2007/10/imaging/postscan/filter"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def sink() -> Iterator[Sink]:
    with contextlib.closing(Sink()) as one:
        yield one


@pytest.fixture
def server(sink: Sink, start: Start) -> Running:
    return start()


@pytest.fixture
def device(server: Running) -> DspClient:
    return server.client


@pytest.fixture
def console(server: Running) -> DscClient:
    return server.console


def done(device: DspClient) -> str:
    token = device.new_job()
    device.send_image(token, 1, PAGE)
    device.end(token)
    wait_until(lambda: device.ended(token), 10, "end of the job")
    return token


def refused(reply: Reply, subcode: str) -> None:
    assert (reply.name, reply.subcode, reply.code) == ("Fault", subcode, "Sender")
    assert reply.status == 400


def names(element: ET.Element) -> list[str]:
    assert all(child.tag.startswith(f"{{{DSC}}}") for child in element)
    return [child.tag.partition("}")[2] for child in element]


class TestRepository:
    @pytest.mark.conformance("SC-01")
    def test_elements_come_in_the_order_asked(self, console: DscClient) -> None:
        reply = console.repository(
            "c:RepositoryStatus", "c:Nothing", "x:RepositoryStatus", "c:RepositoryConfiguration"
        )
        assert reply.name == "GetRepositoryElementsResponse"
        (elements,) = reply.body
        data = list(elements)
        assert names(elements) == ["ElementData"] * 4
        valid = [one.get(f"{{{DSC}}}Valid") for one in data]
        assert valid == ["true", "false", "false", "true"]
        asked = [one.get(f"{{{DSC}}}Name").rpartition(":")[2] for one in data]
        assert asked == [
            "RepositoryStatus",
            "Nothing",
            "RepositoryStatus",
            "RepositoryConfiguration",
        ]
        assert [len(one) for one in data] == [1, 0, 0, 1]
        assert reply.text("RepositoryState", DSC) == "Idle"
        assert reply.text("RepositoryStateReason", DSC) == "None"

    @pytest.mark.conformance("SC-10")
    def test_dialects_are_qualified_names(self, console: DscClient) -> None:
        reply = console.repository("c:RepositoryConfiguration")
        (entry,) = reply.body.iter(f"{{{DSC}}}Filter")
        assert names(entry) == ["Dialect", "FilterConfig"]
        assert reply.text("Dialect", DSC) == "ftr:fileshare"
        assert f'xmlns:ftr="{FTR}"'.encode() in reply.raw

    @pytest.mark.conformance("SC-10")
    def test_a_dialect_that_is_no_qualified_name_is_left_out(self) -> None:
        repository = Repository(
            RepositoryState.IDLE, ("urn:vendor", "urn:a/b", "http://a/b/1c", f"{FTR}/email")
        )
        written = write_configuration(repository)
        assert '<dsc:Dialect xmlns:own="urn:a">own:b</dsc:Dialect>' in written
        assert written.count("<dsc:Filter>") == 2

    @pytest.mark.conformance("SC-01")
    def test_nothing_asked(self, console: DscClient) -> None:
        refused(console.repository(), "InvalidArgs")


class TestJobs:
    @pytest.mark.conformance("SC-02", "SC-03")
    def test_what_is_active_and_what_has_ended(self, console: DscClient, device: DspClient) -> None:
        assert [len(reply.body[0]) for reply in (console.active(), console.history())] == [0, 0]
        waiting, ended = device.new_job(root="Two  words"), done(device)
        active, history = console.active(), console.history()
        assert (active.body[0].tag, history.body[0].tag) == (
            f"{{{DSC}}}ActiveJobs",
            f"{{{DSC}}}JobHistory",
        )
        assert active.texts("JobToken", DSC) == [waiting]
        assert history.texts("JobToken", DSC) == [ended]
        (summary,) = active.body[0]
        assert names(summary) == [
            "JobToken",
            "PSP_Identifier",
            "PSP_DisplayName",
            "JobOriginatingUserName",
            "JobState",
            "JobStateReasons",
            "FilterStatuses",
            "ImagesReceived",
        ]
        assert active.text("PSP_DisplayName", DSC) == "Two  words"
        assert active.text("JobState", DSC) == "Creating"
        assert history.text("ImagesReceived", DSC) == "1"

    @pytest.mark.conformance("SO-03")
    def test_a_job_that_never_began_is_in_the_history(
        self, console: DscClient, device: DspClient
    ) -> None:
        device.create(VENDOR)
        reply = console.history()
        assert reply.text("JobState", DSC) == "Aborted"
        assert reply.text("JobStateReason", DSC) == "NoValidPostScanInstructionsFound"
        assert reply.text("FilterState", DSC) == "Canceled"

    @pytest.mark.conformance("SW-09")
    def test_a_list_fits_into_an_envelope_newest_first_kept(
        self, console: DscClient, device: DspClient
    ) -> None:
        tokens = [device.new_job() for _ in range(60)]
        reply = console.active()
        shown = reply.texts("JobToken", DSC)
        assert len(reply.raw) <= 32_767
        assert 20 < len(shown) < 60
        assert shown == tokens[-len(shown) :]

    @pytest.mark.conformance("SC-04")
    def test_the_elements_of_a_job(self, console: DscClient, device: DspClient) -> None:
        token = device.new_job()
        device.send_image(token, 7, PAGE, "jfif")
        reply = console.elements(token, "c:Documents", "x:JobStatus", "c:JobStatus")
        assert [one.get(f"{{{DSC}}}Valid") for one in reply.body[0]] == ["true", "false", "true"]
        assert (reply.text("DocumentId", DSC), reply.text("Format", DSC)) == ("7", "jfif")
        assert reply.text("JobState", DSC) == "Creating"
        assert reply.text("Dialect", DSC) == OWN_STORE[0]
        assert not list(reply.body.iter(f"{{{DSP}}}JobStatus"))

    @pytest.mark.conformance("SC-05")
    def test_an_administrator_cancels_anybody_s_job(
        self, console: DscClient, device: DspClient
    ) -> None:
        token = device.new_job()
        assert console.cancel(token).name == "CancelPostScanJobResponse"
        assert device.status(token).text("JobState") == "Canceled"
        refused(console.cancel(token), "ClientErrorJobTokenNotFound")

    def test_an_unknown_token(self, console: DscClient) -> None:
        for reply in (console.elements(NOBODY, "c:JobStatus"), console.cancel(NOBODY)):
            refused(reply, "ClientErrorJobTokenNotFound")
            assert reply.detail.tag == f"{{{DSC}}}JobToken"
            assert reply.detail.text == NOBODY

    @pytest.mark.conformance("SC-03")
    def test_the_history_by_its_misprinted_name(self, console: DscClient) -> None:
        body = f'<c:GetJobsHistoryRequest xmlns:c="{DSC}"/>'
        message = envelope(f"{DSC}/GetJobHistory", body, console.service)
        assert console.http.post(console.service, message).name == "GetJobHistoryResponse"


class TestEvents:
    @pytest.mark.conformance("SC-06", "SC-07")
    def test_of_the_repository_and_of_every_job(
        self, console: DscClient, device: DspClient, sink: Sink
    ) -> None:
        assert console.subscribe(sink.url).name == "SubscribeResponse"
        done(device)
        sink.wait_for("PostScanJobEndStateEvent")
        sink.wait_for("RepositoryStatusSummaryEvent", 2)
        for got in sink.got:
            assert dsp_rules.message(got.raw) is not None
            assert got.body.tag == f"{{{DSC}}}{got.name}"
        states = [
            got.body.findtext(f"{{{DSC}}}StatusSummary/{{{DSC}}}RepositoryState")
            for got in sink.of("RepositoryStatusSummaryEvent")
        ]
        assert states == ["Processing", "Idle"]
        assert len(sink.of("PostScanJobStatusEvent")) == 5

    def test_each_service_has_its_own(
        self, console: DscClient, device: DspClient, sink: Sink
    ) -> None:
        reply = console.http.subscribe(sink.url, namespace=DSP, to=console.service)
        assert reply.subcode == "FilterActionNotSupported"
        reply = device.subscribe(sink.url, namespace=DSC)
        assert reply.subcode == "FilterActionNotSupported"

    def test_without_a_filter_all_four(self, console: DscClient, sink: Sink) -> None:
        reply = console.subscribe(sink.url, events=())
        assert console.service in "".join(reply.body.itertext())


class TestWhoMayAdminister:
    def everything(self, console: DscClient, sink: Sink) -> list[Reply]:
        return [
            console.repository("c:RepositoryStatus"),
            console.active(),
            console.history(),
            console.elements(NOBODY, "c:JobStatus"),
            console.cancel(NOBODY),
            console.subscribe(sink.url),
        ]

    @pytest.mark.conformance("SC-09")
    def test_nobody(self, start: Start, sink: Sink) -> None:
        server = start(administration=Administration.NOBODY)
        for reply in self.everything(server.console, sink):
            refused(reply, "ClientErrorCurrentUserNotScanAdmin")

    @pytest.mark.conformance("SM-03", "SC-09")
    @pytest.mark.parametrize("mark", ["sha256", "subject", "principal"])
    def test_by_certificate(self, start: Start, sink: Sink, tmp_path: Path, mark: str) -> None:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(tmp_path / "ca.pem")
        own = ca.issue_cert("127.0.0.1")
        own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
        users = tmp_path / "users.toml"
        contexts = {}
        for name in ("joe", "ann"):
            issued = issue(ca, tmp_path, name)
            contexts[name] = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
            contexts[name].load_cert_chain(issued)
        users.write_text(
            f'[[user]]\nsid = "S-1-5-21-1-2-3-1001"\nname = "ann"\nadministrator = true\n'
            f'certificates = ["{marks(tmp_path / "ann.pem")[mark]}"]\n'
            f'[[user]]\nsid = "S-1-5-21-1-2-3-1000"\nname = "joe"\n'
            f'certificates = ["{marks(tmp_path / "joe.pem")[mark]}"]\n'
        )
        server = start(http=False, cert=tmp_path / "own.pem", ca=tmp_path / "ca.pem", users=users)
        for reply in self.everything(DscClient(server.url, contexts["joe"]), sink):
            refused(reply, "ClientErrorCurrentUserNotScanAdmin")
        replies = self.everything(DscClient(server.url, contexts["ann"]), sink)
        assert [reply.subcode for reply in replies] == [
            "",
            "",
            "",
            "ClientErrorJobTokenNotFound",
            "ClientErrorJobTokenNotFound",
            "",
        ]


def issue(ca: trustme.CA, folder: Path, name: str) -> Path:
    """A client certificate with a principal name, as a smart card has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    principal = f"{name}@example.org".encode()
    other = x509.OtherName(
        x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"),
        bytes([12, len(principal)]) + principal,
    )
    now = datetime.datetime.now(datetime.UTC)
    issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    signer = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(f"CN={name},O=An\\, office"))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([other]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return path


def marks(path: Path) -> dict[str, str]:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return {
        "sha256": f"sha256:{certificate.fingerprint(hashes.SHA256()).hex(':').upper()}",
        "subject": f"subject:CN={path.stem},O=An\\\\, office",
        "principal": f"principal:{path.stem.title()}@Example.org",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[user]]\nname = 'x'", "user[1].sid is missing"),
        ("[[user]]\nsid = 'joe'\nname = 'x'", "must be like S-1-5-21"),
        (
            "[[user]]\nsid = 'S-1-5-1'\nname = 'x'\nadministrater = true",
            "did you mean 'administrator'",
        ),
        ("[user]\nsid = 'S-1-5-1'", "a list of tables, each begun by [[user]]"),
        ("user = [1]", "a list of tables, each begun by [[user]]"),
        ("[[user]]\nsid='S-1-5-1'\nname='x'\n" * 2, "user[2].sid is S-1-5-1, which another"),
        ("[[user]]\nsid='S-1-5-1'\nname='x'\ncertificates=['joe']", "begin with sha256:"),
        ("[[user]]\nsid='S-1-5-1'\nname='x'\ncertificates=['sha256:12']", "no SHA-256"),
        ("[[user]]\nsid='S-1-5-1'\nname='x'\ncertificates=['subject:joe']", "no name such as"),
        (
            "[[user]]\nsid='S-1-5-1'\nname='x'\ncertificates=['principal:a@b']\n"
            "[[user]]\nsid='S-1-5-2'\nname='y'\ncertificates=['principal:A@b']",
            "user[2].certificates holds 'principal:A@b', which another user has",
        ),
        ("user = ", "is not TOML"),
    ],
)
def test_a_file_of_users_that_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "users.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        load(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert said in str(refusal.value)
