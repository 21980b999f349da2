"""Debian's sane-airscan finds the device and scans from it."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from PIL import Image
from support.airscan import OUT_OF_DOCUMENTS, Airscan
from support.device import RunningDevice
from support.lab import Lab
from support.pages import (
    assert_same_pixels,
    noisy_page,
    on_white,
    psnr_db,
    save_stack,
    smooth_page,
)

DPI = 150
NAME = "Corridor"
DUPLEX = "ADF Duplex"

pytestmark = pytest.mark.sane


def assert_scanned(files: list[Path], pages: list[Image.Image], mode: str = "RGB") -> None:
    """Each file shows its page, pixel for pixel, in the lead corner of an otherwise white area."""
    assert len(files) == len(pages)
    for file, page in zip(files, pages, strict=True):
        with Image.open(file) as got:
            assert got.size >= page.size
            assert_same_pixels(got.convert(mode), on_white(page, got.size))


def found_by(airscan: Airscan) -> str:
    """The SANE name of the one device that multicast brings."""
    names = {listed.sane_name for listed in airscan.list()}
    assert names, "scanimage -L lists no device"
    return sorted(names)[0]


@pytest.fixture
def loopback(start_device, make_airscan):
    """A device on loopback, and a client that was told its address."""

    def ready(*args: str | Path) -> Airscan:
        device = start_device(*args)
        return make_airscan(devices={NAME: device.scan_url})

    return ready


@pytest.fixture
def jpeg_profile(tmp_path):
    """Writes the generic profile with one JPEG format, and the colours that JPEG can hold."""

    def write(format: str) -> Path:
        profile = (files("profiles") / "generic.toml").read_text()
        for key, value, times in (
            ("formats", f'["{format}"]', 1),
            ("format", f'"{format}"', 1),
            ("colors", '["Grayscale8", "RGB24"]', 2),
        ):
            profile, changed = re.subn(
                rf"(?ms)^{key} = (\[.*?\]|[^\n]*)$", f"{key} = {value}", profile
            )
            assert changed == times
        path = tmp_path / f"{format}.toml"
        path.write_text(profile)
        return path

    return write


SANE_NAME = f"airscan:w0:{NAME}"


@pytest.mark.network
@pytest.mark.slow
class TestByMulticast:
    def test_discovery_finds_the_device_three_times_in_a_row(
        self, lab: Lab, start_device, make_airscan
    ):
        device: RunningDevice = start_device("--name", NAME, side=lab.dev)
        airscan: Airscan = make_airscan(side=lab.cli)
        for _ in range(3):
            found = airscan.discover()
            assert [one.protocol for one in found] == ["WSD"] * len(found)
            assert {one.url for one in found if lab.dev.ipv4 in one.url}, found
        assert found_by(airscan).startswith("airscan:w")
        assert device.process.poll() is None

    def test_a_platen_page_arrives_pixel_for_pixel(
        self, lab: Lab, start_device, make_airscan, tmp_path
    ):
        page = noisy_page(700, 900, seed=1)
        source = save_stack(tmp_path / "source", [page], DPI)
        start_device("--source", f"images:{source}", side=lab.dev)
        airscan: Airscan = make_airscan(side=lab.cli)
        scanned = airscan.scan(found_by(airscan), dpi=DPI, source="Flatbed")
        assert scanned.returncode == 0, scanned.stderr
        assert_scanned(scanned.files, [page])

    def test_three_duplex_sheets_arrive_pixel_for_pixel(
        self, lab: Lab, start_device, make_airscan, tmp_path
    ):
        pages = [noisy_page(500, 600, seed) for seed in range(6)]
        source = save_stack(tmp_path / "source", pages, DPI)
        start_device("--source", f"images:{source}", side=lab.dev)
        airscan: Airscan = make_airscan(side=lab.cli)
        scanned = airscan.scan(found_by(airscan), dpi=DPI, source=DUPLEX, batch=True)
        assert scanned.returncode in {0, OUT_OF_DOCUMENTS}, scanned.stderr
        assert_scanned(scanned.files, pages)


class TestOnLoopback:
    """The same client without discovery: what can be run on any machine."""

    @pytest.mark.parametrize(("mode", "pixels"), [("Color", "RGB"), ("Gray", "L")])
    def test_a_platen_page_arrives_pixel_for_pixel(self, loopback, tmp_path, mode, pixels):
        page = noisy_page(700, 900, seed=2, mode=pixels)
        source = save_stack(tmp_path / "source", [page], DPI)
        airscan: Airscan = loopback("--source", f"images:{source}")
        scanned = airscan.scan(SANE_NAME, mode=mode, dpi=DPI, source="Flatbed")
        assert scanned.returncode == 0, scanned.stderr
        with Image.open(scanned.files[0]) as got:
            assert got.mode == pixels
        assert_scanned(scanned.files, [page], pixels)

    def test_three_duplex_sheets_arrive_pixel_for_pixel(self, loopback, tmp_path):
        pages = [noisy_page(500, 600, seed) for seed in range(6)]
        source = save_stack(tmp_path / "source", pages, DPI)
        airscan: Airscan = loopback("--source", f"images:{source}")
        scanned = airscan.scan(SANE_NAME, dpi=DPI, source=DUPLEX, batch=True)
        assert scanned.returncode in {0, OUT_OF_DOCUMENTS}, scanned.stderr
        assert_scanned(scanned.files, pages)

    def test_the_platen_shows_the_next_page_to_each_job(self, loopback, tmp_path):
        pages = [noisy_page(300, 400, seed) for seed in range(2)]
        source = save_stack(tmp_path / "source", pages, DPI)
        airscan: Airscan = loopback("--source", f"images:{source}")
        for expected in (pages[0], pages[1], pages[0]):
            scanned = airscan.scan(SANE_NAME, dpi=DPI, source="Flatbed")
            assert_scanned(scanned.files, [expected])

    def test_an_emptied_feeder_is_out_of_documents(self, loopback, tmp_path):
        source = save_stack(tmp_path / "source", [noisy_page(300, 400, seed=3)], DPI)
        airscan: Airscan = loopback("--source", f"images:{source}")
        first = airscan.scan(SANE_NAME, dpi=DPI, source="ADF", batch=True)
        assert len(first.files) == 1, first.stderr
        again = airscan.scan(SANE_NAME, dpi=DPI, source="ADF", batch=True)
        assert again.returncode == OUT_OF_DOCUMENTS, again.stderr
        assert "out of documents" in again.stderr
        assert again.files == []

    def test_the_built_in_chart_needs_no_files_at_all(self, loopback):
        airscan: Airscan = loopback()
        scanned = airscan.scan(SANE_NAME, dpi=DPI, source="Flatbed")
        assert scanned.returncode == 0, scanned.stderr
        with Image.open(scanned.files[0]) as got:
            colours = got.getcolors(maxcolors=got.width * got.height)
        assert colours is not None
        assert len(colours) > 8

    @pytest.mark.parametrize("format", ["jfif", "exif"])
    def test_a_device_with_jpeg_only_delivers_a_faithful_picture(
        self, loopback, tmp_path, jpeg_profile, format
    ):
        page = smooth_page(700, 900, seed=4)
        source = save_stack(tmp_path / "source", [page], DPI)
        airscan: Airscan = loopback(
            "--source", f"images:{source}", "--profile", jpeg_profile(format)
        )
        scanned = airscan.scan(SANE_NAME, dpi=DPI, source="Flatbed")
        assert scanned.returncode == 0, scanned.stderr
        with Image.open(scanned.files[0]) as got:
            shown = got.convert("RGB")
        assert psnr_db(shown, on_white(page, shown.size)) > 35
