"""A file that is already what was ordered goes out byte for byte; any other is made anew."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from device.imaging.spec import ImageSpec
from device.pages.supervisor import PageLine
from scanner_backends.base import MM_PER_INCH, Mode, ScanRequest, Source

SIZE = (320, 240)
DPI = 100


def picture(mode: str = "RGB") -> Image.Image:
    layers = [
        Image.effect_noise(SIZE, 40 + 20 * n)
        for n in range(len(mode) if mode.startswith("RGB") else 1)
    ]
    return Image.merge(mode, layers) if mode.startswith("RGB") else layers[0]


def jfif(mode: str = "RGB", **more: object) -> bytes:
    return saved(picture(mode), "JPEG", **{"dpi": (DPI, DPI), "quality": 90} | more)


def exif(orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[0x011A], tags[0x011B], tags[0x0128], tags[0x0112] = DPI, DPI, 2, orientation
    made = saved(picture(), "JPEG", exif=tags)
    at = made.index(b"\xff\xe1")  # as cameras write it: without a JFIF segment before
    return made[:2] + made[at:]


def png(mode: str = "RGB", **more: object) -> bytes:
    return saved(picture(mode), "PNG", **{"dpi": (DPI, DPI)} | more)


def saved(image: Image.Image, kind: str, **more: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


@pytest.fixture
def fetch(tmp_path: Path, line) -> Callable[..., object]:
    """Puts a file into the source, and fetches its page."""

    async def work(
        file: bytes, format: str, color: str = "RGB24", size=SIZE, left=0, dpi=DPI, **more: object
    ) -> bytes:
        folder = tmp_path / "stack"
        folder.mkdir(exist_ok=True)
        (folder / "page").write_bytes(file)
        source: PageLine = await line(f"images:{folder}")
        mode = Mode.COLOR if color.startswith("RGB") else Mode.GRAY
        place = [px * MM_PER_INCH / dpi for px in (left, 0, *size)]
        alpha = color.startswith("RGBa")
        request = ScanRequest(Source.FLATBED, mode, 8, dpi, dpi, *place, alpha=alpha)
        image = await source.page(1, 0, request, ImageSpec(format, color, *size, dpi, dpi, **more))
        whole = b"".join([piece async for piece in image])
        assert (image.width_px, image.height_px, image.bytes_sent) == (*size, len(whole))
        return whole

    return work


@pytest.mark.parametrize(
    ("file", "format", "color"),
    [
        (jfif(), "jfif", "RGB24"),
        (jfif("L"), "jfif", "Grayscale8"),
        (exif(), "exif", "RGB24"),
        (png(), "png", "RGB24"),
        (png("L"), "png", "Grayscale8"),
        (png("RGBA"), "png", "RGBa32"),
    ],
)
async def test_a_file_that_fits_is_not_touched(fetch, file, format, color):
    assert await fetch(file, format, color) == file


@pytest.mark.parametrize(
    ("file", "format", "changed"),
    [
        (jfif(), "exif", {}),
        (exif(), "jfif", {}),
        (jfif(), "png", {}),
        (png(), "jfif", {}),
        (jfif(), "jfif", {"color": "Grayscale8"}),
        (jfif("L"), "jfif", {}),
        (jfif(), "jfif", {"rotation": 180}),
        (jfif(), "jfif", {"brightness": 200}),
        (jfif(), "jfif", {"contrast": -200}),
        (jfif(), "jfif", {"sharpness": 50}),
        (jfif(), "jfif", {"auto_exposure": True}),
        (jfif(), "jfif", {"size": (319, 240)}),
        (jfif(), "jfif", {"size": (320, 241)}),
        (jfif(), "jfif", {"left": 1}),
        (jfif(), "jfif", {"dpi": 50, "size": (160, 120)}),
        (jfif(dpi=(150, 150)), "jfif", {}),
        (jfif(progressive=True), "jfif", {}),
        (exif(orientation=3), "exif", {}),
        (saved(picture("L").convert("1"), "PNG", dpi=(DPI, DPI)), "png", {"color": "Grayscale8"}),
        (png("RGBA"), "png", {}),
        (png("RGBA"), "png", {"color": "RGBa32", "rotation": 180}),
        (png(), "png", {"color": "RGBa32"}),
    ],
)
async def test_any_other_file_is_made_anew_as_it_was_ordered(fetch, file, format, changed):
    made = await fetch(file, format, **changed)
    assert made != file
    with Image.open(BytesIO(made)) as image:
        image.load()
        assert image.size == changed.get("size", SIZE)
        modes = {"Grayscale8": "L", "RGBa32": "RGBA"}
        assert image.mode == modes.get(str(changed.get("color")), "RGB")


async def test_scaling_to_the_same_size_is_not_the_same(fetch):
    file = png()
    made = await fetch(file, "png", scaling_width=200, scaling_height=200)
    assert made != file


async def test_a_document_is_made_of_it_all_the_same(fetch):
    assert (await fetch(jfif(), "pdf-a")).startswith(b"%PDF")


async def test_a_file_not_touched_has_the_pixels_of_one_made_anew(fetch):
    file = png()
    untouched = await fetch(file, "png")
    anew = await fetch(file, "tiff-single-uncompressed")
    with Image.open(BytesIO(untouched)) as one, Image.open(BytesIO(anew)) as other:
        assert ImageChops.difference(one, other).getbbox() is None


@pytest.mark.parametrize(
    ("file", "format", "expected"), [(jfif(), "jfif", (240, 180)), (png(), "png", SIZE)]
)
async def test_its_picture_is_made_too(tmp_path, line, fetch, file, format, expected):
    assert await fetch(file, format) == file
    source = await line(f"images:{tmp_path / 'stack'}")
    pictures: list[bytes] = []
    source.pictured = lambda job_id, picture: pictures.append(picture)
    place = [px * MM_PER_INCH / DPI for px in (0, 0, *SIZE)]
    request = ScanRequest(Source.FLATBED, Mode.COLOR, 8, DPI, DPI, *place)
    image = await source.page(1, 0, request, ImageSpec(format, "RGB24", *SIZE, DPI, DPI))
    assert b"".join([piece async for piece in image]) == file
    with Image.open(BytesIO(pictures[0])) as small:
        assert small.size == expected
        means = [
            ImageStat.Stat(one.convert("RGB")).mean for one in (small, Image.open(BytesIO(file)))
        ]
        assert means[0] == pytest.approx(means[1], abs=3)
