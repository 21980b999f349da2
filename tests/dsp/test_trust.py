"""Which scan server a device trusts: by an authority, or by what the directory vouches for."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
import trustme
from clients.dsp_server import DspServer

from device.clock import SystemClock
from device.dsp import process
from device.dsp.deliver import Manner, Outcome, SendResult, deliver
from device.dsp.runner import Pace, ScannedPage
from device.dsp.spool import Journal, new_spool

FAST = Manner(pauses_s=(0.01,), pace=Pace(0.01))
INSTRUCTIONS = process.write_alone(process.to_own_store())


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda number: None)


class Site:
    """A scan server with a certificate of its own authority."""

    def __init__(self, folder: Path, name: str = "127.0.0.1", **more: object) -> None:
        self.authority = trustme.CA()
        cert = self.authority.issue_cert(name, **more)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        cert.configure_cert(context)
        self.der = ssl.PEM_cert_to_DER_cert(cert.cert_chain_pems[0].bytes().decode())
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.server = DspServer(context)
        self._folder = folder

    def digest(self, name: str) -> str:
        return hashlib.new(name, self.der).hexdigest()

    async def sent(self, manner: Manner = FAST, **trust: str) -> SendResult:
        """Send one page, trusting as the journal says."""
        job = new_spool(self._folder / "state", "20260101T000000Z")
        await job.save(
            Journal(
                self.server.url,
                "S-1-0-0",
                "00000000-0000-0000-0000-000000000000",
                INSTRUCTIONS,
                **trust,
            )
        )
        more = {"clock": SystemClock(), "random": Random(1), "stop": asyncio.Event()}
        try:
            return await deliver(job, manner, pages(), **more)
        finally:
            job.close()


async def pages() -> AsyncIterator[ScannedPage]:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"a page"

    yield ScannedPage("png", chunks())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    with made.server:
        yield made


def heard(site: Site) -> list[str]:
    """What reached the server beyond the handshake."""
    return site.server.calls


@pytest.mark.conformance("DT-01")
async def test_an_authority_of_the_file_or_of_the_enterprise_is_trusted(site: Site):
    assert (await site.sent(ca=str(site.ca))).outcome is Outcome.DELIVERED
    assert (await site.sent(authorities=site.ca.read_text())).outcome is Outcome.DELIVERED
    refused = await site.sent()
    assert "is not trusted" in refused.summary


@pytest.mark.conformance("DT-02")
@pytest.mark.parametrize(
    ("algorithm", "name"),
    [
        ("SHA1", "sha1"),
        ("sha-256", "sha256"),
        ("SHA384", "sha384"),
        ("SHA-512", "sha512"),
        ("2.16.840.1.101.3.4.2.1", "sha256"),
        ("1.3.14.3.2.26", "sha1"),
    ],
)
async def test_what_the_directory_vouches_for_is_trusted_whoever_signed_it(
    site: Site, algorithm: str, name: str
):
    sent = await site.sent(digest=site.digest(name).upper(), algorithm=algorithm)
    assert sent.outcome is Outcome.DELIVERED, sent.summary


@pytest.mark.conformance("DT-02")
@pytest.mark.parametrize(
    ("algorithm", "name", "why"),
    [
        ("SHA256", "sha1", "not the certificate that the directory vouches for"),
        ("MD5", "md5", "by MD5, which proves nothing"),
        ("", "sha256", "by no hash"),
        ("SHA3-256", "sha3_256", "by SHA3-256"),
    ],
)
async def test_another_certificate_is_refused_though_its_chain_be_good(
    site: Site, algorithm: str, name: str, why: str
):
    sent = await site.sent(ca=str(site.ca), digest=site.digest(name), algorithm=algorithm)
    assert sent.outcome is Outcome.FAILED
    assert why in sent.summary
    assert heard(site) == []


async def test_a_wrong_digest_of_the_right_hash_is_refused(site: Site):
    other = hashlib.sha256(site.der + b"x").hexdigest()
    sent = await site.sent(ca=str(site.ca), digest=other, algorithm="SHA256")
    assert "not the certificate that the directory vouches for" in sent.summary
    assert heard(site) == []


@pytest.mark.conformance("DT-01")
@pytest.mark.parametrize("wrong", ["another name", "expired"])
async def test_a_certificate_is_of_the_name_and_of_today(tmp_path: Path, wrong: str):
    more = {} if wrong == "another name" else {"not_after": datetime(2020, 1, 1, tzinfo=UTC)}
    made = Site(tmp_path, "scan.example.org" if wrong == "another name" else "127.0.0.1", **more)
    with made.server:
        refused = await made.sent(ca=str(made.ca))
        assert refused.outcome is Outcome.FAILED
        assert heard(made) == []
        vouched = await made.sent(digest=made.digest("sha256"), algorithm="SHA256")
        assert vouched.outcome is Outcome.DELIVERED


async def test_insecure_trusts_anybody_and_says_so(site: Site, caplog: pytest.LogCaptureFixture):
    sent = await site.sent(Manner(insecure=True), digest="00", algorithm="SHA256")
    assert sent.outcome is Outcome.DELIVERED
    (told,) = [one for one in caplog.records if "INSECURE" in one.message]
    assert told.levelname == "WARNING"


@contextlib.contextmanager
def plain() -> Iterator[DspServer]:
    with DspServer() as server:
        yield server


async def deliver_to(server: DspServer, tmp_path: Path, manner: Manner) -> SendResult:
    job = new_spool(tmp_path / "state", "20260101T000000Z")
    await job.save(
        Journal(server.url, "S-1-0-0", "00000000-0000-0000-0000-000000000000", INSTRUCTIONS)
    )
    more = {"clock": SystemClock(), "random": Random(1), "stop": asyncio.Event()}
    try:
        return await deliver(job, manner, pages(), **more)
    finally:
        job.close()


@pytest.mark.conformance("DF-02")
async def test_a_server_is_looked_for_once(tmp_path: Path):
    with plain() as server:
        for _ in range(3):
            assert (await deliver_to(server, tmp_path, FAST)).outcome is Outcome.DELIVERED
        assert (server.calls.count("Probe"), server.calls.count("Get")) == (1, 1)


@pytest.mark.conformance("DF-02")
@pytest.mark.parametrize("answer", ["text", "cut", "Sender/DestinationUnreachable"])
async def test_a_service_that_has_moved_is_looked_for_again(tmp_path: Path, answer: str):
    manner = Manner(pauses_s=(0.01, 0.01), pace=Pace(0.01))
    with plain() as server:
        await deliver_to(server, tmp_path, manner)
        server.script["CreatePostScanJob"] = {2: answer}
        assert (await deliver_to(server, tmp_path, manner)).outcome is Outcome.DELIVERED
        assert (server.calls.count("Probe"), server.calls.count("Get")) == (2, 2)
        server.script["CreatePostScanJob"] = {0: "InvalidArgs"}
        refused = await deliver_to(server, tmp_path, manner)
        assert "InvalidArgs" in refused.summary
