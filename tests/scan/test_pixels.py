"""What ImageInformation says is what the image has: real pages, through the real page line."""

import io
import itertools
import os
from dataclasses import replace

import pytest
from clients.wsscan import FaultAnswer, Side, child, scan_ticket, text
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from PIL import Image, ImageStat
from support.file_facts import PageFacts, pages_of
from support.wire import Options, WireDevice

from device.clock import SystemClock
from device.imaging.encoders import SUPPORTED
from device.model.capabilities import MULTI_PAGE_FORMATS
from device.model.ticket import Size
from device.pages.supervisor import PageLine

conformance = pytest.mark.conformance
COLORS = ("BlackAndWhite1", "Grayscale4", "Grayscale8", "Grayscale16", "RGB24", "RGB48")
WITH_ALPHA = (*COLORS, "RGBa32", "RGBa64")
BITS = {"BlackAndWhite1": 1, "Grayscale4": 4, "Grayscale8": 8, "Grayscale16": 16, "RGB24": 24,
        "RGB48": 48, "RGBa32": 32, "RGBa64": 64}  # fmt: skip
SHEETS = 400
FORMATS = tuple(SUPPORTED)
REFUSED = {"InvalidArgs", "ClientErrorFormatNotSupported",
           "ClientErrorConflictingRequiredParameters"}  # fmt: skip


def deep(found, colors=COLORS):
    """Every colour that our encoders hold of a page, at resolutions that scan fast."""

    def side(one):
        return replace(one, colors=colors, widths=(20, 30, 50, 75), heights=(20, 30, 50, 75))

    formats = {name: frozenset(SUPPORTED[name]) for name in FORMATS}
    return replace(
        found,
        settings=replace(found.settings, formats=FORMATS, document_size_auto_detect=True),
        platen=replace(side(found.platen), minimum=Size(100, 100)),
        adf_front=side(found.adf_front),
        adf_back=side(found.adf_back),
        format_colors=formats,
    )


@pytest.fixture(scope="module")
def chart():
    """A device with the test chart for pages: 400 sheets in its feeder."""
    made = WireDevice(
        Options(
            configuration=deep,
            pages=lambda: PageLine(f"chart:sheets={SHEETS}", clock=SystemClock()),
        )
    )
    yield made
    made.close()


@pytest.fixture(scope="module")
def clear(tmp_path_factory):
    """A device whose pages are clear in parts: as many files in its feeder."""
    folder = tmp_path_factory.mktemp("clear")
    ramp = Image.linear_gradient("L").resize((170, 234))
    picture = Image.merge("RGBA", (ramp, ramp.rotate(180), Image.new("L", ramp.size), ramp))
    picture.save(folder / "1.png", dpi=(20, 20))
    for number in range(2, SHEETS + 1):
        os.link(folder / "1.png", folder / f"{number}.png")
    made = WireDevice(
        Options(
            configuration=lambda found: deep(found, WITH_ALPHA),
            pages=lambda: PageLine(f"images:{folder}", clock=SystemClock()),
        )
    )
    yield made
    made.close()


def announced(answer, side="Front"):
    info = child(answer, f"ImageInformation/Media{side}ImageInfo")
    return tuple(int(text(info, n)) for n in ("PixelsPerLine", "NumberOfLines", "BytesPerLine"))


def scan(device, **wishes):
    job = device.client.create_scan_job(scan_ticket(**wishes))
    image = device.client.retrieve_image(job.id, job.token)
    if device.job(job.id).images_left != 1 and not device.record(job.id).status.state.final:
        device.until(lambda: not device.job(job.id).retrieving, "the end of the exchange")
    return job.reply.require(), image.content


def opened(content):
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.convert("RGB")


@conformance("KW-019")
def test_the_film_of_a_virtual_source_is_what_lies_on_its_glass():
    """A profile may claim a film unit. A negative comes as a positive picture, like any other."""

    def with_film(found):
        found = deep(found)
        strip = replace(found.platen, maximum=Size(2000, 3000))
        return replace(found, film=strip, film_scan_modes=("ColorSlideFilm", "ColorNegativeFilm"))

    made = WireDevice(
        Options(configuration=with_film, pages=lambda: PageLine("chart", clock=SystemClock()))
    )
    try:
        answer, film = scan(made, source="Film", dpi=50)
        assert announced(answer) == (100, 150, 0)
        _, glass = scan(made, region=(0, 0, 2000, 3000), dpi=50)
        assert opened(film).tobytes() == opened(glass).tobytes()
        assert len(set(opened(film).tobytes())) > 1
    finally:
        made.close()


