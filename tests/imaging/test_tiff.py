"""TIFF files as libtiff reads them."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from device.imaging.spec import SUPPORTED

KINDS = {
    "uncompressed": "None",
    "g4": "CCITT Group 4",
    "g3mh": "CCITT Group 3",
    "jpeg-tn2": "JPEG",
}
EVERY = [(kind, color) for kind in KINDS for color in SUPPORTED[f"tiff-single-{kind}"]]
SIZES = [(1, 1), (33, 64), (100, 129)]


@pytest.mark.parametrize(("kind", "color"), EVERY)
@pytest.mark.parametrize("size", SIZES)
def test_tiffinfo_finds_no_fault(making, run_tool, tmp_path, kind, color, size):
    format = f"tiff-single-{kind}"
    page, _ = making.natural(format, color, *size)
    path = tmp_path / "page.tif"
    path.write_bytes(making.delivered(page, making.spec_for(page, format, color)))
    told = tiffinfo(run_tool, path, kind)
    assert f"Image Width: {size[0]} Image Length: {size[1]}" in told
    assert "Resolution: 100, 100 pixels/inch" in told
    assert f"Compression Scheme: {KINDS[kind]}" in told
    assert "FillOrder: msb-to-lsb" in told
    if kind in ("g4", "g3mh"):
        assert "min-is-white" in told
    elif not color.startswith("RGB"):
        assert "min-is-black" in told
    else:
        assert ("YCbCr" if kind == "jpeg-tn2" else "RGB color") in told
    assert ("Group 3 Options: (0 = 0x0)" in told) is (kind == "g3mh")
    assert "Page Number" not in told


@pytest.mark.parametrize("kind", ["g4", "g3mh"])
@pytest.mark.parametrize("size", [*SIZES, (1000, 300)])
def test_libtiff_decodes_fax_codes_to_the_very_bits(making, kind, size):
    page, data = making.natural("png", "BlackAndWhite1", *size)
    spec = making.spec_for(page, f"tiff-single-{kind}", "BlackAndWhite1")
    plain = uncompressed(making, making.delivered(page, spec))
    expected = Image.frombytes("1", size, data)
    assert plain.mode == "1"
    assert plain.tobytes() == expected.tobytes()


@pytest.mark.parametrize("color", ["Grayscale8", "RGB24"])
@pytest.mark.parametrize("quality", [60, 100])
def test_libtiff_decodes_jpeg_strips_to_the_pixels_of_a_jfif_file(making, color, quality):
    page, data = making.natural("jfif", color, 200, 150)
    spec = making.spec_for(page, "tiff-single-jpeg-tn2", color, quality=quality)
    plain = uncompressed(making, making.delivered(page, spec))
    spec = making.spec_for(page, "jfif", color, quality=quality)
    whole = making.decoded(making.delivered(making.page_of(page, data), spec), "jfif")
    # Strips are decoded one by one, so that smooth upsampling of colour ends at their edges.
    for top in range(0, 150, 64):
        box = (0, top + 1, 200, min(top + 63, 150))
        assert plain.crop(box).tobytes() == whole.crop(box).tobytes()


@pytest.mark.parametrize(("kind", "color"), EVERY)
def test_a_file_of_many_pages_holds_them_all(making, run_tool, tmp_path, kind, color):
    format = f"tiff-multi-{kind}"
    sizes = [(50, 70), (51, 129), (49, 1)]
    orders = []
    for number, size in enumerate(sizes):
        page, _ = making.natural(format, color, *size)
        orders.append((page, making.spec_for(page, format, color, x_dpi=100 + number)))
    path = tmp_path / "pages.tif"
    path.write_bytes(making.document(orders))
    told = tiffinfo(run_tool, path, kind)
    parts = told.split("Image Width: ")[1:]
    assert [tuple(map(int, part.split()[::3][:2])) for part in parts] == sizes
    for number, part in enumerate(parts):
        assert f"Resolution: {100 + number}, 100 pixels/inch" in part
        assert f"Page Number: {number}-0" in part
    assert told.count("multi-page document") == 3
    (plain,) = making.by_tool(["tiffcp", "-c", "none", "{in}", "{out}/o"], path.read_bytes())
    with Image.open(BytesIO(plain)) as image:
        assert image.n_frames == 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_only_page_of_many_is_that_of_a_single_file(making, kind):
    color = SUPPORTED[f"tiff-multi-{kind}"][0]
    page, data = making.natural("png", color, 40, 90)
    images = []
    for pages in ("single", "multi"):
        format = f"tiff-{pages}-{kind}"
        spec = making.spec_for(page, format, color)
        file = making.delivered(making.page_of(page, data), spec)
        images.append(making.decoded(file, format).tobytes())
    assert images[0] == images[1]


def tiffinfo(run_tool, path: Path, kind: str) -> str:
    """What tiffinfo tells of a file that it reads to the end.

    Of JPEG it reads the directories only: it cannot decode strips of odd height into raw YCbCr,
    not even libtiff's own. tiffcp can, and does so in the tests below.
    """
    options = [] if kind == "jpeg-tn2" else ["-d"]
    return run_tool("tiffinfo", *options, str(path), data=b"").decode()


def uncompressed(making, file: bytes) -> Image.Image:
    """The file as tiffcp decodes it."""
    (plain,) = making.by_tool(["tiffcp", "-c", "none", "{in}", "{out}/o"], file)
    return making.decoded(plain, "tiff")
