"""The next page is scanned while the one before is fetched, and for no other job."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.wait import wait_until

from device.pages.page_image import PageImage
from device.pages.supervisor import PageLine
from scanner_backends.errors import IoError, Jammed

pytestmark = pytest.mark.usefixtures("scripted")


async def whole(image: PageImage) -> bytes:
    return b"".join([piece async for piece in image])


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


@pytest.fixture
def scanned(spool: Path) -> Callable[[], list[str]]:
    """Which pages the source has given, by their numbers."""
    return lambda: sorted(entry.name.removeprefix("scanned ") for entry in spool.iterdir())


@pytest.fixture
def wish(order) -> Callable[[int | None], tuple[object, ...]]:
    return lambda page: (page, *order("tiff-single-uncompressed"))


def samples(file: bytes) -> set[int]:
    """The greys of a page, which tell which scan it was."""
    return set(file[1000:20_000])


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, 20, what)


async def begun(line: PageLine, wish, page: int | None = 0, following: int | None = 1) -> PageImage:
    """A page of job 1 that is on its way, and the next one ordered."""
    image = await line.page(1, *wish(page))
    line.order_ahead(1, *wish(following))
    return image


async def test_the_next_page_is_scanned_while_the_first_is_not_fetched(line, wish, spool, scanned):
    scripted = await line("scripted:ahead", spool)
    image = await begun(scripted, wish)
    await until(lambda: scanned() == ["1", "2"], "two pages are scanned")
    assert samples(await whole(image)) == {1}
    second = await scripted.page(1, *wish(1))
    scripted.order_ahead(1, *wish(2))
    await until(lambda: scanned() == ["1", "2", "3"], "a third page is scanned")
    assert samples(await whole(second)) == {2}
    assert samples(await whole(await scripted.page(1, *wish(2)))) == {3}
    assert samples(await whole(await scripted.page(2, *wish(0)))) == {4}


async def test_only_one_page_is_ordered_ahead_and_only_behind_a_page_of_its_job(
    line, wish, spool, scanned
):
    scripted = await line("scripted:ahead", spool)
    scripted.order_ahead(1, *wish(0))
    image = await begun(scripted, wish)
    scripted.order_ahead(1, *wish(2))
    scripted.order_ahead(2, *wish(3))
    await whole(image)
    assert samples(await whole(await scripted.page(1, *wish(1)))) == {2}
    await scripted.describe()
    assert scanned() == ["1", "2"]


async def test_another_page_than_the_one_ordered_ahead_is_scanned_anew(line, wish, spool, scanned):
    scripted = await line("scripted:ahead", spool)
    await whole(await begun(scripted, wish))
    await until(lambda: scanned() == ["1", "2"], "two pages are scanned")
    assert samples(await whole(await scripted.page(1, *wish(7)))) == {3}


async def test_nothing_is_scanned_behind_a_page_that_failed(line, wish, spool, scanned):
    scripted = await line("scripted:ahead, jam", spool)
    image = await begun(scripted, wish)
    with pytest.raises(Jammed):
        await whole(image)
    await scripted.cancel(1)
    assert samples(await whole(await scripted.page(2, *wish(0)))) == {2}
    assert scanned() == ["2"]


@pytest.mark.parametrize("fetched", [False, True])
@pytest.mark.parametrize("how", ["cancelled", "over"])
async def test_a_page_that_nobody_asked_for_never_reaches_the_next_job(
    line, wish, spool, scanned, fetched, how
):
    scripted = await line("scripted:ahead", spool)
    image = await begun(scripted, wish)
    pid = scripted.worker_pid
    await until(lambda: scanned() == ["1", "2"], "two pages are scanned")
    if fetched:
        await whole(image)
    elif how == "over":
        await image.aclose()
    if how == "cancelled":
        await scripted.cancel(1)
    scripted.job_over(1)
    async with asyncio.timeout(10):
        assert (await scripted.describe()).platen
        assert samples(await whole(await scripted.page(2, *wish(0)))) == {3}
    assert scripted.worker_pid == pid


async def test_a_sheet_that_was_fed_for_nobody_is_told_of(line, wish, spool, scanned, caplog):
    scripted = await line("scripted:ahead", spool)
    await whole(await begun(scripted, wish, None, None))
    await until(lambda: scanned() == ["1", "2"], "two pages are scanned")
    await scripted.cancel(1)
    assert "job 1: a page was fed that nobody fetched" in caplog.text


async def test_a_virtual_page_for_nobody_is_no_loss(line, wish, spool, scanned, caplog):
    scripted = await line("scripted:ahead", spool)
    await whole(await begun(scripted, wish))
    await until(lambda: scanned() == ["1", "2"], "two pages are scanned")
    await scripted.cancel(1)
    assert "nobody" not in caplog.text


async def test_other_jobs_wait_for_the_one_whose_page_was_ordered(line, wish, spool):
    scripted = await line("scripted:ahead", spool)
    await whole(await begun(scripted, wish))
    async with asyncio.TaskGroup() as group:
        other = group.create_task(scripted.page(2, *wish(0)))
        await asyncio.sleep(0)
        assert samples(await whole(await scripted.page(1, *wish(1)))) == {2}
        assert not other.done()
        scripted.job_over(1)
    assert samples(await whole(other.result())) == {3}


@pytest.mark.parametrize("page", [1, None])
async def test_a_worker_that_dies_with_a_page(line, wish, spool, scanned, page):
    scripted = await line("scripted:ahead", spool)
    image = await begun(scripted, wish, page, page)
    await until(lambda: scanned() == ["1", "2"], "two pages are scanned")
    await whole(image)
    pid = scripted.worker_pid
    os.kill(pid, signal.SIGKILL)
    await until(lambda: scripted.worker_pid is None, "the death is seen")
    if page is None:  # the sheet lies in the tray: another one must not take its place
        with pytest.raises(IoError, match="broke off"):
            await scripted.page(1, *wish(page))
    else:
        assert samples(await whole(await scripted.page(1, *wish(page)))) == {1}
    assert samples(await whole(await scripted.page(2, *wish(0))))


async def test_a_source_that_hangs_in_a_page_for_nobody_is_replaced(line, wish, spool):
    scripted = await line("scripted:ahead, hang", spool, cancel_s=0.2, term_s=0.2)
    await whole(await begun(scripted, wish))
    await until((spool / "hangs").exists, "the source hangs")
    pid = scripted.worker_pid
    scripted.job_over(1)
    assert samples(await whole(await scripted.page(2, *wish(0)))) == {1}
    assert scripted.worker_pid != pid


async def test_the_line_closes_with_a_page_for_nobody(line, wish, spool):
    scripted = await line("scripted:ahead", spool)
    await whole(await begun(scripted, wish))
    await scripted.close()
    assert scripted.worker_pid is None
