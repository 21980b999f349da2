"""PDF/A as other programs read them."""

import re
import zlib
from io import BytesIO
from xml.etree import ElementTree

import pytest
from PIL import Image, ImageCms

from device.imaging import srgb

PDFAID = "{http://www.aiim.org/pdfa/ns/id/}"


@pytest.fixture
def pdf(making, tmp_path):
    path = tmp_path / "pages.pdf"
    path.write_bytes(making.document(making.one_of_each("pdf-a")))
    return path


def test_qpdf_and_poppler_find_no_fault(pdf, run_tool):
    told = run_tool("qpdf", "--check", str(pdf), data=b"").decode()
    assert "PDF Version: 1.4" in told
    assert "File is not encrypted" in told
    assert "No syntax or stream encoding errors found" in told
    told = run_tool("pdfinfo", "-f", "1", "-l", "9", str(pdf), data=b"").decode()
    assert re.search(r"Pages: +4\n", told)
    assert [tuple(map(float, size)) for size in re.findall(r"size: +(\S+) x (\S+) pts", told)] == [
        (pytest.approx((100 + 20 * n) / (100 + n) * 72, abs=0.01), pytest.approx(90 / 200 * 72))
        for n in range(4)
    ]
    assert run_tool("pdffonts", str(pdf), data=b"").decode().count("\n") == 2  # only the heading


def test_each_page_is_one_image_in_its_resolution(pdf, run_tool):
    told = run_tool("pdfimages", "-list", str(pdf), data=b"").decode().splitlines()[2:]
    rows = [line.split() for line in told]
    assert [(row[0], row[3], row[4], row[5], row[7], row[8]) for row in rows] == [
        ("1", "100", "90", "gray", "1", "image"),
        ("2", "120", "90", "gray", "8", "jpeg"),
        ("3", "140", "90", "rgb", "8", "jpeg"),
        ("4", "160", "90", "rgb", "8", "jpeg"),
    ]
    assert [row[9] for row in rows] == ["no"] * 4  # interpolation is forbidden
    assert [(row[12], row[13]) for row in rows] == [(str(100 + n), "200") for n in range(4)]


def test_the_essentials_of_pdf_a_are_there(pdf, run_tool):
    file = pdf.read_bytes()
    assert file.startswith(b"%PDF-1.4\n%")
    assert all(byte > 127 for byte in file[10:14])
    assert re.search(rb"trailer\n<<[^>]*/ID \[<([0-9a-f]{32})> <\1>\] >>\nstartxref", file)
    assert b"/Info" not in file[file.index(b"\nxref\n") :]
    for forbidden in (b"/Encrypt", b"/LZWDecode", b"/Interpolate", b"/ObjStm", b"/JS"):
        assert forbidden not in file
    catalog = run_tool("qpdf", "--show-object=1", str(pdf), data=b"").decode()
    assert re.search(r"/Metadata 3 0 R /OutputIntents \[ 4 0 R \]", catalog)
    intent = run_tool("qpdf", "--show-object=4", str(pdf), data=b"").decode()
    assert "/S /GTS_PDFA1" in intent
    assert "/DestOutputProfile 5 0 R" in intent
    assert "/OutputConditionIdentifier (sRGB)" in intent
    metadata = run_tool("qpdf", "--show-object=3", str(pdf), data=b"").decode()
    assert "/Filter" not in metadata  # it must be readable without a PDF reader
    told = ElementTree.fromstring(run_tool("pdfinfo", "-meta", str(pdf), data=b""))
    assert [node.text for node in told.iter(f"{PDFAID}part")] == ["1"]
    assert [node.text for node in told.iter(f"{PDFAID}conformance")] == ["B"]
    profile = run_tool("qpdf", "--show-object=5", "--raw-stream-data", str(pdf), data=b"")
    assert profile == srgb.profile()
    assert "/N 3" in run_tool("qpdf", "--show-object=5", str(pdf), data=b"").decode()


def test_the_profile_is_srgb_to_another_program():
    ours = ImageCms.ImageCmsProfile(BytesIO(srgb.profile()))
    assert ours.profile.version == 2.4
    assert ours.profile.device_class == "mntr"
    square = Image.merge("RGB", [Image.linear_gradient("L").rotate(90 * n) for n in range(3)])
    theirs = ImageCms.createProfile("sRGB")
    made = ImageCms.applyTransform(square, ImageCms.buildTransform(ours, theirs, "RGB", "RGB"))
    pairs = zip(square.tobytes(), made.tobytes(), strict=True)
    assert max(abs(a - b) for a, b in pairs) <= 1


def test_a_pdf_shows_the_page_upright_and_in_place(making, run_tool, tmp_path):
    page, data = making.natural("png", "BlackAndWhite1", 64, 96)
    path = tmp_path / "page.pdf"
    path.write_bytes(making.delivered(page, making.spec_for(page, "pdf-a", "BlackAndWhite1")))
    command = ("pdftoppm", "-r", "100", "-mono", str(path))
    with Image.open(BytesIO(run_tool(*command, data=b""))) as shown:
        assert shown.tobytes() == Image.frombytes("1", (64, 96), data).tobytes()


def test_a_pdfs_jpeg_is_the_jfif_file(making):
    page, data = making.natural("jfif", "RGB24", 100, 200)
    file = making.delivered(page, making.spec_for(page, "pdf-a", "RGB24"))
    page = making.page_of(page, data)
    jpeg = making.delivered(page, making.spec_for(page, "jfif", "RGB24"))
    assert making.pdf_images(file) == [jpeg]


def test_different_pages_make_different_identities(making):
    ids = set()
    for value in (0, 255):
        page, _ = making.natural("pdf-a", "Grayscale8", 64, 64)
        page = making.page_of(page, bytes([value]) * 4096)
        file = making.delivered(page, making.spec_for(page, "pdf-a", "Grayscale8"))
        ids.add(re.search(rb"/ID \[<(.*?)>", file)[1])
    assert len(ids) == 2


def test_the_smallest_image_lies_on_a_page_that_readers_take(making, run_tool, tmp_path):
    page, _ = making.natural("pdf-a", "BlackAndWhite1", 1, 1)
    path = tmp_path / "page.pdf"
    path.write_bytes(making.delivered(page, making.spec_for(page, "pdf-a", "BlackAndWhite1")))
    told = run_tool("pdfinfo", str(path), data=b"").decode()
    assert re.search(r"Page size: +3 x 3 pts", told)


def test_black_and_white_is_smaller_than_its_bits(making):
    page, _ = making.natural("pdf-a", "BlackAndWhite1", 800, 800)
    page = making.page_of(page, b"\xff" * 80_000)
    file = making.delivered(page, making.spec_for(page, "pdf-a", "BlackAndWhite1"))
    assert len(file) < 6_000
    data = re.search(rb"/FlateDecode.*?stream\n(.*?)\nendstream", file, re.DOTALL)[1]
    assert zlib.decompress(data) == b"\xff" * 80_000
