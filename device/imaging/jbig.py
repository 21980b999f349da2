"""`jbig`: a bi-level image entity of one layer, by libjbig where the machine has it.

Each stripe is encoded on its own and ends with the marker that sets the coder back (SDRST), so
that they can be joined, and no more than one is in memory.

Source: ITU-T T.82, section 6 (data format). The library is found at run time (Debian: libjbig0).
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path

from device.imaging.machine import JBIG_SONAME
from device.imaging.rows import rebanded
from device.imaging.spec import ImageSpec
from scanner_backends.base import RawPage
from scanner_backends.errors import Inval, IoError

STRIPE_ROWS = 256
"""Each stripe learns the page anew: on text at 600 dpi that costs a sixth, at 64 rows half."""

_STATE_BYTES = 4096  # libjbig's own state takes about 250, as far as versions go
_HEADER = 20
_TYPICAL_PREDICTION = 8
_SDNORM, _SDRST = b"\xff\x02", b"\xff\x03"
_INVERTED = bytes(range(255, -1, -1))

_DataOut = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)


def encode(page: RawPage, spec: ImageSpec, spool_dir: Path | None) -> Iterator[bytes]:
    """A JBIG file.

    Raises:
        Inval: this machine has no libjbig.
    """
    library = _library()
    if library is None:
        raise Inval("This machine has no libjbig.")
    first = next(page.bands)
    yield _header(page.width_px, page.height_px, min(STRIPE_ROWS, page.height_px))
    whole = replace(page, bands=chain([first], page.bands))
    left = page.height_px
    for band in rebanded(whole, STRIPE_ROWS):
        stripe = _stripe(library, page, band)
        left -= len(band) // page.stride
        yield stripe + (_SDRST if left else _SDNORM)


def _header(width: int, height: int, stripe_rows: int) -> bytes:
    """One layer, one plane, no adaptive template."""
    return struct.pack(
        ">BBBBLLLBBBB", 0, 0, 1, 0, width, height, stripe_rows, 0, 0, 0, _TYPICAL_PREDICTION
    )


def _stripe(library: ctypes.CDLL, page: RawPage, band: bytes) -> bytes:
    """The coded rows, without what leads to them and without the marker at their end."""
    rows = len(band) // page.stride
    bits = (ctypes.c_char * len(band)).from_buffer(_black_is_one(page, band))
    planes = (ctypes.c_void_p * 1)(ctypes.addressof(bits))
    pieces: list[bytes] = []
    collect = _DataOut(lambda start, length, _: pieces.append(ctypes.string_at(start, length)))
    state = ctypes.create_string_buffer(_STATE_BYTES)
    library.jbg_enc_init(state, page.width_px, rows, 1, planes, collect, None)
    library.jbg_enc_options(state, 0, _TYPICAL_PREDICTION, rows, 0, 0)
    library.jbg_enc_out(state)
    library.jbg_enc_free(state)
    coded = b"".join(pieces)
    if not coded.endswith(_SDNORM):
        raise IoError("libjbig gave a stripe without its end.")
    return coded[_HEADER : -len(_SDNORM)]


def _black_is_one(page: RawPage, band: bytes) -> bytearray:
    """The bits as JBIG means them; those that only fill the last byte of a row are 0."""
    bits = bytearray(band.translate(_INVERTED))
    unused = -page.width_px % 8
    mask = bytes(value >> unused << unused for value in range(256))
    last = slice(page.stride - 1, None, page.stride)
    bits[last] = bits[last].translate(mask)
    return bits


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(JBIG_SONAME)
    except OSError:
        return None
    state, number, long_ = ctypes.c_char_p, ctypes.c_int, ctypes.c_ulong
    planes = ctypes.POINTER(ctypes.c_void_p)
    library.jbg_enc_init.argtypes = [state, long_, long_, number, planes, _DataOut, ctypes.c_void_p]
    library.jbg_enc_options.argtypes = [state, number, number, long_, number, number]
    library.jbg_enc_out.argtypes = [state]
    library.jbg_enc_free.argtypes = [state]
    for name in ("jbg_enc_init", "jbg_enc_options", "jbg_enc_out", "jbg_enc_free"):
        getattr(library, name).restype = None
    return library
