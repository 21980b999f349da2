"""Hides libturbojpeg and isal from every Python that starts with this folder in its path."""

import ctypes
import sys
from typing import Any


class WithoutTurbo(ctypes.CDLL):
    """Finds no libturbojpeg."""

    def __init__(self, name: Any, *args: Any, **more: Any) -> None:
        if name and "turbojpeg" in str(name):
            raise OSError(name)
        super().__init__(name, *args, **more)


ctypes.CDLL = WithoutTurbo  # type: ignore[misc]
sys.modules["isal"] = None  # type: ignore[assignment]
