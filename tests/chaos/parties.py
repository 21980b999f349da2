"""Device and scan server as processes that can be killed, begun from one that has all modules."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
from collections import Counter
from collections.abc import AsyncIterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random

from device.clock import SystemClock
from device.dsp import spool
from device.dsp.runner import ScannedPage
from device.dsp.sending import SendOptions, SendResult, resume, send
from scan_server.app import serve
from scan_server.options import ServerOptions

STARTS_S = 20.0
ENDS_S = 60.0
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["scan_server.app", "device.dsp.sending"])


def page(seed: int, number: int, octets: int) -> bytes:
    """A page that is like no other."""
    text = b"page %d of run %d " % (number, seed)
    return (text * (octets // len(text) + 1))[:octets] + b"."


def _run_server(
    root: Path, name: str, port: int, ready: str, database: str, bucket: Path | None
) -> None:
    options = ServerOptions(
        root / "store",
        root / name,
        host="127.0.0.1",
        port=port,
        http=True,
        udp=False,
        panel=False,
        database=database,
        spool=None if bucket else root / "spool",
        spool_bucket=bucket,
    )

    def say(line: str) -> None:
        with open(ready, "w") as file:
            file.write(line)

    asyncio.run(serve(options, clock=SystemClock(), on_ready=say, stop=asyncio.Event()))


def _run_device(url: str, state_dir: Path, plan: tuple[int, int, int] | None, told: str) -> None:
    """Send as many pages as `plan` says (seed, pages, octets of each), or resume."""
    options = SendOptions(url, state_dir, pauses_s=(0.05, 0.1, 0.2, 0.4, 0.8), poll_s=0.02)
    more = {"clock": SystemClock(), "random": Random(1), "stop": asyncio.Event()}

    async def work() -> SendResult:
        if plan is None:
            return await resume(options, **more)
        seed, count, octets = plan

        async def chunks(number: int) -> AsyncIterator[bytes]:
            yield page(seed, number, octets)

        async def pages() -> AsyncIterator[ScannedPage]:
            for number in range(1, count + 1):
                yield ScannedPage("png", chunks(number))

        return await send(pages(), options, **more)

    result = asyncio.run(work())
    unfinished = f"{told}.new"
    with open(unfinished, "w") as file:
        json.dump({"exit_code": result.exit_code, "summary": result.summary}, file)
    os.replace(unfinished, told)


class _Party:
    """A process that somebody may kill."""

    process: ForkServerProcess

    def kill(self) -> None:
        self.process.kill()
        self.process.join(ENDS_S)

    async def ended(self) -> bool:
        """Wait for its end; whether that came by itself."""
        await asyncio.to_thread(self.process.join, ENDS_S)
        if self.process.exitcode is None:
            self.kill()
            raise AssertionError("a process hangs")
        return self.process.exitcode == 0


class Server(_Party):
    """The scan server at one port, however often it is killed.

    What it receives is in a folder below `root`, or in the bucket that a file describes.
    """

    def __init__(
        self,
        root: Path,
        *,
        database: str = "",
        name: str = "server",
        bucket: Path | None = None,
    ) -> None:
        self._root = root
        self._bucket = bucket
        self._name, self._database = name, database
        (root / "store").mkdir(exist_ok=True)
        self.port = 0
        self._begun = 0

    async def begin(self) -> None:
        self._begun += 1
        ready = self._root / f"ready-{self._name}-{self._begun}"
        os.mkfifo(ready)
        self.process = _CONTEXT.Process(
            target=_run_server,
            args=(self._root, self._name, self.port, str(ready), self._database, self._bucket),
            daemon=True,
        )
        self.process.start()
        async with asyncio.timeout(STARTS_S):
            line = await asyncio.to_thread(ready.read_text)
        self.port = int(line.rsplit(":", 1)[1].split("/")[0])

    def delivered(self) -> Counter[bytes]:
        """Everything that lies in the store, hidden files too."""
        return Counter(
            path.read_bytes() for path in (self._root / "store").rglob("*") if path.is_file()
        )


class Device(_Party):
    """One run of `send` or `send --resume`."""

    def __init__(self, url: str, root: Path, plan: tuple[int, int, int] | None) -> None:
        self._told = root / "told"
        with contextlib.suppress(FileNotFoundError):
            self._told.unlink()
        self.process = _CONTEXT.Process(
            target=_run_device, args=(url, root / "device", plan, str(self._told)), daemon=True
        )
        self.process.start()

    def result(self) -> tuple[int, str]:
        """Exit code and sentence of a run that ended by itself."""
        found = json.loads(self._told.read_text())
        return int(found["exit_code"]), str(found["summary"])


def spooled(root: Path) -> tuple[int, bool]:
    """The pages in the device's spool, and whether they are the whole stack."""
    count, whole = 0, True
    for job in (root / "device" / "spool").glob("2*"):
        pages = len(list(job.glob("0*")))
        try:
            whole = whole and bool(json.loads((job / spool.JOURNAL).read_bytes())["scan_complete"])
        except FileNotFoundError:
            whole = False
        count += pages
    return count, whole
