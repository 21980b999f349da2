"""Whatever is asked, the file has exactly the size that was announced."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from device.imaging.convert import fit
from device.imaging.encoders import MAX_PIECE, encoder_for
from device.imaging.spec import SUPPORTED, bytes_per_line
from scanner_backends.base import Mode
from scanner_backends.errors import Inval

EVERY = [(format, color) for format, colors in SUPPORTED.items() for color in colors]
SOURCES = [(Mode.LINEART, 1), (Mode.GRAY, 8), (Mode.GRAY, 16), (Mode.COLOR, 8), (Mode.COLOR, 16)]
SIDES = st.integers(1, 150)


@settings(max_examples=120, deadline=None)
@given(
    source=st.tuples(SIDES, SIDES),
    wanted=st.tuples(SIDES, SIDES),
    samples=st.sampled_from(SOURCES),
    target=st.sampled_from(EVERY),
    rows=st.integers(1, 100),
    rotation=st.sampled_from([0, 90, 180, 270]),
    scaling=st.tuples(st.sampled_from([100, 1, 37, 150]), st.sampled_from([100, 50, 230])),
    tone=st.fixed_dictionaries(
        {},
        optional={
            "brightness": st.integers(-1000, 1000),
            "contrast": st.integers(-1000, 1000),
            "sharpness": st.integers(-100, 100),
            "auto_exposure": st.booleans(),
            "content_type": st.sampled_from(["Auto", "Text", "Photo"]),
            "quality": st.integers(0, 100),
        },
    ),
)
def test_any_page_becomes_exactly_the_size_that_was_announced(
    making, source, wanted, samples, target, rows, rotation, scaling, tone
):
    page, _ = making.raw_page(*source, *samples, rows=rows)
    spec = making.spec_for(
        page,
        *target,
        width_px=wanted[0],
        height_px=wanted[1],
        rotation=rotation,
        scaling_width=scaling[0],
        scaling_height=scaling[1],
        **tone,
    )
    file = making.delivered(page, spec)
    assert making.decoded(file, spec.format).size == wanted


@pytest.mark.parametrize(("format", "color"), EVERY)
def test_pieces_are_small_and_the_first_leaves_before_the_second_band(making, format, color):
    taken = 0
    page, data = making.natural(format, color, 1000, 400)

    def counted():
        nonlocal taken
        for at in range(0, len(data), 64 * page.stride):
            taken += 1
            yield data[at : at + 64 * page.stride]

    source = type(page)(page.width_px, page.height_px, page.mode, page.depth, counted())
    spec = making.spec_for(page, format, color)
    pieces = encoder_for(format)(fit(source, making.request_for(page), spec), spec, None)
    first = next(pieces)
    assert first
    assert taken == 1
    assert max(len(first), *(len(piece) for piece in pieces)) <= MAX_PIECE
    assert taken == 7


@pytest.mark.parametrize(("format", "color"), EVERY)
def test_the_line_length_that_is_told_is_the_files_own(making, format, color):
    page, _ = making.natural(format, color, 101, 3)
    file = making.delivered(page, making.spec_for(page, format, color))
    told = bytes_per_line(format, color, 101)
    if format == "dib":
        assert len(file) - int.from_bytes(file[10:14], "little") == 3 * told
    elif format.endswith("-uncompressed"):
        with Image.open(BytesIO(file)) as image:
            assert sum(image.tag_v2[279]) == 3 * told
    else:
        assert told == 0


def test_a_page_a_little_too_small_is_filled_up_with_white(making):
    page, data = making.raw_page(10, 10, Mode.LINEART, 1)
    wide = making.fitted(page, making.spec_for(page, "png", "BlackAndWhite1", width_px=19))
    for row in range(10):
        assert wide[3 * row] == data[2 * row]
        assert wide[3 * row + 1] == data[2 * row + 1] | 0b00111111
        assert wide[3 * row + 2] == 0xFF
    page, data = making.raw_page(5, 5)
    more = making.fitted(page, making.spec_for(page, "png", "RGB24", width_px=6, height_px=7))
    assert more[:15] == data[:15]
    assert more[15:18] == b"\xff\xff\xff"
    assert more[18 * 5 :] == b"\xff" * 36


def test_a_page_that_ends_early_is_filled_up_with_white(making):
    shape, data = making.raw_page(8, 100, Mode.GRAY)
    page = making.page_of(shape, data[: 8 * 30], rows=7)
    spec = making.spec_for(shape, "png", "Grayscale8")
    assert making.fitted(page, spec) == data[: 8 * 30] + b"\xff" * (8 * 70)


def test_a_page_that_does_not_end_is_cut(making):
    shape, data = making.raw_page(8, 100, Mode.GRAY)
    spec = making.spec_for(shape, "png", "Grayscale8", height_px=33)
    assert making.fitted(shape, spec) == data[: 8 * 33]


@pytest.mark.parametrize(
    ("format", "color"), [("jfif", "BlackAndWhite1"), ("dib", "RGBa32"), ("jpeg2k", "RGBa32")]
)
def test_a_colour_that_the_format_cannot_hold_is_refused(making, format, color):
    page, _ = making.raw_page(8, 8)
    with pytest.raises(Inval):
        making.delivered(page, making.spec_for(page, format, color))


def test_an_unknown_format_is_refused():
    with pytest.raises(Inval, match="gif"):
        encoder_for("gif")


@pytest.mark.parametrize("format", ["jfif", "exif", "pdf-a", "tiff-single-jpeg-tn2"])
def test_a_jpeg_wider_than_jpeg_allows_is_refused(making, format):
    page, _ = making.raw_page(66_000, 1, Mode.GRAY)
    with pytest.raises(Inval, match="66000"):
        making.delivered(page, making.spec_for(page, format, "Grayscale8", x_dpi=600))
