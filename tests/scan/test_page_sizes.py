"""Detected document sizes: each page comes at its own size. Real files, the real page line."""

import io
import re
from dataclasses import replace

import pytest
from clients.wsscan import Side, child, scan_ticket, text
from PIL import Image, TiffImagePlugin
from support.wire import Options, WireDevice

from device.clock import SystemClock
from device.imaging.encoders import SUPPORTED
from device.jobs.fitting import fitted
from device.pages.supervisor import PageLine
from scanner_backends.base import Abilities, Description, Mode, Resolutions, Source

conformance = pytest.mark.conformance
RED, GREEN, BLUE = (220, 20, 20), (20, 200, 20), (20, 20, 220)
FORMATS = ("png", "dib", "pdf-a", "tiff-multi-uncompressed")
SIZES = [(403, 507), (300, 211), (600, 400)]
"""Of the files' pixels, at 100 dpi."""


def with_detection(found):
    settings = replace(found.settings, formats=FORMATS, document_size_auto_detect=True)
    formats = {name: frozenset(SUPPORTED[name]) for name in FORMATS}
    return replace(found, settings=settings, format_colors=formats)


@pytest.fixture
def files(tmp_path):
    """Three PNG files of different sizes, each with a blue corner at its end."""
    folder = tmp_path / "pages"
    folder.mkdir()
    for number, (size, colour) in enumerate(zip(SIZES, (RED, GREEN, RED), strict=True)):
        image = Image.new("RGB", size, colour)
        image.paste(BLUE, (size[0] - 5, size[1] - 5, size[0], size[1]))
        image.save(folder / f"{number}.png", dpi=(100, 100))
    return folder


@pytest.fixture
def scanner(files):
    source = f"images:{files}"
    made = WireDevice(
        Options(configuration=with_detection, pages=lambda: PageLine(source, clock=SystemClock()))
    )
    yield made
    made.close()


def job_of(device, **wishes):
    return device.client.create_scan_job(scan_ticket(**{"dpi": 100, "auto_size": True} | wishes))


def image_of(device, job):
    content = device.client.retrieve_image(job.id, job.token).content
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image


def announced(job):
    info = child(job.reply.require(), "ImageInformation/MediaFrontImageInfo")
    return int(text(info, "PixelsPerLine")), int(text(info, "NumberOfLines"))


def media(job):
    size = child(job.reply.require(), "DocumentFinalParameters/InputSize/InputMediaSize")
    return int(text(size, "Width")), int(text(size, "Height"))


@conformance("EL-29")
def test_each_page_of_the_feeder_comes_at_its_own_size(scanner):
    job = job_of(scanner, source="ADF")
    assert media(job) == (4030, 5070)
    assert announced(job) == SIZES[0]
    images = [image_of(scanner, job) for _ in SIZES]
    assert [image.size for image in images] == SIZES
    assert [image.getpixel((0, 0)) for image in images] == [RED, GREEN, RED]
    assert all(
        image.getpixel((w - 1, h - 1)) == BLUE for image, (w, h) in zip(images, SIZES, strict=True)
    )


@conformance("EL-29")
@pytest.mark.parametrize("format_", ["pdf-a", "tiff-multi-uncompressed"])
def test_so_does_each_page_of_a_document(scanner, format_):
    job = job_of(scanner, source="ADF", format=format_)
    content = scanner.client.retrieve_image(job.id, job.token).content
    if format_ == "pdf-a":
        boxes = re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", content)
        found = [(round(float(w) * 100 / 72), round(float(h) * 100 / 72)) for w, h in boxes]
    else:
        with Image.open(io.BytesIO(content)) as document:
            found = []
            for number in range(document.n_frames):
                document.seek(number)
                found.append(document.size)
    assert found == SIZES


@conformance("EL-29", "EL-47")
def test_a_detected_page_is_turned_and_scaled_like_any_other(scanner):
    job = job_of(scanner, rotation=90, scaling=(50, 100))
    assert announced(job) == (507, 201)
    image = image_of(scanner, job)
    assert image.size == (507, 201)
    assert image.getpixel((1, 200)) == BLUE
    job = job_of(scanner)
    assert announced(job) == SIZES[1]  # another page lies on the glass by now
    assert image_of(scanner, job).size == SIZES[1]


