"""A device with a front panel, and a client of it that is standard library only."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from eventing.subscriber import Sink
from eventing.wired import EventDevice

from device.dsp.deliver import Manner
from device.dsp.runner import Pace
from device.http.server import open_sockets
from device.pages.supervisor import PageLine
from device.panel.journal import Journal
from device.panel.live import Bell
from device.panel.parts import Facts, Parts
from device.panel.previews import Previews
from device.panel.sent import SentPages
from device.panel.server import PanelServer
from device.panel.uploads import Uploads
from device.processes.workflow import Abilities, Workflow
from device.workflow_settings import WorkflowConfig


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    json: Any
    raw: bytes


class Panel:
    """Talks to the panel at a port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        **headers: str,
    ) -> Answer:
        path = path if path.startswith("/") else f"/api/v1/{path}"
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, raw, sent)
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        kind = found.get("content-type", "")
        value = json.loads(data) if "json" in kind else None
        return Answer(response.status, found, value, data)

    def get(self, path: str) -> Any:
        """What a GET that must succeed gives."""
        answer = self("GET", path)
        assert answer.status == 200, answer
        return answer.json


class PanelDevice(EventDevice):
    """The device of the event tests, with its panel."""

    def __init__(
        self,
        token: str = "",
        workflow: WorkflowConfig | None = None,
        state_dir: Path | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.bell = Bell()
        self.changes.also = self.bell.ring
        self.state_dir = state_dir or Path(tempfile.mkdtemp())
        self.workflow = self.do(lambda: self._workflow(workflow or WorkflowConfig()))
        self.do(lambda: self.dispatcher.add(*self.workflow.routes()))
        self._over = self.do(asyncio.Event)
        opened = self.do(asyncio.Event)
        self._working = asyncio.run_coroutine_threadsafe(self._work(opened), self._loop)
        self.wait(opened.wait())
        self.folder = Path(tempfile.mkdtemp()) / "laid-in"
        self.previews = Previews(
            PageLine("chart:sheets=3", clock=self.clock, laid_dir=self.folder),
            loads=lambda: self.engine.tray.loads,
        )
        self.sent = SentPages()
        self.uploads = Uploads(self.folder, self.previews.look)
        sockets = open_sockets("127.0.0.1", 0)
        self.panel = Panel(sockets[0].getsockname()[1])
        self.panelled = [self._parts()]
        self._server = self.do(
            lambda: PanelServer(lambda: self.panelled, sockets, token, processes=True)
        )
        self.wait(self._server.start())

    def _workflow(self, config: WorkflowConfig) -> Workflow:
        return Workflow(
            config,
            self.engine,
            self.state_dir,
            abilities=lambda: Abilities(
                self.configuration,
                self.profile.default_ticket,
                feeder_loaded=not self.engine.tray.feeder_empty,
            ),
            clock=self.clock,
            random=Random(1),
            changed=self.bell.ring,
            notify_to=lambda local: self.url.replace("127.0.0.1", local),
            manner=Manner(pauses_s=(0.01, 0.01, 0.01), pace=Pace(0.01, 0.01, 30.0)),
        )

    async def _work(self, opened: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            self.workflow.open(group)
            opened.set()
            await self._over.wait()
            await self.workflow.close()

    def _parts(self) -> Parts:
        notifications, bell = self.notifications, self.bell

        async def load() -> None:
            await self.engine.reload()

        return Parts(
            Facts("A scanner", "1-2-3", "Model", self.url),
            clock=self.clock,
            engine=self.engine,
            button=self.button,
            destinations=notifications.destinations,
            subscribers=notifications.table,
            journal=Journal(self.clock, noted=bell.ring),
            load=load,
            end_subscription=notifications.service.cancel,
            waiting=notifications.delivery.waiting,
            bell=bell,
            uploads=self.uploads,
            tidy=self.tidy,
            previews=self.previews,
            sent=self.sent,
            used=lambda: None,
            workflow=self.workflow,
        )

    def tidy(self) -> None:
        tray = self.engine.tray
        self.uploads.sweep((*tray.feeder, *tray.platen))

    def close(self) -> None:
        self.do(self._over.set)
        self._working.result(10)
        self.wait(self._server.stop())
        self.wait(self.previews.close(2))
        shutil.rmtree(self.folder.parent)
        super().close()


MakeDevice = Callable[..., PanelDevice]


@pytest.fixture
def make_device() -> Iterator[MakeDevice]:
    """Runs a device with a panel until the test ends: `make_device(sheets=3, token="x")`."""
    with ExitStack() as stack:

        def make(**options: Any) -> PanelDevice:
            device = PanelDevice(**options)
            stack.callback(device.close)
            return device

        yield make


@pytest.fixture
def device(make_device: MakeDevice) -> PanelDevice:
    return make_device(sheets=3)


@pytest.fixture
def panel(device: PanelDevice) -> Panel:
    return device.panel


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()
