"""Where a page lies on the glass, and that its own resolution returns its very pixels."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scanner_backends.base import Mode
from scanner_backends.image_files import ImageFilesBackend

INCH = 25.4
WHITE = (255, 255, 255)


def noise(width: int = 60, height: int = 40, mode: str = "RGB") -> Image.Image:
    channels = {"RGB": 3, "CMYK": 4, "RGBA": 4, "LA": 2, "L": 1}[mode]
    return Image.frombytes(mode, (width, height), os.urandom(width * height * channels))


def soft(width: int, height: int) -> Image.Image:
    gradient = Image.linear_gradient("L")
    layers = [gradient, gradient.rotate(90), gradient.rotate(180)]
    return Image.merge("RGB", [layer.resize((width, height)) for layer in layers])


def whole(image: Image.Image, dpi: int) -> tuple[float, float, float, float]:
    return (0, 0, image.width / dpi * INCH, image.height / dpi * INCH)


@pytest.mark.parametrize("name", ["p.png", "p.tif", "p.bmp"])
@pytest.mark.parametrize("dpi", [72, 150, 300])
def test_a_scan_at_its_own_resolution_returns_the_very_pixels(tmp_path: Path, scan, name, dpi):
    image = noise(123, 77)
    image.save(tmp_path / name, dpi=(dpi, dpi))
    backend = ImageFilesBackend(str(tmp_path))
    assert scan(backend, 0, dpi, whole(image, dpi)).tobytes() == image.tobytes()
    grey = scan(backend, 0, dpi, whole(image, dpi), Mode.GRAY)
    assert grey.tobytes() == image.convert("L").tobytes()


def test_a_jpeg_is_scanned_as_it_decodes(tmp_path: Path, scan):
    noise(100, 80).save(tmp_path / "p.jpg", dpi=(150, 150))
    with Image.open(tmp_path / "p.jpg") as decoded:
        expected = decoded.convert("RGB")
    result = scan(ImageFilesBackend(str(tmp_path)), 0, 150, whole(expected, 150))
    assert result.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("name", "options", "dpi"),
    [
        ("p.jpg", {"dpi": (200, 200)}, 200),
        ("p.png", {"dpi": (96, 96)}, 96),
        ("p.bmp", {"dpi": (300, 300)}, 300),
        ("p.tif", {"dpi": (600, 600)}, 600),
        ("p.tif", {"resolution_unit": 3, "x_resolution": 118.11, "y_resolution": 118.11}, 300),
        ("p.png", {"dpi": (20, 20)}, 75),  # not plausible: the size decides
        ("p.png", {"dpi": (5000, 5000)}, 75),
        ("p.png", {}, 75),
        ("p.jpg", {}, 75),
    ],
)
def test_the_files_resolution_counts_if_a_scanner_could_have_said_it(
    tmp_path: Path, scan, name, options, dpi
):
    image = Image.new("RGB", (60, 40), (10, 20, 30))
    image.save(tmp_path / name, **options)
    backend = ImageFilesBackend(str(tmp_path))
    result = scan(backend, 0, dpi, (0, 0, 100 / dpi * INCH, 100 / dpi * INCH), Mode.LINEART)
    inside = result.crop((0, 0, 60, 40))
    assert inside.getextrema() == (0, 0)
    assert result.size == (100, 100)
    assert result.convert("L").histogram()[0] == 60 * 40


@pytest.mark.parametrize("unit", [2, 3])
def test_exif_resolution_counts_when_jfif_has_none(tmp_path: Path, scan, unit):
    image = Image.new("RGB", (60, 40), (0, 0, 0))
    exif = image.getexif()
    exif[0x011A] = exif[0x011B] = 200 if unit == 2 else 200 / 2.54
    exif[0x0128] = unit
    image.save(tmp_path / "p.jpg", exif=exif)
    result = scan(ImageFilesBackend(str(tmp_path)), 0, 200, (0, 0, 12.7, 12.7), Mode.LINEART)
    assert result.convert("L").histogram()[0] == 60 * 40


@pytest.mark.parametrize(
    ("size", "dpi"),
    [((637, 1050), 75), ((638, 1050), 100), ((1700, 2800), 200), ((2480, 3508), 300)],
)
def test_a_page_without_a_resolution_gets_the_lowest_that_fits(tmp_path: Path, scan, size, dpi):
    Image.new("1", size, 0).save(tmp_path / "p.png")
    backend = ImageFilesBackend(str(tmp_path))
    area = (0, 0, (size[0] + 10) / dpi * INCH, 10 / dpi * INCH)
    row = scan(backend, 0, dpi, area, Mode.LINEART)
    assert row.convert("L").histogram()[255] == 10 * 10


@settings(max_examples=30, deadline=None)
@given(
    left=st.integers(0, 90),
    top=st.integers(0, 90),
    width=st.integers(1, 100),
    height=st.integers(1, 100),
    page=st.integers(0, 1),
    dpi=st.sampled_from([100, 200, 37, 50]),
)
def test_a_part_holds_the_very_pixels_of_the_whole(stack, left, top, width, height, page, dpi):
    backend, run, wholes = stack
    if (page, dpi) not in wholes:
        wholes[page, dpi] = run(backend, page, dpi, (0, 0, 200 / dpi * INCH, 200 / dpi * INCH))
    area = tuple(px / dpi * INCH for px in (left, top, width, height))
    part = run(backend, page, dpi, area)
    expected = wholes[page, dpi].crop((left, top, left + width, top + height))
    pairs = zip(part.tobytes(), expected.tobytes(), strict=True)
    assert max(abs(a - b) for a, b in pairs) <= (0 if dpi == 100 else 1)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory):
    from scanner_backends.base import ScanRequest, Source

    folder = tmp_path_factory.mktemp("stack")
    noise(80, 90).save(folder / "a.png", dpi=(100, 100))
    soft(150, 120).save(folder / "b.tif", dpi=(100, 100))

    def run(backend, page, dpi, area):
        raw = backend.scan(ScanRequest(Source.ADF, Mode.COLOR, 8, dpi, dpi, *area), page)
        return Image.frombytes("RGB", (raw.width_px, raw.height_px), b"".join(raw.bands))

    return ImageFilesBackend(str(folder)), run, {}


def test_all_around_the_page_is_white(tmp_path: Path, scan):
    Image.new("RGB", (50, 50), (1, 2, 3)).save(tmp_path / "p.png", dpi=(100, 100))
    backend = ImageFilesBackend(str(tmp_path))
    result = scan(backend, 0, 200, (0, 0, 2 * INCH, 3 * INCH))
    assert result.size == (400, 600)
    assert result.crop((0, 0, 100, 100)).getcolors() == [(10_000, (1, 2, 3))]
    assert sorted(result.getcolors()) == [(10_000, (1, 2, 3)), (230_000, WHITE)]
    beyond = scan(backend, 0, 200, (INCH, INCH, INCH, INCH))
    assert beyond.getcolors() == [(40_000, WHITE)]


@pytest.mark.parametrize(
    ("dpi", "way"), [(50, Image.Resampling.BOX), (200, Image.Resampling.BICUBIC)]
)
def test_another_resolution_is_resampled_well(tmp_path: Path, scan, dpi, way):
    image = noise(100, 200)
    image.save(tmp_path / "p.png", dpi=(100, 100))
    result = scan(ImageFilesBackend(str(tmp_path)), 0, dpi, whole(image, 100))
    expected = image.resize((dpi, 200), way).resize((dpi, 2 * dpi), way)
    pairs = zip(result.tobytes(), expected.tobytes(), strict=True)
    assert max(abs(a - b) for a, b in pairs) <= 1


def test_each_axis_may_have_its_own_resolution(tmp_path: Path, scan):
    image = noise(200, 100)
    image.save(tmp_path / "fax.tif", dpi=(200, 100))
    backend = ImageFilesBackend(str(tmp_path))
    assert scan(backend, 0, (200, 100), (0, 0, INCH, INCH)).tobytes() == image.tobytes()
    assert scan(backend, 0, 200, (0, 0, INCH, INCH)).size == (200, 200)


@pytest.mark.parametrize("name", ["p.jpg", "p.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path: Path, scan, name, orientation):
    upright = Image.new("RGB", (80, 40), WHITE)
    upright.paste((255, 0, 0), (0, 0, 40, 20))
    upright.paste((0, 0, 255), (40, 20, 80, 40))
    way_back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(way_back[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    dpi = (200, 100) if orientation < 5 else (100, 200)  # as stored: upright it is 200 x 100
    stored.save(tmp_path / name, exif=exif, dpi=dpi)
    backend = ImageFilesBackend(str(tmp_path))
    result = scan(backend, 0, (200, 100), (0, 0, 80 / 200 * INCH, 40 / 100 * INCH))
    assert result.size == (80, 40)
    for spot, colour in (((10, 5), (255, 0, 0)), ((70, 35), (0, 0, 255)), ((70, 5), WHITE)):
        assert max(abs(a - b) for a, b in zip(result.getpixel(spot), colour, strict=True)) < 6


@pytest.mark.parametrize("name", ["p.jpg", "p.tif"])
def test_a_turned_page_without_a_resolution_is_measured_upright(tmp_path: Path, scan, name):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (1000, 600)).save(tmp_path / name, exif=exif)  # upright: 600 x 1000, 75 dpi
    area = (0, 0, 610 / 75 * INCH, 1010 / 75 * INCH)
    result = scan(ImageFilesBackend(str(tmp_path)), 0, 75, area, Mode.LINEART)
    assert result.convert("L").histogram()[0] == 600_000


def test_what_is_clear_lies_on_white(tmp_path: Path, scan):
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 10, 20))
    image.save(tmp_path / "a.png", dpi=(100, 100))
    palette = image.convert("RGB").convert("P")
    palette.save(tmp_path / "b.png", dpi=(100, 100), transparency=palette.getpixel((15, 5)))
    image.convert("LA").save(tmp_path / "c.png", dpi=(100, 100))
    backend = ImageFilesBackend(str(tmp_path))
    for number in range(3):
        result = scan(backend, number, 100, whole(image, 100))
        assert result.getpixel((5, 5)) == (0, 0, 0)
        assert result.getpixel((15, 5)) == WHITE


def test_palette_cmyk_and_grey_files_become_what_is_asked(tmp_path: Path, scan):
    noise().convert("P").save(tmp_path / "a.png", dpi=(100, 100))
    noise(mode="CMYK").save(tmp_path / "b.tif", dpi=(100, 100))
    noise(mode="CMYK").save(tmp_path / "c.jpg", dpi=(100, 100))
    noise(mode="L").save(tmp_path / "d.png", dpi=(100, 100))
    noise().convert("1").save(tmp_path / "e.bmp", dpi=(100, 100))
    backend = ImageFilesBackend(str(tmp_path))
    for number, name in enumerate(sorted(path.name for path in tmp_path.iterdir())):
        with Image.open(tmp_path / name) as image:
            rgb = image.convert("RGB")
            result = scan(backend, number, 100, whole(rgb, 100))
            assert result.tobytes() == rgb.tobytes(), name
            for mode in (Mode.GRAY, Mode.LINEART):
                assert scan(backend, number, 77, whole(rgb, 100), mode)


def test_sixteen_bit_grey_keeps_all_its_bits(tmp_path: Path, scan):
    data = os.urandom(2 * 60 * 40)
    image = Image.frombytes("I;16", (60, 40), data)
    image.save(tmp_path / "p.png", dpi=(100, 100))
    image.save(tmp_path / "p.tif", dpi=(100, 100))
    backend = ImageFilesBackend(str(tmp_path))
    for number in range(2):
        deep = scan(backend, number, 100, whole(image, 100), Mode.GRAY, 16)
        assert deep.tobytes() == data
        flat = scan(backend, number, 100, whole(image, 100), Mode.GRAY)
        assert flat.tobytes() == data[1::2]
        around = scan(backend, number, 50, (0, 0, INCH, INCH), Mode.GRAY, 16)
        assert around.getpixel((45, 45)) == 65535


def test_a_large_jpeg_is_decoded_small_for_a_coarse_scan(tmp_path: Path, scan):
    image = soft(1600, 1200)
    image.save(tmp_path / "p.jpg", dpi=(600, 600), quality=95)
    result = scan(ImageFilesBackend(str(tmp_path)), 0, 75, whole(image, 600))
    expected = image.resize((200, 150), Image.Resampling.BOX)
    pairs = zip(result.tobytes(), expected.tobytes(), strict=True)
    assert max(abs(a - b) for a, b in pairs) < 8


def test_a_pdf_is_rendered_at_the_resolution_asked(tmp_path: Path, scan):
    # 2 x 1 inch with a black square of half an inch, half an inch from the left and the top.
    pages = [("0 0 0 rg 36 0 36 36 re f", (144, 72)), ("1 0 0 rg 0 0 72 72 re f", (72, 72))]
    (tmp_path / "two.pdf").write_bytes(pdf(pages))
    backend = ImageFilesBackend(str(tmp_path))
    told = backend.describe()
    assert [page.label for page in told.feeder] == ["two.pdf, page 1 of 2", "two.pdf, page 2 of 2"]
    for dpi in (72, 300, (600, 300)):
        x_dpi, y_dpi = dpi if isinstance(dpi, tuple) else (dpi, dpi)
        result = scan(backend, 0, dpi, (0, 0, 3 * INCH, 2 * INCH))
        assert result.size == (3 * x_dpi, 2 * y_dpi)
        dark = result.crop((x_dpi // 2, y_dpi // 2, x_dpi, y_dpi))
        assert dark.getcolors() == [(dark.width * dark.height, (0, 0, 0))]
        assert result.convert("L").histogram()[0] == dark.width * dark.height
    assert scan(backend, 1, 50, (0, 0, INCH, INCH)).getcolors() == [(2500, (255, 0, 0))]


def test_a_part_of_a_pdf_is_a_part_of_the_whole(tmp_path: Path, scan):
    (tmp_path / "one.pdf").write_bytes(pdf([("0 0 0 rg 36 0 36 36 re f", (144, 72))]))
    backend = ImageFilesBackend(str(tmp_path))
    page = scan(backend, 0, 100, (0, 0, 2 * INCH, INCH))
    part = scan(backend, 0, 100, (0.3 * INCH, 0.4 * INCH, INCH, 0.5 * INCH))
    assert part.tobytes() == page.crop((30, 40, 130, 90)).tobytes()


def pdf(pages: list[tuple[str, tuple[int, int]]]) -> bytes:
    """A PDF by hand: of each page what is drawn, and its size in points."""
    kids = " ".join(f"{3 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
    ]
    for n, (content, (width, height)) in enumerate(pages):
        box = f"[0 0 {width} {height}]"
        objects.append(f"<</Type/Page/Parent 2 0 R/MediaBox{box}/Contents {4 + 2 * n} 0 R>>")
        objects.append(f"<</Length {len(content)}>>stream\n{content}\nendstream")
    file, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(file))
        file += f"{number} 0 obj{body}endobj\n".encode()
    start = len(file)
    file += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    file += b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n"
    return file + trailer.encode()
