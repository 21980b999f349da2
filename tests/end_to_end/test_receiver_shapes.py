"""Receivers in the shape of four open programs, and the scanner's own button.

`test_real_receivers.py` runs the programs themselves where somebody has them.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from clients.receivers import SHAPES, Receiver
from panel.conftest import Panel
from PIL import Image
from support.device import RunningDevice, program
from support.lab import Lab
from support.pages import psnr_db, save_stack, smooth_page
from support.wait import wait_until

PAGE_DPI = 100
DPI = 300
PAGES = [smooth_page(600, 800, seed) for seed in range(3)]
SOON_S = 15.0


def assert_shows(stored: Path, page: Image.Image) -> None:
    """The page lies in the lead corner of what was stored."""
    with Image.open(stored) as image:
        got = image.convert("RGB")
    scale = DPI // PAGE_DPI
    seen = got.crop((0, 0, page.width * scale, page.height * scale)).resize(page.size)
    assert psnr_db(seen, page) > 25


def pages_in(store: Path) -> list[Path]:
    return sorted(store.glob("*.jpg"))


@pytest.fixture
def source(tmp_path) -> str:
    return f"images:{save_stack(tmp_path / 'source', PAGES, PAGE_DPI)}"


@pytest.fixture
def store(tmp_path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    return folder


class TestOnLoopback:
    """The device's address is given."""

    @pytest.fixture
    def device(self, start_device, source) -> RunningDevice:
        started: RunningDevice = start_device("--source", source, "--panel-port", "0")
        return started

    @pytest.fixture
    def panel(self, device) -> Panel:
        found = wait_until(
            lambda: re.search(r"panel at port (\d+)", device.stderr()), SOON_S, "panel"
        )
        return Panel(int(found[1]))

    @pytest.fixture(params=SHAPES)
    def receiver(self, request, device, store):
        made: Receiver = SHAPES[request.param]("127.0.0.1", store, device.url)
        made.start()
        yield made
        made.stop()

    def scan(self, panel: Panel, receiver: Receiver, source: str) -> None:
        """Press the button for the receiver's first destination, and wait for the end."""
        number = next(
            one["id"]
            for one in panel.get("destinations")
            if one["name"] == receiver.destinations[0][0]
        )
        pressed = panel("POST", f"destinations/{number}/press", {"source": source}).json
        wait_until(lambda: panel.get(f"presses/{pressed['id']}")["state"] == "done", SOON_S, "end")

    def test_a_page_from_the_platen_is_stored(self, receiver, panel, store):
        known = panel.get("destinations")
        assert [(one["name"], one["context"]) for one in known] == [*receiver.destinations]
        self.scan(panel, receiver, "Platen")
        wait_until(lambda: pages_in(store), SOON_S, "page")
        receiver.stop()
        assert receiver.failures == []
        (page,) = pages_in(store)
        assert_shows(page, PAGES[0])
        assert receiver.events.count("ScanAvailableEvent") == 1
        left = panel.get("destinations")
        assert left == [] if receiver.says_goodbye else len(left) == len(receiver.destinations)

    @pytest.mark.parametrize("receiver", ["tobag"], indirect=True)
    def test_a_stack_is_stored_sheet_by_sheet(self, receiver, panel, store):
        self.scan(panel, receiver, "ADF")
        wait_until(lambda: len(pages_in(store)) == len(PAGES), SOON_S, "pages")
        receiver.stop()
        for stored, page in zip(pages_in(store), PAGES, strict=True):
            assert_shows(stored, page)
        # It asks for one job more than there are sheets: that is how it learns of the end.
        assert receiver.failures == ["ClientErrorInvalidScanIdentifier"]


@pytest.mark.network
@pytest.mark.parametrize("shape", SHAPES)
def test_found_by_multicast_a_receiver_stores_what_the_button_starts(
    shape, lab: Lab, start_device, source, store
):
    ports = ("--port", "80") if shape == "wsd4ha" else ()
    start_device("--source", source, *ports, side=lab.dev)
    command = [sys.executable, "-m", "clients.receivers", shape]
    receiver = lab.cli.popen(
        [*command, "--address", lab.cli.ipv4, "--store", store],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert receiver.stdout is not None
    assert receiver.stdout.readline() == "subscribed\n"
    name = SHAPES[shape].destinations[0][0]

    def panel(*words: str) -> "subprocess.CompletedProcess[str]":
        return lab.dev.run([*program(), "panel", *words], check=False)

    pressed = panel("press", name, "--source", "Platen", "--wait", "30")
    assert pressed.returncode == 0, pressed.stderr
    wait_until(lambda: pages_in(store), SOON_S, "page")
    receiver.terminate()
    failures, _ = receiver.communicate(timeout=40)
    assert failures.split() == []
    assert_shows(pages_in(store)[0], PAGES[0])
    left = json.loads(panel("destinations", "--json").stdout)
    assert bool(left) != SHAPES[shape].says_goodbye
