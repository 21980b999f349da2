"""What comes through our page line is, pixel by pixel, what scanimage gets from the same device."""

import sys
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from support import sane_test

from device.pages.page_image import PageImage
from device.pages.supervisor import PageLine
from scanner_backends.base import Mode, Source
from scanner_backends.errors import NoDocs

pytestmark = [pytest.mark.sane, pytest.mark.usefixtures("sane")]

SCANIMAGE_MODES = {
    (Mode.LINEART, 1): ["--mode", "Gray", "--depth", "1"],
    (Mode.GRAY, 8): ["--mode", "Gray", "--depth", "8"],
    (Mode.GRAY, 16): ["--mode", "Gray", "--depth", "16"],
    (Mode.COLOR, 8): ["--mode", "Color", "--depth", "8"],
    (Mode.COLOR, 16): ["--mode", "Color", "--depth", "16"],
}
MakeLine = Callable[..., PageLine]


async def whole(image: PageImage) -> bytes:
    return b"".join([piece async for piece in image])


def area_options(area: tuple[float, float, float, float]) -> list[str]:
    return [
        word
        for letter, value in zip("ltxy", area, strict=True)
        for word in (f"-{letter}", f"{value}")
    ]


def directed(sane: Path, mode: Mode, depth: int, dpi: int, *more: str) -> tuple[int, int, bytes]:
    """Width, height and samples, 1 is white, in the machine's byte order."""
    pnm = sane_test.scanimage(sane, *SCANIMAGE_MODES[mode, depth], "--resolution", str(dpi), *more)
    width, height, highest, data = sane_test.samples(pnm)
    if highest == 1:
        data = bytes(255 - byte for byte in data)
    if highest == 65535 and sys.byteorder == "little":
        data = swapped(data)
    return width, height, data


def swapped(data: bytes) -> bytes:
    other = bytearray(len(data))
    other[0::2], other[1::2] = data[1::2], data[0::2]
    return bytes(other)


def strips(tiff: bytes, count: int) -> bytes:
    """The samples of an uncompressed TIFF of ours, which stand together; `count` bytes of them."""
    with Image.open(BytesIO(tiff)) as image:
        tags = image.tag_v2  # type: ignore[attr-defined]
        assert tags[259] == 1
        return tiff[tags[273][0] :][:count]


async def assert_same(
    scanner: PageLine, order, sane: Path, mode: Mode, depth: int, dpi: int, area
) -> None:
    width, height, data = directed(sane, mode, depth, dpi, *area_options(area))
    given = order(mode, depth, dpi=dpi, area=area, size=(width, height))
    page = await scanner.page(1, None, *given)
    assert strips(await whole(page), len(data)) == data, (mode, depth, dpi, area)


@pytest.mark.parametrize(("mode", "depth"), SCANIMAGE_MODES)
async def test_modes_depths_and_resolutions(
    line: MakeLine, order, sane: Path, mode: Mode, depth: int
):
    scanner = await line("sane:test:0")
    for dpi in (1, 75, 150, 300, 600):
        await assert_same(scanner, order, sane, mode, depth, dpi, (0, 0, 100, 80))


@pytest.mark.parametrize(("mode", "depth"), [(Mode.LINEART, 1), (Mode.COLOR, 8)])
async def test_regions(line: MakeLine, order, sane: Path, mode: Mode, depth: int):
    scanner = await line("sane:test:0")
    for area in (
        (0, 0, 210, 297),
        (13, 7, 50, 60),
        (0, 0, 300, 1),
        (299, 299, 1, 1),
        (10, 0, 33, 297),
    ):
        await assert_same(scanner, order, sane, mode, depth, 100, area)


@pytest.mark.parametrize(("mode", "depth"), [(Mode.LINEART, 1), (Mode.GRAY, 16), (Mode.COLOR, 8)])
async def test_a_region_between_what_the_device_can_set_begins_at_the_right_pixel(
    line: MakeLine, order, sane: Path, mode: Mode, depth: int
):
    """The device counts in whole mm: it scans from 12 to 63 mm, and from 3 to 34 mm."""
    width, _, data = directed(sane, mode, depth, 150, *area_options((12, 3, 51, 31)))
    scanner = await line("sane:test:0")
    left, top, across, down = (round(mm * 150 / 25.4) for mm in (0.7, 0.4, 50, 30))
    page = await scanner.page(1, None, *order(mode, depth, dpi=150, area=(12.7, 3.4, 50, 30)))
    got = strips(await whole(page), 1 << 30)
    assert pixels(got, across, mode, depth, (0, 0, across, down)) == pixels(
        data, width, mode, depth, (left, top, across, down)
    )


