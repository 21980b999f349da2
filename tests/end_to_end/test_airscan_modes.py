"""sane-airscan in each mode, and again and again: one device, many scans, not one failure."""

import signal

import pytest
from clients.wsscan import Client
from PIL import Image
from support.airscan import Airscan, Scanned
from support.device import on_loopback
from support.wait import wait_until

NAME = "Corridor"
SANE_NAME = f"airscan:w0:{NAME}"
IN_A_ROW = 50
"""Scans of the platen, and as many of the feeder in turn with them."""

pytestmark = [pytest.mark.sane, pytest.mark.slow]


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    source = ("--source", f"chart:sheets={2 * IN_A_ROW}")
    with on_loopback(tmp_path_factory.mktemp("device"), *source) as started:
        yield started


@pytest.fixture
def client(device) -> Client:
    return Client(device.scan_url)


def image_of(scanned: Scanned) -> Image.Image:
    assert scanned.returncode == 0, scanned.stderr
    (file,) = scanned.files
    with Image.open(file) as image:
        return image.copy()


@pytest.fixture
def airscan(device, make_airscan) -> Airscan:
    return make_airscan(devices={NAME: device.scan_url})


@pytest.mark.parametrize("source", ["Flatbed", "ADF", "ADF Duplex"])
@pytest.mark.parametrize(("mode", "pixels"), [("Color", "RGB"), ("Gray", "L")])
@pytest.mark.parametrize("dpi", [75, 200])
def test_every_mode_source_and_resolution_gives_its_page(airscan, source, mode, pixels, dpi):
    image = image_of(airscan.scan(SANE_NAME, source=source, mode=mode, dpi=dpi))
    assert image.mode == pixels
    assert image.size == (8500 * dpi // 1000, 14000 * dpi // 1000)


def test_a_region_is_cut_out_of_the_page(airscan):
    region = ("-l", "25.4", "-t", "50.8", "-x", "76.2", "-y", "101.6")
    whole = image_of(airscan.scan(SANE_NAME, source="Flatbed", dpi=100))
    part = image_of(airscan.scan(SANE_NAME, source="Flatbed", dpi=100, options=region))
    assert part.size == (300, 400)
    assert part.tobytes() == whole.crop((100, 200, 400, 600)).tobytes()


def test_a_hundred_scans_in_a_row_all_succeed(airscan, client):
    for _ in range(IN_A_ROW):
        for source in ("Flatbed", "ADF"):
            image_of(airscan.scan(SANE_NAME, source=source, mode="Gray", dpi=75))
    wait_until(lambda: not client.get_active_jobs(), 20, "end of the last job")


def test_a_cancel_in_mid_page_leaves_a_device_that_scans(airscan, client):
    scanning = airscan.start(SANE_NAME, "--mode", "Color", "--resolution", "600")
    wait_until(client.get_active_jobs, 20, "job")
    scanning.send_signal(signal.SIGINT)
    scanning.wait(30)
    wait_until(lambda: not client.get_active_jobs(), 20, "end of the job")
    image_of(airscan.scan(SANE_NAME, source="Flatbed", dpi=75))
