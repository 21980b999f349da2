"""The small picture that is made of a page on its way."""

import io

import pytest
from PIL import Image, ImageStat

from device.imaging.colour import SAMPLES
from device.imaging.convert import fit
from device.imaging.miniature import HEIGHT_PX, WIDTH_PX, Miniature
from device.imaging.spec import ImageSpec
from scanner_backends.base import Mode, RawPage, ScanRequest, Source
from scanner_backends.chart import ChartBackend

COLOURS = tuple(SAMPLES)


def scanned(color: str, dpi: int, rows: int | None = None) -> RawPage:
    mode = Mode.COLOR if color.startswith("RGB") else Mode.GRAY
    depth = 16 if SAMPLES[color][1] == 16 else 8
    request = ScanRequest(Source.FLATBED, mode, depth, dpi, dpi, 0, 0, 210, 297)
    width, height = round(210 / 25.4 * dpi), rows or round(297 / 25.4 * dpi)
    spec = ImageSpec("png", color, width, height, dpi, dpi)
    return fit(ChartBackend("").scan(request, 1), request, spec)


@pytest.mark.parametrize(
    ("color", "dpi"),
    [*((color, dpi) for color in COLOURS for dpi in (50, 75, 150)), ("RGB24", 300)],
)
def test_a_page_passes_unchanged_and_leaves_a_likeness(color: str, dpi: int):
    pictures: list[bytes] = []
    miniature = Miniature(scanned(color, dpi), pictures.append)
    bands = list(miniature.watched.bands)
    assert bands == list(scanned(color, dpi).bands)
    (picture,) = pictures
    assert len(picture) < 60_000
    small = Image.open(io.BytesIO(picture)).convert("RGB")
    assert small.width <= 2 * WIDTH_PX
    assert small.height <= 2 * HEIGHT_PX

    page = scanned("RGB24" if color.startswith("RGB") else "Grayscale8", dpi)
    whole = Image.frombytes(
        "RGB" if page.mode is Mode.COLOR else "L",
        (page.width_px, page.height_px),
        b"".join(page.bands),
    ).convert("RGB")
    # Grey and colour fields, black and white: where they are on the page, they are in the picture.
    for left, top, right, bottom in ((0, 0, 1, 1), (0.1, 0.4, 0.9, 0.5), (0.1, 0.55, 0.9, 0.62)):
        means = [
            ImageStat.Stat(
                image.crop(
                    (
                        round(left * image.width),
                        round(top * image.height),
                        round(right * image.width),
                        round(bottom * image.height),
                    )
                )
            ).mean
            for image in (small, whole)
        ]
        assert means[0] == pytest.approx(means[1], abs=12), (left, top)


@pytest.mark.parametrize("rows", [1, 31, 33])
def test_a_strip_has_a_picture_too(rows: int):
    pictures: list[bytes] = []
    for _ in Miniature(scanned("RGB24", 100, rows), pictures.append).watched.bands:
        pass
    (picture,) = pictures
    assert Image.open(io.BytesIO(picture)).height >= 1


def test_a_page_that_breaks_off_has_none():
    pictures: list[bytes] = []
    bands = Miniature(scanned("RGB24", 100), pictures.append).watched.bands
    next(bands)
    next(bands)
    assert pictures == []
