"""`xps`: an XML Paper Specification package, one image to a page.

Colour and grey are JPEG, black and white is PNG; both are stored as they are, so that the package
streams. Nothing in it tells a time.

Source: XML Paper Specification 1.0; Open Packaging Conventions (ECMA-376, part 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from device.imaging import jpeg, png
from device.imaging.density import density
from device.imaging.spec import ImageSpec
from scanner_backends.base import RawPage

UNITS_PER_INCH = 96

_XML = '<?xml version="1.0" encoding="utf-8"?>\n'
_XPS = "http://schemas.microsoft.com/xps/2005/06"
_RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
_REPRESENTATION = f"{_XPS}/fixedrepresentation"
_RESOURCE = f"{_XPS}/required-resource"
_TYPES = {
    "rels": "application/vnd.openxmlformats-package.relationships+xml",
    "fdseq": "application/vnd.ms-package.xps-fixeddocumentsequence+xml",
    "fdoc": "application/vnd.ms-package.xps-fixeddocument+xml",
    "fpage": "application/vnd.ms-package.xps-fixedpage+xml",
    "jpg": "image/jpeg",
    "png": "image/png",
}
_SEQUENCE, _DOCUMENT = "FixedDocumentSequence.fdseq", "Documents/1/FixedDocument.fdoc"


def encode_document(
    pages: Iterator[tuple[RawPage, ImageSpec]], spool_dir: Path | None
) -> Iterator[bytes]:
    """An XPS package of all pages. Raises Inval where a JPEG cannot hold an image."""
    out = _Out()
    package = ZipFile(out, "w")
    count = 0
    for page, spec in pages:
        count += 1
        name, pieces = _image(count, page, spec)
        with package.open(_entry(name, ZIP_STORED), "w") as part:
            for piece in pieces:
                part.write(piece)
                yield out.taken()
        size = _size(page, spec)
        _write(package, f"Documents/1/Pages/{count}.fpage", _page(name, size))
        _write(
            package,
            f"Documents/1/Pages/_rels/{count}.fpage.rels",
            _relationships({f"/{name}": _RESOURCE}),
        )
    sources = "".join(f'<PageContent Source="Pages/{n}.fpage"/>' for n in range(1, count + 1))
    _write(package, _DOCUMENT, f'<FixedDocument xmlns="{_XPS}">{sources}</FixedDocument>')
    reference = f'<DocumentReference Source="/{_DOCUMENT}"/>'
    _write(
        package,
        _SEQUENCE,
        f'<FixedDocumentSequence xmlns="{_XPS}">{reference}</FixedDocumentSequence>',
    )
    _write(package, "_rels/.rels", _relationships({f"/{_SEQUENCE}": _REPRESENTATION}))
    _write(package, "[Content_Types].xml", _content_types())
    package.close()
    yield out.taken()


def _image(number: int, page: RawPage, spec: ImageSpec) -> tuple[str, Iterator[bytes]]:
    if page.depth == 1:
        return f"Resources/Images/{number}.png", png.encode(page, spec, None)
    return f"Resources/Images/{number}.jpg", jpeg.encode_jfif(page, spec, None)


def _size(page: RawPage, spec: ImageSpec) -> tuple[float, float]:
    x_dpi, y_dpi = density(spec)
    return page.width_px * UNITS_PER_INCH / x_dpi, page.height_px * UNITS_PER_INCH / y_dpi


def _page(image: str, size: tuple[float, float]) -> str:
    """The image over the whole page; a page is at least one unit long and wide."""
    width, height = (f"{side:.4f}" for side in size)
    page_width, page_height = (f"{max(1.0, side):.4f}" for side in size)
    return (
        f'<FixedPage xmlns="{_XPS}" Width="{page_width}" Height="{page_height}" xml:lang="und">'
        f'<Path Data="M 0,0 L {width},0 {width},{height} 0,{height} Z"><Path.Fill>'
        f'<ImageBrush ImageSource="/{image}" TileMode="None" ViewboxUnits="Absolute" '
        f'ViewportUnits="Absolute" Viewbox="0,0,{width},{height}" '
        f'Viewport="0,0,{width},{height}"/></Path.Fill></Path></FixedPage>'
    )


def _relationships(targets: dict[str, str]) -> str:
    found = "".join(
        f'<Relationship Id="R{number}" Target="{target}" Type="{kind}"/>'
        for number, (target, kind) in enumerate(targets.items())
    )
    return f'<Relationships xmlns="{_RELATIONSHIPS}">{found}</Relationships>'


def _content_types() -> str:
    known = "".join(
        f'<Default Extension="{extension}" ContentType="{kind}"/>'
        for extension, kind in _TYPES.items()
    )
    uri = "http://schemas.openxmlformats.org/package/2006/content-types"
    return f'<Types xmlns="{uri}">{known}</Types>'


def _write(package: ZipFile, name: str, xml: str) -> None:
    package.writestr(_entry(name, ZIP_DEFLATED), _XML + xml)


def _entry(name: str, method: int) -> ZipInfo:
    entry = ZipInfo(name)  # of 1980, when nothing else is said
    entry.compress_type = method
    return entry


class _Out:
    """Collects what the package writes until it is taken. It has no `tell` and no `seek`."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def taken(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken
