"""Ticket (mil, WS-Scan's words) → ScanRequest (mm, SANE's words) and ImageSpec."""

from __future__ import annotations

from datetime import UTC, datetime

from device.imaging.spec import ImageSpec
from device.jobs.geometry import image_info
from device.model.capabilities import ADF, ADF_DUPLEX, ALPHA_COLORS, FILM, PLATEN
from device.model.ticket import DocumentFinalParameters
from device.model.units import MM_PER_INCH, mil_to_mm
from scanner_backends.base import Film, Mode, ScanRequest, Source

EXIF_TIME = "%Y:%m:%d %H:%M:%S"

SOURCES = {
    PLATEN: Source.FLATBED,
    ADF: Source.ADF,
    ADF_DUPLEX: Source.ADF_DUPLEX,
    FILM: Source.TRANSPARENCY,
}

FILMS = {
    "ColorSlideFilm": Film.POSITIVE,
    "ColorNegativeFilm": Film.NEGATIVE,
    "BlackandWhiteNegativeFilm": Film.NEGATIVE,
}
"""FilmScanMode → film. Whether a picture is in colour, ColorProcessing says."""

INPUT_SOURCES = {sane: source for source, sane in SOURCES.items()}

# One bit is made from grey here, so that threshold and diffusion follow the ContentType.
_MODES = {
    "BlackAndWhite1": (Mode.GRAY, 8),
    "Grayscale4": (Mode.GRAY, 8),
    "Grayscale8": (Mode.GRAY, 8),
    "Grayscale16": (Mode.GRAY, 16),
    "RGB24": (Mode.COLOR, 8),
    "RGB48": (Mode.COLOR, 16),
    "RGBa32": (Mode.COLOR, 8),
    "RGBa64": (Mode.COLOR, 16),
}


def scan_request(parameters: DocumentFinalParameters, *, back: bool = False) -> ScanRequest:
    """What to acquire for one side."""
    side = parameters.side(back=back)
    mode, depth = _MODES[side.color_processing.value]
    x_dpi, y_dpi = side.resolution_width.value, side.resolution_height.value
    return ScanRequest(
        source=SOURCES[parameters.input_source.value],
        mode=mode,
        depth=depth,
        x_dpi=x_dpi,
        y_dpi=y_dpi,
        left_mm=mil_to_mm(side.region.x_offset.value),
        top_mm=mil_to_mm(side.region.y_offset.value),
        # At least a pixel each way, as ImageInformation says.
        width_mm=max(mil_to_mm(side.region.width.value), MM_PER_INCH / x_dpi),
        height_mm=max(mil_to_mm(side.region.height.value), MM_PER_INCH / y_dpi),
        back=back,
        film=FILMS.get(parameters.film_scan_mode.value) if parameters.film_scan_mode else None,
        alpha=side.color_processing.value in ALPHA_COLORS,
    )


def image_spec(
    parameters: DocumentFinalParameters,
    *,
    back: bool = False,
    made_by: tuple[str, str] = ("", ""),
    made_at: datetime | None = None,
) -> ImageSpec:
    """What to make of it: exactly what ImageInformation announced.

    Args:
        made_by: manufacturer and model, for formats that tell.
        made_at: the job's time, for formats that tell.
    """
    side = parameters.side(back=back)
    info = image_info(parameters, side)
    return ImageSpec(
        format=parameters.format.value,
        color=side.color_processing.value,
        width_px=info.pixels_per_line,
        height_px=info.number_of_lines,
        x_dpi=side.resolution_width.value,
        y_dpi=side.resolution_height.value,
        quality=parameters.compression_quality_factor.value,
        rotation=parameters.rotation.value,
        scaling_width=parameters.scaling_width.value,
        scaling_height=parameters.scaling_height.value,
        brightness=parameters.brightness.value,
        contrast=parameters.contrast.value,
        sharpness=parameters.sharpness.value,
        auto_exposure=parameters.auto_exposure,
        content_type=parameters.content_type.value,
        made_by=made_by,
        made_at=made_at.astimezone(UTC).strftime(EXIF_TIME) if made_at else "",
    )
