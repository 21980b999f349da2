"""The page line: pages arrive whole, and a worker that fails is replaced."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from support.wait import wait_until

from device.clock import SystemClock
from device.imaging.spec import MEDIA_TYPES, SUPPORTED
from device.pages import frames
from device.pages.page_image import PageImage
from device.pages.supervisor import PageLine
from scanner_backends.errors import (
    Cancelled,
    IoError,
    Jammed,
    NoDocs,
    SourceError,
    WarmingUp,
)

pytestmark = pytest.mark.usefixtures("scripted")


async def whole(image: PageImage) -> bytes:
    return b"".join([piece async for piece in image])


async def test_the_worker_gives_way_as_much_as_it_is_told():
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    for niceness in (0, 7):
        async with PageLine("chart", clock=SystemClock(), niceness=niceness) as line:
            await line.start()
            pid = line.worker_pid
            assert pid is not None
            assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, ours + niceness)


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait without holding up the loop."""
    await asyncio.to_thread(wait_until, condition, 20, what)


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("format", SUPPORTED)
async def test_a_page_arrives_in_every_format(line, order, format):
    chart = await line("chart")
    image = await chart.page(1, 0, *order(format, SUPPORTED[format][0], size=(333, 222)))
    assert image.media_type == MEDIA_TYPES[format]
    file = await whole(image)
    assert (image.width_px, image.height_px) == (333, 222)
    assert image.bytes_sent == len(file)
    if format not in ("pdf-a", "xps", "jbig"):  # Pillow does not read them
        with Image.open(BytesIO(file)) as decoded:
            assert decoded.size == (333, 222)
            decoded.load()


async def test_the_source_describes_itself_at_the_start(line):
    chart = await line("chart:sheets=1")
    assert [page.label for page in (await chart.start()).feeder] == [
        "sheet 1 front",
        "sheet 1 back",
    ]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("images:/nowhere/at/all", "/nowhere/at/all does not exist"),
        ("chrat", "did you mean 'chart'"),
        ("scripted:refuse", "never there"),
    ],
)
async def test_a_source_that_cannot_be_opened_says_why(line, source, sentence):
    with pytest.raises(SourceError, match=sentence):
        await (await line(source)).start()


async def test_a_reload_sees_new_files(line, tmp_path: Path):
    folder = tmp_path / "stack"
    stack = await line(f"images:{folder}")
    with pytest.raises(SourceError):
        await stack.start()
    folder.mkdir()
    Image.new("L", (10, 10)).save(folder / "b.png")
    assert [page.label for page in (await stack.describe()).feeder] == ["b.png"]
    Image.new("L", (10, 10)).save(folder / "a.png")
    assert [page.label for page in (await stack.describe()).feeder] == ["a.png", "b.png"]


async def test_the_spool_folder_is_the_workers(order, tmp_path: Path):
    async with PageLine("chart", clock=SystemClock(), spool_dir=tmp_path / "gone") as chart:
        with pytest.raises(IoError):
            await whole(await chart.page(1, 0, *order("dib")))
        await whole(await chart.page(2, 0, *order("png")))


async def test_a_page_beyond_the_last_is_not_there(line, order):
    chart = await line("chart:sheets=1")
    with pytest.raises(NoDocs):
        await chart.page(1, 3, *order())
    assert await whole(await chart.page(1, 2, *order()))


async def test_a_jam_at_once_keeps_the_page_from_beginning(line, order):
    with pytest.raises(Jammed, match="stuck"):
        await (await line("scripted:jam at once")).page(1, 0, *order())


async def test_a_jam_in_mid_page_breaks_the_image_off(line, order):
    scripted = await line("scripted:jam")
    image = await scripted.page(1, 0, *order())
    assert await anext(image)
    with pytest.raises(Jammed):
        await whole(image)
    assert image.bytes_sent == 0


async def test_what_a_library_prints_stays_out_of_the_image(line, order):
    image = await (await line("scripted:print")).page(1, 0, *order())
    with Image.open(BytesIO(await whole(image))) as decoded:
        assert decoded.getcolors() == [(25_600, 0)]


async def test_bytes_of_a_cancelled_job_never_reach_the_next(line, order, large):
    chart = await line("chart")
    expected = await whole(await chart.page(1, 0, *order()))
    pid = chart.worker_pid
    for job in range(2, 6):
        image = await chart.page(job, 0, *large)
        assert await anext(image)
        await chart.cancel(job)
        with pytest.raises(Cancelled):
            await anext(image)
        assert await whole(await chart.page(job + 10, 0, *order())) == expected
    assert chart.worker_pid == pid