def pixels(
    data: bytes, width: int, mode: Mode, depth: int, box: tuple[int, int, int, int]
) -> bytes:
    """A part of a page; of lineart one byte for each pixel."""
    left, top, across, down = box
    if depth == 1:
        stride = (width + 7) // 8
        image = Image.frombytes("1", (stride * 8, len(data) // stride), data).convert("L")
        return image.crop((left, top, left + across, top + down)).tobytes()
    size = depth // 8 * (3 if mode is Mode.COLOR else 1)
    rows = (data[(row * width + left) * size :][: across * size] for row in range(top, top + down))
    return b"".join(rows)


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize(("x_dpi", "y_dpi"), [(150, 75), (75, 150)])
async def test_resolutions_that_the_device_has_for_both_axes_only(
    line: MakeLine, order, sane: Path, x_dpi: int, y_dpi: int, rotation: int
):
    area = (0, 0, 101.6, 50.8)
    width, height, data = directed(sane, Mode.GRAY, 8, 150, *area_options(area))
    size = (round(4 * x_dpi), round(2 * y_dpi))
    expected = Image.frombytes("L", (width, height), data).crop((0, 0, 600, 300))
    expected = expected.resize(size, Image.Resampling.BOX)
    if rotation:
        expected = expected.transpose(Image.Transpose.ROTATE_270)
    request, spec = order(Mode.GRAY, 8, area=area, size=expected.size, format="png")
    request = replace(request, x_dpi=x_dpi, y_dpi=y_dpi)
    spec = replace(spec, x_dpi=x_dpi, y_dpi=y_dpi, rotation=rotation)
    scanner = await line("sane:test:0")
    with Image.open(BytesIO(await whole(await scanner.page(1, None, request, spec)))) as image:
        assert image.size == expected.size
        assert image.tobytes() == expected.tobytes()


@pytest.mark.parametrize("format", ["png", "tiff-single-uncompressed"])
@pytest.mark.parametrize("picture", ["Solid black", "Grid"])
async def test_other_formats_and_pictures(
    line: MakeLine, order, sane: Path, options_file, format: str, picture: str
):
    area = (0, 0, 100, 80)
    width, height, data = directed(
        sane, Mode.COLOR, 8, 100, *area_options(area), "--test-picture", picture
    )
    scanner = await line("sane:test:0" + options_file(f'set.test-picture = "{picture}"'))
    given = order(Mode.COLOR, 8, dpi=100, area=area, size=(width, height), format=format)
    with Image.open(BytesIO(await whole(await scanner.page(1, None, *given)))) as image:
        assert image.tobytes() == data


@pytest.mark.parametrize(
    "setting",
    [
        "set.three-pass = true",
        'set = {three-pass = true, three-pass-order = "BGR"}',
        "set.read-limit = true",
        "set = {read-limit = true, read-limit-size = 7}",
        "set.fuzzy-parameters = true",
        "set.non-blocking = true",
    ],
)
async def test_odd_ways_to_send_the_same_page(
    line: MakeLine, order, sane: Path, options_file, setting: str
):
    scanner = await line("sane:test:0" + options_file(setting))
    for depth in (8, 16):
        await assert_same(scanner, order, sane, Mode.COLOR, depth, 75, (0, 0, 60, 30))


async def test_rows_longer_than_their_pixels(line: MakeLine, order, sane: Path, options_file):
    """scanimage writes the filling as well; without that, the picture is the same."""
    loss = ["--ppl-loss", "5"]
    width, height, data = directed(sane, Mode.GRAY, 8, 75, *area_options((0, 0, 60, 30)), *loss)
    row = len(data) // height
    assert row == width + 5
    expected = b"".join(data[at : at + width] for at in range(0, len(data), row))
    scanner = await line("sane:test:0" + options_file("set.ppl-loss = 5"))
    given = order(Mode.GRAY, 8, area=(0, 0, 60, 30), size=(width, height))
    assert strips(await whole(await scanner.page(1, None, *given)), len(expected)) == expected


async def test_a_hand_scanner_that_does_not_know_its_length(
    line: MakeLine, order, sane: Path, options_file
):
    width, height, data = directed(sane, Mode.GRAY, 8, 75, "-y", "50", "--hand-scanner=yes")
    scanner = await line("sane:test:0" + options_file("set.hand-scanner = true"))
    given = order(Mode.GRAY, 8, dpi=75, area=(0, 0, 110, 50), size=(width, height))
    assert strips(await whole(await scanner.page(1, None, *given)), len(data)) == data


async def test_every_sheet_of_the_feeder(line: MakeLine, order, sane: Path):
    feeder = ["--source", "Automatic Document Feeder"]
    width, height, data = directed(sane, Mode.GRAY, 8, 75, *area_options((0, 0, 60, 40)), *feeder)
    scanner = await line("sane:test:0")
    given = order(source=Source.ADF, size=(width, height))
    for _ in range(10):
        page = await scanner.page(1, None, *given)
        assert strips(await whole(page), len(data)) == data
    with pytest.raises(NoDocs):
        await scanner.page(1, None, *given)
