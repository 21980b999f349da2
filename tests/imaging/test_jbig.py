"""JBIG files as jbig-kit's own decoder reads them."""

import struct

import pytest
from PIL import Image

from device.imaging import jbig, machine
from device.imaging.spec import SUPPORTED
from scanner_backends.errors import Inval


@pytest.fixture(autouse=True)
def _library_there():
    if not machine.has_jbig():
        pytest.skip("libjbig0 is not installed")


@pytest.mark.parametrize("size", [(1, 1), (8, 256), (77, 257), (1000, 700)])
@pytest.mark.parametrize("rows", [1, 60, 64])
def test_stripes_that_were_joined_hold_the_very_bits(making, size, rows):
    shape, data = making.natural("jbig", "BlackAndWhite1", *size)
    page = making.page_of(shape, data, rows)
    file = making.delivered(page, making.spec_for(page, "jbig", "BlackAndWhite1"))
    image = making.decoded(file, "jbig")
    assert image.size == size
    assert image.tobytes() == Image.frombytes("1", size, data).tobytes()


def test_the_header_and_the_marks_between_stripes_are_those_of_one_file(making, run_tool, tmp_path):
    page, _ = making.natural("jbig", "BlackAndWhite1", 300, 600)
    path = tmp_path / "page.jbg"
    path.write_bytes(making.delivered(page, making.spec_for(page, "jbig", "BlackAndWhite1")))
    told = run_tool("jbgtopbm", "-d", str(path), data=b"").decode()
    assert "3 stripes, 1 layers, 1 planes => 3 SDEs" in told
    assert told.count("ESC SDRST") == 2
    assert told.count("ESC SDNORM, ending SDE #3 (final SDE)") == 1
    assert struct.unpack(">LLL", path.read_bytes()[4:16]) == (300, 600, 256)


def test_text_becomes_much_smaller(making):
    page, _ = making.natural("jbig", "BlackAndWhite1", 800, 800)
    page = making.page_of(page, (b"\xff" * 90 + b"\0" * 10) * 800)
    file = making.delivered(page, making.spec_for(page, "jbig", "BlackAndWhite1"))
    assert len(file) < 500


def test_without_the_library_it_is_refused(making, monkeypatch):
    monkeypatch.setattr(jbig, "_library", lambda: None)
    page, _ = making.natural("jbig", "BlackAndWhite1", 8, 8)
    with pytest.raises(Inval, match="libjbig"):
        making.delivered(page, making.spec_for(page, "jbig", "BlackAndWhite1"))


def test_it_is_supported_where_the_library_is(monkeypatch):
    assert "jbig" in SUPPORTED
    monkeypatch.setattr(machine, "JBIG_SONAME", "libjbig-of-another-planet.so.0")
    assert machine.has_jbig.__wrapped__() is False
