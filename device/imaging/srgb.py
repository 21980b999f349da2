"""sRGB as an ICC profile, which PDF/A wants in the file.

Source: ICC.1:2001-04 (version 2.4); IEC 61966-2-1.
"""

from __future__ import annotations

import struct
from functools import cache

_CURVE_POINTS = 1024
_D50 = (0.9642, 1.0, 0.8249)
_PRIMARIES = {
    b"rXYZ": (0.43607, 0.22249, 0.01392),
    b"gXYZ": (0.38515, 0.71687, 0.09708),
    b"bXYZ": (0.14307, 0.06061, 0.71410),
}
"""Of the three colours, adapted to D50 by Bradford's method."""

_HEADER = 128


@cache
def profile() -> bytes:
    """The profile; always the same bytes."""
    curve = b"curv" + struct.pack(">LL", 0, _CURVE_POINTS)
    curve += b"".join(
        struct.pack(">H", round(_linear(n / (_CURVE_POINTS - 1)) * 0xFFFF))
        for n in range(_CURVE_POINTS)
    )
    values = {
        b"desc": _description("sRGB"),
        b"cprt": b"text" + bytes(4) + b"No copyright, use freely\0",
        b"wtpt": _xyz(_D50),
        **{name: _xyz(value) for name, value in _PRIMARIES.items()},
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, data = struct.pack(">L", len(values)), b""
    data_at = _HEADER + 4 + 12 * len(values)
    placed: dict[bytes, int] = {}
    for name, value in values.items():
        if value not in placed:  # the three curves are one
            placed[value] = data_at + len(data)
            data += value + bytes(-len(value) % 4)
        table += struct.pack(">4sLL", name, placed[value], len(value))
    return _header(data_at + len(data)) + table + data


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _xyz(value: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">lll", *(round(part * 65536) for part in value))


def _description(text: str) -> bytes:
    """A textDescriptionType: ASCII, and empty Unicode and Macintosh forms."""
    ascii_ = text.encode() + b"\0"
    return b"desc" + bytes(4) + struct.pack(">L", len(ascii_)) + ascii_ + bytes(4 + 4 + 2 + 1 + 67)


def _header(size: int) -> bytes:
    """Version 2.4, a display's, made at the beginning of 2000: no clock is asked."""
    head = struct.pack(">L4sL4s4s4s", size, bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp")
    head += bytes(28) + _xyz(_D50)[8:]
    return head.ljust(_HEADER, b"\0")
