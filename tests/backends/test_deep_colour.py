"""Colour of 16 bits: its own resolution returns the very samples, with alpha where it is."""

import os
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from backends.test_alpha import png_by_hand
from PIL import Image

from scanner_backends import decoding
from scanner_backends.base import Mode, RawPage, ScanRequest, Source
from scanner_backends.image_files import ImageFilesBackend
from scanner_backends.pixels import doubled

INCH = 25.4
SIZE = (301, 1003)  # some pieces, and odd
PIXELS = SIZE[0] * SIZE[1]
AREA = (0, 0, SIZE[0] / 100 * INCH, SIZE[1] / 100 * INCH)
REQUEST = ScanRequest(Source.FLATBED, Mode.COLOR, 16, 100, 100, *AREA)
CLEAR = (0x0102, 0x0304, 0x0506)
TIFFCP = {
    "strips": ["-s", "-r", "17"],
    "lzw": ["-s", "-r", "17", "-c", "lzw"],
    "tiles zip": ["-t", "-w", "64", "-l", "48", "-c", "zip:2"],
    "big end": ["-B", "-s", "-r", "17"],
    "one strip": ["-s", "-r", "5000", "-c", "lzw"],
}


def with_a_clear_colour() -> bytes:
    """Pixels of the colour that is clear, of ones that differ in a byte, and others."""
    pixel = struct.pack(">3H", *CLEAR)
    near = [bytes((*pixel[:at], pixel[at] ^ 0x80, *pixel[at + 1 :])) for at in range(6)]
    some = [pixel, *near, os.urandom(6)]
    return b"".join(some[choice % len(some)] for choice in os.urandom(PIXELS))


def pam(channels: int, samples: bytes) -> bytes:
    kind = {3: "RGB", 4: "RGB_ALPHA"}[channels]
    head = f"P7\nWIDTH {SIZE[0]}\nHEIGHT {SIZE[1]}\nDEPTH {channels}\nMAXVAL 65535\n"
    return f"{head}TUPLTYPE {kind}\nENDHDR\n".encode() + samples


def run(*command: str | Path, data: bytes = b"") -> bytes:
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=20).stdout


def netpbm(path: Path) -> list[tuple[int, ...]]:
    """The pixels of a PNG, with alpha."""
    told = run("pngtopam", "-alphapam", path).partition(b"ENDHDR\n")
    channels = 2 if b"DEPTH 2" in told[0] else 4
    pixels = struct.iter_unpack(f">{channels}H", told[2])
    if channels == 2:
        return [(grey, grey, grey, alpha) for grey, alpha in pixels]
    return list(pixels)


def pixels(page: RawPage) -> list[tuple[int, ...]]:
    data = b"".join(page.bands)
    assert len(data) == page.stride * page.height_px
    return list(struct.iter_unpack(f"{page.channels}H", data))


FILES = {
    "RGB.png": lambda: png_by_hand(2, 16, os.urandom(6 * PIXELS), size=SIZE),
    "RGBA.png": lambda: png_by_hand(6, 16, os.urandom(8 * PIXELS), size=SIZE),
    "LA.png": lambda: png_by_hand(4, 16, os.urandom(4 * PIXELS), size=SIZE),
    "clear.png": lambda: png_by_hand(
        2, 16, with_a_clear_colour(), struct.pack(">3H", *CLEAR), size=SIZE
    ),
    "interlaced RGB.png": lambda: run(
        "pamtopng", "-interlace", data=pam(3, os.urandom(6 * PIXELS))
    ),
    "interlaced RGBA.png": lambda: run(
        "pamtopng", "-interlace", data=pam(4, os.urandom(8 * PIXELS))
    ),
}


