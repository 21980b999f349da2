"""Open "scan to computer" programs show up on the panel, and store what its button starts.

They are run from checkouts that the variable `RECEIVERS` names, since no registry has them: where
there are none, these tests are skipped. `test_receiver_shapes.py` does the same everywhere with
clients of our own in the shape of these programs.
"""

import json
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from support.device import program
from support.lab import Lab, Side
from support.pages import psnr_db, save_stack, smooth_page
from support.receivers import RECEIVERS, Receiver
from support.wait import wait_until

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.may_be_skipped]

PAGE_DPI = 100
PAGES = [smooth_page(600, 800, seed) for seed in range(3)]
FOUND_WITHIN_S = 40.0


@pytest.fixture(params=RECEIVERS, ids=lambda found: found.name)
def receiver(request: pytest.FixtureRequest) -> Receiver:
    found: Receiver = request.param
    reason = found.why_not_here()
    if reason is not None:
        pytest.skip(reason)
    return found


def panel(side: Side, *words: str) -> "subprocess.CompletedProcess[str]":
    return side.run([*program(), "panel", *words], check=False)


def listed(side: Side) -> set[str]:
    return {one["name"] for one in json.loads(panel(side, "destinations", "--json").stdout)}


def show_up(receiver: Receiver, make_lab, start_device, tmp_path: Path) -> tuple[Lab, Path]:
    """A device with three pages, and the receiver on its panel; the lab, and where pages land."""
    lab: Lab = make_lab(ipv6=receiver.ipv6)
    source = save_stack(tmp_path / "source", PAGES, PAGE_DPI)
    device = start_device("--source", f"images:{source}", *receiver.device_arguments, side=lab.dev)
    store = receiver.run(tmp_path / "receiver", device, lab.cli)
    wait_until(
        lambda: receiver.destination in listed(lab.dev), FOUND_WITHIN_S, "destination", every_s=0.5
    )
    return lab, store


def press(receiver: Receiver, side: Side, source: str) -> None:
    """Press the button, and see that a job of it ends well."""
    pressed = panel(side, "press", receiver.destination, "--source", source, "--wait", "50")
    assert pressed.returncode == 0, pressed.stderr


def test_the_button_brings_a_page(receiver: Receiver, make_lab, start_device, tmp_path):
    lab, store = show_up(receiver, make_lab, start_device, tmp_path)
    press(receiver, lab.dev, "Platen")
    (stored,) = wait_until(lambda: pages_in(store), 30, "a stored page")
    assert_shows(stored, PAGES[0], receiver.dpi / PAGE_DPI)
    events = json.loads(panel(lab.dev, "journal", "--direction", "event", "--json").stdout)
    assert {event["outcome"] for event in events} == {"ok"}
    assert [event["name"] for event in events].count("ScanAvailableEvent") == 1
    if receiver.says_goodbye:
        lab.cli.processes[-1].terminate()
        wait_until(lambda: receiver.destination not in listed(lab.dev), 10, "goodbye", every_s=0.2)


@pytest.mark.parametrize(
    "receiver",
    [one for one in RECEIVERS if one.whole_stack],
    ids=lambda found: found.name,
    indirect=True,
)
def test_the_button_brings_a_stack_of_sheets(receiver: Receiver, make_lab, start_device, tmp_path):
    lab, store = show_up(receiver, make_lab, start_device, tmp_path)
    press(receiver, lab.dev, "ADF")
    wait_until(lambda: len(pages_in(store)) == len(PAGES), 30, "stored pages")
    for stored, page in zip(pages_in(store), PAGES, strict=True):
        assert_shows(stored, page, receiver.dpi / PAGE_DPI)


def pages_in(store: Path) -> list[Path]:
    """The pictures that can be read: those that are being written cannot."""
    found = []
    for path in sorted(store.rglob("*.*")):
        try:
            with Image.open(path) as image:
                image.load()
        except OSError:
            continue
        found.append(path)
    return found


def assert_shows(stored: Path, page: Image.Image, scale: float) -> None:
    """The page lies in the lead corner of what was stored, `scale` times as large."""
    with Image.open(stored) as image:
        got = image.convert("RGB")
    seen = got.crop((0, 0, round(page.width * scale), round(page.height * scale)))
    assert psnr_db(seen.resize(page.size), page) > 25
