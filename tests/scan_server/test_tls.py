"""Both ends of WS-DSP over TLS: who is trusted, and what is said of whom is not."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
import trustme
from clients.dsp_client import DspClient
from eventing.subscriber import Sink

from device.clock import SystemClock
from device.dsp.deliver import Outcome, SendResult
from device.dsp.runner import ScannedPage
from device.dsp.sending import SendOptions, send
from scan_server.notifications import Rules

from .conftest import Running, Start

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


class Authority:
    """A CA and what it issues, as files."""

    def __init__(self, folder: Path, name: str) -> None:
        self.ca = trustme.CA()
        self.folder = folder / name
        self.folder.mkdir()
        self.file = self.folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.file)

    def issue(self, name: str, **more: object) -> dict[str, Path]:
        """Certificate and key, as options want them."""
        cert = self.ca.issue_cert(name, **more)  # type: ignore[arg-type]
        files = {"cert": self.folder / f"{name}.pem", "key": self.folder / f"{name}.key"}
        cert.private_key_pem.write_to_path(files["key"])
        files["cert"].write_bytes(b"".join(blob.bytes() for blob in cert.cert_chain_pems))
        return files


@pytest.fixture
def good(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "good")


async def pages(count: int) -> AsyncIterator[ScannedPage]:
    async def chunks(number: int) -> AsyncIterator[bytes]:
        yield b"page %d " % number * 5_000

    for number in range(1, count + 1):
        yield ScannedPage("png", chunks(number))


async def sent(server: Running, tmp_path: Path, count: int = 1, **more: object) -> SendResult:
    told = SendOptions(
        server.url,
        tmp_path / "device",
        pauses_s=(0.01,),
        poll_s=0.01,
        **more,  # type: ignore[arg-type]
    )
    return await send(
        pages(count), told, clock=SystemClock(), random=Random(1), stop=asyncio.Event()
    )


async def test_a_hundred_pages(start: Start, tmp_path: Path, good: Authority) -> None:
    server = start(http=False, **good.issue("127.0.0.1"))
    result = await sent(server, tmp_path, 100, ca=good.file)
    assert (result.outcome, result.delivered) == (Outcome.DELIVERED, 100)
    files = server.files()
    assert [files[name] for name in sorted(files)] == [
        b"page %d " % number * 5_000 for number in range(1, 101)
    ]


async def test_a_generated_certificate_is_trusted_as_a_ca(start: Start, tmp_path: Path) -> None:
    server = start(http=False, generate_cert=True)
    result = await sent(server, tmp_path, ca=tmp_path / "server" / "server.pem")
    assert result.outcome is Outcome.DELIVERED


async def test_a_certificate_of_an_unknown_authority(
    start: Start, tmp_path: Path, good: Authority
) -> None:
    server = start(http=False, **Authority(tmp_path, "bad").issue("127.0.0.1"))
    result = await sent(server, tmp_path, ca=good.file)
    assert result.exit_code == 3
    assert "is not trusted: unable to get local issuer certificate; --ca" in result.summary


async def test_an_expired_certificate(start: Start, tmp_path: Path, good: Authority) -> None:
    server = start(http=False, **good.issue("127.0.0.1", not_after=PAST))
    result = await sent(server, tmp_path, ca=good.file)
    assert "is not trusted: certificate has expired" in result.summary


async def test_a_certificate_for_another_name(
    start: Start, tmp_path: Path, good: Authority
) -> None:
    server = start(http=False, **good.issue("scan.example.org"))
    result = await sent(server, tmp_path, ca=good.file)
    assert "is not trusted: IP address mismatch" in result.summary


async def test_https_where_http_is_spoken(start: Start, tmp_path: Path, good: Authority) -> None:
    server = start()
    server.url = server.url.replace("http:", "https:")
    result = await sent(server, tmp_path, ca=good.file)
    assert "does not speak https" in result.summary


async def test_http_where_https_is_spoken(start: Start, tmp_path: Path, good: Authority) -> None:
    server = start(http=False, **good.issue("127.0.0.1"))
    server.url = server.url.replace("https:", "http:")
    result = await sent(server, tmp_path)
    assert result.exit_code == 3


class TestClientCertificates:
    @pytest.mark.conformance("SM-02")
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    async def test_none_is_shown(
        self,
        start: Start,
        tmp_path: Path,
        good: Authority,
        version: ssl.TLSVersion,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from device.dsp import trust

        make = trust.client_context

        def limited(whom: trust.Trust) -> ssl.SSLContext:
            context = make(whom)
            context.maximum_version = version
            return context

        monkeypatch.setattr(trust, "client_context", limited)
        server = start(http=False, ca=good.file, **good.issue("127.0.0.1"))
        result = await sent(server, tmp_path, ca=good.file)
        assert result.exit_code == 3
        assert "client certificate" in result.summary, result.summary
        assert "--cert" in result.summary

    @pytest.mark.conformance("SM-02")
    async def test_one_of_an_unknown_authority(
        self, start: Start, tmp_path: Path, good: Authority
    ) -> None:
        server = start(http=False, ca=good.file, **good.issue("127.0.0.1"))
        wrong = Authority(tmp_path, "bad").issue("device")
        result = await sent(server, tmp_path, ca=good.file, **wrong)
        assert "perhaps it does not accept our client certificate" in result.summary

    @pytest.mark.conformance("SM-02", "DT-03")
    async def test_a_good_one(self, start: Start, tmp_path: Path, good: Authority) -> None:
        server = start(http=False, ca=good.file, **good.issue("127.0.0.1"))
        result = await sent(server, tmp_path, 3, ca=good.file, **good.issue("device"))
        assert result.outcome is Outcome.DELIVERED

    @pytest.mark.conformance("SO-31")
    def test_a_job_is_its_owners(self, start: Start, good: Authority) -> None:
        server = start(http=False, ca=good.file, **good.issue("127.0.0.1"))
        clients = []
        for name in ("one", "two"):
            context = ssl.create_default_context(cafile=str(good.file))
            files = good.issue(name)
            context.load_cert_chain(files["cert"], files["key"])
            clients.append(DspClient(server.url, context))
        token = clients[0].new_job()
        for reply in (
            clients[1].status(token),
            clients[1].cancel(token),
            clients[1].end(token),
            clients[1].send_image(token, 1, b"x"),
        ):
            assert reply.subcode == "ClientErrorJobTokenNotFound"
        assert clients[0].cancel(token).name == "CancelPostScanJobResponse"

    @pytest.mark.conformance("SE-05")
    @pytest.mark.parametrize("same_user", [False, True])
    def test_events_may_be_kept_to_the_job_s_owner(
        self, start: Start, good: Authority, same_user: bool
    ) -> None:
        with contextlib.ExitStack() as stack:
            clients, sinks = [], []
            rules = Rules(same_user=same_user)
            server = start(http=False, ca=good.file, events=rules, **good.issue("127.0.0.1"))
            for name in ("one", "two"):
                context = ssl.create_default_context(cafile=str(good.file))
                files = good.issue(name)
                context.load_cert_chain(files["cert"], files["key"])
                clients.append(DspClient(server.url, context))
                sinks.append(Sink())
                stack.callback(sinks[-1].close)
                clients[-1].subscribe(sinks[-1].url, events=["PostScanJobEndStateEvent"])
            clients[0].cancel(clients[0].new_job())
            clients[1].cancel(clients[1].new_job())
            for sink in sinks:
                sink.wait_for("PostScanJobEndStateEvent", 1 if same_user else 2)
            server.stop()
            assert [len(sink.got) for sink in sinks] == ([1, 1] if same_user else [2, 2])


@pytest.mark.conformance("SL-01")
def test_nothing_older_than_tls_1_2(start: Start, good: Authority) -> None:
    server = start(http=False, **good.issue("127.0.0.1"))
    context = ssl.create_default_context(cafile=str(good.file))
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        DspClient(server.url, context).get()
