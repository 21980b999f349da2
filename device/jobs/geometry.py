"""ImageInformation: how large the images of a job will be.

Source: ws-scan section 10.6.
"""

from __future__ import annotations

from device.imaging.spec import bytes_per_line
from device.model.capabilities import ADF_DUPLEX
from device.model.ticket import (
    DocumentFinalParameters,
    FinalSide,
    ImageInfo,
    ImageInformation,
)
from device.model.units import mil_to_px


def image_information(parameters: DocumentFinalParameters) -> ImageInformation:
    """The geometry of front and back."""
    duplex = parameters.input_source.value == ADF_DUPLEX
    return ImageInformation(
        front=image_info(parameters, parameters.front),
        back=image_info(parameters, parameters.back or parameters.front) if duplex else None,
    )


def image_info(parameters: DocumentFinalParameters, side: FinalSide) -> ImageInfo:
    """The geometry of one side's images, scaling and rotation included."""
    width = mil_to_px(
        side.region.width.value, side.resolution_width.value, parameters.scaling_width.value
    )
    height = mil_to_px(
        side.region.height.value, side.resolution_height.value, parameters.scaling_height.value
    )
    if parameters.rotation.value in (90, 270):
        width, height = height, width
    return ImageInfo(
        pixels_per_line=width,
        number_of_lines=height,
        bytes_per_line=bytes_per_line(parameters.format.value, side.color_processing.value, width),
    )
