"""Page lines on SANE's test backend, and orders for them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support import sane_test

from device.clock import SystemClock
from device.imaging.spec import ImageSpec
from device.pages.keeper import Patience
from device.pages.supervisor import PageLine
from scanner_backends.base import MM_PER_INCH, Mode, ScanRequest, Source

COLORS = {
    (Mode.LINEART, 1): "BlackAndWhite1",
    (Mode.GRAY, 8): "Grayscale8",
    (Mode.GRAY, 16): "Grayscale16",
    (Mode.COLOR, 8): "RGB24",
    (Mode.COLOR, 16): "RGB48",
}


@pytest.fixture
def sane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private SANE configuration, which every child of this process takes."""
    reason = sane_test.why_no_sane()
    if reason is not None:
        pytest.skip(reason)
    directory = sane_test.configure(tmp_path / "sane")
    monkeypatch.setenv("SANE_CONFIG_DIR", str(directory))
    return directory


@pytest.fixture
def scanners(sane: Path) -> Callable[[int], None]:
    """Says how many scanners there are from now on: to SANE, and to nobody else."""

    def say(many: int) -> None:
        conf = sane / "test.conf"
        _, _, rest = conf.read_text().partition("\n")
        conf.write_text(f"number_of_devices {many}\n{rest}")
        (sane / "dll.conf").write_text("test\n" if many else "")

    return say


@pytest.fixture
def options_file(tmp_path: Path) -> Callable[[str], str]:
    """Writes an options file: `options_file('set.depth = 8')` gives the end of a source."""

    def write(text: str) -> str:
        path = tmp_path / "options.toml"
        path.write_text(f'[[device]]\nname = ".*"\n{text}\n')
        return f"?options={path}"

    return write


@pytest.fixture
async def line() -> AsyncIterator[Callable[..., PageLine]]:
    """Makes page lines, and closes them at the end: `line("sane:test:0")`."""
    async with AsyncExitStack() as stack:

        async def make(source: str, **patience: float) -> PageLine:
            made = PageLine(source, clock=SystemClock(), patience=Patience(**patience))
            return await stack.enter_async_context(made)

        yield make


@pytest.fixture
def order() -> Callable[..., tuple[ScanRequest, ImageSpec]]:
    """An order for an area in mm: `order(Mode.GRAY, 8, dpi=75, area=(0, 0, 100, 50))`."""

    def make(
        mode: Mode = Mode.GRAY,
        depth: int = 8,
        *,
        dpi: int = 75,
        area: tuple[float, float, float, float] = (0, 0, 60, 40),
        source: Source = Source.FLATBED,
        format: str = "tiff-single-uncompressed",
        size: tuple[int, int] | None = None,
    ) -> tuple[ScanRequest, ImageSpec]:
        request = ScanRequest(source, mode, depth, dpi, dpi, *area)
        width, height = size or (round(extent * dpi / MM_PER_INCH) for extent in area[2:])
        return request, ImageSpec(format, COLORS[mode, depth], width, height, dpi, dpi)

    return make
