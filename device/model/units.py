"""mil (1/1000 inch), mm, px and dpi, and the ways between them.

Source: ws-scan sections 6.9 and 10.6.
"""

MM_PER_INCH = 25.4
MIL_PER_INCH = 1000


def mil_to_px(mil: int, dpi: int, scaling_percent: int = 100) -> int:
    """Pixels of a length, rounded down, at least 1.

    Rounded down because sane-airscan expects just that, and pads or clips anything else.
    """
    return max(1, mil * dpi * scaling_percent // (MIL_PER_INCH * 100))


def mil_to_mm(mil: int) -> float:
    """Millimetres of a length."""
    return mil * MM_PER_INCH / MIL_PER_INCH


def mm_to_mil(mm: float) -> int:
    """Mil of a length, rounded to the nearest."""
    return round(mm * MIL_PER_INCH / MM_PER_INCH)
