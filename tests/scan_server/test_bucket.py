"""Received documents in a bucket (moto's) that servers share with their PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pytest
from chaos.parties import Server
from clients.dsp_client import FSH, file_share
from eventing.subscriber import free_port
from support.postgres import Postgres as Cluster
from support.s3_server import Store, s3_server
from support.wait import wait_until

from device.clock import SystemClock
from device.dsp.runner import ScannedPage
from device.dsp.sending import SendOptions, send
from device.errors import ConfigError
from scan_server import bucket_storage
from scan_server import cluster as cluster_module

from .conftest import Running, Start
from .test_cluster import execute, finished, others_go_on, page
from .test_panel import Panel

UNC = r"\\h\scans"


@pytest.fixture(scope="module")
def s3() -> Iterator[Store]:
    with s3_server() as store:
        yield store


@pytest.fixture
def settings(s3: Store, tmp_path: Path) -> Path:
    s3.begin_anew()
    (tmp_path / "secret").write_text(s3.secret_key)
    path = tmp_path / "bucket.toml"
    path.write_text(
        f'endpoint = "{s3.plain_url}"\nplain_http = true\nbucket = "scans"\nprefix = "/spool/"\n'
        f'access_key = "{s3.access_key}"\nsecret_key_file = "{tmp_path}/secret"\n'
    )
    return path


@pytest.fixture
def pair(
    start: Start, postgres: Cluster, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Running]:
    monkeypatch.setattr(cluster_module, "BEAT_S", 0.1)
    shared = {"database": postgres.url(), "spool_bucket": settings}
    return [start(state=name, **shared) for name in ("one", "two")]


def keys(s3: Store) -> list[str]:
    found = s3.client.list_objects_v2(Bucket="scans").get("Contents", [])
    return [one["Key"] for one in found]


def emptied(s3: Store, *servers: Running) -> None:
    """Nothing is left, neither in the bucket nor at the servers."""
    wait_until(lambda: not keys(s3), 15, "empty bucket")
    assert [server.received() for server in servers] == [[] for _ in servers]


def test_a_job_may_go_on_at_any_server(pair: list[Running], s3: Store) -> None:
    one, two = (server.client for server in pair)
    token = one.new_job()
    for number in range(1, 7):
        sent = (one, two)[number % 2].send_image(token, number, page(number))
        assert sent.name == "SendImageResponse"
    assert s3.objects() == {
        f"spool/{token}/{number:06d}": page(number) for number in range(1, 7)
    }, "acknowledged is stored"
    assert one.send_image(token, 3, page(33)).name == "SendImageResponse"  # once more elsewhere
    assert one.status(token).text("ImagesReceived") == "6"
    assert two.end(token).name == "EndPostScanJobResponse"
    for client in (one, two):
        assert finished(client, token).text("JobState") == "Completed"
    wanted = Counter(page(number) for number in (1, 2, 33, 4, 5, 6))
    assert Counter(pair[0].files().values()) == wanted
    emptied(s3, *pair)


def test_every_job_is_done_once(pair: list[Running], s3: Store) -> None:
    clients = [server.client for server in pair]

    def work(number: int) -> None:
        token = clients[number % 2].new_job()
        clients[number % 2].send_image(token, 1, page(number))
        clients[(number + 1) % 2].end(token)
        finished(clients[number % 2], token)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = (path for path in pair[0].store.rglob("*") if path.is_file())
    assert Counter(path.read_bytes() for path in files) == Counter(map(page, range(10)))
    emptied(s3, *pair)


async def test_others_go_on_with_the_jobs_of_a_server_that_was_killed(
    postgres: Cluster, settings: Path, s3: Store, tmp_path: Path
) -> None:
    """Nothing but the bucket and the database is shared, and neither has the killed one's disk."""
    other = await others_go_on(tmp_path, postgres.url(), bucket=settings)
    wait_until(lambda: not keys(s3), 15, "empty bucket")
    other.kill()


