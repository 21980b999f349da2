"""JPEG 2000 files as OpenJPEG's own decoder reads them."""

import subprocess
import sys
from random import Random

import pytest
from PIL import Image, ImageChops, ImageFilter, ImageStat, features

from device.imaging import jpeg2000, machine
from device.imaging.spec import SUPPORTED
from scanner_backends.errors import Inval

needs_openjpeg = pytest.mark.skipif(not machine.has_jpeg2k(), reason="Pillow has no OpenJPEG")


def opened(making, run_tool, file: bytes, color: str) -> Image.Image:
    suffix = "pgm" if color == "Grayscale8" else "ppm"
    command = ["opj_decompress", "-quiet", "-i", "{in}", "-o", "{out}/o." + suffix]
    (plain,) = making.by_tool(command, file, suffix=".jp2")
    return making.decoded(plain, suffix)


@needs_openjpeg
@pytest.mark.parametrize("color", ["Grayscale8", "RGB24"])
@pytest.mark.parametrize("size", [(1, 1), (3, 65), (77, 211), (500, 256), (300, 129)])
def test_at_quality_100_the_tiles_hold_the_very_samples(making, run_tool, color, size):
    page, data = making.natural("jpeg2k", color, *size)
    file = making.delivered(page, making.spec_for(page, "jpeg2k", color, quality=100))
    image = opened(making, run_tool, file, color)
    assert image.size == size
    assert image.tobytes() == data


@needs_openjpeg
@pytest.mark.parametrize("quality", [0, 50, 80])
def test_each_quality_has_its_fidelity_and_no_seam(making, run_tool, quality):
    layers = [Image.radial_gradient("L").rotate(90 * n).resize((300, 300)) for n in range(3)]
    picture = Image.merge("RGB", layers).filter(ImageFilter.GaussianBlur(1))
    grain = Random(300)  # Pillow's own noise depends on what ran before
    plane = bytes(round(min(255, max(0, grain.gauss(128, 12)))) for _ in range(300 * 300))
    noise = Image.merge("RGB", [Image.frombytes("L", (300, 300), plane)] * 3)
    picture = ImageChops.add(picture, noise, scale=2)
    page, _ = making.natural("jpeg2k", "RGB24", 300, 300)
    page = making.page_of(page, picture.tobytes())
    file = making.delivered(page, making.spec_for(page, "jpeg2k", "RGB24", quality=quality))
    image = opened(making, run_tool, file, "RGB24")
    wanted = jpeg2000.fidelity_db(quality)
    difference = ImageChops.difference(image, picture)
    assert mean_square(difference) < 255**2 / 10 ** ((wanted - 1.5) / 10)
    seams = [difference.crop((0, top - 1, 300, top + 1)) for top in (64, 128, 192, 256)]
    assert max(map(mean_square, seams)) < 4 * mean_square(difference)


@needs_openjpeg
def test_the_file_tells_size_colour_and_resolution(making):
    for color, number in (("RGB24", 16), ("Grayscale8", 17)):
        page, _ = making.natural("jpeg2k", color, 30, 20)
        file = making.delivered(page, making.spec_for(page, "jpeg2k", color, x_dpi=1200))
        assert file[12:28] == b"\0\0\0\x14ftypjp2 \0\0\0\0"
        at = file.index(b"colr")
        assert file[at + 4 : at + 11] == bytes((1, 0, 0, 0, 0, 0, number))
        assert making.decoded(file, "jpeg2k").info["dpi"] == pytest.approx((1200, 100))


def test_it_is_supported_where_pillow_has_it():
    """Found without importing Pillow, and as Pillow itself says."""
    assert machine.has_jpeg2k() is features.check_codec("jpg_2000")
    assert ("jpeg2k" in SUPPORTED) is machine.has_jpeg2k()
    code = (
        "import sys, device.imaging.spec as spec; "
        "print('PIL' in sys.modules, 'jpeg2k' in spec.SUPPORTED)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", str(machine.has_jpeg2k())]


def test_a_pillow_without_it_is_told_apart(monkeypatch, tmp_path):
    folder = tmp_path / "PIL"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / f"_imaging{machine.EXTENSION_SUFFIXES[0]}").write_bytes(b"jpeg_encoder\0")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "PIL", raising=False)
    assert machine.has_jpeg2k.__wrapped__() is False


def test_without_it_the_format_is_refused(making, monkeypatch):
    monkeypatch.setattr(jpeg2000, "has_jpeg2k", lambda: False)
    page, _ = making.natural("jfif", "RGB24", 8, 8)
    with pytest.raises(Inval, match="OpenJPEG"):
        next(jpeg2000.encode(page, making.spec_for(page, "jpeg2k", "RGB24"), None))


def mean_square(difference: Image.Image) -> float:
    squares = ImageStat.Stat(difference).sum2
    return sum(squares) / (difference.width * difference.height * len(squares))
