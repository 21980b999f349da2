"""What makes encoding faster where it is installed, and is not missed where it is not."""

import sys
import zlib
from io import BytesIO
from types import ModuleType

import pytest
from PIL import Image

from device.imaging import turbo
from device.imaging.jpeg_bands import quality_of
from scanner_backends.errors import IoError


@pytest.fixture(params=["libturbojpeg", "Pillow"])
def encoder(request, monkeypatch):
    if request.param == "Pillow":
        monkeypatch.setattr(turbo, "library", lambda: None)
    elif turbo.library() is None:
        pytest.skip("libturbojpeg0 is not installed")
    return request.param


@pytest.mark.parametrize("color", ["Grayscale8", "RGB24"])
@pytest.mark.parametrize(("factor", "sampling"), [(0, "2x2"), (80, "2x2"), (100, "1x1")])
def test_the_pixels_are_those_of_cjpeg(making, run_tool, encoder, color, factor, sampling):
    size = (333, 211)
    page, data = making.natural("jfif", color, *size)
    file = making.delivered(page, making.spec_for(page, "jfif", color, quality=factor))
    plain = BytesIO()
    Image.frombytes("L" if color == "Grayscale8" else "RGB", size, data).save(plain, "PPM")
    command = ("cjpeg", "-quality", str(quality_of(factor)), "-sample", sampling, "-baseline")
    theirs = run_tool(*command, data=plain.getvalue())
    assert run_tool("djpeg", data=file) == run_tool("djpeg", data=theirs)


@pytest.mark.parametrize("format", ["jfif", "exif", "tiff-single-jpeg-tn2", "pdf-a", "xps"])
def test_every_format_of_jpeg_is_encoded_either_way(making, encoder, format):
    page, _ = making.natural("jfif", "RGB24", 100, 90)
    file = making.delivered(page, making.spec_for(page, format, "RGB24"))
    assert making.decoded(file, format).size == (100, 90)


def test_a_machine_without_libturbojpeg_has_no_compressor(monkeypatch):
    monkeypatch.setattr(turbo, "SONAME", "libturbojpeg-of-another-planet.so.0")
    assert turbo.library.__wrapped__() is None


def test_libturbojpeg_tells_why_it_failed():
    library = turbo.library()
    if library is None:
        pytest.skip("libturbojpeg0 is not installed")
    with pytest.raises(IoError, match=r"libturbojpeg failed: .*nvalid"):
        library.compress(b"", (0, 0), color=True, quality=80, subsampling="4:2:0")


def stand_in(monkeypatch) -> list[int]:
    """Something in isal's place, which tells the levels that it was asked for."""
    levels: list[int] = []
    package, module = ModuleType("isal"), ModuleType("isal.isal_zlib")

    def compressobj(level: int):
        levels.append(level)
        return zlib.compressobj(level)

    module.compressobj = compressobj
    package.isal_zlib = module
    monkeypatch.setitem(sys.modules, "isal", package)
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", module)
    return levels


def png_holds_its_samples(making) -> bool:
    page, data = making.natural("png", "RGB24", 200, 300)
    file = making.delivered(page, making.spec_for(page, "png", "RGB24"))
    return making.decoded(file, "png").tobytes() == data


def test_png_is_deflated_by_isal_where_it_is_installed(making, monkeypatch):
    levels = stand_in(monkeypatch)
    assert png_holds_its_samples(making)
    assert levels == [1]


def test_png_is_deflated_by_zlib_without_isal(making, monkeypatch):
    monkeypatch.setitem(sys.modules, "isal", None)
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    assert png_holds_its_samples(making)


@pytest.mark.may_be_skipped
def test_the_real_isal_makes_a_png_without_fault(making, run_tool, tmp_path):
    pytest.importorskip("isal")
    page, _ = making.natural("png", "RGB24", 200, 300)
    path = tmp_path / "page.png"
    path.write_bytes(making.delivered(page, making.spec_for(page, "png", "RGB24")))
    assert "No errors detected" in run_tool("pngcheck", "-v", str(path), data=b"").decode()
    assert png_holds_its_samples(making)
