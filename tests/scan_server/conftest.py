"""A scan server in a thread of its own, so that blocking clients can talk to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest
from clients.dsc_client import DscClient
from clients.dsp_client import DspClient
from support import dsp_rules
from support.postgres import Postgres, why_no_postgres

from device.clock import SystemClock
from scan_server.app import serve
from scan_server.options import ServerOptions


@dataclass
class Running:
    """A server that is ready."""

    url: str
    ready: str
    store: Path
    state_dir: Path
    stop: Callable[[], None]

    @property
    def client(self) -> DspClient:
        return DspClient(self.url, check=dsp_rules.check)

    @property
    def console(self) -> DscClient:
        return DscClient(self.url, check=dsp_rules.check)

    def files(self) -> dict[str, bytes]:
        """Everything that was delivered into the store, by file name."""
        found = [path for path in self.store.rglob("*") if path.is_file()]
        assert len({path.name for path in found}) == len(found)
        return {path.name: path.read_bytes() for path in found}

    def received(self) -> list[Path]:
        """What lies in the server's spool."""
        return [path for path in (self.state_dir / "received").rglob("*") if path.is_file()]


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start servers with options; they share the folders of the test and stop at its end."""
    stops: list[Callable[[], None]] = []

    def begin(**more: object) -> Running:
        store, state_dir = tmp_path / "store", tmp_path / str(more.pop("state", "server"))
        store.mkdir(exist_ok=True)
        told = {"host": "127.0.0.1", "port": 0, "http": True, "panel": False, **more}
        options = ServerOptions(store, state_dir, **told)  # type: ignore[arg-type]
        lines: SimpleQueue[str | BaseException] = SimpleQueue()
        loops: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = SimpleQueue()

        async def run() -> None:
            stop = asyncio.Event()
            loops.put((asyncio.get_running_loop(), stop))
            await serve(options, clock=SystemClock(), on_ready=lines.put, stop=stop)

        def work() -> None:
            try:
                asyncio.run(run())
            except BaseException as error:  # noqa: BLE001 - the test's thread raises it
                lines.put(error)

        thread = threading.Thread(target=work)
        thread.start()
        line = lines.get(timeout=20)
        if isinstance(line, BaseException):
            thread.join()
            raise line
        loop, event = loops.get(timeout=20)

        def stop() -> None:
            if thread.is_alive():
                loop.call_soon_threadsafe(event.set)
                thread.join(timeout=10)
                assert not thread.is_alive()

        stops.append(stop)
        return Running(line.split()[-1], line, store, state_dir, stop)

    yield begin
    for stop in stops:
        stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of our own; each test makes a database in it."""
    reason = why_no_postgres()
    if reason is not None:
        pytest.skip(reason)
    cluster = Postgres()
    yield cluster
    cluster.close()


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda number: None)
