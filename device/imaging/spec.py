"""What an image shall be: the order that the job engine gives to the page line."""

from __future__ import annotations

from dataclasses import dataclass

from device.imaging.machine import has_jbig, has_jpeg2k


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The finished image, in WS-Scan's keywords.

    `width_px` and `height_px` are those of the delivered file, after scaling and rotation, and are
    met exactly. `x_dpi` and `y_dpi` are the acquisition's resolution along the page's own axes,
    before scaling and rotation. `rotation` is degrees clockwise, applied last. `brightness` and
    `contrast` run from -1000 to 1000, `sharpness` from -100 to 100; 0 leaves the page as it is.
    `quality` is WS-Scan's CompressionQualityFactor, 0 to 100, 100 losing least.
    `made_by` is the scanner's manufacturer and model, `made_at` the time as Exif writes it
    ("2026:05:04 08:15:00", UTC); what is empty is not told.
    `content_type` steers the way to one bit: Text is a threshold, Photo and Halftone diffuse.
    """

    format: str
    color: str
    width_px: int
    height_px: int
    x_dpi: int
    y_dpi: int
    quality: int = 80
    rotation: int = 0
    scaling_width: int = 100
    scaling_height: int = 100
    brightness: int = 0
    contrast: int = 0
    sharpness: int = 0
    auto_exposure: bool = False
    content_type: str = "Auto"
    made_by: tuple[str, str] = ("", "")
    made_at: str = ""


MEDIA_TYPES: dict[str, str] = {
    "dib": "image/bmp",
    "exif": "image/jpeg",
    "jfif": "image/jpeg",
    "jpeg2k": "image/jp2",
    "jbig": "application/octet-stream",
    "png": "image/png",
    "pdf-a": "application/pdf",
    "xps": "application/vnd.ms-xpsdocument",
    **{
        f"tiff-{pages}-{kind}": "image/tiff"
        for pages in ("single", "multi")
        for kind in ("uncompressed", "g4", "g3mh", "jpeg-tn2")
    },
}
"""FormatValue → MIME type of the file (ws-scan section 14.2)."""

EXTENSIONS: dict[str, str] = {
    "dib": ".bmp",
    "exif": ".jpg",
    "jfif": ".jpg",
    "jpeg2k": ".jp2",
    "jbig": ".jbg",
    "png": ".png",
    "pdf-a": ".pdf",
    "xps": ".xps",
    **{name: ".tif" for name in MEDIA_TYPES if name.startswith("tiff-")},
}
"""FormatValue → file name extension."""

_ALL = (
    *("BlackAndWhite1", "Grayscale4", "Grayscale8", "Grayscale16"),
    *("RGB24", "RGB48", "RGBa32", "RGBa64"),
)

SUPPORTED: dict[str, tuple[str, ...]] = {
    "dib": ("BlackAndWhite1", "Grayscale4", "Grayscale8", "RGB24"),
    "exif": ("Grayscale8", "RGB24"),
    **({"jbig": ("BlackAndWhite1",)} if has_jbig() else {}),
    **({"jpeg2k": ("Grayscale8", "RGB24")} if has_jpeg2k() else {}),
    "jfif": ("Grayscale8", "RGB24"),
    "pdf-a": ("BlackAndWhite1", "Grayscale8", "RGB24"),
    "png": _ALL,
    "xps": ("BlackAndWhite1", "Grayscale8", "RGB24"),
    **{
        f"tiff-{pages}-{kind}": colors
        for pages in ("single", "multi")
        for kind, colors in (
            ("uncompressed", _ALL),
            ("g4", ("BlackAndWhite1",)),
            ("g3mh", ("BlackAndWhite1",)),
            ("jpeg-tn2", ("Grayscale8", "RGB24")),
        )
    },
}
"""FormatValue → the colours that it can be delivered in, for every format that this machine has."""

BITS_PER_PIXEL: dict[str, int] = {
    "BlackAndWhite1": 1,
    "Grayscale4": 4,
    "Grayscale8": 8,
    "Grayscale16": 16,
    "RGB24": 24,
    "RGB48": 48,
    "RGBa32": 32,
    "RGBa64": 64,
}
"""ColorEntry → bits of one pixel (ws-scan section 12.3)."""


def bytes_per_line(format: str, color: str, width_px: int) -> int:
    """What ImageInformation tells: bytes of a line with padding, 0 for compressed formats.

    Source: WS-Scan, "BytesPerLine element".
    """
    line = (width_px * BITS_PER_PIXEL[color] + 7) // 8
    if format == "dib":
        return (line + 3) // 4 * 4
    return line if format.endswith("-uncompressed") else 0
