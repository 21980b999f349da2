"""`send` and `send --resume` against a scan server that shares no code with us."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import trustme
from clients.dsp_server import DSP, PSP_ID, USER_ID, DspServer

from device.clock import SystemClock
from device.dsp import spool
from device.dsp.deliver import Outcome, SendResult
from device.dsp.runner import ScannedPage
from device.dsp.sending import SendOptions, resume, send
from device.errors import ConfigError
from scanner_backends.errors import Jammed

FAST = (0.01, 0.01, 0.01)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda number: None)


@pytest.fixture
def server() -> Iterator[DspServer]:
    with DspServer() as running:
        yield running


def options(server: DspServer, tmp_path: Path) -> SendOptions:
    return SendOptions(server.url, tmp_path / "state", pauses_s=FAST, poll_s=0.01)


def image(number: int) -> bytes:
    """Bytes that look like a delimiter, cross pieces, and differ by page."""
    return b"\r\n--wsd-scanner-%d\r\n" % number * (20_000 * (number % 2) + 1)


async def pages(count: int, then: Exception | None = None) -> AsyncIterator[ScannedPage]:
    async def chunks(number: int) -> AsyncIterator[bytes]:
        data = image(number)
        for at in range(0, len(data), 100_000):
            yield data[at : at + 100_000]

    for number in range(1, count + 1):
        yield ScannedPage("png", chunks(number))
    if then:
        raise then


async def run(
    told: SendOptions,
    source: AsyncIterator[ScannedPage] | None,
    stop: asyncio.Event | None = None,
) -> SendResult:
    more = {"clock": SystemClock(), "random": Random(1), "stop": stop or asyncio.Event()}
    return await (send(source, told, **more) if source else resume(told, **more))


def left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "state" / "spool").iterdir())


@pytest.mark.conformance("DO-02", "DO-06")
async def test_every_page_arrives_as_it_was(server: DspServer, tmp_path: Path) -> None:
    result = await run(options(server, tmp_path), pages(3))
    assert (result.outcome, result.delivered, result.exit_code) == (Outcome.DELIVERED, 3, 0)
    assert server.documents == {result.job_token: {n: image(n) for n in (1, 2, 3)}}
    assert left(tmp_path) == []
    assert [one for one in server.calls if one != "GetPostScanJobElements"] == [
        "Probe",
        "Get",
        "CreatePostScanJob",
        "SendImage",
        "SendImage",
        "SendImage",
        "EndPostScanJob",
    ]


@pytest.mark.conformance("DO-06")
async def test_the_requests_are_addressed(server: DspServer, tmp_path: Path) -> None:
    await run(options(server, tmp_path), pages(1))
    for operation, headers, _ in server.requests:
        assert headers["MessageID"].startswith("urn:uuid:")
        if operation not in ("Probe", "Get"):
            assert headers["To"] == f"{server.base}/ScanServer/8a1"
    create = next(body for name, _, body in server.requests if name == "CreatePostScanJob")
    assert [child.tag for child in create] == [
        f"{{{DSP}}}{name}" for name in (USER_ID, PSP_ID, "PostScanInstructions")
    ]


async def test_nothing_to_send(server: DspServer, tmp_path: Path) -> None:
    result = await run(options(server, tmp_path), pages(0))
    assert (result.exit_code, result.scanned) == (0, 0)
    assert server.documents == {}


@pytest.mark.conformance("DO-02")
@pytest.mark.parametrize("trouble", ["cut", "lost", "ServerErrorTemporaryError"])
@pytest.mark.parametrize(
    "operation",
    ["Probe", "Get", "CreatePostScanJob", "SendImage", "EndPostScanJob", "GetPostScanJobElements"],
)
async def test_each_message_may_be_lost_once(
    server: DspServer, tmp_path: Path, operation: str, trouble: str
) -> None:
    server.script[operation] = {1: trouble}
    result = await run(options(server, tmp_path), pages(3))
    assert result.outcome is Outcome.DELIVERED
    assert server.documents[result.job_token] == {n: image(n) for n in (1, 2, 3)}
    states = sorted(server.states.values())
    assert states in (["Completed"], ["Completed", "Creating"])  # an orphan without pages


async def test_a_server_that_stays_away(server: DspServer, tmp_path: Path) -> None:
    server.script["SendImage"] = {3: "cut", 4: "cut", 5: "cut", 6: "cut"}
    result = await run(options(server, tmp_path), pages(5))
    assert (result.outcome, result.exit_code) == (Outcome.FAILED, 3)
    assert (result.received, result.undelivered) == ((1, 2), (1, 2, 3, 4, 5))
    assert "pages 3-5 of 5 did not arrive" in result.summary
    assert str(result.kept) in result.summary
    again = await run(options(server, tmp_path), None)
    assert (again.outcome, again.job_token) == (Outcome.DELIVERED, result.job_token)
    assert server.documents == {result.job_token: {n: image(n) for n in range(1, 6)}}
    assert server.calls.count("CreatePostScanJob") == 1
    assert server.calls.count("SendImage") == 2 + 4 + 3
    assert left(tmp_path) == []


async def test_a_forgotten_job_is_made_anew_by_resume(server: DspServer, tmp_path: Path) -> None:
    server.script["SendImage"] = {2: "ClientErrorJobTokenNotFound"}
    result = await run(options(server, tmp_path), pages(3))
    assert result.outcome is Outcome.FAILED
    server.states.clear()
    server.documents.clear()
    again = await run(options(server, tmp_path), None)
    assert again.outcome is Outcome.DELIVERED
    assert list(server.documents.values()) == [{n: image(n) for n in (1, 2, 3)}]


async def test_a_forgotten_job_that_ended_is_not_sent_again(
    server: DspServer, tmp_path: Path
) -> None:
    server.script["GetPostScanJobElements"] = dict.fromkeys(range(1, 5), "cut")
    result = await run(options(server, tmp_path), pages(2))
    assert result.outcome is Outcome.FAILED
    assert "the end of the job is not known" in result.summary
    server.states.clear()
    again = await run(options(server, tmp_path), None)
    assert (again.outcome, again.kept) == (Outcome.FAILED, result.kept)
    assert "may have delivered it" in again.summary
    wanted = replace(options(server, tmp_path), again=True)
    assert (await run(wanted, None)).outcome is Outcome.DELIVERED
    assert left(tmp_path) == []


async def test_a_job_that_ends_badly_keeps_its_pages(server: DspServer, tmp_path: Path) -> None:
    server.end_state, server.end_reason = "Aborted", "PostScanJobProcessingFailed"
    server.filter_state = "CompletedWithErrors"
    result = await run(options(server, tmp_path), pages(2))
    assert (result.exit_code, result.undelivered) == (3, (1, 2))
    assert "PostScanJobProcessingFailed" in result.summary
    server.end_state, server.end_reason = "Completed", "PostScanJobCompletedWithWarnings"
    server.filter_state = "CompletedWithWarnings"
    assert (await run(options(server, tmp_path), None)).exit_code == 0
    assert len(server.documents) == 2


async def test_a_refused_create_says_why(server: DspServer, tmp_path: Path) -> None:
    server.script["CreatePostScanJob"] = {0: "InvalidArgs"}
    result = await run(options(server, tmp_path), pages(1))
    assert result.exit_code == 3
    assert "InvalidArgs: It went wrong" in result.summary


@pytest.mark.parametrize("fault", ["InvalidArgs", "OperationFailed", "Sender/Unheard", "text"])
async def test_a_refused_image_cancels_the_job(
    server: DspServer, tmp_path: Path, fault: str
) -> None:
    server.script["SendImage"] = {2: fault}
    result = await run(options(server, tmp_path), pages(3))
    assert result.outcome is Outcome.FAILED
    assert list(server.states.values()) == ["Canceled"]


@pytest.mark.conformance("DO-05")
async def test_old_servers_stumble_over_the_name_documents(
    server: DspServer, tmp_path: Path
) -> None:
    server.script["SendImage"] = dict.fromkeys((2, 3, 4, 5), "cut")
    await run(options(server, tmp_path), pages(2))
    server.script["GetPostScanJobElements"] = {1: "cut"}
    assert (await run(options(server, tmp_path), None)).outcome is Outcome.DELIVERED


@pytest.mark.conformance("DO-04")
async def test_stop_cancels_the_job(server: DspServer, tmp_path: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    server.on_call = lambda operation: (
        loop.call_soon_threadsafe(stop.set) if operation == "SendImage" else None
    )

    async def endless() -> AsyncIterator[ScannedPage]:
        async for page in pages(2):
            yield page
        await asyncio.Event().wait()

    result = await run(options(server, tmp_path), endless(), stop)
    assert (result.outcome, result.exit_code) == (Outcome.CANCELED, 3)
    assert list(server.states.values()) == ["Canceled"]
    assert left(tmp_path) == []


async def test_a_jam_withdraws_the_job_and_keeps_the_pages(
    server: DspServer, tmp_path: Path
) -> None:
    result = await run(options(server, tmp_path), pages(2, Jammed("A sheet is stuck.")))
    assert result.outcome is Outcome.FAILED
    assert "A sheet is stuck" in result.summary
    assert set(server.states.values()) <= {"Canceled"}
    again = await run(options(server, tmp_path), None)
    assert (again.outcome, again.delivered, again.exit_code) == (Outcome.BROKEN_OFF, 2, 3)
    assert "broke off after page 2: later pages" in again.summary
    assert left(tmp_path) == []
    assert (await run(options(server, tmp_path), None)).exit_code == 0


async def test_a_file_that_vanishes_is_named_in_plain_words(
    server: DspServer, tmp_path: Path
) -> None:
    gone = FileNotFoundError(2, "No such file or directory", "page-3.png")
    result = await run(options(server, tmp_path), pages(2, gone))
    assert "broke off: page-3.png: No such file or directory" in result.summary
    assert "Errno" not in result.summary


async def test_a_jam_before_the_first_page_was_whole_is_told_once(
    server: DspServer, tmp_path: Path
) -> None:
    job = spool.new_spool(tmp_path / "state", "20260101T000000Z")
    await job.save(spool.Journal(server.url, "S-1-0-0", "0", "<x/>"))
    job.close()
    result = await run(options(server, tmp_path), None)
    assert (result.exit_code, server.calls) == (3, [])
    assert "before its first page" in result.summary
    assert left(tmp_path) == []


@pytest.mark.conformance("DC-01")
async def test_pages_are_sent_while_others_are_scanned(server: DspServer, tmp_path: Path) -> None:
    first_is_there = asyncio.Event()
    loop = asyncio.get_running_loop()
    server.on_call = lambda operation: (
        loop.call_soon_threadsafe(first_is_there.set) if operation == "SendImage" else None
    )

    async def slow() -> AsyncIterator[ScannedPage]:
        async for page in pages(2):
            yield page
            await first_is_there.wait()  # the second is scanned when the first is on its way

    assert (await run(options(server, tmp_path), slow())).delivered == 2


@pytest.mark.conformance("DX-02")
async def test_a_lost_server_does_not_lose_the_rest_of_the_stack(
    server: DspServer, tmp_path: Path
) -> None:
    gave_up = asyncio.Event()
    loop = asyncio.get_running_loop()
    server.script["Probe"] = dict.fromkeys((1, 2, 3, 4), "cut")
    server.on_call = lambda _: (
        loop.call_soon_threadsafe(gave_up.set) if server.calls.count("Probe") == 4 else None
    )

    async def slow() -> AsyncIterator[ScannedPage]:
        async for page in pages(3):
            yield page
            await gave_up.wait()

    result = await run(options(server, tmp_path), slow())
    assert (result.outcome, result.scanned) == (Outcome.FAILED, 3)
    assert "never scanned" not in result.summary
    again = await run(options(server, tmp_path), None)
    assert (again.delivered, again.exit_code) == (3, 0)


async def test_a_jam_after_the_server_was_lost_is_told_too(
    server: DspServer, tmp_path: Path
) -> None:
    gave_up = asyncio.Event()
    loop = asyncio.get_running_loop()
    server.script["Probe"] = dict.fromkeys((1, 2, 3, 4), "cut")
    server.on_call = lambda _: (
        loop.call_soon_threadsafe(gave_up.set) if server.calls.count("Probe") == 4 else None
    )

    async def slow() -> AsyncIterator[ScannedPage]:
        async for page in pages(2):
            yield page
        await gave_up.wait()
        raise Jammed("A sheet is stuck.")

    result = await run(options(server, tmp_path), slow())
    assert "A sheet is stuck" in result.summary
    assert "broke off after page 2" in result.summary
    assert (await run(options(server, tmp_path), None)).exit_code == 3


async def test_several_deliveries_are_resumed(server: DspServer, tmp_path: Path) -> None:
    server.script["Probe"] = dict.fromkeys(range(1, 9), "cut")
    for count in (1, 2):
        await run(options(server, tmp_path), pages(count))
    result = await run(options(server, tmp_path), None)
    assert (result.outcome, result.delivered, len(result.parts)) == (Outcome.DELIVERED, 3, 2)
    assert (await run(options(server, tmp_path), None)).summary == "Nothing is left in the spool."


async def test_an_unfinished_cancel_is_finished_by_resume(
    server: DspServer, tmp_path: Path
) -> None:
    server.script["SendImage"] = dict.fromkeys((1, 2, 3, 4), "cut")
    await run(options(server, tmp_path), pages(1))
    (job,) = spool.left_over(tmp_path / "state")
    await job.save(replace(job.journal, cancel=True))
    job.close()
    assert (await run(options(server, tmp_path), None)).outcome is Outcome.CANCELED
    assert list(server.states.values()) == ["Canceled"]


async def test_a_stopped_resume_keeps_everything(server: DspServer, tmp_path: Path) -> None:
    server.script["SendImage"] = dict.fromkeys(range(1, 5), "cut")
    await run(options(server, tmp_path), pages(2))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    server.on_call = lambda operation: (
        loop.call_soon_threadsafe(stop.set) if operation == "GetPostScanJobElements" else None
    )
    server.script["GetPostScanJobElements"] = {1: "cut"}
    told = replace(options(server, tmp_path), pauses_s=(60.0,))
    result = await run(told, None, stop)
    assert (result.outcome, result.exit_code) == (Outcome.FAILED, 3)
    assert "interrupted" in result.summary
    assert list(server.states.values()) == ["Creating"]
    assert (await run(options(server, tmp_path), None)).delivered == 2


async def test_a_mistyped_server_can_be_corrected(server: DspServer, tmp_path: Path) -> None:
    wrong = replace(options(server, tmp_path), server="http://127.0.0.1:1/ScanServer")
    result = await run(wrong, pages(2))
    assert "Connection refused" in result.summary
    assert (await run(options(server, tmp_path), None)).delivered == 2


async def test_a_server_that_shuts_down_is_waited_for(server: DspServer, tmp_path: Path) -> None:
    server.script["SendImage"] = {1: "EndpointUnavailable"}
    assert (await run(options(server, tmp_path), pages(2))).outcome is Outcome.DELIVERED


@pytest.mark.parametrize("operation", ["Probe", "Get", "CreatePostScanJob", "SendImage"])
@pytest.mark.parametrize("fault", ["text", "InvalidArgs"])
async def test_a_wrong_server_does_not_lose_the_rest_of_the_stack(
    server: DspServer, tmp_path: Path, operation: str, fault: str
) -> None:
    server.script[operation] = {0: fault, 1: fault}
    result = await run(options(server, tmp_path), pages(5))
    assert (result.exit_code, result.scanned) == (3, 5), result.summary
    assert "never scanned" not in result.summary
    server.script.clear()
    again = await run(options(server, tmp_path), None)
    assert (again.delivered, again.exit_code) == (5, 0)


@pytest.mark.parametrize(
    ("service_type", "xaddrs", "said"),
    [
        ("d:Device", None, "offers no processing service"),
        ("x:Any", [], "is no scan server"),
        ("x:Any", ["ftp://h/"], "is no scan server"),
    ],
)
async def test_another_kind_of_server_is_named(
    server: DspServer, tmp_path: Path, service_type: str, xaddrs: list[str] | None, said: str
) -> None:
    server.service_type, server.xaddrs = service_type, xaddrs
    result = await run(options(server, tmp_path), pages(1))
    assert (result.exit_code, said in result.summary) == (3, True), result.summary
    assert len(left(tmp_path)) == 1


@pytest.mark.parametrize("url", ["", "host", "ftp://h/", "https://", "https://h:99999/"])
async def test_a_wrong_address_is_wrong_use(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="https://HOST:5362/ScanServer"):
        await run(SendOptions(url, tmp_path), pages(1))


async def test_a_wrong_user_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no SID"):
        await run(SendOptions("http://h/", tmp_path, user="joe"), pages(1))


async def test_wrong_certificate_files_are_wrong_use(tmp_path: Path) -> None:
    for more in ({"ca": tmp_path / "no.pem"}, {"cert": tmp_path / "no.pem"}, {"key": tmp_path}):
        with pytest.raises(ConfigError, match="--"):
            await run(SendOptions("https://h/", tmp_path, **more), pages(1))


class TestTls:
    def context(self, ca: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(name).configure_cert(context)
        return context

    async def test_a_trusted_server(self, tmp_path: Path) -> None:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(tmp_path / "ca.pem")
        with DspServer(self.context(ca)) as server:
            told = replace(options(server, tmp_path), ca=tmp_path / "ca.pem")
            assert (await run(told, pages(2))).outcome is Outcome.DELIVERED

    async def test_a_server_of_an_unknown_authority_gets_nothing(self, tmp_path: Path) -> None:
        with DspServer(self.context(trustme.CA())) as server:
            result = await run(options(server, tmp_path), pages(1))
            assert "is not trusted" in result.summary
            assert "--ca" in result.summary
            assert server.calls == []

    async def test_pages_for_an_untrusted_server_wait_until_it_is_trusted(
        self, tmp_path: Path
    ) -> None:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(tmp_path / "ca.pem")
        with DspServer(self.context(ca)) as server:
            result = await run(options(server, tmp_path), pages(3))
            assert (result.exit_code, result.scanned) == (3, 3), result.summary
            assert "pages 1-3 of 3 not delivered" in result.summary
            told = replace(options(server, tmp_path), server="", ca=tmp_path / "ca.pem")
            again = await run(told, None)
        assert (again.delivered, again.exit_code) == (3, 0)

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize("ours", [False, True])
    async def test_the_servers_alert_is_put_in_words(
        self, tmp_path: Path, version: ssl.TLSVersion, ours: bool
    ) -> None:
        ca, other = trustme.CA(), trustme.CA()
        ca.cert_pem.write_to_path(tmp_path / "ca.pem")
        other.issue_cert("device").private_key_and_cert_chain_pem.write_to_path(
            tmp_path / "device.pem"
        )
        context = self.context(ca)
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        ca.configure_trust(context)
        with DspServer(context) as server:
            told = replace(options(server, tmp_path), ca=tmp_path / "ca.pem")
            if ours:
                told = replace(told, cert=tmp_path / "device.pem")
            result = await run(told, pages(1))
        assert "client certificate" in result.summary, result.summary
        assert ("our client certificate" in result.summary) == ours, result.summary
