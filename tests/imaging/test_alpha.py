"""Pages that are clear in parts: alpha stays straight, and clear pixels have no say in colours."""

import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageStat

from device.imaging.miniature import Miniature
from scanner_backends.base import Mode, RawPage

FORMATS = ("png", "tiff-single-uncompressed", "tiff-multi-uncompressed")
DEPTHS = {"RGBa32": 8, "RGBa64": 16}
INK = (200, 90, 30)
HIDDEN = (0, 255, 0)
"""The colour of pixels that are clear: nobody shall ever see it."""


def disc(size: int = 100, ink: tuple[int, int, int] = INK) -> Image.Image:
    """A disc in one colour with a soft edge; another colour is where it is clear."""
    image = Image.new("RGBA", (size, size), (*HIDDEN, 0))
    for y in range(size):
        for x in range(size):
            inside = size * 0.4 - ((x - size / 2) ** 2 + (y - size / 2) ** 2) ** 0.5
            if inside > -4:
                alpha = round(min(1.0, max(0.0, (inside + 3) / 6)) * 255)
                image.putpixel((x, y), (*(ink if alpha else HIDDEN), alpha))
    return image


def page_of(making, image: Image.Image) -> RawPage:
    shape = RawPage(*image.size, Mode.COLOR_ALPHA, 8, iter(()))
    return making.page_of(shape, image.tobytes(), rows=7)


def made(making, image: Image.Image, size: tuple[int, int] | None = None, **more) -> Image.Image:
    """The picture in four channels after all steps."""
    page, size = page_of(making, image), size or image.size
    spec = making.spec_for(page, "png", "RGBa32", width_px=size[0], height_px=size[1], **more)
    return Image.frombytes("RGBA", size, making.fitted(page, spec))


def seen(image: Image.Image) -> list[tuple[int, int]]:
    """The lowest and the highest value of each colour, where it is rather solid than clear."""
    mask = image.getchannel("A").point(lambda alpha: 255 * (alpha >= 128))
    return ImageStat.Stat(image.convert("RGB"), mask).extrema


# ---- the steps


