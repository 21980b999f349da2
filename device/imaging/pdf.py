"""`pdf-a`: PDF/A-1b, one image to a page.

Colour and grey are JPEG; black and white is deflated. The file streams: the length of an image is
an object of its own, behind it. Nothing in the file tells a time.

Source: PDF Reference 1.4; ISO 19005-1, section 6 (level B: 6.1, 6.2, 6.7).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from device.imaging import jpeg, srgb
from device.imaging.density import density
from device.imaging.spec import ImageSpec
from scanner_backends.base import Mode, RawPage
from scanner_backends.errors import Inval

POINTS_PER_INCH = 72
MIN_SIDE_PT, MAX_SIDE_PT = 3, 14_400
"""PDF 1.4's limits of a page; a smaller image lies on a page of the least size."""

_CATALOG, _PAGES, _METADATA, _INTENT, _PROFILE = range(1, 6)
_PER_PAGE = 4

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>1</pdfaid:part>
<pdfaid:conformance>B</pdfaid:conformance>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>""".encode()


def encode_document(
    pages: Iterator[tuple[RawPage, ImageSpec]], spool_dir: Path | None
) -> Iterator[bytes]:
    """A PDF/A file of all pages.

    Raises:
        Inval: an image is larger than a page, or than a JPEG, may be.
    """
    file = _File()
    numbers: list[int] = []
    head = file.add(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    for page, spec in pages:
        first = _PROFILE + 1 + _PER_PAGE * len(numbers)
        for piece in _page(file, first, page, spec):
            yield head + piece
            head = b""
        numbers.append(first)
    yield _frame(file, numbers) + file.end()


def _page(file: _File, first: int, page: RawPage, spec: ImageSpec) -> Iterator[bytes]:
    """The page's objects: its image, the image's length, what draws it, and itself."""
    image, length, content, own = range(first, first + _PER_PAGE)
    sides = [
        px / dpi * POINTS_PER_INCH
        for px, dpi in zip((page.width_px, page.height_px), density(spec), strict=True)
    ]
    if max(sides) > MAX_SIDE_PT:
        raise Inval(f"A PDF page cannot be {max(sides) / POINTS_PER_INCH:.0f} inches long.")
    width, height = (max(side, MIN_SIDE_PT) for side in sides)
    size = 0
    for piece in _image_data(page, spec):
        lead = b"" if size else file.begin(image) + file.add(_image_head(page, length))
        yield lead + file.add(piece)
        size += len(piece)
    drawing = b"q %.4f 0 0 %.4f 0 %.4f cm /Im Do Q" % (*sides, height - sides[1])
    tree = (
        b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 %.4f %.4f] "
        b"/Resources << /XObject << /Im %d 0 R >> >> /Contents %d 0 R >>"
    ) % (_PAGES, width, height, image, content)
    yield (
        file.add(b"\nendstream\nendobj\n")
        + file.object(length, b"%d" % size)
        + file.stream(content, b"", drawing)
        + file.object(own, tree)
    )


def _image_head(page: RawPage, length: int) -> bytes:
    """The dictionary, and the word that the data follows."""
    space = b"DeviceRGB" if page.mode is Mode.COLOR else b"DeviceGray"
    packed = b"FlateDecode" if page.depth == 1 else b"DCTDecode"
    return (
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /%s "
        b"/BitsPerComponent %d /Filter /%s /Length %d 0 R >>\nstream\n"
    ) % (page.width_px, page.height_px, space, page.depth, packed, length)


def _image_data(page: RawPage, spec: ImageSpec) -> Iterator[bytes]:
    return _deflated(page) if page.depth == 1 else jpeg.encode_jfif(page, spec, None)


def _deflated(page: RawPage) -> Iterator[bytes]:
    """Rows of bits compress a hundredfold; it is worth more than the least effort."""
    deflate = zlib.compressobj()
    for number, band in enumerate(page.bands):
        packed = deflate.compress(band)
        if number == 0:
            packed += deflate.flush(zlib.Z_SYNC_FLUSH)  # so that the first band leaves at once
        if packed:
            yield packed
    yield deflate.flush()


def _frame(file: _File, pages: list[int]) -> bytes:
    """What the pages belong to: catalogue, tree of pages, metadata and output intent."""
    own = [page + _PER_PAGE - 1 for page in pages]
    kids = b" ".join(b"%d 0 R" % number for number in own)
    catalog = b"<< /Type /Catalog /Pages %d 0 R /Metadata %d 0 R /OutputIntents [%d 0 R] >>"
    intent = (
        b"<< /Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier (sRGB) "
        b"/Info (sRGB IEC61966-2.1) /DestOutputProfile %d 0 R >>"
    )
    return (
        file.object(_CATALOG, catalog % (_PAGES, _METADATA, _INTENT))
        + file.object(_PAGES, b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(own), kids))
        + file.stream(_METADATA, b"/Type /Metadata /Subtype /XML ", _XMP)
        + file.object(_INTENT, intent % _PROFILE)
        + file.stream(_PROFILE, b"/N 3 ", srgb.profile())
    )


class _File:
    """Knows where each object begins, and what the file held so far."""

    def __init__(self) -> None:
        self._at = 0
        self._starts: dict[int, int] = {}
        self._sum = 0

    def add(self, data: bytes) -> bytes:
        """Count bytes that go out; gives them back."""
        self._at += len(data)
        self._sum = zlib.crc32(data, self._sum)
        return data

    def begin(self, number: int) -> bytes:
        self._starts[number] = self._at
        return self.add(b"%d 0 obj\n" % number)

    def object(self, number: int, body: bytes) -> bytes:
        return self.begin(number) + self.add(body + b"\nendobj\n")

    def stream(self, number: int, entries: bytes, data: bytes) -> bytes:
        head = b"<< %s/Length %d >>\nstream\n" % (entries, len(data))
        return self.object(number, head + data + b"\nendstream")

    def end(self) -> bytes:
        """The cross-reference table and the trailer. The file's identity is made of its bytes."""
        count = len(self._starts) + 1
        table = b"xref\n0 %d\n0000000000 65535 f \n" % count
        table += b"".join(b"%010d 00000 n \n" % self._starts[n] for n in range(1, count))
        parts = (self._sum, zlib.crc32(table), self._at, count)  # a hash would cost 4 MB to load
        identity = b"".join(b"%08x" % (part & 0xFFFFFFFF) for part in parts)
        trailer = b"trailer\n<< /Size %d /Root %d 0 R /ID [<%s> <%s>] >>\nstartxref\n%d\n%%%%EOF\n"
        return table + trailer % (count, _CATALOG, identity, identity, self._at)
