"""Rotation, scaling, tone and colour do what they say, and show no seam between bands."""

import pytest
from PIL import Image

from device.imaging.tone import curve
from scanner_backends.base import Mode, RawPage
from scanner_backends.errors import Inval

TURNS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


@pytest.mark.parametrize("degrees", TURNS)
@pytest.mark.parametrize(
    ("color", "mode"), [("RGB24", "RGB"), ("Grayscale8", "L"), ("BlackAndWhite1", "1")]
)
@pytest.mark.parametrize("size", [(1, 300), (65, 130), (200, 70)])
def test_a_page_turns_clockwise(making, degrees, color, mode, size):
    page, data = making.natural("png", color, *size)
    expected = Image.frombytes(mode, size, data).transpose(TURNS[degrees])
    width, height = expected.size
    spec = making.spec_for(page, "png", color, width_px=width, height_px=height, rotation=degrees)
    result = Image.frombytes(mode, expected.size, making.fitted(page, spec))
    assert result.tobytes() == expected.tobytes()


def test_sixteen_bits_survive_a_turn(making):
    page, data = making.raw_page(3, 2, Mode.COLOR, 16)
    spec = making.spec_for(page, "png", "RGB48", width_px=2, height_px=3, rotation=90)
    pixels = [data[at : at + 6] for at in range(0, 36, 6)]
    expected = [pixels[3], pixels[0], pixels[4], pixels[1], pixels[5], pixels[2]]
    assert making.fitted(page, spec) == b"".join(expected)


def test_other_angles_are_refused(making):
    page, _ = making.raw_page(8, 8)
    with pytest.raises(Inval, match="45"):
        making.fitted(page, making.spec_for(page, "png", "RGB24", rotation=45))


@pytest.mark.parametrize("percent", [(50, 50), (33, 33), (200, 200), (150, 40)])
def test_scaling_band_by_band_gives_the_pixels_of_the_whole(making, percent):
    page, data = making.raw_page(211, 307, rows=13)
    size = (round(211 * percent[0] / 100), round(307 * percent[1] / 100))
    spec = making.spec_for(
        page,
        "png",
        "RGB24",
        width_px=size[0],
        height_px=size[1],
        scaling_width=percent[0],
        scaling_height=percent[1],
    )
    way = Image.Resampling.HAMMING if max(percent) <= 100 else Image.Resampling.BICUBIC
    across = Image.frombytes("RGB", (211, 307), data).resize((size[0], 307), way)
    whole = across.resize(size, way)
    result = Image.frombytes("RGB", size, making.fitted(page, spec))
    differences = [abs(a - b) for a, b in zip(result.tobytes(), whole.tobytes(), strict=True)]
    assert max(differences) <= 1


def test_half_the_size_is_the_mean_of_four_pixels(making):
    page, data = making.raw_page(4, 200, Mode.GRAY)
    spec = making.spec_for(
        page,
        "png",
        "Grayscale8",
        width_px=2,
        height_px=100,
        scaling_width=50,
        scaling_height=50,
    )
    result = making.fitted(page, spec)
    for row in range(100):
        for column in range(2):
            at = 8 * row + 2 * column
            mean = (data[at] + data[at + 1] + data[at + 4] + data[at + 5]) / 4
            assert abs(result[2 * row + column] - mean) <= 1


def test_scaling_along_one_axis_leaves_the_other_alone(making):
    page, data = making.raw_page(20, 10, Mode.GRAY)
    spec = making.spec_for(page, "png", "Grayscale8", height_px=20, scaling_height=200)
    result = making.fitted(page, spec)
    assert len(result) == 400
    assert abs(sum(result) / 2 - sum(data)) < 0.02 * sum(data)


def test_without_exposure_no_sample_changes(making):
    assert curve(0, 0) == bytes(range(256))


def test_brightness_and_contrast_bend_the_curve():
    assert curve(500, 0)[100] > 100
    assert curve(-500, 0)[100] < 100
    assert curve(0, 500)[50] < 50 < 200 < curve(0, 500)[200]
    assert curve(0, -500)[50] > 50 > 0
    for brightness in (-1000, 0, 1000):
        for contrast in (-1000, 0, 1000):
            values = curve(brightness, contrast)
            assert list(values) == sorted(values)