@conformance("EL-29", "EL-36")
def test_a_region_counts_on_the_page_and_is_ignored_beyond_it(scanner):
    inside = job_of(scanner, source="ADF", images=3, region=(1000, 1000, 2000, 1000))
    assert announced(inside) == (200, 100)
    images = [image_of(scanner, inside) for _ in SIZES]
    assert [image.size for image in images] == [(200, 100), (200, 100), (200, 100)]
    beyond = job_of(scanner, region=(0, 0, 8000, 11000))
    assert announced(beyond) == SIZES[0]
    final = child(beyond.reply.require(), "DocumentFinalParameters")
    width = child(final, "MediaSides/MediaFront/ScanRegion/ScanRegionWidth")
    assert (width.text, [name.rpartition("}")[2] for name in width.attrib]) == (
        "4030",
        ["Override"],
    )
    assert image_of(scanner, beyond).size == SIZES[0]
    info = scanner.client.validate_scan_ticket(
        scan_ticket(auto_size=True, region=(0, 0, 8000, 11000))
    )
    assert text(info, "ValidTicket") == "true"


@conformance("EL-29")
def test_a_region_that_only_some_pages_hold_is_ignored_on_the_others(scanner):
    job = job_of(scanner, source="ADF", region=(0, 2000, 4000, 2000))
    assert [image_of(scanner, job).size for _ in SIZES] == [(400, 200), SIZES[1], (400, 200)]


@conformance("EL-29", "EL-35")
def test_both_sides_of_a_sheet_may_have_settings_of_their_own(files):
    """The chart's sheets are of A4 paper."""
    device = WireDevice(
        Options(
            configuration=with_detection,
            pages=lambda: PageLine("chart:sheets=1", clock=SystemClock()),
        )
    )
    try:
        back = Side("Grayscale8", 75, (0, 0, 1000, 1000))
        job = job_of(device, source="ADFDuplex", back=back)
        assert media(job) == (8268, 11693)
        assert image_of(device, job).size == (826, 1169)
        assert image_of(device, job).size == (75, 75)
    finally:
        device.close()


@conformance("EL-29")
def test_no_page_is_larger_than_what_the_source_takes(files, scanner):
    for path in files.iterdir():
        path.unlink()
    Image.new("L", (3000, 200)).save(files / "wide.png", dpi=(100, 100))
    scanner.wait(scanner.engine.reload())
    job = job_of(scanner)
    assert (media(job), announced(job)) == ((8500, 2000), (850, 200))
    assert image_of(scanner, job).size == (850, 200)


@conformance("EL-29")
@pytest.mark.parametrize(
    ("name", "size", "dpi", "options", "expected"),
    [
        ("a.jpg", (1240, 1754), 150, {}, (8267, 11694)),
        ("a.bmp", (500, 300), 100, {}, (5000, 3000)),
        ("a.tif", (500, 300), 100, {"tag": 1}, (5000, 3000)),
        ("a.tif", (500, 300), 100, {"tag": 6}, (3000, 5000)),
        ("a.pdf", (500, 300), 100, {}, (5000, 3000)),
        ("plain.png", (600, 900), None, {}, (8000, 12000)),
    ],
)
def test_the_size_of_a_file_is_as_its_resolution_says(
    files, scanner, name, size, dpi, options, expected
):
    for path in files.iterdir():
        path.unlink()
    told = {} if dpi is None else {"resolution": dpi} if name == "a.pdf" else {"dpi": (dpi, dpi)}
    if options:
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[274] = options["tag"]
        told["tiffinfo"] = tags
    Image.new("RGB", size, RED).save(files / name, **told)
    scanner.wait(scanner.engine.reload())
    job = job_of(scanner, dpi=dpi or 75)
    assert media(job) == expected
    if dpi:
        turned = options.get("tag", 1) >= 5
        assert announced(job) == (size[::-1] if turned else size)


@conformance("EL-05", "EL-29")
def test_a_scanner_with_real_media_does_not_claim_it(device):
    """Nobody knows the size of what lies on it before it is scanned."""
    claimed = with_detection(device.configuration)
    every = Resolutions(low=50, high=600)
    glass = Abilities(Source.FLATBED, ((Mode.COLOR, 8),), every, every, 216.0, 297.0)
    found = fitted(claimed, Description("a real one", virtual=False, sources=(glass,)))
    assert not found.settings.document_size_auto_detect
