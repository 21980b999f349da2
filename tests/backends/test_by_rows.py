"""Files decoded a few rows at a time give the pixels of the whole, in memory that does not grow."""

import math
import os
import struct
import subprocess
import sys
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import pytest
from backends.test_alpha import png_by_hand as plain_png
from PIL import Image, ImageOps

from scanner_backends import decoding, memory
from scanner_backends.base import Mode
from scanner_backends.errors import IoError, NoMem
from scanner_backends.image_files import ImageFilesBackend

INCH = 25.4
SIZE = (251, 1103)  # some pieces, and odd
BITS = {"1": 1, "L": 8, "LA": 16, "P": 8, "RGB": 24, "RGBA": 32, "CMYK": 32, "I;16": 16}


def noise(mode: str) -> Image.Image:
    size = (2 * SIZE[0], SIZE[1]) if mode == "1" else SIZE  # more than the 64 kB of one strip
    image = Image.frombytes(mode, size, os.urandom((size[0] * BITS[mode] + 7) // 8 * size[1]))
    if mode == "P":
        image.putpalette(os.urandom(768))
    return image


def soft(mode: str, size: tuple[int, int] = SIZE) -> Image.Image:
    ramp = Image.linear_gradient("L").resize(size)
    return Image.merge(
        "RGB", [ramp, ramp.rotate(180), ImageOps.mirror(ramp.rotate(90, expand=True)).resize(size)]
    ).convert(mode)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, format, dpi=(100, 100), **options)
    return file.getvalue()


def png_by_hand(color: int, bits: int, channels: int) -> bytes:
    """Noise in a kind that Pillow does not write, every row with another filter."""
    stride = (SIZE[0] * bits * channels + 7) // 8
    rows = b"".join(bytes([row % 5]) + os.urandom(stride) for row in range(SIZE[1]))
    dots = round(100 / 0.0254)
    chunks = [
        (b"IHDR", struct.pack(">LLBBBBB", *SIZE, bits, color, 0, 0, 0)),
        (b"pHYs", struct.pack(">LLB", dots, dots, 1)),
        *([(b"PLTE", os.urandom(3 << bits))] if color == 3 else []),
        (b"IDAT", zlib.compress(rows, 1)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
        for kind, data in chunks
    )


FILES = {
    **{
        f"{mode}.png": lambda mode=mode: saved(noise(mode), "PNG", compress_level=1)
        for mode in BITS
        if mode != "CMYK"
    },
    **{f"soft {mode}.png": lambda mode=mode: saved(soft(mode), "PNG") for mode in ("L", "RGB")},
    "clear colour.png": lambda: saved(soft("L"), "PNG", transparency=128),
    "clear palette.png": lambda: saved(noise("P"), "PNG", transparency=bytes(range(256))),
    **{f"{bits} bits.png": lambda bits=bits: png_by_hand(0, bits, 1) for bits in (1, 2, 4, 8, 16)},
    **{f"{bits} bits P.png": lambda bits=bits: png_by_hand(3, bits, 1) for bits in (1, 2, 4, 8)},
    "filters RGB.png": lambda: png_by_hand(2, 8, 3),
    "filters LA.png": lambda: png_by_hand(4, 8, 2),
    "filters RGBA.png": lambda: png_by_hand(6, 8, 4),
    "16 bits RGB.png": lambda: png_by_hand(2, 16, 3),
    "16 bits LA.png": lambda: png_by_hand(4, 16, 2),
    "16 bits RGBA.png": lambda: png_by_hand(6, 16, 4),
    **{
        f"{mode}.bmp": lambda mode=mode: saved(noise(mode), "BMP")
        for mode in ("1", "L", "P", "RGB")
    },
    **{f"{mode}.jpg": lambda mode=mode: saved(soft(mode), "JPEG") for mode in ("L", "RGB")},
    "noise.jpg": lambda: saved(noise("RGB"), "JPEG", subsampling=0),
    "black.jpg": lambda: saved(Image.new("L", SIZE, 0), "JPEG"),
    **{f"plain {mode}.tif": lambda mode=mode: saved(noise(mode), "TIFF") for mode in BITS},
    **{
        f"lzw {mode}.tif": lambda mode=mode: saved(noise(mode), "TIFF", compression="tiff_lzw")
        for mode in BITS
    },
    **{
        f"{way}.tif": lambda way=way: saved(noise("1"), "TIFF", compression=way)
        for way in ("tiff_adobe_deflate", "packbits", "group3", "group4")
    },
    "jpeg L.tif": lambda: saved(soft("L"), "TIFF", compression="jpeg"),
    "jpeg YCbCr.tif": lambda: saved(soft("YCbCr"), "TIFF", compression="jpeg"),
}
WHOLE = {
    "progressive.jpg": lambda: saved(soft("RGB"), "JPEG", progressive=True),
    "CMYK.jpg": lambda: saved(noise("CMYK"), "JPEG"),
    "turned.tif": lambda: saved(soft("RGB"), "TIFF", tiffinfo={274: 6}),
}
TIFFCP = {
    "tiles": ["-t", "-w", "64", "-l", "48"],
    "tiles lzw": ["-t", "-w", "64", "-l", "48", "-c", "lzw:2"],
    "strips": ["-s", "-r", "17"],
    "strips zip": ["-s", "-r", "17", "-c", "zip:2"],
    "strips jpeg": ["-s", "-r", "16", "-c", "jpeg"],
    "big end": ["-B", "-s", "-r", "17"],
}
TIFFCP_WHOLE = {"one strip": ["-s", "-r", "5000", "-c", "lzw"], "planes": ["-p", "separate"]}


def both_ways(scan, path: Path) -> tuple[list[bytes], list[bytes]]:
    """What is scanned by rows, and what when Pillow decodes the whole."""
    orders = (
        (100, Mode.COLOR, 8),
        (100, Mode.GRAY, 16),
        (100, Mode.LINEART, 1),
        (63, Mode.COLOR, 8),
        (120, Mode.GRAY, 8),
    )
    area = (0.1 * INCH, 0.2 * INCH, 5 * INCH, 11 * INCH)

    def all_orders() -> list[bytes]:
        backend = ImageFilesBackend(str(path))
        return [scan(backend, 0, dpi, area, *kind).tobytes() for dpi, *kind in orders]

    by_rows = all_orders()
    with patch.object(decoding, "_pieces", lambda *_: None):
        return by_rows, all_orders()


def is_decoded_by_rows(path: Path) -> bool:
    from scanner_backends.picture import opened, orientation

    with opened(path) as image:
        return orientation(path, image) == 1 and decoding._pieces(path, 0, image) is not None


@pytest.mark.parametrize("name", FILES)
def test_the_pixels_are_those_of_the_whole(tmp_path: Path, scan, name):
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    assert is_decoded_by_rows(path)
    by_rows, whole = both_ways(scan, path)
    assert by_rows == whole


@pytest.mark.parametrize("name", WHOLE)
def test_what_only_the_whole_tells_is_decoded_whole(tmp_path: Path, scan, name):
    path = tmp_path / name
    path.write_bytes(WHOLE[name]())
    assert not is_decoded_by_rows(path)
    assert scan(ImageFilesBackend(str(path)), 0, 100, (0, 0, INCH, INCH))


def test_a_pillow_of_another_build_decodes_the_whole(tmp_path: Path, scan, monkeypatch):
    path = tmp_path / "p.jpg"
    path.write_bytes(saved(soft("RGB"), "JPEG"))
    asked = (0, 0, INCH, INCH)
    by_rows = scan(ImageFilesBackend(str(path)), 0, 100, asked).tobytes()
    monkeypatch.delattr("PIL._imaging.map_buffer")
    assert not is_decoded_by_rows(path)
    assert scan(ImageFilesBackend(str(path)), 0, 100, asked).tobytes() == by_rows


@pytest.mark.parametrize("way", [*TIFFCP, *TIFFCP_WHOLE])
def test_strips_and_tiles_of_other_programs_are_read(tmp_path: Path, scan, way):
    (tmp_path / "in.tif").write_bytes(saved(soft("RGB"), "TIFF"))
    path = tmp_path / "out.tif"
    arguments = TIFFCP.get(way) or TIFFCP_WHOLE[way]
    subprocess.run(["tiffcp", *arguments, tmp_path / "in.tif", path], check=True, timeout=20)
    assert is_decoded_by_rows(path) == (way in TIFFCP)
    by_rows, whole = both_ways(scan, path)
    assert by_rows == whole
    if "jpeg" not in way:
        asked = (0, 0, SIZE[0] / 100 * INCH, SIZE[1] / 100 * INCH)
        result = scan(ImageFilesBackend(str(path)), 0, 100, asked)
        assert result.tobytes() == soft("RGB").tobytes()


def test_an_interlaced_png_is_decoded_whole(tmp_path: Path, scan):
    soft("RGB").save(tmp_path / "in.ppm")
    with (tmp_path / "p.png").open("wb") as file:
        command = ["pnmtopng", "-quiet", "-interlace", "-size", "3937 3937 1"]
        subprocess.run([*command, tmp_path / "in.ppm"], stdout=file, check=True, timeout=20)
    assert not is_decoded_by_rows(tmp_path / "p.png")
    asked = (0, 0, SIZE[0] / 100 * INCH, SIZE[1] / 100 * INCH)
    result = scan(ImageFilesBackend(str(tmp_path / "p.png")), 0, 100, asked)
    assert result.tobytes() == soft("RGB").tobytes()


@pytest.mark.parametrize("frame", range(3))
def test_every_page_of_a_tiff_is_read_by_its_own_strips(tmp_path: Path, scan, frame):
    pages = [noise("L") for _ in range(3)]
    pages[0].save(
        tmp_path / "p.tif",
        save_all=True,
        append_images=pages[1:],
        compression="tiff_lzw",
        dpi=(100, 100),
    )
    asked = (0, 0, SIZE[0] / 100 * INCH, SIZE[1] / 100 * INCH)
    result = scan(ImageFilesBackend(str(tmp_path)), frame, 100, asked, Mode.GRAY)
    assert result.tobytes() == pages[frame].tobytes()


def test_what_stands_behind_the_pixels_of_a_png_counts(tmp_path: Path, scan):
    file = saved(Image.new("RGB", (100, 50), (9, 9, 9)), "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    data = exif.tobytes()[6:]
    crc = struct.pack(">L", zlib.crc32(b"eXIf" + data))
    chunk = struct.pack(">L", len(data)) + b"eXIf" + data + crc
    (tmp_path / "p.png").write_bytes(file[:-12] + chunk + file[-12:])
    result = scan(ImageFilesBackend(str(tmp_path)), 0, 100, (0, 0, INCH, INCH))
    assert result.convert("L").point(lambda value: value < 128, "1").getbbox() == (0, 0, 50, 100)


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_file_that_turns_out_broken_is_named(tmp_path: Path, scan, part):
    for name, file in {
        "a.png": saved(noise("RGB"), "PNG"),
        "b.jpg": saved(noise("RGB"), "JPEG"),
        "c.bmp": saved(noise("RGB"), "BMP"),
        "d.tif": saved(noise("RGB"), "TIFF"),
        "e.tif": saved(noise("RGB"), "TIFF", compression="tiff_lzw"),
    }.items():
        (tmp_path / name).write_bytes(file)
    backend = ImageFilesBackend(str(tmp_path))
    pages = backend.describe().feeder
    for number, page in enumerate(pages):  # as if somebody cut it off in between
        path = tmp_path / page.label
        path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
        with pytest.raises(IoError, match=rf"{page.label} cannot be read: .+\."):
            scan(backend, number, 100, (0, 0, 5 * INCH, 11 * INCH))


def test_a_png_whose_pixels_end_early_is_named(tmp_path: Path, scan):
    file = saved(noise("L"), "PNG")
    begin = file.index(b"IDAT") - 4
    idat = b"IDAT" + zlib.compress(bytes(300 * (1 + SIZE[0])))
    chunk = struct.pack(">L", len(idat) - 4) + idat + struct.pack(">L", zlib.crc32(idat))
    (tmp_path / "p.png").write_bytes(file[:begin] + chunk + file[-12:])
    with pytest.raises(IoError, match=r"p\.png cannot be read: image file is truncated"):
        scan(ImageFilesBackend(str(tmp_path)), 0, 100, (0, 0, 5 * INCH, 11 * INCH))


MEASURED = """
import sys
from scanner_backends.base import Mode, ScanRequest, Source
from scanner_backends.image_files import ImageFilesBackend

def peak_mb():
    status = open("/proc/self/status").read()
    return int(status[status.index("VmHWM:") + 6 :].split()[0]) / 1024

def scan(path):
    dpi, depth = map(int, sys.argv[3:])
    area = (0, 0, 1016, 1016)
    request = ScanRequest(Source.ADF, Mode.COLOR, depth, dpi, 100, *area, alpha=depth == 16)
    backend = ImageFilesBackend(path)
    backend.describe()
    for _ in backend.scan(request, 0).bands:
        pass

scan(sys.argv[1])
before = peak_mb()
scan(sys.argv[2])
print(peak_mb() - before)
"""
KINDS = {
    "png": {"compress_level": 1},
    "jpg": {},
    "bmp": {},
    "tif": {},
    "lzw.tif": {"compression": "tiff_lzw"},
}


@pytest.fixture(scope="module")
def small_and_large(tmp_path_factory: pytest.TempPathFactory):
    """Paths of two files of a kind, of which the large one has 28 MB more, if decoded whole."""
    folder = tmp_path_factory.mktemp("sizes")

    @cache
    def made(kind: str) -> list[str]:
        paths = [str(folder / f"{name}.{kind}") for name in ("small", "large")]
        for path, height in zip(paths, (1000, 5000), strict=True):
            size = (2300, height)
            if kind == "16 bits.png":
                data = plain_png(6, 16, os.urandom(8 * 2300) * height, size=size)
                Path(path).write_bytes(data)
            elif kind == "one chunk.png":
                data = plain_png(2, 8, os.urandom(3 * 2300 * height), size=size)
                Path(path).write_bytes(data)
            else:
                soft("RGB", size).save(path, dpi=(100, 100), **KINDS[kind])
        return paths

    return made


@pytest.mark.slow
@pytest.mark.parametrize("dpi", [100, 50])
@pytest.mark.parametrize("kind", [*KINDS, "16 bits.png", "one chunk.png"])
def test_memory_does_not_grow_with_the_page(small_and_large, kind, dpi):
    paths = small_and_large(kind)
    depth = 16 if kind == "16 bits.png" else 8
    done = subprocess.run(
        [sys.executable, "-P", "-c", MEASURED, *paths, str(dpi), str(depth)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 8


def test_what_does_not_fit_into_memory_is_refused_by_name(tmp_path: Path, scan):
    soft("RGB", (2000, 2000)).save(tmp_path / "p.jpg", progressive=True, dpi=(100, 100))
    soft("CMYK", (2000, 2000)).save(tmp_path / "q.jpg", dpi=(100, 100))
    with patch.object(decoding, "available_bytes", lambda: 20 << 20):
        backend = ImageFilesBackend(str(tmp_path))
        told = backend.describe()
        assert told.refused == ("p.jpg: there is not enough memory to read it.",)
        assert [page.label for page in told.feeder] == ["q.jpg"]
        with pytest.raises(NoMem, match=r"q\.jpg is too large for this machine's memory"):
            scan(backend, 0, 100, (0, 0, INCH, INCH))
    assert scan(backend, 0, 100, (0, 0, INCH, INCH))


def test_a_control_group_may_leave_less_memory_than_the_machine_has(tmp_path: Path):
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 5000 kB\n")
    (tmp_path / "own").write_text("0::/some/unit.service\n")
    group = tmp_path / "some" / "unit.service"
    group.mkdir(parents=True)
    (group / "memory.current").write_text("3000000\n")
    (group / "memory.stat").write_text("anon 2000000\ninactive_file 300000\nactive_file 200000\n")
    with (
        patch.object(memory, "_MEMINFO", tmp_path / "meminfo"),
        patch.object(memory, "_OWN_CGROUP", tmp_path / "own"),
        patch.object(memory, "_CGROUPS", tmp_path),
    ):
        (group / "memory.max").write_text("max\n")
        assert memory.available_bytes() == 5000 * 1024
        (group / "memory.max").write_text("4000000\n")
        assert memory.available_bytes() == 1_500_000
        (tmp_path / "meminfo").unlink()
        (group / "memory.max").unlink()
        assert memory.available_bytes() == math.inf
