"""libturbojpeg, where the machine has it: JPEG at the speed of libjpeg-turbo's own cjpeg.

It is found at run time (Debian: libturbojpeg0). Without it Pillow does the same, more slowly.
"""

from __future__ import annotations

import ctypes
import mmap
from functools import cache

from scanner_backends.errors import IoError, NoMem

SONAME = "libturbojpeg.so.0"

_PIXEL_RGB, _PIXEL_GRAY = 0, 6
_SAMPLING = {"4:4:4": 0, "4:2:0": 2}
_SAMPLING_GRAY = 3
_NO_REALLOC, _ACCURATE_DCT = 1024, 4096  # the accurate one is what cjpeg and Pillow use


class TurboJpeg:
    """A compressor with one output buffer, which grows with the largest band."""

    def __init__(self, library: ctypes.CDLL) -> None:
        library.tjInitCompress.restype = ctypes.c_void_p
        library.tjBufSize.restype = ctypes.c_long
        library.tjBufSize.argtypes = [ctypes.c_int] * 3
        library.tjCompress2.argtypes = [
            ctypes.c_void_p,  # handle
            ctypes.c_char_p,  # samples
            ctypes.c_int,  # width
            ctypes.c_int,  # pitch, 0: rows without padding
            ctypes.c_int,  # height
            ctypes.c_int,  # pixel format
            ctypes.POINTER(ctypes.c_void_p),  # output
            ctypes.POINTER(ctypes.c_ulong),  # its size
            ctypes.c_int,  # subsampling
            ctypes.c_int,  # quality
            ctypes.c_int,  # flags
        ]
        library.tjGetErrorStr2.argtypes = [ctypes.c_void_p]
        library.tjGetErrorStr2.restype = ctypes.c_char_p
        self._library = library
        self._handle = library.tjInitCompress()
        if not self._handle:
            raise NoMem("libturbojpeg cannot be set up.")
        self._buffer = _untouched(1)

    def compress(
        self, samples: bytes, size: tuple[int, int], *, color: bool, quality: int, subsampling: str
    ) -> bytes:
        """RGB or grey rows without padding → a JPEG.

        Args:
            size: width and height in px.
            quality: libjpeg's, 1 to 100.
            subsampling: of colour, "4:4:4" or "4:2:0".
        """
        sampling = _SAMPLING[subsampling] if color else _SAMPLING_GRAY
        most = self._library.tjBufSize(*size, sampling)
        if most < 0:
            raise self._failure()
        if len(self._buffer) < most:
            self._buffer = _untouched(most)
        output = ctypes.c_void_p(ctypes.addressof(self._buffer))
        length = ctypes.c_ulong(len(self._buffer))
        failed = self._library.tjCompress2(
            self._handle,
            samples,
            size[0],
            0,
            size[1],
            _PIXEL_RGB if color else _PIXEL_GRAY,
            ctypes.byref(output),
            ctypes.byref(length),
            sampling,
            quality,
            _NO_REALLOC | _ACCURATE_DCT,
        )
        if failed:
            raise self._failure()
        return ctypes.string_at(self._buffer, length.value)

    def _failure(self) -> IoError:
        told = self._library.tjGetErrorStr2(self._handle).decode(errors="replace")
        return IoError(f"libturbojpeg failed: {told}.")


def _untouched(size: int) -> ctypes.Array[ctypes.c_char]:
    """A buffer whose pages cost memory only once they are written: few of the most ever are."""
    return (ctypes.c_char * size).from_buffer(mmap.mmap(-1, size))


@cache
def library() -> TurboJpeg | None:
    """The compressor, None on a machine without libturbojpeg."""
    try:
        return TurboJpeg(ctypes.CDLL(SONAME))
    except OSError:
        return None
