"""What a scanner could do when it was looked at last: another program may have it open now."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

from device.pages import frames
from device.state import replace_file
from scanner_backends.base import Description

log = logging.getLogger(__name__)

_NUMBERS = re.compile(r"libusb:\d+:\d+")


class LastLook:
    """A small file beside the device's state.

    Args:
        source: whose abilities are kept; of another source they mean nothing.
    """

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._source = _NUMBERS.sub("libusb", source)

    def keep(self, description: Description) -> None:
        """Remember what the scanner can do."""
        text = frames.description_text(description).decode()
        try:
            replace_file(self._path, json.dumps({"source": self._source, "found": text}).encode())
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror or error)

    def recall(self) -> Description | None:
        """What it could do, None if nobody knows."""
        try:
            kept = json.loads(self._path.read_bytes())
            if kept["source"] != self._source:
                return None
            return frames.description_of(kept["found"].encode())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, frames.FrameError):
            return None
