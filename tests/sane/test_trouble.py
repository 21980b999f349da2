"""What goes wrong at the device is told by its name, and the next page is none the worse for it."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.wait import wait_until

from device.pages.page_image import PageImage
from device.pages.supervisor import PageLine
from scanner_backends import errors
from scanner_backends.base import Mode, Source

pytestmark = [pytest.mark.sane, pytest.mark.usefixtures("sane")]
MakeLine = Callable[..., PageLine]


async def whole(image: PageImage) -> bytes:
    return b"".join([piece async for piece in image])


async def scanned(scanner: PageLine, given, job: int = 1) -> bytes:
    return await whole(await scanner.page(job, None, *given))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("UNSUPPORTED", errors.Inval),
        ("CANCELLED", errors.IoError),
        ("DEVICE_BUSY", errors.DeviceBusy),
        ("INVAL", errors.Inval),
        ("EOF", errors.IoError),
        ("JAMMED", errors.Jammed),
        ("NO_DOCS", errors.NoDocs),
        ("COVER_OPEN", errors.CoverOpen),
        ("IO_ERROR", errors.IoError),
        ("NO_MEM", errors.NoMem),
        ("ACCESS_DENIED", errors.AccessDenied),
    ],
)
async def test_every_status_becomes_its_error(
    line: MakeLine, order, options_file, status: str, error: type[errors.BackendError]
):
    source = "sane:test:0" + options_file(f'set.read-return-value = "SANE_STATUS_{status}"')
    scanner = await line(source)
    await scanner.start()
    pid = scanner.worker_pid
    for job in (1, 2):
        with pytest.raises(error) as raised:
            await scanned(scanner, order(), job)
        assert type(raised.value) is error
    assert scanner.worker_pid == pid


async def test_no_such_scanner_is_answered_with_what_there_is(line: MakeLine):
    with pytest.raises(errors.SourceError, match=r"no scanner 'prinzess'.*test:0 .*test:1"):
        await (await line("sane:prinzess")).start()


async def test_two_scanners_need_a_name(line: MakeLine):
    with pytest.raises(errors.SourceError, match="There are 2 scanners"):
        await (await line("sane")).start()


@pytest.mark.parametrize("name", ["test:1", "^test:1", "TEST:1"])
async def test_a_name_a_pattern_or_a_part_is_enough(line: MakeLine, name: str):
    assert (await (await line(f"sane:{name}")).start()).name == "test:1"


async def test_the_only_scanner_needs_no_name(line: MakeLine, sane: Path):
    conf = sane / "test.conf"
    conf.write_text(conf.read_text().replace("number_of_devices 2", "number_of_devices 1"))
    assert (await (await line("sane")).start()).name == "test:0"


async def test_nothing_to_scan_from_is_said(line: MakeLine, sane: Path):
    (sane / "dll.conf").write_text("")
    with pytest.raises(errors.SourceError, match="finds no scanner"):
        await (await line("sane")).start()


async def test_a_resolution_that_the_device_has_not_is_refused(line: MakeLine, order):
    scanner = await line("sane:test:0")
    with pytest.raises(errors.Inval, match="1200 dpi for 2400"):
        await scanned(scanner, order(dpi=2400, area=(0, 0, 10, 10)))
    assert await scanned(scanner, order())


async def test_the_feeder_of_a_new_job_is_full_again(line: MakeLine, order):
    """The test device counts sheets while it is open: the run of the first job must have ended."""
    scanner = await line("sane:test:0")
    given = order(source=Source.ADF)
    for job in (1, 2):
        for _ in range(6):
            await scanned(scanner, given, job)
    scanner.job_over(2)
    for _ in range(10):
        await scanned(scanner, given, 2)
    with pytest.raises(errors.NoDocs):
        await scanned(scanner, given, 2)


async def test_a_feeder_page_that_is_cancelled_ends_its_run(line: MakeLine, order):
    scanner = await line("sane:test:0")
    given = order(Mode.COLOR, dpi=300, area=(0, 0, 210, 297), source=Source.ADF)
    for _ in range(12):
        image = await scanner.page(1, None, *given)
        await image.aclose()
    assert await scanned(scanner, order(source=Source.ADF))


async def test_a_page_wanted_only_in_part_leaves_the_feeder_at_the_next(line: MakeLine, order):
    """The image is shorter than what the device sends of the sheet."""
    scanner = await line("sane:test:0")
    request, spec = order(source=Source.ADF, area=(0, 0, 60, 250), size=(100, 20))
    for _ in range(10):
        assert len(await scanned(scanner, (request, spec))) > 2000
    with pytest.raises(errors.NoDocs):
        await scanned(scanner, (request, spec))


@pytest.fixture
def slow(options_file) -> str:
    """A device that takes longer than any test."""
    return "sane:test:0" + options_file("set = {read-delay = true, read-delay-duration = 200000}")


async def test_a_slow_scan_is_cancelled_at_once(line: MakeLine, order, slow: str):
    scanner = await line(slow, cancel_s=10.0)
    large = order(Mode.COLOR, dpi=1200, area=(0, 0, 210, 297))
    await scanner.start()
    pid = scanner.worker_pid
    for job in (1, 2):
        image = await scanner.page(job, None, *large)
        async with asyncio.timeout(3):
            await scanner.cancel(job)
        with pytest.raises(errors.Cancelled):
            await anext(image)
    assert scanner.worker_pid == pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_worker_that_dies_or_freezes_in_mid_page_is_replaced(
    line: MakeLine, order, slow: str, number: signal.Signals
):
    scanner = await line(slow, cancel_s=0.2, term_s=0.2)
    image = await scanner.page(1, None, *order(Mode.COLOR, dpi=1200, area=(0, 0, 210, 297)))
    pid = scanner.worker_pid
    assert pid is not None
    os.kill(pid, number)
    if number == signal.SIGKILL:
        with pytest.raises(errors.IoError):
            await whole(image)
    else:
        await scanner.cancel(1)
    gone = await asyncio.to_thread(
        wait_until, lambda: not Path(f"/proc/{pid}").exists(), 20, "end of the worker"
    )
    assert gone
    assert (await scanner.describe()).sources


async def test_many_pages_leave_nothing_behind(line: MakeLine, order):
    scanner = await line("sane:test:0")
    await scanned(scanner, order())

    def held() -> tuple[int, int]:
        home = Path(f"/proc/{scanner.worker_pid}")
        return len(list((home / "fd").iterdir())), len(list((home / "task").iterdir()))

    before, pid = held(), scanner.worker_pid
    for job in range(60):
        image = await scanner.page(job, None, *order(source=(Source.FLATBED, Source.ADF)[job % 2]))
        if job % 5:
            await whole(image)
        else:
            await image.aclose()
    await scanner.describe()
    assert held() == before
    assert scanner.worker_pid == pid


async def test_the_worker_stays_small_and_imports_no_asyncio(line: MakeLine, order):
    scanner = await line("sane:test:0")
    large = order(Mode.COLOR, dpi=600, area=(0, 0, 210, 297), format="jfif", size=(4960, 7015))
    image = await scanner.page(1, None, *large)
    await whole(image)
    peak_kb, maps = await asyncio.to_thread(looked_into, scanner.worker_pid)
    assert peak_kb < 45_000
    assert "libsane" in maps
    assert "_asyncio" not in maps
    assert "lxml" not in maps


def looked_into(pid: int) -> tuple[int, str]:
    """Peak memory in kB, and everything that is mapped."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]), Path(f"/proc/{pid}/maps").read_text()
