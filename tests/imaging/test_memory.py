"""No step holds a page: memory does not grow with its height, nor with the number of pages."""

import subprocess
import sys

import pytest

from device.imaging.spec import SUPPORTED

GROWTH_MB = 6
CODE = """
import sys
from device.imaging.encoders import document_encoder_for
from device.imaging.colour import SAMPLES
from device.imaging.spec import ImageSpec
from scanner_backends.base import RawPage

format, color, height, pages = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def page_of(height):
    page = RawPage(1000, height, *SAMPLES[color], iter(()))
    band = bytes(range(251)) * (64 * page.stride // 251 + 1)
    bands = (band[: min(64, height - top) * page.stride] for top in range(0, height, 64))
    return (RawPage(1000, height, page.mode, page.depth, bands),
            ImageSpec(format, color, 1000, height, 300, 300))

def peak_mb():
    status = open("/proc/self/status").read()
    return int(status[status.index("VmHWM:") + 6 :].split()[0]) / 1024

def encode(height, count):
    for piece in document_encoder_for(format)((page_of(height) for _ in range(count)), None):
        pass

encode(512, 1)
before = peak_mb()
encode(height, pages)
print(peak_mb() - before)
"""


@pytest.mark.parametrize("format", SUPPORTED)
def test_memory_grows_neither_with_the_height_nor_with_the_pages(format):
    color = SUPPORTED[format][-1]
    pages = "3" if "multi" in format or format in ("pdf-a", "xps") else "1"
    height = "2000" if format == "jpeg2k" else "8000"  # jpeg2k is slow
    command = [sys.executable, "-P", "-c", CODE, format, color, height, pages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < GROWTH_MB


SCALING_MB = 24
SCALING = """
import sys
from device.imaging.scale import scaled
from scanner_backends.base import Mode, RawPage, band_rows

part, width, height = float(sys.argv[1]), 10_000, 2_000  # A4 at 1200 dpi, but not as high

def peak_mb():
    status = open("/proc/self/status").read()
    return int(status[status.index("VmHWM:") + 6 :].split()[0]) / 1024

def scale(width, height):
    page = RawPage(width, height, Mode.COLOR, 8, iter(()))
    rows = band_rows(page.stride)
    bands = (bytes(min(rows, height - top) * page.stride) for top in range(0, height, rows))
    page = RawPage(width, height, Mode.COLOR, 8, bands)
    for band in scaled(page, round(width * part), round(height * part)).bands:
        pass

scale(100, 100)
before = peak_mb()
scale(width, height)
print(peak_mb() - before)
"""


@pytest.mark.parametrize("part", ["0.01", "0.25", "0.5", "1.5", "4"])
def test_scaling_holds_a_few_rows_whatever_they_are_scaled_to(part: str):
    command = [sys.executable, "-P", "-c", SCALING, part]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < SCALING_MB