async def test_closing_an_image_cancels_its_page(line, order, large):
    chart = await line("chart")
    async with await chart.page(1, 0, *large) as image:
        await anext(image)
    pid = chart.worker_pid
    assert await whole(await chart.page(1, 0, *order()))
    assert chart.worker_pid == pid
    await image.aclose()


async def test_a_reader_who_waits_is_told_of_the_cancellation(line, order):
    scripted = await line("scripted:wait later")
    image = await scripted.page(1, 0, *order())
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(outcome(whole(image)))
        await asyncio.sleep(0)
        await scripted.cancel(1)
    assert isinstance(reading.result(), Cancelled)


async def test_a_page_that_has_not_begun_can_be_cancelled(line, order):
    scripted = await line("scripted:wait")
    await scripted.start()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(outcome(scripted.page(1, 0, *order())))
        await asyncio.sleep(0)
        await scripted.cancel(1)
    assert isinstance(waiting.result(), Cancelled)


async def outcome(work) -> object:
    try:
        return await work
    except Cancelled as error:
        return error


async def test_a_caller_who_gives_up_leaves_the_line_free(line, order):
    scripted = await line("scripted:wait")
    await scripted.start()
    pid = scripted.worker_pid
    for job in (1, 2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await scripted.page(job, 0, *order())
    assert scripted.worker_pid == pid
    assert (await scripted.describe()).platen


async def test_a_reader_who_gives_up_between_header_and_payload_loses_nothing(line, order, large):
    chart = await line("chart")
    image = await chart.page(1, 0, *large)
    taken = 0
    for _ in range(20):
        try:
            async with asyncio.timeout(0):
                while True:
                    taken += len(await anext(image))
        except TimeoutError:
            pass
    taken += len(await whole(image))
    assert taken == image.bytes_sent


async def test_cancelling_another_job_changes_nothing(line, order):
    chart = await line("chart")
    image = await chart.page(1, 0, *order())
    await chart.cancel(2)
    assert await whole(image)
    await chart.cancel(1)


async def test_a_second_page_waits_for_the_first(line, order):
    chart = await line("chart")
    first = await chart.page(1, 0, *order(size=(400, 600)))
    happened = []

    async def scan_the_second() -> None:
        second = await chart.page(2, 0, *order())
        happened.append("the second began")
        await whole(second)

    async with asyncio.TaskGroup() as group:
        group.create_task(scan_the_second())
        await asyncio.sleep(0)
        await whole(first)
        happened.append("the first ended")
    assert happened == ["the first ended", "the second began"]


async def test_a_worker_that_is_killed_breaks_the_page_and_is_replaced(line, order, large):
    chart = await line("chart")
    image = await chart.page(1, 0, *large)
    os.kill(chart.worker_pid, signal.SIGKILL)
    with pytest.raises(IoError, match="signal 9"):
        await whole(image)
    assert await whole(await chart.page(2, 0, *order()))


async def test_a_worker_that_dies_while_idle_is_replaced(line, order):
    chart = await line("chart")
    await chart.start()
    pid = chart.worker_pid
    os.kill(pid, signal.SIGKILL)
    await until(lambda: chart.worker_pid != pid, "the death is seen")
    assert await whole(await chart.page(1, 0, *order()))


async def test_a_worker_that_kills_itself_breaks_only_its_page(line, order):
    scripted = await line("scripted:die")
    for job in (1, 2):
        with pytest.raises(IoError):
            await whole(await scripted.page(job, 0, *order()))


async def test_garbage_on_the_pipe_breaks_the_page_and_the_worker_is_replaced(line, order):
    scripted = await line("scripted:garbage")
    for job in (1, 2):
        await scripted.start()
        pid = scripted.worker_pid
        with pytest.raises(IoError, match="does not begin a frame"):
            await whole(await scripted.page(job, 0, *order()))
        assert scripted.worker_pid != pid


@pytest.mark.parametrize("source", ["chart", "scripted:deaf"])
async def test_a_worker_that_does_not_obey_is_ended(line, order, large, source):
    chosen = await line(source, cancel_s=0.2, term_s=0.2)
    image = await chosen.page(1, 0, *(large if source == "chart" else order()))
    pid = chosen.worker_pid
    if source == "chart":
        os.kill(pid, signal.SIGSTOP)
    await chosen.cancel(1)
    with pytest.raises(Cancelled):
        await anext(image)
    assert not exists(pid)
    assert (await chosen.describe()).platen
    assert chosen.worker_pid not in (None, pid)


@pytest.mark.parametrize(
    ("source", "patience_s", "reason"),
    [("scripted:hang", 1.0, "within"), ("scripted:die at once", 20.0, "code 3")],
)
async def test_a_worker_that_cannot_start_is_given_up(line, source, patience_s, reason):
    scripted = await line(source, describe_s=patience_s, term_s=0.1)
    with pytest.raises(IoError, match=reason):
        await scripted.start()
    assert scripted.worker_pid is None


async def test_a_peer_that_does_not_read_does_not_stop_the_scanner(line, order, tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    scripted = await line("scripted:tall", spool_dir=spool)
    image = await scripted.page(1, 0, *order("tiff-single-uncompressed", size=(4000, 3000)))
    await until((spool / "scanned").exists, "the page is scanned")
    assert [entry.name for entry in spool.iterdir()] == ["scanned"]
    assert len(await whole(image)) == image.bytes_sent > 12_000_000


async def test_fifty_pages_leave_nothing_behind(line, order):
    chart = await line("chart")
    await whole(await chart.page(1, 0, *order()))

    def descriptors() -> tuple[int, int]:
        return tuple(len(os.listdir(f"/proc/{pid}/fd")) for pid in ("self", chart.worker_pid))

    before, pid = descriptors(), chart.worker_pid
    for job in range(50):
        image = await chart.page(job, 0, *order(("png", "dib", "jfif")[job % 3]))
        if job % 5:
            await whole(image)
        else:
            await image.aclose()
    assert descriptors() == before
    assert chart.worker_pid == pid
    assert len(asyncio.all_tasks()) == 1


async def test_a_worker_that_has_grown_is_replaced_between_two_jobs(line, order):
    chart = await line("chart", worker_mb=1.0)
    assert await whole(await chart.page(1, 0, *order()))
    pid = chart.worker_pid
    assert await whole(await chart.page(1, 1, *order()))
    assert chart.worker_pid == pid
    assert await whole(await chart.page(2, 0, *order()))
    assert chart.worker_pid != pid
    assert not exists(pid)


async def test_replaced_workers_leave_nothing_behind(line, order):
    scripted = await line("scripted:die")

    async def break_one() -> int:
        with pytest.raises(IoError):
            await whole(await scripted.page(1, 0, *order()))
        return len(os.listdir("/proc/self/fd"))

    assert await break_one() == await break_one() == await break_one()


async def test_closing_the_line_in_mid_page_ends_the_worker(line, large):
    chart = await line("chart")
    image = await chart.page(1, 0, *large)
    pid = chart.worker_pid
    await chart.close()
    assert not exists(pid)
    with pytest.raises(Cancelled):
        await anext(image)
    await chart.close()


@pytest.mark.parametrize("at_work", [True, False])
async def test_closing_within_a_time_waits_for_no_stopped_worker(line, large, at_work):
    chart = await line("chart")
    image = await chart.page(1, 0, *large)
    pid = chart.worker_pid
    if not at_work:
        await image.aclose()
    os.kill(pid, signal.SIGSTOP)
    began_s = time.monotonic()
    await chart.close(0.3)
    assert time.monotonic() - began_s < 1.0
    assert not exists(pid)


async def test_a_worker_starts_from_any_folder(line, order, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (tmp_path / "device").mkdir()
    (tmp_path / "device" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    assert await whole(await (await line("chart")).page(1, 0, *order()))


# ---- a lamp that is not warm


async def test_a_lamp_that_warms_up_is_waited_for_and_told_of(line, order):
    scanner = await line("scripted:lukewarm")
    told: list[int] = []
    scanner.warming = told.append
    async with await scanner.page(7, None, *order()) as image:
        assert b"".join([piece async for piece in image])
    assert told == [7]


async def test_waiting_for_the_lamp_can_be_cancelled(line, order):
    scanner = await line("scripted:cold")
    warming = asyncio.Event()
    scanner.warming = lambda job_id: warming.set()
    page = asyncio.ensure_future(scanner.page(7, None, *order()))
    await warming.wait()
    pid = scanner.worker_pid
    await scanner.cancel(7)
    with pytest.raises(Cancelled):
        await page
    assert scanner.worker_pid == pid, "it obeyed"


def test_that_a_lamp_never_warms_up_is_told_by_its_name():
    frame = frames.error_frame(1, WarmingUp("The lamp is cold."))
    assert type(frames.error_of(frame)) is WarmingUp
