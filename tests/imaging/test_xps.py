"""XPS packages: their parts by the rules, and their pages by a viewer that is not ours."""

import posixpath
from io import BytesIO
from math import ceil
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
from PIL import Image

XPS = "{http://schemas.microsoft.com/xps/2005/06}"
RELATIONSHIPS = "{http://schemas.openxmlformats.org/package/2006/relationships}"
TYPES = "{http://schemas.openxmlformats.org/package/2006/content-types}"
EXPECTED_TYPES = {
    "rels": "application/vnd.openxmlformats-package.relationships+xml",
    "fdseq": "application/vnd.ms-package.xps-fixeddocumentsequence+xml",
    "fdoc": "application/vnd.ms-package.xps-fixeddocument+xml",
    "fpage": "application/vnd.ms-package.xps-fixedpage+xml",
    "jpg": "image/jpeg",
    "png": "image/png",
}


@pytest.fixture
def package(making):
    with ZipFile(BytesIO(making.document(making.one_of_each("xps")))) as package:
        yield package


def xml(package: ZipFile, name: str) -> ElementTree.Element:
    return ElementTree.fromstring(package.read(name.lstrip("/")))


def related(package: ZipFile, part: str) -> dict[str, str]:
    """What a part ("" for the package) says it needs: target → type."""
    folder, name = posixpath.split(part)
    found = xml(package, f"{folder}/_rels/{name}.rels")
    return {
        node.get("Target"): node.get("Type") for node in found.iter(f"{RELATIONSHIPS}Relationship")
    }


def test_the_package_is_whole_and_every_part_has_a_type(package):
    assert package.testzip() is None
    names = package.namelist()
    assert len({name.lower() for name in names}) == len(names)
    types = xml(package, "[Content_Types].xml")
    known = {node.get("Extension"): node.get("ContentType") for node in types}
    assert {node.tag for node in types} == {f"{TYPES}Default"}
    assert known == EXPECTED_TYPES
    for name in names:
        assert name == "[Content_Types].xml" or name.rsplit(".", 1)[1] in known


def test_the_way_from_the_package_to_each_image_is_laid(package):
    """Everything that is referred to exists, and nothing lies there that is not."""
    ((sequence, kind),) = related(package, "").items()
    assert kind == "http://schemas.microsoft.com/xps/2005/06/fixedrepresentation"
    (document,) = xml(package, sequence).iter(f"{XPS}DocumentReference")
    path = document.get("Source")
    folder = posixpath.dirname(path)
    met = {sequence, path, "/_rels/.rels", "/[Content_Types].xml"}
    pages = list(xml(package, path).iter(f"{XPS}PageContent"))
    assert len(pages) == 4
    for page in pages:
        source = posixpath.join(folder, page.get("Source"))
        (brush,) = xml(package, source).iter(f"{XPS}ImageBrush")
        image = brush.get("ImageSource")
        assert related(package, source) == {
            image: "http://schemas.microsoft.com/xps/2005/06/required-resource"
        }
        where, name = posixpath.split(source)
        met |= {source, image, f"{where}/_rels/{name}.rels"}
    assert met == {f"/{name}" for name in package.namelist()}


def test_each_page_has_the_size_of_its_image(package):
    for number in range(4):
        page = xml(package, f"Documents/1/Pages/{number + 1}.fpage")
        assert page.tag == f"{XPS}FixedPage"
        width = (100 + 20 * number) / (100 + number) * 96
        assert float(page.get("Width")) == pytest.approx(width, abs=1e-3)
        assert float(page.get("Height")) == pytest.approx(90 / 200 * 96, abs=1e-3)
        assert page.get("{http://www.w3.org/XML/1998/namespace}lang")
        (brush,) = page.iter(f"{XPS}ImageBrush")
        for box in ("Viewbox", "Viewport"):
            assert brush.get(box) == f"0,0,{width:.4f},{90 / 200 * 96:.4f}"


def test_images_are_stored_as_they_are(making, package):
    for entry in package.infolist():
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        if entry.filename.endswith((".jpg", ".png")):
            assert entry.compress_size == entry.file_size
    page, _ = making.natural("xps", "RGB24", 140, 90)
    jpeg = making.delivered(page, making.spec_for(page, "jfif", "RGB24", x_dpi=102, y_dpi=200))
    assert package.read("Resources/Images/3.jpg") == jpeg


def test_a_viewer_shows_every_page(making, run_tool, tmp_path):
    path = tmp_path / "pages.xps"
    orders = []
    for value in (0, 120, 255):
        page, _ = making.natural("xps", "Grayscale8", 96, 192)
        orders.append((making.page_of(page, bytes([value]) * 96 * 192), None))
    path.write_bytes(
        making.document(
            [(page, making.spec_for(page, "xps", "Grayscale8", x_dpi=96)) for page, _ in orders]
        )
    )
    for number, value in enumerate((0, 120, 255), start=1):
        shown = tmp_path / f"{number}.png"
        draw = ("mutool", "draw", "-q", "-N", "-r", "96", "-o", str(shown))
        run_tool(*draw, str(path), str(number), data=b"")
        with Image.open(shown) as image:
            assert image.size == (96, 184)  # 192 px at 100 dpi
            assert image.convert("L").getpixel((48, 92)) == value


def test_another_viewer_and_unzip_find_no_fault(making, run_tool, tmp_path):
    path = tmp_path / "pages.xps"
    path.write_bytes(making.document(making.one_of_each("xps")))
    assert "No errors detected" in run_tool("unzip", "-t", str(path), data=b"").decode()
    run_tool("xpstopng", "-r", "96", str(path), str(tmp_path / "page"), data=b"")
    sizes = []
    for found in sorted(tmp_path.glob("page*.png")):
        with Image.open(found) as image:
            sizes.append(image.size)
    assert sizes == [(ceil((100 + 20 * n) / (100 + n) * 96), 44) for n in range(4)]