@pytest.mark.conformance("SS-13")
async def test_servers_that_are_killed_in_turn_and_lose_their_disks(
    postgres: Cluster, settings: Path, s3: Store, tmp_path: Path
) -> None:
    """Behind one address: what one was receiving, or working on, another goes on with."""
    url = postgres.url()
    names = [f"server{number}" for number in range(5)]
    servers = [Server(tmp_path, database=url, name=name, bucket=settings) for name in names]
    await servers[0].begin()

    async def replace_one() -> None:
        killed = servers.pop(0)
        killed.kill()
        folder = tmp_path / names.pop(0)
        dead = (folder / "server-id").read_text()
        shutil.rmtree(folder)
        servers[0].port = killed.port
        await servers[0].begin()
        execute(url, f"UPDATE servers SET seen = now() - interval '1 hour' WHERE server = '{dead}'")

    async def chunks(number: int) -> AsyncIterator[bytes]:
        yield page(number)

    async def pages() -> AsyncIterator[ScannedPage]:
        for number in range(1, 41):
            if number % 10 == 0:
                await replace_one()
            yield ScannedPage("png", chunks(number))

    told = SendOptions(
        f"http://127.0.0.1:{servers[0].port}/ScanServer",
        tmp_path / "device",
        pauses_s=(0.1, 0.2, 0.4, 0.8, 1.6, 3.2),
        poll_s=0.05,
    )
    more = {"clock": SystemClock(), "random": Random(1), "stop": asyncio.Event()}
    result = await send(pages(), told, **more)  # type: ignore[arg-type]
    assert result.exit_code == 0, result.summary
    assert servers[0].delivered() == Counter(map(page, range(1, 41)))
    await asyncio.to_thread(wait_until, lambda: not keys(s3), 15, "empty bucket")
    servers[0].kill()


@pytest.mark.conformance("SO-04")
def test_a_bucket_that_is_away_is_a_passing_trouble(
    start: Start, settings: Path, s3: Store
) -> None:
    server = start(spool_bucket=settings)
    client = server.client
    token = client.new_job()
    s3.instead["PUT"] = ["503 Slow Down"] * 3  # as often as botocore tries
    assert client.send_image(token, 1, page(1)).subcode == "ServerErrorTemporaryError"
    assert client.status(token).text("ImagesReceived") == "0"
    assert client.send_image(token, 1, page(1)).name == "SendImageResponse"
    client.end(token)
    assert finished(client, token).text("JobState") == "Completed"
    assert list(server.files().values()) == [page(1)]


def test_a_document_that_broke_off_is_no_object(start: Start, settings: Path, s3: Store) -> None:
    client = start(spool_bucket=settings).client
    token = client.new_job()
    assert client.send_image(token, 1, b"").subcode == "InvalidArgs"
    assert client.cancel(token).name == "CancelPostScanJobResponse"
    assert s3.objects() == {}


def test_what_failed_is_done_once_more_and_only_once(
    start: Start, settings: Path, s3: Store, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    port = free_port()
    server = start(spool_bucket=settings, panel=True, panel_port=port, shares={UNC: share})
    client, panel = server.client, Panel(port)
    share.rename(tmp_path / "away")
    token = client.new_job((FSH, file_share(UNC)))
    client.send_image(token, 1, page(1))
    client.end(token)
    assert finished(client, token).text("JobState") == "Aborted"
    assert keys(s3) == [f"spool/{token}/000001"]
    (tmp_path / "away").rename(share)
    again = panel("POST", f"jobs/{token}/retry", {}, status=201)["token"]
    panel("POST", f"jobs/{token}/retry", {}, status=409)
    assert finished(client, again).text("JobState") == "Completed"
    assert [path.read_bytes() for path in share.rglob("*.png")] == [page(1)]
    emptied(s3, server)


def test_a_restart_throws_away_nothing_that_is_needed(
    start: Start, settings: Path, s3: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.client.put_object(Bucket="scans", Key="spool/of-nobody/000001", Body=b"old")
    first = start(spool_bucket=settings)
    token = first.client.new_job()
    first.client.send_image(token, 1, page(1))
    first.stop()
    monkeypatch.setattr(bucket_storage, "ABANDONED_S", -10)
    again = start(spool_bucket=settings)
    assert list(s3.objects().values()) == [page(1)]
    again.client.end(token)
    assert finished(again.client, token).text("JobState") == "Completed"
    assert list(again.files().values()) == [page(1)]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('bucket = "scans"', 'bucket = "nowhere"', "The bucket 'nowhere' at http.* cannot be used"),
        ('bucket = "scans"', "", "bucket"),
        ("plain_http = true", "", "is not encrypted"),
        ('prefix = "/spool/"', 'colour = "red"', "colour"),
    ],
)
def test_what_is_wrong_is_said_at_the_start(
    start: Start, settings: Path, old: str, new: str, why: str
) -> None:
    settings.write_text(settings.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=why):
        start(spool_bucket=settings)
