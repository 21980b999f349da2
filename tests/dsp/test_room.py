"""How much of the disk pages may take, and what happens when it is used up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from device.dsp.room import Room, SpoolFull
from device.dsp.spool import JobSpool, new_spool

MB = 1_000_000


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda number: None)


def spool(folder: Path, room: Room, name: str) -> JobSpool:
    job = new_spool(folder, name)
    job.room = room
    room.enter(job.folder, 0)
    return job


async def page(size: int) -> AsyncIterator[bytes]:
    for _ in range(10):
        yield b"x" * (size // 10)


async def test_a_scan_larger_than_the_room_ends_and_keeps_what_it_has(tmp_path: Path):
    room = Room(3 * MB)
    job = spool(tmp_path, room, "one")
    for _ in range(3):
        await job.add("png", page(MB))
    with pytest.raises(SpoolFull, match="3 MB"):
        await job.add("png", page(MB))
    assert [one.size for one in job.pages()] == [MB, MB, MB]
    assert room.taken == 3 * MB
    job.close()


async def test_a_scan_waits_for_what_is_under_way_to_be_delivered(tmp_path: Path):
    room = Room(2 * MB)
    first, second = spool(tmp_path, room, "one"), spool(tmp_path, room, "two")
    await first.add("png", page(2 * MB))
    adding = asyncio.ensure_future(second.add("png", page(MB)))
    await asyncio.sleep(0)
    assert not adding.done()
    first.remove()
    assert (await adding).size == MB
    assert room.taken == MB
    second.remove()
    assert room.taken == 0


async def test_nobody_waits_for_a_delivery_that_has_failed(tmp_path: Path):
    room = Room(2 * MB)
    first, second = spool(tmp_path, room, "one"), spool(tmp_path, room, "two")
    await first.add("png", page(2 * MB))
    adding = asyncio.ensure_future(second.add("png", page(MB)))
    await asyncio.sleep(0)
    room.leave(first.folder)
    with pytest.raises(SpoolFull):
        await adding
    assert room.taken == 2 * MB, "what failed is kept"
    first.close()
    second.close()


async def test_a_page_that_breaks_off_takes_nothing(tmp_path: Path):
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * MB
        raise ConnectionError("gone")

    room = Room(2 * MB)
    job = spool(tmp_path, room, "one")
    with pytest.raises(Exception, match="cannot be kept"):
        await job.add("png", broken())
    assert room.taken == 0
    job.close()
