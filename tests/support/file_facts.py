"""What a scanned file tells of each of its pages, read by programs and libraries that are not ours.

Nothing here imports the product. The pixels are decoded, too: a file that only begins well fails.
"""

import io
import shutil
import struct
import subprocess
import zipfile
from dataclasses import dataclass
from xml.etree import ElementTree

import pypdfium2
import pytest
from PIL import Image

PER_METRE = 0.0254
XPS_UNITS_PER_INCH = 96
_BITS = {"1": 1, "L": 8, "RGB": 24}
_IMAGE = 3


@dataclass(frozen=True)
class PageFacts:
    """`bits` are of a pixel. `line_bytes` is 0 where lines are compressed; `dpi` None if untold."""

    width: int
    height: int
    bits: int
    line_bytes: int
    dpi: tuple[int, int] | None


def pages_of(format: str, content: bytes) -> list[PageFacts]:
    """The facts of every page, in their order."""
    if format.startswith("tiff-"):
        return _tiff(content, compressed=not format.endswith("-uncompressed"))
    read = {
        "dib": _bmp, "exif": _exif, "jfif": _jfif, "png": _png, "jpeg2k": _jpeg2k, "jbig": _jbig,
        "pdf-a": _pdf, "xps": _xps,
    }[format]  # fmt: skip
    found = read(content)
    return found if isinstance(found, list) else [found]


def _opened(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image


def _rounded(x_dpi: float, y_dpi: float) -> tuple[int, int]:
    return round(float(x_dpi)), round(float(y_dpi))


def _bmp(content: bytes) -> PageFacts:
    (start,) = struct.unpack("<L", content[10:14])
    width, height, _, bits = struct.unpack("<llHH", content[18:30])
    dots = struct.unpack("<ll", content[38:46])
    assert _opened(content).size == (width, height)
    dpi = _rounded(*(dot * PER_METRE for dot in dots))
    return PageFacts(width, height, bits, (len(content) - start) // height, dpi)


def _png(content: bytes) -> PageFacts:
    width, height, depth, kind = struct.unpack(">LLBB", content[16:26])
    at = content.index(b"pHYs") + 4
    *dots, unit = struct.unpack(">LLB", content[at : at + 9])
    assert unit == 1
    assert _opened(content).size == (width, height)
    dpi = _rounded(*(dot * PER_METRE for dot in dots))
    return PageFacts(width, height, depth * {0: 1, 2: 3, 6: 4}[kind], 0, dpi)


def _jfif(content: bytes) -> PageFacts:
    assert content[6:11] == b"JFIF\0"
    unit, *dpi = struct.unpack(">BHH", content[13:18])
    assert unit == 1
    image = _opened(content)
    return PageFacts(*image.size, _BITS[image.mode], 0, _rounded(*dpi))


def _exif(content: bytes) -> PageFacts:
    image = _opened(content)
    told = image.getexif()
    assert told[0x0128] == 2  # inches
    return PageFacts(*image.size, _BITS[image.mode], 0, _rounded(told[0x011A], told[0x011B]))


def _jpeg2k(content: bytes) -> PageFacts:
    image = _opened(content)
    return PageFacts(*image.size, _BITS[image.mode], 0, _rounded(*image.info["dpi"]))


def _jbig(content: bytes) -> PageFacts:
    if shutil.which("jbgtopbm") is None:
        pytest.skip("jbgtopbm is not installed")
    done = subprocess.run(["jbgtopbm"], input=content, capture_output=True, timeout=20, check=True)
    return PageFacts(*_opened(done.stdout).size, 1, 0, None)


def _tiff(content: bytes, *, compressed: bool) -> list[PageFacts]:
    found = []
    with Image.open(io.BytesIO(content)) as image:
        for number in range(image.n_frames):
            image.seek(number)
            tags = image.tag_v2
            assert tags[296] == 2  # inches
            line = 0 if compressed else sum(tags[279]) // tags[257]
            dpi = _rounded(tags[282], tags[283])
            found.append(PageFacts(tags[256], tags[257], sum(tags[258]), line, dpi))
            image.load()
            assert image.size == (tags[256], tags[257])
    return found


def _pdf(content: bytes) -> list[PageFacts]:
    found = []
    document = pypdfium2.PdfDocument(content)
    try:
        for page in document:
            (image,) = [one for one in page.get_objects() if one.type == _IMAGE]
            told = image.get_metadata()
            dpi = _rounded(told.horizontal_dpi, told.vertical_dpi)
            assert image.get_bitmap().width == told.width
            found.append(PageFacts(told.width, told.height, told.bits_per_pixel, 0, dpi))
            image.close()
            page.close()
    finally:
        document.close()
    return found


def _xps(content: bytes) -> list[PageFacts]:
    found = []
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        names = package.namelist()
        pages = [name for name in names if name.endswith(".fpage")]
        images = [name for name in names if name.endswith((".png", ".jpg"))]
        for page, name in zip(pages, images, strict=True):
            root = ElementTree.fromstring(package.read(page))
            image = _opened(package.read(name))
            inches = [float(root.get(side)) / XPS_UNITS_PER_INCH for side in ("Width", "Height")]
            dpi = _rounded(*(px / inch for px, inch in zip(image.size, inches, strict=True)))
            found.append(PageFacts(*image.size, _BITS[image.mode], 0, dpi))
    return found
