"""No encoder holds a page: memory does not grow with its height, nor with the number of pages."""

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
    command = [sys.executable, "-c", CODE, format, color, height, pages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < GROWTH_MB
