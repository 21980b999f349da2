"""The resolution that a file tells of itself."""

from __future__ import annotations

from device.imaging.spec import ImageSpec

INCHES_PER_METRE = 1 / 0.0254


def density(spec: ImageSpec) -> tuple[int, int]:
    """Pixels per inch along the delivered image's own width and height.

    Scaling does not change it: an image at 200 % is meant to be twice as large.
    """
    if spec.rotation in (90, 270):
        return spec.y_dpi, spec.x_dpi
    return spec.x_dpi, spec.y_dpi


def per_metre(dpi: int) -> int:
    """Pixels per metre, as PNG and BMP count."""
    return round(dpi * INCHES_PER_METRE)
