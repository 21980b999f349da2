"""Both ends as processes that are killed: every page arrives exactly once, or is named."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from support.wait import wait_until

import device
from device.clock import SystemClock
from device.dsp import spool
from device.dsp.deliver import Outcome, SendResult
from device.dsp.runner import ScannedPage
from device.dsp.sending import SendOptions, resume, send

PAGES = 100
SERVER = """
import asyncio, sys
from pathlib import Path
from device.clock import SystemClock
from scan_server.app import serve
from scan_server.options import ServerOptions

root, port, tls = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "tls"
options = ServerOptions(
    root / "store", root / "server", host="127.0.0.1", port=port, http=not tls, generate_cert=tls,
    panel=False,
)
say = lambda line: print(line, flush=True)
asyncio.run(serve(options, clock=SystemClock(), on_ready=say, stop=asyncio.Event()))
"""
SENDER = """
import asyncio, sys
from pathlib import Path
from random import Random
from device.clock import SystemClock
from device.dsp.runner import ScannedPage
from device.dsp.sending import SendOptions, send

async def pages():
    async def chunks(number):
        yield b"page %d " % number * 2000
    for number in range(1, int(sys.argv[3]) + 1):
        yield ScannedPage("png", chunks(number))
    if sys.argv[4:]:
        await asyncio.Event().wait()