def test_auto_exposure_whitens_yellowed_paper_and_keeps_the_ink_dark(making):
    paper, ink = bytes((235, 228, 200)), bytes((40, 40, 50))
    row = paper * 80 + ink * 20
    page = making.page_of(RawPage(100, 100, Mode.COLOR, 8, iter(())), row * 100)
    result = making.fitted(page, making.spec_for(page, "png", "RGB24", auto_exposure=True))
    assert result[:240] == b"\xff" * 240
    assert max(result[240:300]) < 80


def test_auto_exposure_leaves_a_dark_page_alone(making):
    page = making.page_of(RawPage(10, 10, Mode.GRAY, 8, iter(())), bytes([90]) * 100)
    result = making.fitted(page, making.spec_for(page, "png", "Grayscale8", auto_exposure=True))
    assert result == bytes([90]) * 100


@pytest.mark.parametrize("sharpness", [-100, 60])
def test_sharpness_shows_no_seam_between_bands(making, sharpness):
    results = set()
    for rows in (1, 30, 500):
        shape, data = making.raw_page(50, 200, Mode.GRAY)
        page = making.page_of(shape, data, rows)
        spec = making.spec_for(page, "png", "Grayscale8", sharpness=sharpness)
        results.add(making.fitted(page, spec))
    assert len(results) == 1
    flat = making.page_of(shape, bytes([120]) * 10_000)
    assert set(making.fitted(flat, spec)) == {120}


def test_an_edge_gets_steeper_by_sharpness_and_softer_without(making):
    row = bytes([100] * 10 + [150] * 10)
    shape = RawPage(20, 20, Mode.GRAY, 8, iter(()))
    for sharpness, steeper in ((80, True), (-80, False)):
        page = making.page_of(shape, row * 20)
        spec = making.spec_for(page, "png", "Grayscale8", sharpness=sharpness)
        middle = making.fitted(page, spec)[200:220]
        assert (middle[10] - middle[9] > 50) is steeper


def test_text_becomes_black_and_white_by_a_threshold(making):
    page = making.page_of(RawPage(8, 1, Mode.GRAY, 8, iter(())), bytes([0, 127, 128, 255] * 2))
    spec = making.spec_for(page, "png", "BlackAndWhite1", content_type="Text")
    assert making.fitted(page, spec) == bytes([0b00110011])


@pytest.mark.parametrize("grey", [20, 64, 128, 200, 250])
def test_diffusion_keeps_the_mean_of_a_grey_in_every_band(making, grey):
    shape = RawPage(256, 320, Mode.GRAY, 8, iter(()))
    page = making.page_of(shape, bytes([grey]) * 256 * 320)
    spec = making.spec_for(page, "png", "BlackAndWhite1", content_type="Photo")
    result = making.fitted(page, spec)
    for top in range(0, 320, 32):
        white = sum(byte.bit_count() for byte in result[top * 32 : (top + 32) * 32])
        assert abs(white / (256 * 32) - grey / 255) < 0.03


def test_colour_becomes_grey_by_its_luma(making):
    page, data = making.raw_page(40, 40)
    result = making.fitted(page, making.spec_for(page, "png", "Grayscale8"))
    assert result == Image.frombytes("RGB", (40, 40), data).convert("L").tobytes()


def test_sixteen_bits_lose_only_their_lower_half(making):
    page, data = making.raw_page(5, 5, Mode.GRAY, 16)
    assert making.fitted(page, making.spec_for(page, "png", "Grayscale8")) == data[1::2]
    page, data = making.raw_page(5, 5, Mode.GRAY, 16)
    deep = making.fitted(page, making.spec_for(page, "png", "RGB48"))
    assert deep[:6] == data[:2] * 3


def test_eight_bits_become_sixteen_that_reach_white(making):
    page = making.page_of(RawPage(2, 1, Mode.GRAY, 8, iter(())), b"\x00\xff")
    assert making.fitted(page, making.spec_for(page, "png", "Grayscale16")) == b"\0\0\xff\xff"


def test_four_bits_hold_two_samples_in_a_byte(making):
    page = making.page_of(RawPage(3, 2, Mode.GRAY, 8, iter(())), bytes([0, 255, 17, 34, 9, 240]))
    result = making.fitted(page, making.spec_for(page, "png", "Grayscale4"))
    assert result == bytes([0x0F, 0x10, 0x21, 0xE0])
