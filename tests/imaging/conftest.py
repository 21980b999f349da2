"""Pages to convert, orders, and files read back by programs that are not ours."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from random import Random
from zipfile import ZipFile

import pytest
from PIL import Image

from device.imaging.colour import SAMPLES
from device.imaging.convert import fit
from device.imaging.encoders import document_encoder_for, encoder_for
from device.imaging.spec import SUPPORTED, ImageSpec
from scanner_backends.base import MM_PER_INCH, Mode, RawPage, ScanRequest, Source

RunTool = Callable[..., bytes]


def raw_page(
    width: int, height: int, mode: Mode = Mode.COLOR, depth: int = 8, rows: int = 64, seed: int = 1
) -> tuple[RawPage, bytes]:
    """A page of noise in bands of `rows` rows, and its samples in one piece."""
    shape = RawPage(width, height, mode, depth, iter(()))
    data = Random(seed).randbytes(shape.stride * height)
    return page_of(shape, data, rows), data


def page_of(shape: RawPage, data: bytes, rows: int = 64) -> RawPage:
    def bands() -> Iterator[bytes]:
        for at in range(0, len(data), rows * shape.stride):
            yield data[at : at + rows * shape.stride]

    return RawPage(shape.width_px, shape.height_px, shape.mode, shape.depth, bands())


def request_for(page: RawPage, dpi: int = 100) -> ScanRequest:
    """The request that such a page would answer."""
    width_mm, height_mm = (px * MM_PER_INCH / dpi for px in (page.width_px, page.height_px))
    return ScanRequest(Source.FLATBED, page.mode, page.depth, dpi, dpi, 0, 0, width_mm, height_mm)


def spec_for(page: RawPage, format: str, color: str, **more: object) -> ImageSpec:
    values = {"width_px": page.width_px, "height_px": page.height_px, "x_dpi": 100, "y_dpi": 100}
    return ImageSpec(format=format, color=color, **(values | more))


def delivered(page: RawPage, spec: ImageSpec) -> bytes:
    """The whole way: the file's bytes."""
    fitted = fit(page, request_for(page), spec)
    return b"".join(encoder_for(spec.format)(fitted, spec, None))


def fitted(page: RawPage, spec: ImageSpec) -> bytes:
    """Half of the way: the samples."""
    return b"".join(fit(page, request_for(page), spec).bands)


def document(orders: list[tuple[RawPage, ImageSpec]]) -> bytes:
    """The same for a file of several pages."""
    pages = ((fit(page, request_for(page), spec), spec) for page, spec in orders)
    return b"".join(document_encoder_for(orders[0][1].format)(pages, None))


def decoded(file: bytes, format: str) -> Image.Image:
    """The (first) image of a file, by Pillow or by what else reads it."""
    read = {"pdf-a": pdf_images, "xps": xps_images, "jbig": jbig_images}.get(format)
    if read is not None:
        file = read(file)[0]
    with Image.open(BytesIO(file)) as image:
        image.load()
        return image


def pdf_images(file: bytes) -> list[bytes]:
    """The images in a PDF as poppler finds them: JPEG as they are, others as PNG."""
    return by_tool(["pdfimages", "-j", "-png", "{in}", "{out}/i"], file)


def xps_images(file: bytes) -> list[bytes]:
    """The images in an XPS package, in the order of their pages."""
    with ZipFile(BytesIO(file)) as package:
        images = [name for name in package.namelist() if name.endswith((".jpg", ".png"))]
        return [package.read(name) for name in images]


def jbig_images(file: bytes) -> list[bytes]:
    return by_tool(["jbgtopbm", "{in}", "{out}/o"], file)


def by_tool(command: list[str], file: bytes, suffix: str = "") -> list[bytes]:
    """The files that a program makes of a file, in the order of their names.

    In `command` {in} stands for the file, whose name ends with `suffix`, {out} for a folder.
    """
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, f"in{suffix}"), Path(folder, "out")
        given.write_bytes(file)
        made.mkdir()
        words = [word.format_map({"in": given, "out": made}) for word in command]
        done = subprocess.run(words, capture_output=True, timeout=20)
        assert done.returncode == 0, done.stderr.decode()
        return [path.read_bytes() for path in sorted(made.iterdir())]


class Making:
    """What the tests of this folder make pages with; a fixture, for they cannot import it."""

    raw_page = staticmethod(raw_page)
    page_of = staticmethod(page_of)
    request_for = staticmethod(request_for)
    spec_for = staticmethod(spec_for)
    delivered = staticmethod(delivered)
    document = staticmethod(document)
    decoded = staticmethod(decoded)
    pdf_images = staticmethod(pdf_images)
    by_tool = staticmethod(by_tool)
    fitted = staticmethod(fitted)

    @classmethod
    def one_of_each(cls, format: str) -> list[tuple[RawPage, ImageSpec]]:
        """A page of each colour, and one more: sizes and resolutions differ."""
        orders = []
        for number, color in enumerate((*SUPPORTED[format], "RGB24")):
            page, _ = cls.natural(format, color, 100 + 20 * number, 90)
            orders.append((page, spec_for(page, format, color, x_dpi=100 + number, y_dpi=200)))
        return orders

    @staticmethod
    def natural(format: str, color: str, width: int, height: int) -> tuple[RawPage, bytes]:
        """A page that already has the samples of `color`; 4 bits come out of 8."""
        mode, depth = SAMPLES[color]
        return raw_page(width, height, mode, 8 if depth == 4 else depth)


@pytest.fixture(scope="session")
def making() -> type[Making]:
    return Making


@pytest.fixture(scope="session")
def run_tool() -> RunTool:
    """Runs a program on a file given as bytes; skips where it is not installed."""

    def run(*command: str, data: bytes) -> bytes:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        done = subprocess.run(command, input=data, capture_output=True, timeout=20)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
        assert not done.stderr, done.stderr.decode()
        return done.stdout

    return run