told = SendOptions(sys.argv[1], Path(sys.argv[2]) / "device", pauses_s=(0.05,), poll_s=0.05)
asyncio.run(send(pages(), told, clock=SystemClock(), random=Random(), stop=asyncio.Event()))
"""


def page(number: int) -> bytes:
    return b"page %d " % number * 2000


class ServerProcess:
    """A scan server that can be killed and started again at the same address."""

    def __init__(self, root: Path, tls: bool) -> None:
        self._root, self._tls = root, tls
        (root / "store").mkdir()
        self.port = 0
        self.begin()

    def begin(self) -> None:
        self._process = _python(SERVER, self._root, self.port, "tls" if self._tls else "plain")
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        self._process.stdout.close()
        assert line.startswith("ready "), line
        self.url = line.split()[-1]
        self.port = int(self.url.split(":")[2].split("/")[0])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def delivered(self) -> Counter[bytes]:
        files = (path for path in (self._root / "store").rglob("*") if path.is_file())
        return Counter(path.read_bytes() for path in files)

    def received(self) -> int:
        return len(list((self._root / "server" / "received").glob("*/??????")))


def _python(program: str, *args: object) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(
        [str(Path(device.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[[bool], ServerProcess]]:
    with contextlib.ExitStack() as stack:

        def begin(tls: bool) -> ServerProcess:
            server = ServerProcess(tmp_path, tls)
            stack.callback(lambda: server.kill())
            return server

        yield begin


def everything(count: int = PAGES) -> Counter[bytes]:
    return Counter(page(number) for number in range(1, count + 1))


def options(server: ServerProcess, tmp_path: Path, pauses_s: tuple[float, ...]) -> SendOptions:
    ca = tmp_path / "server" / "server.pem"
    told = SendOptions(server.url, tmp_path / "device", pauses_s=pauses_s, poll_s=0.02)
    return replace(told, ca=ca) if ca.exists() else told


async def run(
    told: SendOptions, before: Callable[[int], None] | None, count: int = PAGES
) -> SendResult:
    """Send pages, `before(n)` called as page n is scanned; without it, resume."""
    more = {"clock": SystemClock(), "random": Random(1), "stop": asyncio.Event()}
    if before is None:
        return await resume(told, **more)

    async def chunks(number: int) -> AsyncIterator[bytes]:
        yield page(number)

    async def pages() -> AsyncIterator[ScannedPage]:
        for number in range(1, count + 1):
            await asyncio.to_thread(before, number)
            yield ScannedPage("png", chunks(number))

    return await send(pages(), told, **more)


@pytest.mark.conformance("SS-13")
async def test_a_server_killed_and_started_again_is_not_noticed(
    start_server: Callable[[bool], ServerProcess], tmp_path: Path
) -> None:
    server = start_server(True)

    def half_way(number: int) -> None:
        if number in (30, 60):
            wait_until(lambda: server.received() >= number - 5, 10, "pages at the server")
            server.kill()
            server.begin()

    told = options(server, tmp_path, (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2))
    result = await run(told, half_way)
    assert (result.outcome, result.exit_code) == (Outcome.DELIVERED, 0), result.summary
    assert server.delivered() == everything()


async def test_a_server_that_stays_away_and_resume(
    start_server: Callable[[bool], ServerProcess], tmp_path: Path
) -> None:
    server = start_server(True)

    def half_way(number: int) -> None:
        if number == 50:
            wait_until(lambda: server.received() >= 45, 10, "pages at the server")
            server.kill()

    result = await run(options(server, tmp_path, (0.01, 0.01)), half_way)
    assert (result.outcome, result.exit_code, result.scanned) == (Outcome.FAILED, 3, PAGES)
    first = len(result.received) + 1
    assert 45 <= first <= 51
    assert f"pages {first}-100 of 100 did not arrive" in result.summary
    assert server.delivered() == Counter()
    server.begin()
    again = await run(options(server, tmp_path, (0.05,)), None)
    assert (again.exit_code, again.delivered) == (0, PAGES)
    assert again.job_token == result.job_token
    assert server.delivered() == everything()


@pytest.mark.conformance("DX-02")
@pytest.mark.parametrize("wanted", [0, 5, 9, 12])
async def test_a_sender_killed_anywhere(
    start_server: Callable[[bool], ServerProcess], tmp_path: Path, wanted: int
) -> None:
    """At a point of twelve pages: so many of them received, or one delivered already."""
    server = start_server(False)
    count = 12
    sender = _python(SENDER, server.url, tmp_path, count)
    assert sender.stdout is not None
    sender.stdout.close()
    scanned = tmp_path / "device" / "spool"
    wait_until(
        lambda: (
            (
                sum(server.delivered().values()) >= 1
                if wanted == count
                else server.received() >= wanted and list(scanned.glob("*/0*"))
            )
            or sender.poll() is not None
        ),
        10,
        "progress",
    )
    sender.send_signal(signal.SIGKILL)
    sender.wait()
    in_spool = sum(len(list(path.glob("0*"))) for path in scanned.glob("2*"))
    complete = all(whole(job) for job in scanned.glob("2*"))
    told = options(server, tmp_path, (0.05,))
    while spool_left(tmp_path):
        result = await run(told, None)
        assert result.exit_code == (0 if complete else 3), result.summary
    arrived = server.delivered()
    assert arrived == everything(in_spool or count)


def whole(job: Path) -> bool:
    """Whether the journal says that the last page was scanned."""
    return bool(json.loads((job / spool.JOURNAL).read_bytes())["scan_complete"])


async def test_a_sender_killed_in_mid_scan_is_told_of(
    start_server: Callable[[bool], ServerProcess], tmp_path: Path
) -> None:
    server = start_server(False)
    sender = _python(SENDER, server.url, tmp_path, 7, "and then hang")
    assert sender.stdout is not None
    sender.stdout.close()
    wait_until(lambda: server.received() == 7, 10, "pages at the server")
    sender.kill()
    sender.wait()
    result = await run(options(server, tmp_path, (0.05,)), None)
    assert (result.outcome, result.exit_code) == (Outcome.BROKEN_OFF, 3)
    assert "7 pages delivered" in result.summary
    assert "broke off after page 7" in result.summary
    assert server.delivered() == everything(7)
    assert not spool_left(tmp_path)


def spool_left(tmp_path: Path) -> bool:
    found = spool.left_over(tmp_path / "device")
    for job in found:
        job.close()
    return bool(found)


@pytest.mark.parametrize("files", [0, 1, 3])
async def test_a_server_killed_while_it_delivers(
    start_server: Callable[[bool], ServerProcess], tmp_path: Path, files: int
) -> None:
    server = start_server(False)

    async def killer() -> None:
        def work() -> None:
            wait_until(
                lambda: (
                    (
                        sum(server.delivered().values()) >= files
                        if files
                        else server.received() >= 30
                    )
                    or any((tmp_path / "store").iterdir())
                ),
                10,
                "a delivered file",
            )
            server.kill()
            server.begin()

        await asyncio.to_thread(work)

    told = options(server, tmp_path, (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2))
    async with asyncio.TaskGroup() as group:
        group.create_task(killer())
        sending = group.create_task(run(told, lambda number: None, 30))
    assert sending.result().exit_code == 0, sending.result().summary
    assert server.delivered() == everything(30)


def test_a_signal_ends_it_soon(start_server: Callable[[bool], ServerProcess]) -> None:
    """The plain process has no handler of its own: what matters is that nothing hangs."""
    server = start_server(False)
    server._process.send_signal(signal.SIGINT)
    server._process.wait(timeout=5)
