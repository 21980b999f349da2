"""The files as others read them: their own tools, Pillow, and a few lines by hand."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from math import log10

import pytest
from PIL import Image, ImageChops, ImageFilter, ImageStat

from device.imaging.jpeg_bands import quality_of
from device.imaging.spec import SUPPORTED
from scanner_backends.base import Mode, RawPage

MAGIC = {
    "dib": b"BM",
    "exif": b"\xff\xd8\xff\xe1",
    "jfif": b"\xff\xd8\xff\xe0",
    "jbig": b"\0\0\x01\0",
    "jpeg2k": b"\0\0\0\x0cjP  \r\n\x87\n",
    "pdf-a": b"%PDF-1.4\n",
    "xps": b"PK\x03\x04",
    "png": b"\x89PNG\r\n\x1a\n",
    **{name: b"II*\0" for name in SUPPORTED if name.startswith("tiff-")},
}
SILENT = ("jbig", "pdf-a", "xps")  # they tell no resolution, or tell it of pages
EVERY = [(format, color) for format, colors in SUPPORTED.items() for color in colors]


@pytest.mark.parametrize(("format", "color"), EVERY)
def test_the_magic_bytes_are_those_of_the_format(making, format, color):
    page, _ = making.natural(format, color, 17, 200)
    assert making.delivered(page, making.spec_for(page, format, color)).startswith(MAGIC[format])


@pytest.mark.parametrize(("format", "color"), EVERY)
def test_a_page_is_the_same_bytes_each_time_and_whatever_its_bands(making, format, color):
    files = set()
    for rows in (1, 7, 64, 1000):
        shape, data = making.natural(format, color, 77, 211)
        page = making.page_of(shape, data, rows)
        files.add(making.delivered(page, making.spec_for(page, format, color)))
    assert len(files) == 1


@pytest.mark.parametrize(("format", "color"), EVERY)
def test_zero_is_black_and_all_ones_are_white(making, format, color):
    page, data = making.natural(format, color, 64, 32)
    half = len(data) // 2
    page = making.page_of(page, bytes(half) + b"\xff" * half, 8)
    file = making.delivered(page, making.spec_for(page, format, color))
    image = making.decoded(file, format)
    deep = image.mode.startswith("I")
    grey = image.convert("I" if deep else "L")
    assert grey.getpixel((3, 3)) <= 3
    assert grey.getpixel((3, 30)) >= (65535 if deep else 252)


@pytest.mark.parametrize(("format", "color"), [(f, c) for f, c in EVERY if f not in SILENT])
def test_each_axis_tells_its_resolution(making, format, color):
    page, _ = making.natural(format, color, 30, 20)
    spec = making.spec_for(page, format, color, x_dpi=300, y_dpi=600)
    turned = making.spec_for(
        page, format, color, x_dpi=300, y_dpi=600, rotation=90, width_px=20, height_px=30
    )
    for order, expected in ((spec, (300, 600)), (turned, (600, 300))):
        shape, data = making.natural(format, color, 30, 20)
        file = making.delivered(making.page_of(shape, data), order)
        with Image.open(BytesIO(file)) as image:
            told = image.info["dpi"]
            if format == "exif":  # Pillow looks at one axis only
                told = image.getexif()[0x011A], image.getexif()[0x011B]
            assert tuple(round(float(dpi)) for dpi in told) == expected


@pytest.mark.parametrize("color", ["BlackAndWhite1", "Grayscale8", "Grayscale16", "RGB24", "RGB48"])
@pytest.mark.parametrize("width", [1, 8, 101])
def test_png_and_tiff_hold_the_very_samples(making, color, width):
    page, data = making.natural("png", color, width, 150)
    file = making.delivered(page, making.spec_for(page, "png", color))
    assert meaningful(page, png_samples(file, page)) == meaningful(page, data)
    page = making.page_of(page, data)
    file = making.delivered(page, making.spec_for(page, "tiff-single-uncompressed", color))
    assert file[8 : 8 + len(data)] == data


@pytest.mark.parametrize(
    ("format", "color"),
    [
        (format, color)
        for format, color in EVERY
        if color in ("RGB24", "Grayscale8") and format not in ("pdf-a", "xps")
    ],
)
def test_a_page_so_wide_that_its_bands_are_low_is_whole(making, format, color):
    """Bands have 32 rows, or 48; what tells of strips and tiles has to know it."""
    page, picture = soft_page({"RGB24": 9000, "Grayscale8": 20_000}[color], 100, color)
    page = making.page_of(page, picture.tobytes())
    file = making.delivered(page, making.spec_for(page, format, color, quality=100))
    image = making.decoded(file, format)
    assert image.size == picture.size
    assert psnr(image, picture) > 40


@pytest.mark.parametrize("color", SUPPORTED["dib"])
@pytest.mark.parametrize("width", [1, 6, 101])
def test_a_bitmap_file_holds_the_very_samples_from_the_bottom(making, color, width):
    page, data = making.natural("dib", color, width, 150)
    spec = making.spec_for(page, "dib", color)
    file = making.delivered(page, spec)
    expected = making.fitted(making.page_of(page, data), spec)
    with Image.open(BytesIO(file)) as image:
        assert image.height == 150  # not negative: from the bottom
        mode = {"RGB24": "RGB", "BlackAndWhite1": "1"}.get(color, "L")
        pixels = image.convert(mode)
    if color == "Grayscale4":
        twice = [nibble * 17 for byte in expected for nibble in (byte >> 4, byte & 15)]
        row = (width + 1) // 2 * 2
        expected = bytes(v for n, v in enumerate(twice) if n % row < width)
    assert pixels.tobytes() == Image.frombytes(mode, (width, 150), expected).tobytes()
    assert struct.unpack("<L", file[2:6]) == (len(file),)
    assert struct.unpack("<ll", file[38:46]) == (3937, 3937)


@pytest.mark.parametrize("color", SUPPORTED["png"])
@pytest.mark.parametrize("size", [(1, 1), (33, 129), (1000, 64)])
def test_pngcheck_finds_no_fault(making, run_tool, tmp_path, color, size):
    page, _ = making.natural("png", color, *size)
    path = tmp_path / "page.png"
    path.write_bytes(making.delivered(page, making.spec_for(page, "png", color)))
    told = run_tool("pngcheck", "-v", str(path), data=b"").decode()
    assert "No errors detected" in told
    assert "3937x3937 pixels/meter (100 dpi)" in told


@pytest.mark.parametrize("color", ["Grayscale8", "RGB24"])
@pytest.mark.parametrize(
    "size", [(1, 1), (17, 63), (200, 64), (333, 300), (1000, 1040), (11_000, 70), (45_000, 40)]
)
@pytest.mark.parametrize("quality", [80, 100])
def test_djpeg_reads_a_jpeg_of_bands_as_the_whole_page(making, run_tool, color, size, quality):
    page, picture = soft_page(*size, color)
    spec = making.spec_for(page, "jfif", color, quality=quality)
    file = making.delivered(making.page_of(page, picture.tobytes()), spec)
    with Image.open(BytesIO(run_tool("djpeg", "-pnm", data=file))) as decoded:
        assert decoded.size == size
        assert psnr(decoded, picture) > 35
        with Image.open(BytesIO(file)) as ours:
            assert psnr(ours, decoded) > 45
    whole = BytesIO()
    sampling = "4:4:4" if quality == 100 else "4:2:0"
    picture.save(whole, "JPEG", quality=quality_of(quality), subsampling=sampling)
    with Image.open(BytesIO(file)) as ours, Image.open(whole) as theirs:
        assert ours.tobytes() == theirs.tobytes()


def test_a_higher_factor_loses_less(making):
    page, picture = soft_page(300, 300, "RGB24")
    fidelity = []
    for quality in (0, 50, 80, 100):
        page = making.page_of(page, picture.tobytes())
        spec = making.spec_for(page, "jfif", "RGB24", quality=quality)
        with Image.open(BytesIO(making.delivered(page, spec))) as image:
            fidelity.append(psnr(image, picture))
    assert fidelity == sorted(fidelity)
    assert fidelity[-1] > 42


@pytest.fixture
def exiv2(run_tool) -> Callable[[bytes], dict[str, str]]:
    """The Exif tags of a JPEG, as an independent reader names and reads them."""

    def read(file: bytes) -> dict[str, str]:
        lines = run_tool("exiv2", "-q", "-Pkv", "pr", "-", data=file).decode().splitlines()
        pairs = (line.split(maxsplit=1) for line in lines)
        return {key.removeprefix("Exif."): value.strip() for key, value in pairs}

    return read


@pytest.mark.parametrize("color", ["Grayscale8", "RGB24"])
def test_exif_data_tell_the_resolution_the_device_and_the_time(making, exiv2, color):
    made = {"made_by": ("Acme & Söhne", "Scan 1"), "made_at": "2026:05:04 08:15:00"}
    page, _ = making.natural("exif", color, 41, 30)
    spec = making.spec_for(page, "exif", color, x_dpi=300, y_dpi=200, **made)
    tags = exiv2(making.delivered(page, spec))
    assert tags["Image.Make"] == "Acme & S?hne"
    assert tags["Image.Model"] == "Scan 1"
    assert (tags["Image.XResolution"], tags["Image.YResolution"]) == ("300/1", "200/1")
    assert tags["Image.ResolutionUnit"] == "2"
    times = [tags["Image.DateTime"]]
    times += [tags[f"Photo.DateTime{kind}"] for kind in ("Original", "Digitized")]
    assert set(times) == {"2026:05:04 08:15:00"}
    assert tags["Photo.OffsetTime"] == tags["Photo.OffsetTimeOriginal"] == "+00:00"
    assert (tags["Photo.PixelXDimension"], tags["Photo.PixelYDimension"]) == ("41", "30")
    assert tags["Photo.FileSource"] == "2"


def test_exif_data_tell_nothing_that_is_not_known(making, exiv2):
    page, _ = making.raw_page(40, 30)
    tags = exiv2(making.delivered(page, making.spec_for(page, "exif", "RGB24")))
    assert tags["Image.XResolution"] == "100/1"
    assert not [name for name in tags if "Time" in name or name in ("Image.Make", "Image.Model")]


def soft_page(width: int, height: int, color: str) -> tuple[RawPage, Image.Image]:
    """Something like a photo: what JPEG was made for."""
    layers = [
        Image.linear_gradient("L").resize((width, height)),
        Image.radial_gradient("L").resize((width, height)),
        Image.radial_gradient("L").rotate(180).resize((width, height), box=(0, 0, 128, 256)),
    ]
    picture = layers[1] if color == "Grayscale8" else Image.merge("RGB", layers)
    picture = picture.filter(ImageFilter.GaussianBlur(1))
    mode = Mode.GRAY if color == "Grayscale8" else Mode.COLOR
    return RawPage(width, height, mode, 8, iter(())), picture


def psnr(one: Image.Image, other: Image.Image) -> float:
    error = ImageStat.Stat(ImageChops.difference(one, other)).sum2
    mean = sum(error) / (one.width * one.height * len(error))
    return 10 * log10(255**2 / mean) if mean else 99.0


def png_samples(file: bytes, page: RawPage) -> bytes:
    """A PNG's samples in the machine's byte order, read by hand."""
    at, deflated = 8, b""
    while at < len(file):
        (length,) = struct.unpack(">L", file[at : at + 4])
        name, body = file[at + 4 : at + 8], file[at + 8 : at + 8 + length]
        assert struct.unpack(">L", file[at + 8 + length : at + 12 + length])[0] == zlib.crc32(
            name + body
        )
        deflated += body if name == b"IDAT" else b""
        at += 12 + length
    rows, stride, samples = zlib.decompress(deflated), page.stride, b""
    above = bytes(stride)
    for start in range(0, len(rows), stride + 1):
        row = rows[start + 1 : start + 1 + stride]
        if rows[start] == 2:
            row = bytes((a + b) % 256 for a, b in zip(row, above, strict=True))
        else:
            assert rows[start] == 0
        above = row
        samples += row
    if page.depth == 16:
        samples = b"".join(samples[n : n + 2][::-1] for n in range(0, len(samples), 2))
    return samples


def meaningful(page: RawPage, data: bytes) -> bytes:
    """The samples without the bits that only fill the last byte of a row."""
    unused = page.stride * 8 - page.width_px * page.channels * page.depth
    mask = 0xFF << unused & 0xFF
    stride = page.stride
    return b"".join(
        data[at : at + stride - 1] + bytes((data[at + stride - 1] & mask,))
        for at in range(0, len(data), stride)
    )
