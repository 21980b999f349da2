"""A scanner of SANE, on the network by our device, as Debian's sane-airscan sees it."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image
from support import sane_test

pytestmark = [pytest.mark.sane, pytest.mark.usefixtures("sane")]

NAME = "Attic"
SANE_NAME = f"airscan:w0:{NAME}"
DPI = 150


@pytest.fixture
def airscan(start_device, make_airscan):
    device = start_device("--source", "sane:test:0")
    return make_airscan(devices={NAME: device.scan_url})


def test_the_scanners_own_abilities_are_what_the_client_is_offered(airscan):
    offered = airscan.options(SANE_NAME)
    assert "1200" in offered.partition("--resolution")[2].splitlines()[0]
    assert "ADF" in offered.partition("--source")[2].splitlines()[0]
    assert "Duplex" not in offered
    assert "-x 0..300mm" in offered.replace("299.999", "300").replace("299.974", "300")


@pytest.mark.parametrize(("mode", "ours"), [("Gray", "L"), ("Color", "RGB")])
def test_the_client_gets_the_pixels_that_scanimage_gets(airscan, sane: Path, mode: str, ours: str):
    done = airscan.scan(SANE_NAME, mode=mode, dpi=DPI, options=["-x", "100", "-y", "80"])
    assert done.returncode == 0, done.stderr
    pnm = sane_test.scanimage(
        sane, "--mode", mode, "--depth", "8", "--resolution", str(DPI), "-x", "100", "-y", "80"
    )
    width, height, _, data = sane_test.samples(pnm)
    direct = Image.frombytes(ours, (width, height), data)
    with Image.open(done.files[0]) as got:
        assert abs(got.width - width) <= 1
        assert abs(got.height - height) <= 1
        common = (0, 0, min(got.width, width), min(got.height, height))
        assert got.convert(ours).crop(common).tobytes() == direct.crop(common).tobytes()


def test_the_feeder_gives_all_its_sheets_to_every_client(airscan):
    for _ in range(2):
        done = airscan.scan(
            SANE_NAME, mode="Gray", dpi=75, source="ADF", batch=True, options=["-x50", "-y50"]
        )
        assert done.returncode == 0, done.stderr
        digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in done.files}
        assert (len(done.files), len(digests)) == (10, 1)


def test_a_hand_scanner_of_unknown_length_is_a_scanner(start_device, make_airscan, options_file):
    wishes = options_file('set.hand-scanner = true\nset.test-picture = "Solid black"')
    device = start_device("--source", f"sane:test:0{wishes}")
    airscan = make_airscan(devices={NAME: device.scan_url})
    done = airscan.scan(SANE_NAME, mode="Gray", dpi=75, options=["-x", "50", "-y", "350"])
    assert done.returncode == 0, done.stderr
    with Image.open(done.files[0]) as got:
        grey = got.convert("L")
        assert abs(grey.height - round(350 / 25.4 * 75)) <= 1
        assert grey.getpixel((10, 10)) == 0
        assert grey.getpixel((10, grey.height - 10)) == 255, "white beyond what was scanned"
