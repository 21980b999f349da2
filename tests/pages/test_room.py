"""As many workers as memory has room for."""

import asyncio

from device.pages.room import Room


class Guest:
    """Somebody with a worker."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.resting = False

    async def rest(self) -> None:
        self.resting = False
        self.room.leave(self)


async def test_the_first_one_always_gets_in_and_others_while_there_is_memory():
    memory = [0.0]
    room = Room(lambda: memory[0])
    await room.enter(Guest(room))
    memory[0] = 150.0
    await room.enter(Guest(room))
    memory[0] = 149.0
    waiting = asyncio.ensure_future(room.enter(Guest(room)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    memory[0] = 150.0
    room.changed()
    async with asyncio.timeout(1):
        await waiting


async def test_one_that_does_nothing_makes_room():
    room = Room(lambda: 0.0)
    idle = Guest(room)
    await room.enter(idle)
    idle.resting = True
    async with asyncio.timeout(1):
        await room.enter(Guest(room))
    assert not idle.resting


async def test_one_waits_for_another_ones_end():
    room = Room(lambda: 0.0)
    busy = Guest(room)
    await room.enter(busy)
    waiting = asyncio.ensure_future(room.enter(Guest(room)))
    await asyncio.sleep(0)
    room.leave(busy)
    async with asyncio.timeout(1):
        await waiting


async def test_a_worker_that_rests_is_gone_and_the_next_page_has_another(line, order):
    chart = await line("chart")
    async with await chart.page(1, 0, *order()) as image:
        assert not chart.resting
        await chart.rest()
        assert chart.worker_pid is not None
        assert b"".join([piece async for piece in image])
    await chart.rest()
    assert chart.worker_pid is not None, "the job may want a further page"
    chart.job_over(1)
    assert chart.resting
    await chart.rest()
    assert chart.worker_pid is None
    async with await chart.page(2, 0, *order()) as image:
        assert b"".join([piece async for piece in image])


async def test_another_name_needs_another_worker(line, order):
    chart = await line("chart")
    await chart.start()
    first = chart.worker_pid
    chart.turn_to("chart:sheets=1")
    assert len((await chart.describe()).feeder) == 2
    assert chart.worker_pid != first
