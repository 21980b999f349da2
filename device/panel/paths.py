"""Where the resources of the panel's REST are."""

from __future__ import annotations

from typing import Final

BASE: Final = "/api/v1"
DEVICE: Final = "/devices/{uuid}"
"""Below BASE: the resources of one device. Without it, they are those of the first one."""


def device_base(uuid: str) -> str:
    """Where the resources of a device are."""
    return BASE + DEVICE.format(uuid=uuid)
