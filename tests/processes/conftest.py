"""A device with users at its panel, and a scan server that shares no code with it."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from clients.dsp_server import DspServer
from panel.conftest import Answer, PanelDevice
from processes.documents import document
from support.wait import wait_until

from device.workflow_settings import WorkflowConfig

SOON_S = 10.0


class Site:
    """The scan server `127.0.0.1`, and the folder of processes that name it."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.certificate = self.authority.issue_cert("127.0.0.1")
        self.certificate.configure_cert(context)
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.processes = folder / "processes"
        self.processes.mkdir()
        self.server = DspServer(context)
        self.state_dir = folder / "state"

    @property
    def port(self) -> int:
        return int(self.server.base.rpartition(":")[2])

    def add(self, name: str, *filters: str, **more: str) -> None:
        """A process in the folder."""
        text = document(*filters, server="127.0.0.1", **more)
        (self.processes / f"{name}.xml").write_text(text)

    def config(self, **more: Any) -> WorkflowConfig:
        values = {
            "process_folder": self.processes,
            "server_port": self.port,
            "server_ca": self.ca,
        }
        return WorkflowConfig(**(values | more))

    @property
    def spooled(self) -> list[Path]:
        """Every file in the spool but locks."""
        found = (self.state_dir / "spool").rglob("*")
        return [path for path in found if path.is_file() and path.name != "lock"]


class Operator:
    """Somebody at the panel of a device."""

    def __init__(self, device: PanelDevice) -> None:
        self.device = device
        self.token = ""

    def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"Session": self.token} if self.token else {}
        return self.device.panel(method, path, body, **headers)

    def log_on(self, **body: str) -> Answer:
        answer = self("POST", "session", body)
        if answer.status == 201:
            self.token = answer.json["token"]
        return answer

    def process(self, name: str) -> str:
        """The identifier of a process in the list."""
        return next(one["id"] for one in self("GET", "processes").json if one["name"] == name)

    def start(self, name: str, **body: Any) -> Answer:
        return self("POST", f"processes/{self.process(name)}/start", body)

    def delivery(self, number: int) -> Any:
        return self("GET", f"deliveries/{number}").json

    def until(self, number: int, condition: Callable[[Any], object], what: str) -> Any:
        """Wait until a delivery is as it should be."""

        def look() -> Any:
            found = self.delivery(number)
            return found if condition(found) else None

        return wait_until(look, SOON_S, what, every_s=0.005)

    def ended(self, number: int) -> Any:
        return self.until(
            number, lambda one: one["standing"] != "under-way", f"end of delivery {number}"
        )


MakeOperator = Callable[..., Operator]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda number: None)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    with made.server:
        yield made


@pytest.fixture
def make_operator(site: Site) -> Iterator[MakeOperator]:
    """Runs a device until the test ends: `make_operator(sheets=3, badges=PATH)`."""
    with ExitStack() as stack:

        def make(*, sheets: int = 3, options: dict[str, Any] | None = None, **config: Any):
            device = PanelDevice(
                workflow=site.config(**config),
                state_dir=site.state_dir,
                sheets=sheets,
                **(options or {}),
            )
            stack.callback(device.close)
            return Operator(device)

        yield make
