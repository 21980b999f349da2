"""Whole scans, as images."""

from collections.abc import Callable

import pytest
from PIL import Image

from scanner_backends.base import Backend, Mode, ScanRequest, Source

Scan = Callable[..., Image.Image]

MODES = {Mode.LINEART: "1", Mode.GRAY: "L", Mode.COLOR: "RGB"}


@pytest.fixture
def scan() -> Scan:
    """Scans a page of a backend: `scan(backend, 0, 100, (left, top, width, height))`, in mm."""

    def run(
        backend: Backend,
        page: int | None,
        dpi: int | tuple[int, int],
        area_mm: tuple[float, float, float, float],
        mode: Mode = Mode.COLOR,
        depth: int = 8,
    ) -> Image.Image:
        x_dpi, y_dpi = dpi if isinstance(dpi, tuple) else (dpi, dpi)
        depth = 1 if mode is Mode.LINEART else depth
        request = ScanRequest(Source.FLATBED, mode, depth, x_dpi, y_dpi, *area_mm)
        raw = backend.scan(request, page)
        data = b"".join(raw.bands)
        assert len(data) == raw.stride * raw.height_px
        size = (raw.width_px, raw.height_px)
        if depth == 16:
            assert mode is Mode.GRAY
            return Image.frombytes("I;16", size, data)
        return Image.frombytes(MODES[mode], size, data)

    return run
