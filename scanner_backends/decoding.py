"""A picture's rows as they are asked for: upright, with alpha or on white, of any resolution."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from math import floor
from pathlib import Path

from PIL import Image, ImageChops, ImageFile, ImageOps

from scanner_backends.by_rows import bmp, jpeg, png, tiff
from scanner_backends.by_rows.deep import (
    SideBySide,
    beside,
    clear_colour,
    has_lower,
    is_deep,
    put_alpha,
    take_lower,
)
from scanner_backends.by_rows.rows import PassingRows, Rows, WholeRows
from scanner_backends.memory import available_bytes
from scanner_backends.picture import opened, tag
from scanner_backends.pixels import (
    BAND_ROWS,
    Area,
    eight_bits,
    on_white,
    reached,
    resampling,
    resized,
)

_BITS_PER_SAMPLE = 258  # of a TIFF

_FEW_BYTES = 16 << 20
"""Of so much it is not worth asking whether it is there."""


def decoded(
    path: Path,
    frame: int,
    image: ImageFile.ImageFile,
    turn: int,
    shrink: int,
    *,
    alpha: bool,
    deep: bool,
) -> tuple[Rows | SideBySide, tuple[int, int]]:
    """The upright image, and the size in px that it has at its own resolution.

    Where its format allows, and it is stored upright (`turn` is 1), a few rows at a time; else the
    whole. A JPEG that is to `shrink` to half or less is decoded smaller: quicker, in less memory.

    Args:
        image: page `frame` of the file at `path`, opened and not loaded.
        alpha: whether one that is clear in parts stays so; else it is laid on white.
        deep: whether colour of 16 bits stays so, unless it is laid on white; else it has 8.

    Raises MemoryError when the whole does not fit into memory, and whatever Pillow does when the
    file is broken.
    """
    size = image.size
    deep = deep and is_deep(image) and (alpha or not has_alpha(image))
    if image.format in ("JPEG", "MPO"):
        if shrink >= 2:
            image.draft(None, (max(1, size[0] // shrink), max(1, size[1] // shrink)))
        if turn >= 5:
            size = size[1], size[0]
    if turn == 1:
        pieces = _pieces(path, frame, image, alpha, deep)
        if pieces is not None:
            passing = PassingRows((image.width * (2 if deep else 1), image.height), pieces)
            return SideBySide(passing) if deep else passing, size
    deep, clear = deep and has_lower(image), clear_colour(image)
    halves = deep or clear is not None
    afford(image, turned=turn > 1, halves=halves)
    upright = _upright(image, turn)
    if image.format not in ("JPEG", "MPO"):
        size = upright.size
    if halves:
        with opened(path) as other:
            other.seek(frame)
            take_lower(other)
            lower = _upright(other, turn)
        if clear is not None:
            put_alpha(upright, lower, clear)
    if deep:
        both = beside(_plain(upright, alpha=alpha), _plain(lower, alpha=alpha))
        return SideBySide(WholeRows(both)), size
    return WholeRows(_plain(upright, alpha=alpha)), size


def _upright(image: ImageFile.ImageFile, turn: int) -> Image.Image:
    image.load()
    if image.format != "TIFF" and turn > 1:  # a TIFF is upright once it is loaded
        return ImageOps.exif_transpose(image)
    return image


def prove(path: Path, frame: int, image: ImageFile.ImageFile) -> None:
    """Decode a page, to see whether that can be done. Of what is not compressed, a part will do.

    Raises what `decoded` does.
    """
    pieces = _pieces(path, frame, image)
    if pieces is None:
        afford(image)
        image.load()
        _plain(image, alpha=False)
        return
    for _ in pieces:
        if image.info.get("compression") == "raw":
            return


def _pieces(
    path: Path,
    frame: int,
    image: ImageFile.ImageFile,
    alpha: bool = False,
    deep: bool = False,
) -> Iterator[Image.Image] | None:
    """Some rows each, from the top; None where only the whole can be decoded."""
    plain = partial(_plain, alpha=alpha)
    if image.format in ("JPEG", "MPO"):
        found = jpeg.pieces(path, image)
        return None if found is None else map(plain, found)
    if image.format == "PNG":
        found = png.pieces(path, image, deep=deep)
        return None if found is None else map(plain, found)
    if image.format == "BMP":
        files = bmp.small_files(path, image)
    else:
        try:
            files = tiff.small_files(path, frame)
        except (struct.error, LookupError, ValueError, ArithmeticError):
            return None  # Pillow may be more patient
    return None if files is None else (_loaded(file, plain, deep) for file in files)


def _loaded(file: bytes, plain: Callable[[Image.Image], Image.Image], deep: bool) -> Image.Image:
    with opened(file) as image:
        afford(image)
        image.load()
        upper = plain(image)
    if not deep:
        return upper
    with opened(file) as image:
        take_lower(image)
        image.load()
        return beside(upper, plain(image))


def afford(image: ImageFile.ImageFile, *, turned: bool = False, halves: bool = False) -> None:
    """See whether there is memory to load an image, to turn it, and to make it plain.

    With `halves`, to do so with the upper and the lower bytes, and to lay them side by side.

    Raises:
        MemoryError: there is not.
    """
    pixels = image.width * image.height
    own = pixels if image.mode in ("1", "L", "P") else 4 * pixels
    copies = 2 if turned else 1
    needed = own * (2 * copies + 2 if halves else copies)
    if has_alpha(image):
        needed += 9 * pixels  # as RGBA, as RGB, and alpha alone
    elif image.mode not in ("1", "L", "RGB"):
        needed += 4 * pixels
    if image.info.get("progressive"):  # libjpeg keeps the coefficients, 16 bits each
        scale = image.decoderconfig[0] if image.decoderconfig else 1
        needed += 2 * getattr(image, "layers", 3) * pixels * scale**2
    if needed > _FEW_BYTES and needed > available_bytes():
        raise MemoryError


def _plain(image: Image.Image, *, alpha: bool) -> Image.Image:
    """The image in mode "1", "L", "RGB", or "I" for 16-bit grey; on white where it is clear.

    With `alpha`, one that can be clear is in mode "RGBA".
    """
    if tag(image, _BITS_PER_SAMPLE) == (32,) and image.mode == "I":
        raise ValueError("samples of 32 bits")
    if image.mode.startswith("I"):
        return _plain_deep_grey(image, alpha=alpha)
    if image.mode == "F":
        raise ValueError("samples in floating point")
    if has_alpha(image):
        layer = image.convert("RGBA")
        return layer if alpha else on_white(layer)
    if image.mode in ("1", "L", "RGB"):
        # Let go of the file's own object, which keeps more than the pixels.
        return image if type(image) is Image.Image else image._new(image.im)
    return image.convert("RGB")


def _plain_deep_grey(image: Image.Image, *, alpha: bool) -> Image.Image:
    """16-bit grey, of which one value may be clear, as `_plain` has it."""
    clear = image.info.get("transparency")
    deep = image if image.mode == "I" else image.convert("I")
    if clear is None:
        return deep
    upper, lower = eight_bits(deep), eight_bits(deep, lower=True)
    mask = ImageChops.darker(upper.point(_only(clear >> 8)), lower.point(_only(clear & 255)))
    if alpha:
        layer = upper.convert("RGBA")
        layer.putalpha(ImageChops.invert(mask))
        return layer
    deep.paste(65535, mask=mask)
    return deep


def _only(value: int) -> list[int]:
    return [255 * (other == value) for other in range(256)]


def has_alpha(image: Image.Image) -> bool:
    """Whether a picture, which need not be loaded, can be clear in parts."""
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def laid_out(source: Rows, size: tuple[int, int], area: Area) -> Iterator[Image.Image]:
    """Bands of `area` out of the page, which has `size` px at the resolution asked."""
    left, top, width, height = area
    exact = source.size == size
    mode = "L" if source.mode == "1" and not exact else source.mode
    way = resampling(source.size, size)
    x_ratio, y_ratio = source.size[0] / size[0], source.size[1] / size[1]
    white = {"1": 1, "I": 65535, "L": 255}.get(mode, (255,) * len(mode))
    right = min(left + width, size[0])
    # What shrinks much needs many rows for one.
    most = max(1, min(BAND_ROWS, floor(2 * BAND_ROWS / y_ratio)))
    for start in range(top, top + height, most):
        rows = min(most, top + height - start)
        end = min(start + rows, size[1])
        piece = None
        if left < right and start < end:
            if exact:
                piece = source.rows(start, end).crop((left, 0, right, end - start))
            else:
                upper, lower = start * y_ratio, min(end * y_ratio, source.size[1])
                first, last = reached(upper, lower, end - start, source.size[1])
                window = source.rows(first, last)
                if window.mode != mode:
                    window = window.convert(mode)
                edge = min(right * x_ratio, source.size[0])
                box = (left * x_ratio, upper - first, edge, lower - first)
                piece = resized(window, (right - left, end - start), box, way)
            if piece.size == (width, rows):
                yield piece
                continue
        band = Image.new(mode, (width, rows), white)
        if piece is not None:
            band.paste(piece, (0, 0))
        yield band
