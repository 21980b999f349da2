"""Every format that there is an encoder for, over the wire, in every colour that it holds."""

import io
from dataclasses import replace

import pytest
from clients.wsscan import child, scan_ticket, text
from PIL import Image
from support.file_facts import PageFacts, pages_of
from support.wire import Options, WireDevice

from device.clock import SystemClock
from device.imaging.encoders import SUPPORTED
from device.model.capabilities import MULTI_PAGE_FORMATS
from device.pages.supervisor import PageLine

conformance = pytest.mark.conformance
ROWS = {
    "dib": "KW-001", "exif": "KW-002", "jbig": "KW-003", "jfif": "KW-004", "jpeg2k": "KW-005",
    "pdf-a": "KW-006", "png": "KW-007", "tiff-single-uncompressed": "KW-008",
    "tiff-single-g4": "KW-009", "tiff-single-g3mh": "KW-010", "tiff-single-jpeg-tn2": "KW-011",
    "tiff-multi-uncompressed": "KW-012", "tiff-multi-g4": "KW-013", "tiff-multi-g3mh": "KW-014",
    "tiff-multi-jpeg-tn2": "KW-015", "xps": "KW-016",
}  # fmt: skip
MAGIC = {"dib": b"BM", "exif": b"\xff\xd8", "jfif": b"\xff\xd8", "png": b"\x89PNG", "xps": b"PK",
         "pdf-a": b"%PDF-1.", "jpeg2k": b"\0\0\0\x0cjP  ", "jbig": b"\0\0\1"}  # fmt: skip
COMPRESSION = {"uncompressed": 1, "g4": 4, "g3mh": 3, "jpeg-tn2": 7}
SHEETS = 400


def everything(found):
    """Every format and colour that can be made."""
    colors = tuple(dict.fromkeys(color for held in SUPPORTED.values() for color in held))

    def side(one):
        return replace(one, colors=colors, widths=(30, 60), heights=(30, 60))

    return replace(
        found,
        settings=replace(found.settings, formats=tuple(SUPPORTED)),
        platen=side(found.platen),
        adf_front=side(found.adf_front),
        adf_back=side(found.adf_back),
        format_colors={name: frozenset(held) for name, held in SUPPORTED.items()},
    )


@pytest.fixture(scope="module")
def chart():
    made = WireDevice(
        Options(
            configuration=everything,
            pages=lambda: PageLine(f"chart:sheets={SHEETS}", clock=SystemClock()),
        )
    )
    yield made
    made.close()


BITS = {"BlackAndWhite1": 1, "Grayscale4": 4, "Grayscale8": 8, "Grayscale16": 16, "RGB24": 24,
        "RGB48": 48, "RGBa32": 32, "RGBa64": 64}  # fmt: skip
COLOR_ROWS = dict(zip(BITS, (f"KW-{n:03}" for n in range(21, 29)), strict=True))
HELD = [
    pytest.param(format, color, marks=conformance(ROWS[format], COLOR_ROWS[color]))
    for format, held in SUPPORTED.items()
    for color in held
]


@conformance("EL-44", "EL-46", "MT-09", "JM-10", "EL-02", "EL-22", "EL-37")
@pytest.mark.parametrize(("format", "color"), HELD)
def test_a_format_is_delivered_as_announced(chart, format, color):
    """Three images from the feeder: three files, or one."""
    client = chart.client
    if len(chart.do(lambda: chart.engine.tray.feeder)) < 6:
        chart.wait(chart.engine.reload())
    ticket = scan_ticket(
        source="ADF", format=format, color=color, dpi=30, images=3, region=(0, 0, 4050, 3000),
        must_honor={"Format", "ColorProcessing"},
    )  # fmt: skip
    job = client.create_scan_job(ticket)
    info = child(job.reply.require(), "ImageInformation/MediaFrontImageInfo")
    files = [image.content for image in client.images(job)]
    assert len(files) == (1 if format in MULTI_PAGE_FORMATS else 3)
    assert chart.ended(job.id) == ("Completed", ("None",))
    line = int(text(info, "BytesPerLine"))
    told = None if format == "jbig" else (30, 30)
    pages = [page for content in files for page in pages_of(format, content)]
    assert pages == [PageFacts(121, 90, BITS[color], line, told)] * 3
    assert (text(info, "PixelsPerLine"), text(info, "NumberOfLines")) == ("121", "90")
    compressed = format != "dib" and not format.endswith("uncompressed")
    assert (line == 0) == compressed
    for content in files:
        if format.startswith("tiff"):
            with Image.open(io.BytesIO(content)) as image:
                kind = format.partition("-")[2].partition("-")[2]
                assert image.tag_v2[259] == COMPRESSION[kind]
        else:
            assert content.startswith(MAGIC[format])


def test_every_format_of_the_standard_has_a_row():
    assert set(SUPPORTED) <= set(ROWS)