# ---- the announcements, by arithmetic of our own


@conformance("EL-44", "EL-47", "EL-46")
@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"region": (0, 0, 8500, 11730), "dpi": 200}, (1700, 2346, 0)),
        ({"region": (0, 0, 8500, 11730), "dpi": 75}, (637, 879, 0)),
        ({"region": (0, 0, 4000, 2000), "dpi": (100, 200)}, (400, 400, 0)),
        ({"region": (0, 0, 4000, 2000), "rotation": 90}, (200, 400, 0)),
        ({"region": (0, 0, 4000, 2000), "rotation": 180}, (400, 200, 0)),
        ({"region": (0, 0, 4000, 2000), "scaling": (50, 200)}, (200, 400, 0)),
        ({"region": (0, 0, 4000, 2000), "scaling": (50, 100), "rotation": 270}, (200, 200, 0)),
        ({"region": (0, 0, 4000, 2000), "format": "jfif"}, (400, 200, 0)),
        ({"region": (0, 0, 4010, 2000), "format": "dib"}, (401, 200, 1204)),
        ({"region": (0, 0, 4010, 900), "format": "dib", "color": "BlackAndWhite1"}, (401, 90, 52)),
        ({"region": (0, 0, 4010, 2000), "format": "tiff-single-uncompressed"}, (401, 200, 1203)),
        ({"region": (0, 0, 1, 1), "dpi": 75}, (1, 1, 0)),
    ],
    ids=str,
)  # fmt: skip
def test_the_geometry_is_announced_with_scaling_and_rotation(client, wishes, expected):
    ticket = scan_ticket(**wishes)
    assert announced(client.create_scan_job(ticket).reply.require()) == expected
    assert announced(client.validate_scan_ticket(ticket)) == expected


@conformance("EL-45")
def test_the_back_has_a_geometry_of_its_own(client):
    wishes = {"source": "ADFDuplex", "region": (0, 0, 4000, 3000), "format": "dib"}
    same = client.create_scan_job(scan_ticket(**wishes)).reply.require()
    assert announced(same, "Back") == announced(same) == (400, 300, 1200)
    other = scan_ticket(**wishes, back=Side("Grayscale8", 75, (0, 0, 3100, 3000)))
    answer = client.create_scan_job(other).reply.require()
    assert announced(answer, "Back") == (232, 225, 232)
    platen = client.create_scan_job(scan_ticket()).reply.require()
    assert platen.find(".//{*}MediaBackImageInfo") is None


# ---- the images


READ_BY_PILLOW = ("png", "jfif", "exif", "tiff-single-uncompressed", "dib")
HELD = [(name, color) for name in READ_BY_PILLOW for color in SUPPORTED[name]]


@conformance("MT-10")
@pytest.mark.parametrize(("name", "color"), HELD)
def test_paper_is_white_and_ink_is_black(chart, name, color):
    """The chart's margin is white; a reader that honours the format's own convention sees it."""
    _, content = scan(chart, format=name, color=color, dpi=75, region=(0, 0, 1600, 1600))
    with Image.open(io.BytesIO(content)) as image:
        if image.mode.startswith("I"):
            grey = image.convert("I").point(lambda value: value / 257).convert("L")
        else:
            grey = image.convert("L")
    lowest, highest = grey.getextrema()
    assert highest > 250
    assert lowest < 120
    assert grey.getpixel((2, 2)) > 250


@conformance("KW-039", "KW-040", "KW-041", "KW-038", "EL-33")
def test_rotation_is_clockwise_and_the_last_step(chart):
    def turned(rotation):
        return opened(scan(chart, dpi=50, region=(500, 500, 3000, 2000), rotation=rotation)[1])

    upright = turned(0)
    assert turned(90) == upright.transpose(Image.Transpose.ROTATE_270)
    assert turned(180) == upright.transpose(Image.Transpose.ROTATE_180)
    assert turned(270) == upright.transpose(Image.Transpose.ROTATE_90)


