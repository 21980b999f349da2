"""WS-Scan's colours: which samples they mean, and how a page comes to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from PIL import Image

from device.imaging.rows import MODES, image_of, rebanded, upper_bytes
from scanner_backends.base import Mode, RawPage, band_rows
from scanner_backends.errors import Inval
from scanner_backends.pixels import doubled

SAMPLES: dict[str, tuple[Mode, int]] = {
    "BlackAndWhite1": (Mode.LINEART, 1),
    "Grayscale4": (Mode.GRAY, 4),
    "Grayscale8": (Mode.GRAY, 8),
    "Grayscale16": (Mode.GRAY, 16),
    "RGB24": (Mode.COLOR, 8),
    "RGB48": (Mode.COLOR, 16),
    "RGBa32": (Mode.COLOR_ALPHA, 8),
    "RGBa64": (Mode.COLOR_ALPHA, 16),
}
"""ColorEntry → mode and bits per sample."""

RUN_UP_ROWS = 32

_DEEP_PIXEL = {Mode.COLOR: 6, Mode.COLOR_ALPHA: 8}
"""Bytes of a pixel of 16-bit samples."""

_BLACK_OR_WHITE = [0] * 128 + [255] * 128
_UPPER_NIBBLE = bytes((value * 15 + 127) // 255 << 4 for value in range(256))
_LOWER_NIBBLE = bytes((value * 15 + 127) // 255 for value in range(256))


def coloured(page: RawPage, color: str, content_type: str) -> RawPage:
    """`page` in the samples of `color`.

    Grey is the luma of ITU-R 601. Grey becomes black and white by a threshold at half for Text,
    by error diffusion (Floyd-Steinberg) otherwise. 8 bits become 16 by doubling the byte; but for
    16-bit samples that become 16-bit colour, every way between the others leads through 8 bits.
    What has no alpha is opaque.

    Args:
        page: one with alpha only where `color` has it.

    Raises:
        Inval: there is no such colour.
    """
    if color not in SAMPLES:
        raise Inval(f"There is no colour {color!r}.")
    mode, depth = SAMPLES[color]
    if (page.mode, page.depth) == (mode, depth):
        return page
    target = replace(page, mode=mode, depth=depth)
    if page.depth == depth == 16 and mode in _DEEP_PIXEL:
        return replace(target, bands=_deep_colour(page, mode))
    if mode is Mode.LINEART:
        grey = _to_eight(page, Mode.GRAY)
        bands = _threshold(grey) if content_type == "Text" else _diffused(grey)
        return replace(target, bands=bands)
    eight = _to_eight(page, mode)
    if depth == 8:
        return eight
    if depth == 16:
        return replace(target, bands=map(doubled, eight.bands))
    return replace(target, bands=(_nibbles(eight, band) for band in eight.bands))


def to_samples(page: RawPage) -> RawPage:
    """`page` with 8 bits per sample; lineart becomes grey."""
    return _to_eight(page, Mode.GRAY if page.mode is Mode.LINEART else page.mode)


def _to_eight(page: RawPage, mode: Mode) -> RawPage:
    if (page.mode, page.depth) == (mode, 8):
        return page
    target = replace(page, mode=mode, depth=8)
    source = page
    if page.depth == 16:
        source = replace(page, depth=8, bands=(upper_bytes(band) for band in page.bands))
    if source.mode is mode:
        return replace(target, bands=source.bands)
    wanted = MODES[mode]
    bands = (image_of(source, band).convert(wanted).tobytes() for band in source.bands)
    return replace(target, bands=bands)


def _deep_colour(page: RawPage, mode: Mode) -> Iterator[bytes]:
    """16-bit grey or colour as 16-bit colour, opaque where there is alpha."""
    has, pixel = 2 * page.channels, _DEEP_PIXEL[mode]
    for band in page.bands:
        wide = bytearray(b"\xff" * (len(band) // has * pixel))
        for at in range(6):
            wide[at::pixel] = band[at % has :: has]
        yield bytes(wide)


def _threshold(page: RawPage) -> Iterator[bytes]:
    for band in page.bands:
        yield image_of(page, band).point(_BLACK_OR_WHITE, "1").tobytes()


def _diffused(page: RawPage) -> Iterator[bytes]:
    """Error diffusion, band by band.

    Pillow begins each image without an error to pass on, which would show as a line where bands
    meet. So each band is preceded by the last rows of the one before, whose result is thrown
    away. Bands are cut to one height first: the result does not depend on the source's.
    """
    above = b""
    for band in rebanded(page, band_rows(page.stride)):
        image = image_of(page, above + band)
        skipped = len(above) // page.stride
        black_white = image.convert("1", dither=Image.Dither.FLOYDSTEINBERG)
        yield black_white.crop((0, skipped, image.width, image.height)).tobytes()
        above = band[-RUN_UP_ROWS * page.stride :]


def _nibbles(page: RawPage, band: bytes) -> bytes:
    if page.width_px % 2:
        size = (page.width_px, len(band) // page.stride)
        band = image_of(page, band).crop((0, 0, size[0] + 1, size[1])).tobytes()
    upper = int.from_bytes(band[0::2].translate(_UPPER_NIBBLE), "big")
    lower = int.from_bytes(band[1::2].translate(_LOWER_NIBBLE), "big")
    return (upper | lower).to_bytes(len(band) // 2, "big")