@pytest.mark.parametrize("percent", [30, 50, 90, 130, 200])
def test_what_is_clear_does_not_bleed_into_a_resampled_page(making, percent):
    size = (percent, percent)
    scaled = made(making, disc(), size, scaling_width=percent, scaling_height=percent)
    for channel, ink in zip(seen(scaled), INK, strict=True):
        assert channel == pytest.approx((ink, ink), abs=5)
    alpha = disc().getchannel("A")
    assert ImageStat.Stat(scaled).mean[3] == pytest.approx(ImageStat.Stat(alpha).mean[0], rel=0.03)
    assert scaled.getpixel((percent // 2, percent // 2)) == (*INK, 255)
    assert scaled.getpixel((1, 1))[3] == 0


@pytest.mark.parametrize(("degrees", "way"), [(90, 270), (180, 180), (270, 90)])
@pytest.mark.parametrize("color", DEPTHS)
def test_alpha_is_turned_with_the_page(making, color, degrees, way):
    page, data = making.natural("png", color, 75, 130)
    size = (75, 130) if degrees == 180 else (130, 75)
    spec = making.spec_for(
        page, "png", color, width_px=size[0], height_px=size[1], rotation=degrees
    )
    result = making.fitted(page, spec)
    for byte in range(DEPTHS[color] // 8):
        part = Image.frombytes("RGBA", (75, 130), data[byte :: DEPTHS[color] // 8])
        turned = part.transpose(getattr(Image.Transpose, f"ROTATE_{way}"))
        assert result[byte :: DEPTHS[color] // 8] == turned.tobytes()


TONES = [
    {"brightness": 300}, {"contrast": -700}, {"sharpness": 100}, {"sharpness": -100},
    {"auto_exposure": True}, {"brightness": -200, "contrast": 400, "sharpness": 50},
]  # fmt: skip


@pytest.mark.parametrize("tone", TONES, ids=str)
def test_no_tone_touches_alpha(making, tone):
    page, data = making.natural("png", "RGBa32", 60, 200)
    result = making.fitted(page, making.spec_for(page, "png", "RGBa32", **tone))
    assert result[3::4] == data[3::4]
    assert result != data


@pytest.mark.parametrize("tone", TONES, ids=str)
def test_an_opaque_page_gets_the_tones_that_it_has_without_alpha(making, tone):
    page, data = making.raw_page(60, 200)
    expected = making.fitted(page, making.spec_for(page, "png", "RGB24", **tone))
    opaque = Image.frombytes("RGB", (60, 200), data).convert("RGBA")
    result = made(making, opaque, **tone)
    assert result.getchannel("A").getextrema() == (255, 255)
    pairs = zip(result.convert("RGB").tobytes(), expected, strict=True)
    assert max(abs(a - b) for a, b in pairs) <= 2


@pytest.mark.parametrize("sharpness", [-100, -40, 60, 100])
def test_one_colour_on_clear_ground_has_no_edge_to_sharpen(making, sharpness):
    result = made(making, disc(), sharpness=sharpness)
    for channel, ink in zip(seen(result), INK, strict=True):
        assert channel == pytest.approx((ink, ink), abs=5)


def test_auto_exposure_looks_for_paper_where_there_is_something(making):
    yellowed = (230, 220, 190)
    image = disc(ink=yellowed)
    result = made(making, image, auto_exposure=True)
    assert result.getpixel((50, 50)) == (255, 255, 255, 255)
    assert result.getchannel("A").tobytes() == image.getchannel("A").tobytes()


@pytest.mark.parametrize("color", DEPTHS)
def test_around_a_page_it_is_white_and_opaque(making, color):
    page, data = making.natural("png", color, 5, 5)
    result = making.fitted(page, making.spec_for(page, "png", color, width_px=6, height_px=7))
    pixel = page.stride // 5
    assert result[: 5 * pixel] == data[: 5 * pixel]
    assert result[5 * pixel : 6 * pixel] == b"\xff" * pixel
    assert result[5 * 6 * pixel :] == b"\xff" * (2 * 6 * pixel)


@pytest.mark.parametrize(
    ("mode", "depth"),
    [(Mode.LINEART, 1), (Mode.GRAY, 8), (Mode.GRAY, 16), (Mode.COLOR, 8), (Mode.COLOR, 16)],
)
@pytest.mark.parametrize("color", DEPTHS)
def test_a_page_without_alpha_is_opaque(making, mode, depth, color):
    plain = {8: "RGB24", 16: "RGB48"}[DEPTHS[color]]
    page, data = making.raw_page(31, 90, mode, depth)
    expected = making.fitted(page, making.spec_for(page, "png", plain))
    result = making.fitted(making.page_of(page, data), making.spec_for(page, "png", color))
    colour = struct.iter_unpack("3B" if color == "RGBa32" else "3H", expected)
    with_alpha = struct.iter_unpack("4B" if color == "RGBa32" else "4H", result)
    most = 2 ** DEPTHS[color] - 1
    assert list(with_alpha) == [(*pixel, most) for pixel in colour]


def test_eight_bits_of_alpha_become_sixteen(making):
    page = page_of(making, Image.new("RGBA", (1, 1), (1, 2, 3, 0x80)))
    deep = making.fitted(page, making.spec_for(page, "png", "RGBa64"))
    assert struct.unpack("4H", deep) == (0x0101, 0x0202, 0x0303, 0x8080)


# ---- the files, as others read them


def netpbm(image: bytes) -> tuple[int, int, int, int, bytes]:
    """Width, height, depth and greatest value of a PAM, and its samples (big endian)."""
    head, _, samples = image.partition(b"ENDHDR\n")
    told = dict(line.split(b" ", 1) for line in head.splitlines() if b" " in line)
    names = (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
    width, height, depth, most = (int(told[name]) for name in names)
    return width, height, depth, most, samples


def big_endian(data: bytes, depth: int) -> bytes:
    count = len(data) // (depth // 8)
    return data if depth == 8 else struct.pack(f">{count}H", *struct.unpack(f"{count}H", data))


@pytest.mark.parametrize("color", DEPTHS)
@pytest.mark.parametrize("size", [(1, 1), (33, 129), (100, 64)])
def test_netpbm_reads_the_very_samples_of_a_png(making, run_tool, color, size):
    page, data = making.natural("png", color, *size)
    file = making.delivered(page, making.spec_for(page, "png", color))
    read = run_tool("pngtopam", "-alphapam", data=file)
    most = 2 ** DEPTHS[color] - 1
    assert netpbm(read) == (*size, 4, most, big_endian(data, DEPTHS[color]))


@pytest.mark.parametrize("format", FORMATS[1:])
@pytest.mark.parametrize("color", DEPTHS)
@pytest.mark.parametrize("size", [(1, 1), (33, 129), (100, 64)])
def test_libtiff_reads_unassociated_alpha(making, run_tool, tmp_path: Path, format, color, size):
    page, data = making.natural(format, color, *size)
    path, copy, alpha = (tmp_path / name for name in ("page.tif", "copy.tif", "alpha.pgm"))
    path.write_bytes(making.delivered(page, making.spec_for(page, format, color)))
    told = run_tool("tiffinfo", "-D", str(path), data=b"").decode()
    assert "Extra Samples: 1<unassoc-alpha>" in told
    assert "Photometric Interpretation: RGB color" in told
    assert f"Bits/Sample: {DEPTHS[color]}" in told
    assert "Samples/Pixel: 4" in told

    run_tool("tiffcp", "-c", "lzw", "-r", "1", str(path), str(copy), data=b"")
    with Image.open(copy) as image:
        assert image.mode == "RGBA"
        upper = data if color == "RGBa32" else big_endian(data, 16)[::2]
        assert image.tobytes() == upper

    run_tool("tifftopnm", "-quiet", "-byrow", f"-alphaout={alpha}", str(path), data=b"")
    with Image.open(alpha) as image:
        assert image.size == size
    most = str(2 ** DEPTHS[color] - 1).encode()
    head, samples = alpha.read_bytes().split(b"\n" + most + b"\n", 1)
    assert head.startswith(b"P5")
    each = DEPTHS[color] // 8
    wanted = big_endian(data, DEPTHS[color])
    assert samples == b"".join(
        wanted[at + 3 * each : at + 4 * each] for at in range(0, len(wanted), 4 * each)
    )


def test_pages_with_and_without_alpha_share_a_tiff(making):
    first, _ = making.natural(FORMATS[2], "RGBa32", 40, 30)
    second, _ = making.natural(FORMATS[2], "RGB24", 40, 30)
    orders = [
        (first, making.spec_for(first, FORMATS[2], "RGBa32")),
        (second, making.spec_for(second, FORMATS[2], "RGB24")),
    ]
    with Image.open(BytesIO(making.document(orders))) as image:
        assert (image.mode, image.tag_v2[338]) == ("RGBA", (2,))
        image.seek(1)
        assert image.mode == "RGB"
        assert 338 not in image.tag_v2


@settings(max_examples=60, deadline=None)
@given(
    format=st.sampled_from(FORMATS),
    color=st.sampled_from(list(DEPTHS)),
    depth=st.sampled_from([8, 16]),
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    wanted=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    rotation=st.sampled_from([0, 90, 180, 270]),
    scaling=st.tuples(st.sampled_from([100, 37, 150]), st.sampled_from([100, 50, 230])),
    tone=st.sampled_from([{}, *TONES]),
    rows=st.integers(1, 100),
)
def test_whatever_is_done_a_solid_page_stays_solid_and_a_clear_one_clear(
    making, format, color, depth, size, wanted, rotation, scaling, tone, rows
):
    """But for what lies outside of the page, which is white."""
    for alpha in (0, 255):
        noise = bytearray(Random(1).randbytes(size[0] * size[1] * 4 * depth // 8))
        for byte in range(3 * depth // 8, 4 * depth // 8):
            noise[byte :: 4 * depth // 8] = bytes([alpha]) * (size[0] * size[1])
        page = making.page_of(RawPage(*size, Mode.COLOR_ALPHA, depth, iter(())), bytes(noise), rows)
        spec = making.spec_for(
            page, format, color, width_px=wanted[0], height_px=wanted[1], rotation=rotation,
            scaling_width=scaling[0], scaling_height=scaling[1], **tone,
        )  # fmt: skip
        image = making.decoded(making.delivered(page, spec), format)
        assert (image.mode, image.size) == ("RGBA", wanted)
        corner = (0, 0, wanted[0] - 1, wanted[1] - 1)
        x, y = {0: corner[:2], 90: (corner[2], 0), 180: corner[2:], 270: (0, corner[3])}[rotation]
        assert image.getpixel((x, y))[3] == alpha
        if alpha:
            assert image.getchannel("A").getextrema() == (255, 255)


# ---- the small picture


@pytest.mark.parametrize("color", DEPTHS)
def test_the_small_picture_is_on_white(making, color):
    page = page_of(making, disc(400))
    spec = making.spec_for(page, "png", color)
    pictures: list[bytes] = []
    watched: Callable[[bytes], None] = pictures.append
    deep = RawPage(400, 400, Mode.COLOR_ALPHA, DEPTHS[color], iter([making.fitted(page, spec)]))
    assert list(Miniature(deep, watched).watched.bands)
    with Image.open(BytesIO(pictures[0])) as small:
        assert small.mode == "RGB"
        assert min(small.getpixel((2, 2))) > 250
        middle = small.getpixel((small.width // 2, small.height // 2))
        assert middle == pytest.approx(INK, abs=6)