@conformance("EL-36")
def test_a_region_is_that_part_of_the_page(chart):
    whole = opened(scan(chart, dpi=50, region=(0, 0, 4000, 4000))[1])
    part = opened(scan(chart, dpi=50, region=(1000, 2000, 2000, 1500))[1])
    assert part == whole.crop((50, 100, 150, 175))


@conformance("EL-28")
def test_a_media_size_alone_is_what_is_scanned(chart):
    _, content = scan(chart, dpi=50, size=(4000, 5000))
    assert opened(content).size == (200, 250)


@conformance("EL-32")
def test_scaling_resamples_each_direction(chart):
    plain = opened(scan(chart, dpi=50, region=(0, 0, 4000, 4000))[1])
    scaled = opened(scan(chart, dpi=50, region=(0, 0, 4000, 4000), scaling=(50, 200))[1])
    assert scaled.size == (100, 400)
    small = plain.resize((100, 400), Image.Resampling.BOX)
    assert abs(ImageStat.Stat(small).mean[0] - ImageStat.Stat(scaled).mean[0]) < 6


@conformance("EL-31")
@pytest.mark.parametrize(("exposure", "brighter"), [((0, 500, 0), True), ((0, -500, 0), False)])
def test_brightness_changes_the_pixels(chart, exposure, brighter):
    wishes = {"dpi": 50, "region": (0, 0, 4000, 4000), "color": "Grayscale8"}
    plain = ImageStat.Stat(opened(scan(chart, **wishes)[1])).mean[0]
    changed = ImageStat.Stat(opened(scan(chart, **wishes, exposure=exposure)[1])).mean[0]
    assert (changed > plain + 3) if brighter else (changed < plain - 3)


@conformance("EL-31")
def test_contrast_and_sharpness_change_the_pixels(chart):
    wishes = {"dpi": 50, "region": (0, 0, 4000, 4000), "color": "Grayscale8"}
    plain = ImageStat.Stat(opened(scan(chart, **wishes)[1])).stddev[0]
    flat = ImageStat.Stat(opened(scan(chart, **wishes, exposure=(-800, 0, 0))[1])).stddev[0]
    assert flat < plain / 2
    images = [scan(chart, **wishes, exposure=(-500, 0, amount))[1] for amount in (-100, 0, 100)]
    assert len(set(images)) == 3


@conformance("EL-23")
def test_the_quality_factor_changes_the_size_of_the_file(chart):
    sizes = [
        len(scan(chart, format="jfif", dpi=75, quality=quality, region=(0, 0, 8000, 8000))[1])
        for quality in (1, 30, 70, 100)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] * 3 < sizes[-1]


@conformance("EL-27", "KW-030", "KW-031")
def test_the_content_type_decides_how_grey_becomes_black_and_white(chart):
    wishes = {"dpi": 75, "region": (0, 0, 8000, 8000), "color": "BlackAndWhite1"}
    text_, photo = (scan(chart, **wishes, content_type=kind)[1] for kind in ("Text", "Photo"))
    assert text_ != photo


# ---- any ticket at all


def wishes():
    side = st.builds(
        Side,
        color=st.sampled_from((None, *WITH_ALPHA, "acme:Sepia")),
        dpi=st.none()
        | st.sampled_from((20, 30, 50, 75, 10, 1200))
        | st.tuples(st.sampled_from((20, 50)), st.sampled_from((30, 75, 31))),
        region=st.none()
        | st.tuples(
            st.integers(-50, 9000), st.integers(-50, 9000),
            st.integers(0, 3000), st.integers(0, 3000),
        ),
    )  # fmt: skip
    carriers = ("Format", "InputSource", "ColorProcessing", "Resolution", "Rotation", "Scaling",
                "Exposure", "InputSize", "ScanRegionWidth", "CompressionQualityFactor",
                "ImagesToTransfer", "MediaSides")  # fmt: skip
    return st.fixed_dictionaries(
        {
            "alpha": st.booleans(),
            "source": st.sampled_from(("Platen", "ADF", "ADFDuplex", None, "Auto", "Toaster")),
            "format": st.sampled_from((*FORMATS, None, "gif")),
            "front": side,
            "back": st.none() | side,
            "size": st.none() | st.tuples(st.integers(100, 9000), st.integers(100, 9000)),
            "auto_size": st.sampled_from((None, None, True, False)),
            "images": st.sampled_from((None, 0, 1, 2, 5)),
            "quality": st.sampled_from((None, 0, 50, 100, 101)),
            "rotation": st.sampled_from((None, 0, 90, 180, 270, 45)),
            "scaling": st.none() | st.tuples(*[st.sampled_from((25, 50, 99, 100, 150, 1250))] * 2),
            "exposure": st.none() | st.tuples(*[st.sampled_from((-1000, -10, 0, 50, 1001))] * 3),
            "auto_exposure": st.sampled_from((None, True, False)),
            "content_type": st.sampled_from((None, "Text", "Photo", "Banana")),
            "must_honor": st.sets(st.sampled_from(carriers), max_size=2),
        }
    )  # fmt: skip


