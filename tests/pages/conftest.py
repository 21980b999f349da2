"""Page lines and orders for them."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from device.clock import SystemClock
from device.imaging.spec import ImageSpec
from device.pages.keeper import Patience
from device.pages.supervisor import PageLine
from scanner_backends.base import MM_PER_INCH, Mode, ScanRequest, Source

Order = tuple[ScanRequest, ImageSpec]


@pytest.fixture
def order() -> Callable[..., Order]:
    """An order for a page of `size` px at `dpi`: `order("png", "RGB24")`."""

    def make(
        format: str = "png",
        color: str = "Grayscale8",
        dpi: int = 50,
        size: tuple[int, int] = (100, 256),
        **more: object,
    ) -> Order:
        mode = Mode.COLOR if color.startswith("RGB") else Mode.GRAY
        width_mm, height_mm = (px * MM_PER_INCH / dpi for px in size)
        request = ScanRequest(Source.FLATBED, mode, 8, dpi, dpi, 0, 0, width_mm, height_mm)
        return request, ImageSpec(format, color, *size, dpi, dpi, **more)

    return make


@pytest.fixture
def large(order: Callable[..., Order]) -> Order:
    """A page of 104 MB: no pipe holds it."""
    return order("tiff-single-uncompressed", "RGB24", 600, (4960, 7016))


@pytest.fixture
async def line() -> AsyncIterator[Callable[..., PageLine]]:
    """Makes page lines, and closes them at the end: `line("chart")`."""
    async with AsyncExitStack() as stack:

        async def make(source: str, spool_dir: Path | None = None, **patience: float) -> PageLine:
            made = PageLine(
                source, clock=SystemClock(), spool_dir=spool_dir, patience=Patience(**patience)
            )
            return await stack.enter_async_context(made)

        yield make


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets workers find the source `scripted:…`, as they would find an installed package's."""
    home = tmp_path / "packages"
    (home / "scripted-1.0.dist-info").mkdir(parents=True)
    (home / "scripted-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: scripted\nVersion: 1.0\n"
    )
    (home / "scripted-1.0.dist-info" / "entry_points.txt").write_text(
        "[wsd_scanner.backends]\nscripted = scripted_backend:ScriptedBackend\n"
    )
    shutil.copy(Path(__file__).parent / "scripted_backend.py", home)
    monkeypatch.setenv("PYTHONPATH", str(home), prepend=":")
