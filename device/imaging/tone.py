"""Exposure: auto exposure, brightness, contrast, sharpness.

All are made on 8-bit samples. Lineart has no tones and passes untouched. Alpha stays as it is, and
what is clear has no say in the rest.

- Auto exposure finds the paper: the commonest value of the upper half, in each channel. It becomes
  white, and everything below is stretched in proportion. A page without light paper stays.
- Contrast c multiplies the distance to mid-grey by 4 ** (c / 1000): a quarter to fourfold.
- Brightness b then adds b / 1000 of half the range.
- Sharpness s adds the difference to a 3 × 3 blur, s / 50 times; below 0 it goes towards the blur,
  which is all that is left at -100.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile

from PIL import Image, ImageFilter

from device.imaging.colour import to_samples
from device.imaging.rows import image_of, rebanded
from device.imaging.spec import ImageSpec
from scanner_backends.base import Mode, RawPage, band_rows

_PAPER_MARGIN = 8
"""How far below the commonest value paper still counts as white: scanner noise."""

_AS_IT_IS = range(256)
_BLUR = (1, 2, 1, 2, 4, 2, 1, 2, 1)


def toned(page: RawPage, spec: ImageSpec, spool_dir: Path | None) -> RawPage:
    """`page` with the exposure of `spec`."""
    if page.mode is Mode.LINEART:
        return page
    if spec.auto_exposure:
        eight = to_samples(page)
        page = replace(eight, bands=_auto_exposed(eight, spool_dir))
    if spec.brightness or spec.contrast:
        eight, table = to_samples(page), curve(spec.brightness, spec.contrast)
        bands = (band.translate(table) for band in eight.bands)
        if eight.mode is Mode.COLOR_ALPHA:
            tables = [*(3 * table), *_AS_IT_IS]
            bands = (image_of(eight, band).point(tables).tobytes() for band in eight.bands)
        page = replace(eight, bands=bands)
    if spec.sharpness:
        eight = to_samples(page)
        page = replace(eight, bands=_sharpened(eight, spec.sharpness))
    return page


def curve(brightness: int, contrast: int) -> bytes:
    """The value that each of the 256 becomes."""
    gain = 4.0 ** (contrast / 1000)
    shift = 127.5 + brightness * 127.5 / 1000
    return bytes(min(255, max(0, round((value - 127.5) * gain + shift))) for value in range(256))


def _auto_exposed(page: RawPage, spool_dir: Path | None) -> Iterator[bytes]:
    """The paper's value is known at the end of the page: it waits in a temporary file."""
    colours = 3 if page.mode is Mode.COLOR_ALPHA else page.channels
    counts = [0] * (256 * page.channels)
    with TemporaryFile(dir=spool_dir) as spool:
        for band in page.bands:
            spool.write(band)
            image = image_of(page, band)
            seen = image.getchannel("A") if page.mode is Mode.COLOR_ALPHA else None
            found = image.histogram(seen)
            counts = [a + b for a, b in zip(counts, found, strict=True)]
        spool.seek(0)
        tables = [
            value
            for channel in range(colours)
            for value in _whitening(counts[256 * channel : 256 * (channel + 1)])
        ]
        tables += [*_AS_IT_IS] * (page.channels - colours)
        while band := spool.read(band_rows(page.stride) * page.stride):
            yield image_of(page, band).point(tables).tobytes()


def _whitening(counts: list[int]) -> list[int]:
    upper = counts[128:]
    if sum(upper) == 0:
        return list(_AS_IT_IS)
    paper = 128 + max(range(128), key=upper.__getitem__)
    white = max(128, paper - _PAPER_MARGIN)
    return [min(255, round(value * 255 / white)) for value in range(256)]


def _sharpened(page: RawPage, sharpness: int) -> Iterator[bytes]:
    """Each band is filtered with one row more at either side, so that no seam shows."""
    amount = sharpness / 50 if sharpness > 0 else sharpness / 100
    weights = [-amount * weight / 16 for weight in _BLUR]
    weights[4] += 1 + amount
    kernel = ImageFilter.Kernel((3, 3), weights, scale=1)

    def filtered(image: Image.Image) -> Image.Image:
        if page.mode is not Mode.COLOR_ALPHA:
            return image.filter(kernel)
        blur = ImageFilter.Kernel((3, 3), _BLUR, scale=16)
        made = Image.blend(image.convert("RGBa").filter(blur).convert("RGBA"), image, 1 + amount)
        made.putalpha(image.getchannel("A"))
        return made

    bands = rebanded(page, band_rows(page.stride))
    above, band = b"", next(bands, b"")
    while band:
        below = next(bands, b"")
        image = image_of(page, above + band + below[: page.stride])
        top = len(above) // page.stride
        area = (0, top, image.width, top + len(band) // page.stride)
        yield filtered(image).crop(area).tobytes()
        above, band = band[-page.stride :], below