def put(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(FILES[name]())
    return path


@pytest.mark.parametrize("name", FILES)
def test_a_png_has_the_samples_that_netpbm_reads(tmp_path: Path, name):
    path = put(tmp_path, name)
    read = netpbm(path)
    if name == "clear.png":  # netpbm does not look for the colour that is clear (11.1)
        read = [(*colour, 65535 * (tuple(colour) != CLEAR)) for *colour, _ in read]
        assert PIXELS // 10 < sum(pixel[3] == 0 for pixel in read) < PIXELS // 6
    with patch("scanner_backends.picture.told_dpi", lambda image: (100, 100)):
        page = ImageFilesBackend(str(path)).scan(replace(REQUEST, alpha=True), 0)
        assert page.depth == 16
        assert page.mode is (Mode.COLOR if name.endswith("RGB.png") else Mode.COLOR_ALPHA)
        wanted = read if page.mode is Mode.COLOR_ALPHA else [pixel[:3] for pixel in read]
        assert pixels(page) == wanted


@pytest.mark.parametrize("way", TIFFCP)
@pytest.mark.parametrize("channels", [3, 4])
def test_a_tiff_of_other_programs_keeps_its_samples(tmp_path: Path, way, channels):
    samples = os.urandom(2 * channels * PIXELS)
    (tmp_path / "in.tif").write_bytes(run("pamtotiff", "-xresolution=100", "-yresolution=100",
                                          data=pam(channels, samples)))  # fmt: skip
    path = tmp_path / "out.tif"
    run("tiffcp", *TIFFCP[way], tmp_path / "in.tif", path)
    page = ImageFilesBackend(str(path)).scan(replace(REQUEST, alpha=True), 0)
    assert page.channels == channels
    assert pixels(page) == list(struct.iter_unpack(f">{channels}H", samples))


@pytest.mark.parametrize("name", FILES)
def test_rows_one_by_one_are_those_of_the_whole(tmp_path: Path, name):
    backend = ImageFilesBackend(str(put(tmp_path, name)))
    dpi = 75 if "interlaced" in name else 100  # they tell none
    own = {"x_dpi": dpi, "y_dpi": dpi}
    orders = [
        replace(REQUEST, alpha=True, **own),
        replace(REQUEST, alpha=False, **own),
        replace(REQUEST, alpha=True, depth=8, **own),
        replace(REQUEST, alpha=True, x_dpi=63, y_dpi=63),
    ]
    by_rows = [b"".join(backend.scan(order, 0).bands) for order in orders]
    with patch.object(decoding, "_pieces", lambda *_: None):
        whole = [b"".join(backend.scan(order, 0).bands) for order in orders]
    if name == "LA.png":  # of the whole, Pillow gives the upper bytes alone
        assert by_rows[0][1::2] == whole[0][1::2]
        by_rows, whole = by_rows[1:], whole[1:]
    assert by_rows == whole


@pytest.mark.parametrize("name", ["RGBA.png", "clear.png"])
def test_eight_bits_are_the_upper_ones(tmp_path: Path, name):
    backend = ImageFilesBackend(str(put(tmp_path, name)))
    deep = pixels(backend.scan(replace(REQUEST, alpha=True), 0))
    flat = b"".join(backend.scan(replace(REQUEST, alpha=True, depth=8), 0).bands)
    assert flat == bytes(value >> 8 for pixel in deep for value in pixel)


def test_another_resolution_and_white_ground_have_eight_bits_twice(tmp_path: Path):
    backend = ImageFilesBackend(str(put(tmp_path, "RGBA.png")))
    for order in (REQUEST, replace(REQUEST, alpha=True, x_dpi=63, y_dpi=63)):
        deep = b"".join(backend.scan(order, 0).bands)
        assert deep == doubled(b"".join(backend.scan(replace(order, depth=8), 0).bands))


def test_a_part_and_what_is_around(tmp_path: Path):
    path = put(tmp_path, "RGBA.png")
    whole = netpbm(path)
    area = {"left_mm": INCH, "top_mm": 9 * INCH, "width_mm": 3 * INCH, "height_mm": 3 * INCH}
    page = ImageFilesBackend(str(path)).scan(replace(REQUEST, alpha=True, **area), 0)
    found = pixels(page)
    for y in range(300):
        row = whole[(900 + y) * SIZE[0] + 100 : (901 + y) * SIZE[0]] if y < 103 else []
        assert found[300 * y : 300 * (y + 1)] == [*row, *[(65535,) * 4] * (300 - len(row))]


@pytest.mark.parametrize("turn", [3, 6])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_page_stored_turned_is_upright_with_all_bits(tmp_path: Path, turn, channels):
    samples = os.urandom(2 * channels * PIXELS)
    path = tmp_path / "p.tif"
    path.write_bytes(run("pamtotiff", "-xresolution=100", "-yresolution=100",
                         data=pam(channels, samples)))  # fmt: skip
    run("tiffset", "-s", "274", str(turn), path)
    stored = list(struct.iter_unpack(f">{channels}H", samples))
    rows = [stored[at : at + SIZE[0]] for at in range(0, PIXELS, SIZE[0])]
    upright = {3: [row[::-1] for row in rows[::-1]], 6: list(zip(*rows[::-1], strict=True))}[turn]
    sides = AREA[2:] if turn == 3 else AREA[:1:-1]
    order = replace(REQUEST, alpha=True, width_mm=sides[0], height_mm=sides[1])
    found = pixels(ImageFilesBackend(str(path)).scan(order, 0))
    assert found == [pixel for row in upright for pixel in row]


def test_a_tiff_whose_alpha_is_associated_has_eight_bits(tmp_path: Path):
    samples = os.urandom(8 * PIXELS)
    path = tmp_path / "p.tif"
    path.write_bytes(run("pamtotiff", data=pam(4, samples)))
    run("tiffset", "-s", "338", "1", "1", path)
    with Image.open(path) as image:
        assert image.tile[0][3][0].startswith("RGBa;16")
    backend = ImageFilesBackend(str(path))
    order = replace(REQUEST, alpha=True, x_dpi=75, y_dpi=75)
    deep = b"".join(backend.scan(order, 0).bands)
    assert deep == doubled(b"".join(backend.scan(replace(order, depth=8), 0).bands))
