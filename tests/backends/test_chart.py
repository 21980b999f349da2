"""The chart is the same chart in every part, mode and resolution."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner_backends import chart_drawing as drawing
from scanner_backends.base import MM_PER_INCH, Mode, ScanRequest, Source
from scanner_backends.chart import ChartBackend
from scanner_backends.errors import Cancelled, Inval, NoDocs, SourceError

A4 = (0, 0, 210, 297)


@pytest.fixture(scope="module")
def chart() -> ChartBackend:
    return ChartBackend("")


def test_glass_and_feeder_are_described():
    told = ChartBackend("sheets=2").describe()
    assert told.virtual
    assert [page.number for page in told.platen] == [0]
    assert [(page.number, page.label, page.back) for page in told.feeder] == [
        (1, "sheet 1 front", False),
        (2, "sheet 1 back", True),
        (3, "sheet 2 front", False),
        (4, "sheet 2 back", True),
    ]


def test_three_sheets_lie_in_the_feeder_by_default(chart):
    assert len(chart.describe().feeder) == 6


@pytest.mark.parametrize("argument", ["sheets=0", "sheets=1000", "sheets=", "pages=3", "3"])
def test_an_argument_that_makes_no_sense_is_answered_with_what_would(argument):
    with pytest.raises(SourceError, match="chart:sheets=N"):
        ChartBackend(argument)


def test_two_scans_are_equal_and_two_pages_differ(chart, scan):
    pages = [scan(chart, number, 50, A4).tobytes() for number in (*range(7), 0)]
    assert pages[0] == pages[7]
    assert len(set(pages[:7])) == 7


@settings(max_examples=40, deadline=None)
@given(
    page=st.integers(0, 2),
    dpi=st.tuples(st.sampled_from([50, 75, 100]), st.sampled_from([50, 100, 150])),
    corner=st.tuples(st.integers(0, 300), st.integers(0, 400)),
    size=st.tuples(st.integers(1, 120), st.integers(1, 120)),
    mode=st.sampled_from([Mode.COLOR, Mode.GRAY, Mode.LINEART]),
)
def test_a_part_holds_the_very_pixels_of_the_whole(whole_chart, page, dpi, corner, size, mode):
    chart, scan, wholes = whole_chart
    if (page, dpi, mode) not in wholes:
        wholes[page, dpi, mode] = scan(chart, page, dpi, A4, mode)
    whole = wholes[page, dpi, mode]
    left, top = corner[0] % whole.width, corner[1] % whole.height
    width, height = min(size[0], whole.width - left), min(size[1], whole.height - top)
    area = [px * MM_PER_INCH / dpi[n % 2] for n, px in enumerate((left, top, width, height))]
    part = scan(chart, page, dpi, tuple(area), mode)
    assert part.tobytes() == whole.crop((left, top, left + width, top + height)).tobytes()


@pytest.fixture(scope="module")
def whole_chart(chart):
    def scan(backend, page, dpi, area, mode):
        from PIL import Image

        depth = 1 if mode is Mode.LINEART else 8
        raw = backend.scan(ScanRequest(Source.ADF, mode, depth, *dpi, *area), page)
        names = {Mode.LINEART: "1", Mode.GRAY: "L", Mode.COLOR: "RGB"}
        size = (raw.width_px, raw.height_px)
        return Image.frombytes(names[mode], size, b"".join(raw.bands))

    return chart, scan, {}


@pytest.mark.parametrize("dpi", [75, 200, (100, 300)])
def test_the_patches_have_their_values_where_they_should(chart, scan, dpi):
    page = scan(chart, 1, dpi, A4)
    x_dpi, y_dpi = dpi if isinstance(dpi, tuple) else (dpi, dpi)

    def at(x_mm: float, y_mm: float) -> object:
        return page.getpixel((round(x_mm * x_dpi / MM_PER_INCH), round(y_mm * y_dpi / MM_PER_INCH)))

    for n, grey in enumerate(drawing.GREYS):
        middle = drawing.GREY_LEFT_MM + (n + 0.5) * drawing.GREY_PATCH_MM
        assert at(middle, drawing.GREY_TOP_MM + 5) == (grey, grey, grey)
    for n, (_, colour) in enumerate(drawing.COLOURS):
        middle = drawing.COLOUR_LEFT_MM + (n + 0.5) * drawing.COLOUR_PATCH_MM
        assert at(middle, drawing.COLOUR_TOP_MM + 10) == colour
    assert at(30, 29) == drawing.BLACK
    assert at(195, 33) == drawing.RED
    assert at(33, 277) == drawing.GREEN
    assert at(195, 277) == drawing.BLUE


def test_lines_are_one_pixel_wide_at_any_resolution(chart, scan):
    for dpi in (100, 300):
        field = scan(chart, 0, dpi, (30, 220, 20, 10), Mode.GRAY)
        row = field.crop((0, 5, field.width, 6)).tobytes()
        assert set(row[0::2]) | set(row[1::2]) == {0, 255}
        assert all(a != b for a, b in pairwise(row))


def test_sixteen_bits_are_the_eight_bits_doubled(chart, scan):
    area = (20, 130, 180, 30)
    flat = scan(chart, 0, 50, area, Mode.GRAY).tobytes()
    deep = scan(chart, 0, 50, area, Mode.GRAY, 16).tobytes()
    assert deep[0::2] == deep[1::2] == flat


def test_real_media_words_name_a_page_too(chart, scan):
    assert scan(chart, None, 40, A4).tobytes() == scan(chart, 0, 40, A4).tobytes()


def test_a_page_beyond_the_last_is_not_there(chart, scan):
    with pytest.raises(NoDocs):
        scan(chart, 7, 50, A4)


@pytest.mark.parametrize(
    ("dpi", "area", "depth"), [(0, A4, 8), (100, (0, 0, 0, 10), 8), (100, A4, 4)]
)
def test_a_request_that_cannot_be_met_is_refused(chart, scan, dpi, area, depth):
    with pytest.raises(Inval):
        scan(chart, 0, dpi, area, Mode.COLOR, depth)


def test_a_cancelled_page_breaks_off_and_the_next_does_not():
    chart = ChartBackend("")
    request = ScanRequest(Source.FLATBED, Mode.GRAY, 8, 100, 100, *A4)
    bands = chart.scan(request, 0).bands
    next(bands)
    chart.cancel()
    with pytest.raises(Cancelled):
        next(bands)
    assert next(chart.scan(request, 0).bands)
