"""Several servers on one database and one shared folder: one table of jobs, one queue."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from chaos.parties import Server
from clients.dsp_client import DspClient, Reply
from eventing.subscriber import Sink
from support import dsp_rules
from support.clock import ManualClock
from support.post_scan import Spool
from support.postgres import Postgres as Cluster
from support.wait import wait_until

from device.dsp import filters
from device.dsp.process import Filter
from device.dsp.words import PostScanJobState as S
from device.errors import ConfigError
from scan_server import cluster as cluster_module
from scan_server.cluster import Cluster as Member
from scan_server.filters.stop import Stop
from scan_server.jobs import Jobs
from scan_server.post_scan_jobs import Given, I
from scan_server.postgres import Postgres
from scan_server.records import Change
from scan_server.shared_records import SharedRecords

from .conftest import Running, Start

FSH = filters.FILE_SHARE
END = "PostScanJobEndStateEvent"


def page(number: int) -> bytes:
    return b"page %d " % number * 1000


@pytest.fixture
def url(postgres: Cluster) -> str:
    return postgres.url()


@pytest.fixture
def pair(start: Start, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Running]:
    monkeypatch.setattr(cluster_module, "BEAT_S", 0.1)
    shared = {"database": url, "spool": tmp_path / "spool"}
    return [start(state=name, **shared) for name in ("one", "two")]


@pytest.fixture
def clients(pair: list[Running]) -> list[DspClient]:
    return [server.client for server in pair]


@pytest.fixture
def sink() -> Iterator[Sink]:
    with closing(Sink()) as one:
        yield one


def finished(client: DspClient, token: str) -> Reply:
    return wait_until(lambda: client.ended(token), 15, "end of the job")


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(statement.encode())


def test_a_job_may_go_on_at_any_server(pair: list[Running], clients: list[DspClient]) -> None:
    """They are one server to a device: the same identity, the same service, the same jobs."""
    one, two = clients
    assert pair[0].ready.split()[3] == pair[1].ready.split()[3]
    assert one.service.rpartition("/")[2] == two.service.rpartition("/")[2]
    token = one.new_job()
    for number in range(1, 7):
        sent = clients[number % 2].send_image(token, number, page(number))
        assert sent.name == "SendImageResponse"
    assert one.send_image(token, 3, page(3)).name == "SendImageResponse"  # once more elsewhere
    assert one.status(token).text("ImagesReceived") == "6"
    assert two.end(token).name == "EndPostScanJobResponse"
    for client in clients:
        assert finished(client, token).text("JobState") == "Completed"
    assert Counter(pair[0].files().values()) == Counter(page(n) for n in range(1, 7))
    assert not [path for path in (pair[0].state_dir.parent / "spool").rglob("*") if path.is_file()]


def test_every_job_is_done_once(pair: list[Running], clients: list[DspClient]) -> None:
    def work(number: int) -> None:
        client = clients[number % 2]
        token = client.new_job()
        client.send_image(token, 1, page(number))
        clients[(number + 1) % 2].end(token)
        finished(client, token)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = (path for path in pair[0].store.rglob("*") if path.is_file())
    assert Counter(path.read_bytes() for path in files) == Counter(map(page, range(20)))
    assert len(pair[1].console.history().body[0]) == 20


@pytest.mark.conformance("SE-04")
def test_a_subscriber_hears_what_happens_elsewhere(clients: list[DspClient], sink: Sink) -> None:
    one, two = clients
    one.subscribe(sink.url)
    tokens = []
    for number in range(5):
        tokens.append(two.new_job())
        two.send_image(tokens[-1], 1, page(number))
        two.end(tokens[-1])
    sink.wait_for(END, len(tokens), 15)
    for token in tokens:
        mine = [got.raw for got in sink.got if token.encode() in got.raw]
        dsp_rules.history(mine, [FSH])
    assert len(sink.of(END)) == len(tokens)


def test_what_is_canceled_at_one_is_canceled_at_all(clients: list[DspClient]) -> None:
    one, two = clients
    token = one.new_job()
    two.cancel(token)
    assert one.send_image(token, 1, page(1)).subcode == "ServerErrorPostScanJobCanceled"
    assert one.status(token).text("JobState") == "Canceled"


def test_a_job_that_nobody_goes_on_with_is_the_last_server_s_to_end(
    start: Start, url: str, tmp_path: Path
) -> None:
    shared = {"database": url, "spool": tmp_path / "spool", "idle_s": 0.3}
    one, two = (start(state=name, **shared).client for name in ("one", "two"))
    token = one.new_job()
    two.send_image(token, 1, page(1))
    assert finished(one, token).text("JobStateReason") == "PostScanJobTimedOut"


async def test_news_that_come_late_leave_the_idle_time_running(url: str, tmp_path: Path) -> None:
    spool, clock = Spool(tmp_path), ManualClock()
    records = SharedRecords(Postgres(url), server="two")
    records.prepare()
    jobs = Jobs(records, spool.storage, clock, idle_s=600, history=9, alone=False)
    share = Filter(FSH, filters.write_file_share([r"\\.\store"]))
    job = spool.job(share, pages=[b"page"])
    await jobs.add(job)
    await jobs.stored(job.token, job.documents[0])
    jobs.happened(Change(None, job), here=False)
    clock.advance(601)
    await jobs.end_idle()
    ended = await jobs.get(job.token)
    assert ended is not None
    assert ended.state is S.ABORTED
    jobs.close()
    records.close()


async def test_a_filter_elsewhere_is_told_to_stop(url: str, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    members = []
    for name in ("one", "two"):
        database = Postgres(url)
        records = SharedRecords(database, server=name)
        records.prepare()
        jobs = Jobs(records, spool.storage, ManualClock(), idle_s=600, history=9, alone=False)
        members.append((jobs, Member(database, records, jobs), records))
    (one, _, _), (two, hearing, _) = members
    share = Filter(FSH, filters.write_file_share([r"\\.\store"]))
    await two.add(spool.job(share, pages=[b"page"]))
    for kind in (I.END, I.TURN, I.BEGIN):
        await two.apply("aaaa", Given(kind))
    stop = two.stopping["aaaa"] = Stop()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(15), asyncio.TaskGroup() as group:
        listening = group.create_task(hearing.run())
        await hearing.listening()
        with stop.calling(lambda: loop.call_soon_threadsafe(stopped.set)):  # type: ignore[arg-type]
            assert (await one.apply("aaaa", Given(I.CANCEL))).state is S.TERMINATING
            await stopped.wait()
        listening.cancel()
    for jobs, _, records in members:
        jobs.close()
        records.close()


def test_others_go_on_at_once_when_a_server_ends(
    pair: list[Running], clients: list[DspClient]
) -> None:
    one, two = clients
    token = two.new_job()
    two.send_image(token, 1, page(1))
    pair[1].stop()
    one.end(token)
    assert finished(one, token).text("JobState") == "Completed"
    assert list(pair[0].files().values()) == [page(1)]


async def others_go_on(tmp_path: Path, url: str, bucket: Path | None = None) -> Server:
    """Kill a server of which one job waits and one has delivered a part: every page is there once.

    The documents are in a folder that both have, or in the bucket that a file describes. Returns
    the server that went on, for the caller to kill.
    """
    server = Server(tmp_path, database=url, bucket=bucket)
    await server.begin()
    client = DspClient(f"http://127.0.0.1:{server.port}/ScanServer")
    tokens = [client.new_job() for _ in range(3)]
    for number, token in enumerate(tokens):
        client.send_image(token, 1, page(number))
    for token in tokens[1:]:
        client.end(token)
    server.kill()
    other = Server(tmp_path, database=url, name="other", bucket=bucket)
    await other.begin()
    dead = (tmp_path / "server" / "server-id").read_text()
    execute(url, f"UPDATE servers SET seen = now() - interval '1 hour' WHERE server = '{dead}'")
    client = DspClient(f"http://127.0.0.1:{other.port}/ScanServer")
    client.end(tokens[0])
    for token in tokens:
        found = await asyncio.to_thread(finished, client, token)
        assert found.text("JobState") == "Completed"
    assert other.delivered() == Counter(map(page, range(3)))
    return other


async def test_others_go_on_with_the_jobs_of_a_server_that_was_killed(
    url: str, tmp_path: Path
) -> None:
    other = await others_go_on(tmp_path, url)
    other.kill()


@pytest.mark.conformance("SO-04")
def test_a_database_that_is_away_is_a_passing_trouble(
    postgres: Cluster, pair: list[Running], clients: list[DspClient]
) -> None:
    one = clients[0]
    token = one.new_job()
    assert one.service
    postgres.stop()
    try:
        for reply in (one.create(), one.send_image(token, 1, page(1)), one.status(token)):
            assert reply.subcode == "ServerErrorTemporaryError"
    finally:
        postgres.begin()
    wait_until(lambda: not one.send_image(token, 1, page(1)).subcode, 15, "database")
    one.end(token)
    assert finished(one, token).text("JobState") == "Completed"
    assert list(pair[0].files().values()) == [page(1)]


def test_what_is_wrong_is_said_at_the_start(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--database needs --spool"):
        start(database="postgresql://127.0.0.1:1/x")
    with pytest.raises(ConfigError, match=r"^database 127\.0\.0\.1 1 x: the server's records"):
        start(database="postgresql://joe:secret@127.0.0.1:1/x", spool=tmp_path / "spool")
