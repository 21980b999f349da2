"""A worker that fails at any stage of a page costs that page, and nothing after it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from support.wait import wait_until

from device.pages.keeper import Patience
from device.pages.page_image import PageImage
from scanner_backends.errors import Cancelled, IoError

pytestmark = pytest.mark.usefixtures("scripted")

STAGES = ("the start", "the options", "the header", "mid-page", "the end")


async def fetched(line, *wish) -> bytes:
    image: PageImage = await line.page(*wish)
    return b"".join([piece async for piece in image])


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, 20, what)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("way", ["killed", "rubbish"])
async def test_a_worker_that_dies_or_talks_nonsense(line, order, tmp_path, way, stage):
    spool = tmp_path / "spool"
    spool.mkdir()
    scripted = await line(f"scripted:{way} at {stage}", spool)
    with pytest.raises(IoError, match=r"signal 9|does not begin a frame"):
        await fetched(scripted, 1, 0, *order())
    assert (spool / "failed").exists()
    assert await fetched(scripted, 2, 0, *order())


@pytest.mark.parametrize("stage", STAGES)
async def test_a_worker_that_freezes_is_replaced_when_its_job_is_cancelled(
    line, order, tmp_path, stage
):
    spool = tmp_path / "spool"
    spool.mkdir()
    scripted = await line(f"scripted:frozen at {stage}", spool, cancel_s=0.2, term_s=0.2)

    async def cancelled() -> bool:
        try:
            await fetched(scripted, 1, 0, *order())
        except Cancelled:
            return True
        return False

    async with asyncio.TaskGroup() as group:
        page = group.create_task(cancelled())
        await until(lambda: stopped(scripted.worker_pid), "the worker is frozen")
        await scripted.cancel(1)
    assert page.result()
    assert await fetched(scripted, 2, 0, *order())


def stopped(pid: int | None) -> bool:
    return pid is not None and "\nState:\tT" in Path(f"/proc/{pid}/status").read_text()


async def test_a_worker_that_freezes_before_it_describes_its_source(line, order, tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    scripted = await line("scripted:frozen at the start", spool, describe_s=1.0, term_s=0.2)
    while not (spool / "failed").exists():  # on a busy machine it may not come that far at once
        with pytest.raises(IoError, match="did not answer"):
            await scripted.start()
    scripted.keeper.patience = Patience()
    assert (await scripted.start()).platen
