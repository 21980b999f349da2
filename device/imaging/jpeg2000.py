"""`jpeg2k`: JPEG 2000 in a JP2 file, a tile for each band; where Pillow was built with OpenJPEG.

Each band is encoded as an image of its own that lies where the band lies in the page. So its one
tile is the very tile of the whole.

Source: ITU-T T.800, annexes A (codestream) and I (JP2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from device.imaging.density import density
from device.imaging.machine import has_jpeg2k
from device.imaging.rows import image_of
from device.imaging.spec import ImageSpec
from scanner_backends.base import Mode, RawPage, band_rows
from scanner_backends.errors import Inval

MAX_TILES = 65_535

_SOC, _EOC = b"\xff\x4f", b"\xff\xd9"
_SIZ, _COD, _QCD, _SOT = b"\xff\x51", b"\xff\x52", b"\xff\x5c", b"\xff\x90"
_SOT_BYTES = 12
_SRGB, _GREY = 16, 17


def encode(page: RawPage, spec: ImageSpec, spool_dir: Path | None) -> Iterator[bytes]:
    """A JP2 file; it loses nothing at quality 100.

    Raises:
        Inval: this machine's Pillow has no OpenJPEG, or the page is too high.
    """
    if not has_jpeg2k():
        raise Inval("This machine has no OpenJPEG.")
    if page.height_px > MAX_TILES * band_rows(page.stride):
        raise Inval(f"A JPEG 2000 file of {page.height_px} rows cannot be made.")
    top = 0
    coding: bytes | None = None
    for number, band in enumerate(page.bands):
        rows = len(band) // page.stride
        alone = _alone(page, band, top, rows, spec.quality)
        segments, start = _main_header(alone)
        own = segments[_COD] + segments[_QCD]
        if coding is None:
            coding = own
            yield _boxes(page, spec) + _head(page, segments)
        # The last tile may be too low for as many levels as the others have, and says so.
        yield _tile(alone[start : -len(_EOC)], number, b"" if own == coding else own)
        top += rows
    yield _EOC


def _tile(alone: bytes, number: int, coding: bytes) -> bytes:
    """A tile's only part, with its number in the page, and its own coding style if it has one."""
    length = struct.pack(">L", len(alone) + len(coding))
    start = alone[:4] + struct.pack(">H", number) + length + alone[10:_SOT_BYTES]
    return start + coding + alone[_SOT_BYTES:]


def fidelity_db(factor: int) -> float:
    """CompressionQualityFactor → the signal to noise ratio that every tile gets: 28 to 43 dB."""
    return 28 + 0.15 * min(100, max(0, factor))


def _alone(page: RawPage, band: bytes, top: int, rows: int, factor: int) -> bytes:
    """A codestream of one tile, at its place in the page."""
    lossy = {"irreversible": True, "quality_mode": "dB", "quality_layers": [fidelity_db(factor)]}
    with BytesIO() as file:
        image_of(page, band).save(
            file,
            "JPEG2000",
            no_jp2=True,
            offset=(0, top),
            tile_offset=(0, top),
            tile_size=(page.width_px, rows),
            mct=1 if page.mode is Mode.COLOR else 0,
            **(lossy if factor < 100 else {}),
        )
        return file.getvalue()


def _main_header(stream: bytes) -> tuple[dict[bytes, bytes], int]:
    """Marker → its segment; and where the tile begins."""
    found: dict[bytes, bytes] = {}
    at = len(_SOC)
    while (marker := stream[at : at + 2]) != _SOT:
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        found[marker] = stream[at:end]
        at = end
    return found, at


def _head(page: RawPage, segments: dict[bytes, bytes]) -> bytes:
    """The main header, with the sizes of the page and of its tiles."""
    size = segments[_SIZ]
    tile = (page.width_px, band_rows(page.stride))
    area = struct.pack(">8L", page.width_px, page.height_px, 0, 0, *tile, 0, 0)
    return _SOC + size[:6] + area + size[6 + len(area) :] + segments[_COD] + segments[_QCD]


def _boxes(page: RawPage, spec: ImageSpec) -> bytes:
    """What comes before the codestream, which is the last box and ends with the file."""
    header = struct.pack(">LLHBBBB", page.height_px, page.width_px, page.channels, 7, 7, 0, 0)
    space = _SRGB if page.mode is Mode.COLOR else _GREY
    x_dpi, y_dpi = density(spec)
    # Pixels per metre as fractions: dpi / 0.0254 = dpi * 5 / 127 * 1000.
    captured = struct.pack(">HHHHBB", y_dpi * 5, 127, x_dpi * 5, 127, 3, 3)
    described = (
        _box(b"ihdr", header)
        + _box(b"colr", struct.pack(">BBBL", 1, 0, 0, space))
        + _box(b"res ", _box(b"resc", captured))
    )
    return (
        _box(b"jP  ", b"\r\n\x87\n")
        + _box(b"ftyp", b"jp2 " + bytes(4) + b"jp2 ")
        + _box(b"jp2h", described)
        + struct.pack(">L4s", 0, b"jp2c")
    )


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">L4s", 8 + len(content), name) + content
