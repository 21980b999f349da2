"""A scan process chosen at the panel of the real device, delivered by the real scan server."""

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes.documents import document, share
from support import device
from support.device import RunningDevice
from support.wait import wait_until

SHARE = r"\\filer\scans"
SHEETS = 16
PARAMETERS = (
    "<w:Format>png</w:Format><w:InputSource>ADF</w:InputSource><w:MediaSides><w:MediaFront>"
    "<w:ColorProcessing>Grayscale8</w:ColorProcessing><w:Resolution><w:Width>75</w:Width>"
    "<w:Height>75</w:Height></w:Resolution></w:MediaFront></w:MediaSides>"
)


class Site:
    """A scan server, and a device whose panel offers one process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.share = root / "share"
        self.share.mkdir()
        server = ["scan-server", "--host", "127.0.0.1", "--port", "0", "--generate-cert"]
        server += ["--store", root / "store", "--state-dir", root / "server"]
        server += ["--share", f"{SHARE}={self.share}"]
        self.server = device.start(server, root / "server.log")
        self.port = re.search(r":([0-9]+)/", self.server.url)[1]
        (root / "processes").mkdir()
        text = document(share(SHARE), server="127.0.0.1", parameters=PARAMETERS)
        (root / "processes" / "Invoices.xml").write_text(text)
        self.device = self.start_device()

    def start_device(self, sheets: int = SHEETS) -> RunningDevice:
        command = ["run", "--no-discovery", "--host", "127.0.0.1", "--port", "0"]
        command += ["--panel-port", "0", "--state-dir", self.root / "device"]
        command += ["--source", f"chart:sheets={sheets}", "--reload-feeder", "0"]
        command += ["--process-folder", self.root / "processes"]
        command += ["--scan-server-port", self.port]
        command += ["--scan-server-ca", self.root / "server" / "server.pem"]
        started = device.start(command, self.root / "device.log")
        self.panel = re.search(r"panel at port ([0-9]+)", started.stderr())[1]
        return started

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.panel}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def start(self) -> int:
        (listed,) = self.ask("GET", "processes")
        return self.ask("POST", f"processes/{listed['id']}/start", {})["id"]

    def delivery(self, number: int) -> Any:
        return self.ask("GET", f"deliveries/{number}")

    def ended(self, number: int) -> Any:
        def look() -> Any:
            found = self.delivery(number)
            return found if found["standing"] != "under-way" else None

        return wait_until(look, 30, "end of the delivery")

    def delivered(self) -> list[Path]:
        return [path for path in self.share.rglob("*") if path.is_file()]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for one in (made.device, made.server):
        device.end(one)


def test_a_process_is_started_at_the_panel_and_its_files_land_where_it_says(site: Site):
    ended = site.ended(site.start())
    assert ended["standing"] == "delivered", ended
    assert (ended["pages"], ended["post_scan_job"]["state"]) == (SHEETS, "Completed")
    assert len(site.delivered()) == SHEETS
    journal = site.ask("GET", "journal")
    ends = [one for one in journal if one["name"] == "PostScanJobEndStateEvent"]
    assert [one["outcome"] for one in ends] == ["ok"]
    assert not list((site.root / "device" / "spool").iterdir())


def test_a_device_killed_in_the_middle_delivers_every_page_once_after_its_restart(site: Site):
    number = site.start()
    wait_until(lambda: site.delivery(number)["received"] >= 3, 20, "some pages at the server")
    site.device.process.kill()
    site.device.process.wait()
    site.device.process.stdout.close()
    shutil.move(site.root / "device.log", site.root / "killed.log")
    spooled = len(list((site.root / "device" / "spool").glob("*/0*")))
    site.device = site.start_device(sheets=1)
    (found,) = site.ask("GET", "deliveries")
    ended = site.ended(found["id"])
    assert ended["standing"] == ("delivered" if spooled == SHEETS else "broken-off"), ended
    assert f"{spooled} pages delivered" in ended["summary"]
    assert len(site.delivered()) == spooled
