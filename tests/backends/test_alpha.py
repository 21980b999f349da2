"""Image files that are clear in parts: what alpha they have, and that it comes if it is wanted."""

import os
import struct
import subprocess
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import pytest
from PIL import Image, ImageStat

from scanner_backends import decoding
from scanner_backends.base import FileKind, Mode, RawPage, ScanRequest, Source
from scanner_backends.image_files import ImageFilesBackend

INCH = 25.4
SIZE = (60, 40)
WHITE = (255, 255, 255)
REQUEST = ScanRequest(Source.FLATBED, Mode.COLOR, 8, 100, 100, 0, 0, 0.6 * INCH, 0.4 * INCH)


def noise(mode: str, size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.frombytes(mode, size, os.urandom(len(Image.new(mode, size).tobytes())))


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, format, dpi=(100, 100), **options)
    return file.getvalue()


def png_by_hand(color: int, bits: int, rows: bytes, clear: bytes = b"", size=SIZE) -> bytes:
    """A kind that Pillow does not write; `rows` without filters."""
    stride = len(rows) // size[1]
    lines = b"".join(b"\0" + rows[at : at + stride] for at in range(0, len(rows), stride))
    dots = round(100 / 0.0254)
    chunks = [
        (b"IHDR", struct.pack(">LLBBBBB", *size, bits, color, 0, 0, 0)),
        (b"pHYs", struct.pack(">LLB", dots, dots, 1)),
        *([(b"tRNS", clear)] if clear else []),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def palette() -> Image.Image:
    image = noise("P")
    image.putpalette(os.urandom(768))
    return image


def extra_samples(kind: int) -> bytes:
    """A TIFF whose fourth sample is of that kind: 0 is unspecified, 1 associated, 2 not."""
    file = bytearray(saved(noise("RGBA"), "TIFF"))
    at = file.index(struct.pack("<HHLL", 338, 3, 1, 2))
    file[at + 8] = kind
    return bytes(file)


def bitmap_with_masks() -> bytes:
    """A bitmap of version 4, whose masks name alpha; its rows run from the top."""
    dots = round(100 / 0.0254)
    masks = struct.pack("<4L", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    size = (60, -40, 1, 32, 3, 4 * 60 * 40, dots, dots, 0, 0)
    info = struct.pack("<LllHHLLllLL", 108, *size) + masks + bytes(52)
    pixels = os.urandom(4 * 60 * 40)
    return struct.pack("<2sLHHL", b"BM", 122 + len(pixels), 0, 0, 122) + info + pixels


CLEAR = {
    "RGBA.png": lambda: saved(noise("RGBA"), "PNG"),
    "LA.png": lambda: saved(noise("LA"), "PNG"),
    "palette.png": lambda: saved(palette(), "PNG", transparency=bytes(range(256))),
    "one colour.png": lambda: saved(noise("L"), "PNG", transparency=77),
    "one RGB.png": lambda: saved(noise("RGB"), "PNG", transparency=(7, 8, 9)),
    "16 bits RGBA.png": lambda: png_by_hand(6, 16, os.urandom(8 * 60 * 40)),
    "16 bits LA.png": lambda: png_by_hand(4, 16, os.urandom(4 * 60 * 40)),
    "RGBA.tif": lambda: saved(noise("RGBA"), "TIFF"),
    "lzw.tif": lambda: saved(noise("RGBA"), "TIFF", compression="tiff_lzw"),
    "LA.tif": lambda: saved(noise("LA"), "TIFF"),
    "associated.tif": lambda: extra_samples(1),
    "masks.bmp": bitmap_with_masks,
}
SOLID = {
    "RGB.png": lambda: saved(noise("RGB"), "PNG"),
    "L.png": lambda: saved(noise("L"), "PNG"),
    "P.png": lambda: saved(palette(), "PNG"),
    "I16.png": lambda: saved(Image.frombytes("I;16", SIZE, os.urandom(2 * 60 * 40)), "PNG"),
    "p.jpg": lambda: saved(noise("RGB"), "JPEG"),
    "CMYK.jpg": lambda: saved(noise("CMYK"), "JPEG"),
    "CMYK.tif": lambda: saved(noise("CMYK"), "TIFF"),
    "p.bmp": lambda: saved(noise("RGB"), "BMP"),
    "unspecified.tif": lambda: extra_samples(0),
}


def put(folder: Path, name: str) -> ImageFilesBackend:
    (folder / name).write_bytes((CLEAR | SOLID)[name]())
    return ImageFilesBackend(str(folder))


def picture(page: RawPage) -> Image.Image:
    mode = {Mode.COLOR: "RGB", Mode.COLOR_ALPHA: "RGBA"}[page.mode]
    data = b"".join(page.bands)
    assert len(data) == page.stride * page.height_px
    return Image.frombytes(mode, (page.width_px, page.height_px), data)


@pytest.mark.parametrize("name", [*CLEAR, *SOLID])
def test_a_page_tells_whether_it_has_alpha(tmp_path: Path, name):
    told = put(tmp_path, name).describe()
    assert [page.alpha for page in (*told.platen, *told.feeder)] == [name in CLEAR] * 2


@pytest.mark.parametrize("name", CLEAR)
def test_alpha_comes_if_it_is_wanted_and_else_lies_on_white(tmp_path: Path, name):
    backend = put(tmp_path, name)
    with Image.open(tmp_path / name) as image:
        expected = image.convert("RGBA")
    page = backend.scan(replace(REQUEST, alpha=True), 0)
    assert (page.mode, page.depth, page.channels) == (Mode.COLOR_ALPHA, 8, 4)
    assert picture(page).tobytes() == expected.tobytes()
    page = backend.scan(REQUEST, 0)
    assert page.mode is Mode.COLOR
    white = Image.new("RGBA", SIZE, WHITE)
    pairs = zip(
        picture(page).tobytes(),
        Image.alpha_composite(white, expected).convert("RGB").tobytes(),
        strict=True,
    )
    assert max(abs(a - b) for a, b in pairs) <= 1


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("first", [b"\xff\xff", b"\x35\x9a"])
def test_the_grey_of_a_png_that_is_clear_is_the_one_that_netpbm_finds(
    tmp_path: Path, monkeypatch, first, bits, whole
):
    if whole:
        monkeypatch.setattr(decoding, "_pieces", lambda *_: None)
    rows = first + os.urandom((60 * bits + 7) // 8 * 40 - 2)
    clear = int.from_bytes(first, "big") >> (16 - bits)
    file = tmp_path / "p.png"
    file.write_bytes(png_by_hand(0, bits, rows, struct.pack(">H", clear)))
    command = ["pngtopam", "-alphapam", file]
    read = subprocess.run(command, capture_output=True, check=True, timeout=20).stdout
    samples = read.partition(b"ENDHDR\n")[2]
    pixels = list(struct.iter_unpack(">HH" if bits == 16 else "BB", samples))
    assert pixels[0][1] == 0
    most = 2**bits - 1
    backend = ImageFilesBackend(str(file))
    page = picture(backend.scan(replace(REQUEST, alpha=True), 0))
    upper = [grey >> 8 if bits == 16 else grey * 255 // most for grey, _ in pixels]
    assert page.tobytes() == b"".join(
        bytes([grey, grey, grey, 255 * (alpha > 0)])
        for grey, (_, alpha) in zip(upper, pixels, strict=True)
    )
    request = replace(REQUEST, mode=Mode.GRAY, depth=16 if bits == 16 else 8)
    on_white = b"".join(backend.scan(request, 0).bands)
    found = struct.unpack("2400H", on_white) if bits == 16 else on_white
    wanted = [grey if bits == 16 else grey * 255 // most for grey, _ in pixels]
    white = 65535 if bits == 16 else 255
    assert list(found) == [
        grey if alpha else white for grey, (_, alpha) in zip(wanted, pixels, strict=True)
    ]


@pytest.mark.parametrize("name", SOLID)
def test_a_page_without_alpha_comes_without(tmp_path: Path, name):
    backend = put(tmp_path, name)
    page, plain = backend.scan(replace(REQUEST, alpha=True), 0), backend.scan(REQUEST, 0)
    assert page.mode is Mode.COLOR
    assert picture(page).tobytes() == picture(plain).tobytes()


@pytest.mark.parametrize("name", CLEAR)
@pytest.mark.parametrize("dpi", [100, 63, 120, 50])
def test_rows_one_by_one_are_those_of_the_whole(tmp_path: Path, name, dpi):
    area = {"left_mm": 2.0, "top_mm": 1.0, "width_mm": INCH, "height_mm": INCH}
    request = replace(REQUEST, x_dpi=dpi, y_dpi=dpi, alpha=True, **area)
    backend = put(tmp_path, name)
    by_rows = picture(backend.scan(request, 0))
    with patch.object(decoding, "_pieces", lambda *_: None):
        assert picture(backend.scan(request, 0)).tobytes() == by_rows.tobytes()


def test_a_page_in_its_own_resolution_netpbm_reads_the_same(tmp_path: Path):
    (tmp_path / "p.png").write_bytes(saved(noise("RGBA"), "PNG"))
    command = ["pngtopam", "-alphapam", tmp_path / "p.png"]
    read = subprocess.run(command, capture_output=True, check=True, timeout=20).stdout
    page = ImageFilesBackend(str(tmp_path)).scan(replace(REQUEST, alpha=True), 0)
    assert read.endswith(b"ENDHDR\n" + picture(page).tobytes())


@pytest.mark.parametrize("dpi", [37, 50, 133, 300])
def test_clear_pixels_have_no_say_at_another_resolution(tmp_path: Path, dpi):
    """Blue ink on ground that is clear, and red where nobody sees it."""
    image = Image.new("RGBA", (200, 200), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (50, 50, 150, 150))
    image.save(tmp_path / "p.png", dpi=(100, 100))
    area = {"width_mm": 2 * INCH, "height_mm": 2 * INCH}
    request = replace(REQUEST, x_dpi=dpi, y_dpi=dpi, alpha=True, **area)
    result = picture(ImageFilesBackend(str(tmp_path)).scan(request, 0))
    red, _, blue, alpha = result.split()
    assert red.getextrema() == (0, 0)
    assert ImageStat.Stat(blue, alpha.point(lambda value: 255 * (value >= 128))).extrema[0][0] > 250
    assert result.getpixel((dpi, dpi)) == (0, 0, 255, 255)
    assert alpha.getpixel((dpi // 10, dpi)) == 0


def test_around_a_clear_page_it_is_white_and_solid(tmp_path: Path):
    Image.new("RGBA", (50, 50), (1, 2, 3, 0)).save(tmp_path / "p.png", dpi=(100, 100))
    request = replace(REQUEST, width_mm=INCH, height_mm=INCH, alpha=True)
    result = picture(ImageFilesBackend(str(tmp_path)).scan(request, 0))
    assert sorted(result.getcolors()) == [(2500, (1, 2, 3, 0)), (7500, (*WHITE, 255))]


@pytest.mark.parametrize(
    ("name", "alpha", "kind"),
    [
        ("RGBA.png", True, FileKind.PNG),
        ("RGBA.png", False, None),
        ("LA.png", True, None),
        ("palette.png", True, None),
        ("RGB.png", False, FileKind.PNG),
        ("RGB.png", True, FileKind.PNG),  # and says that it has no alpha
    ],
)
def test_a_file_is_offered_as_it_is_only_with_the_samples_wanted(tmp_path: Path, name, alpha, kind):
    page = put(tmp_path, name).scan(replace(REQUEST, alpha=alpha), 0)
    assert page.file_kind is kind
    assert page.mode is (Mode.COLOR_ALPHA if alpha and name in CLEAR else Mode.COLOR)


def test_pages_of_one_tiff_have_alpha_each_for_itself(tmp_path: Path):
    noise("RGBA").save(tmp_path / "p.tif", save_all=True, append_images=[noise("RGB")])
    told = ImageFilesBackend(str(tmp_path)).describe()
    assert [page.alpha for page in told.feeder] == [True, False]