@pytest.mark.slow
@conformance("EL-44", "EL-45", "EL-46", "EL-47", "EL-34")
@given(wish=wishes())
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_ticket_is_refused_by_name_or_gives_the_image_that_was_announced(chart, clear, wish):
    wish = dict(wish)
    front, device = wish.pop("front"), clear if wish.pop("alpha") else chart
    if wish["format"] in MULTI_PAGE_FORMATS and wish["images"] != 1:
        wish["images"] = 3  # not the whole feeder in one file
    ticket = scan_ticket(**wish, color=front.color, dpi=front.dpi, region=front.region)
    note(ticket)
    client = device.client
    try:
        job = client.create_scan_job(ticket)
    except FaultAnswer as answer:
        if answer.name == "ClientErrorNoImagesAvailable":
            device.wait(device.engine.reload())
            return
        refused = answer.name
    else:
        refused = None
    if refused is not None:
        assert refused in REFUSED
        return
    answer = job.reply.require()
    final = child(answer, "DocumentFinalParameters")
    format = text(final, "Format")
    sides = ["Front", "Back"] if text(final, "InputSource") == "ADFDuplex" else ["Front"]
    wanted = int(text(final, "ImagesToTransfer"))
    try:
        if format in MULTI_PAGE_FORMATS:
            pages = pages_of(format, client.retrieve_image(job.id, job.token).content)
            assert len(pages) == (1 if text(final, "InputSource") == "Platen" else wanted)
        else:
            pages = []
            for _ in sides[: wanted or 2]:
                pages += pages_of(format, client.retrieve_image(job.id, job.token).content)
        for page, side in zip(pages, itertools.cycle(sides)):
            taken = child(final, f"MediaSides/Media{side}")
            dpi = [int(text(taken, f"Resolution/{axis}")) for axis in ("Width", "Height")]
            if text(final, "Rotation") in ("90", "270"):
                dpi.reverse()
            bits = BITS[text(taken, "ColorProcessing")]
            told = None if format == "jbig" else tuple(dpi)
            assert page == PageFacts(
                *announced(answer, side)[:2], bits, announced(answer, side)[2], told
            )
    finally:
        if client.get_active_jobs():
            client.call("CancelJob", f"<sca:CancelJobRequest><sca:JobId>{job.id}</sca:JobId>"
                        "</sca:CancelJobRequest>")  # fmt: skip
            device.ended(job.id)


@conformance("OP-16")
@given(wish=wishes())
@settings(max_examples=150, deadline=None)
def test_the_repaired_ticket_of_any_bad_one_is_valid(chart, clear, wish):
    from xml.etree import ElementTree

    wish = dict(wish)
    front, device = wish.pop("front"), clear if wish.pop("alpha") else chart
    ticket = scan_ticket(**wish, color=front.color, dpi=front.dpi, region=front.region)
    note(ticket)
    try:
        info = device.client.validate_scan_ticket(ticket)
    except FaultAnswer as answer:
        refused = answer.name
    else:
        refused = None
    if refused is not None:
        assert refused == "ClientErrorConflictingRequiredParameters"
        return
    if text(info, "ValidTicket") == "true":
        return
    repaired = ElementTree.tostring(child(info, "ValidScanTicket")).decode()
    note(repaired)
    again = device.client.validate_scan_ticket(repaired.replace("ValidScanTicket", "ScanTicket"))
    assert text(again, "ValidTicket") == "true"
    assert announced(again) == announced(info)
