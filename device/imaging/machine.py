"""What this machine can encode beside what is always there. Loads no imaging library to tell."""

from __future__ import annotations

import ctypes
import mmap
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

JBIG_SONAME = "libjbig.so.0"


@cache
def has_jbig() -> bool:
    """Whether libjbig is installed."""
    try:
        ctypes.CDLL(JBIG_SONAME)
    except OSError:
        return False
    return True


@cache
def has_jpeg2k() -> bool:
    """Whether Pillow was built with OpenJPEG.

    Its table of codecs names them; to ask it would take importing it, which costs the main process
    time and memory for nothing else.
    """
    found = find_spec("PIL")
    for folder in (found.submodule_search_locations or ()) if found else ():
        for suffix in EXTENSION_SUFFIXES:
            path = Path(folder, f"_imaging{suffix}")
            if path.is_file():
                return _holds(path, b"jpeg2k_encoder\0")
    return False


def _holds(path: Path, text: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(text) >= 0
