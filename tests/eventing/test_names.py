"""A name server that does not answer holds up nobody but who named it."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from support.wait import wait_until

from device.eventing import names
from device.eventing.names import MAX_LOOKUPS, look_up


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """No name is answered until this is set; then each is at 192.0.2.1."""
    over = threading.Event()

    def getaddrinfo(host: str, *args: object, **options: object) -> list[tuple[object, ...]]:
        over.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield over
    over.set()
    wait_until(lambda: not lookups(), 5, "end of lookups")


def lookups() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "lookup"]


async def test_a_few_names_at_a_time_and_no_more(silence):
    async with asyncio.TaskGroup() as group:
        held = [group.create_task(look_up(f"{n}.example")) for n in range(MAX_LOOKUPS)]
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="too many"):
            await look_up("one.more.example")
        silence.set()
    assert [task.result() for task in held] == [["192.0.2.1"]] * MAX_LOOKUPS
    assert await look_up("one.more.example") == ["192.0.2.1"]


def test_the_end_waits_for_no_name(silence):
    """Threads of the event loop would be waited for when it is closed."""

    async def given_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await look_up("slow.example")

    asyncio.run(given_up())
    assert len(lookups()) == 1
    silence.set()
    wait_until(lambda: not lookups(), 5, "end of lookups")
    assert names._free.acquire(blocking=False)
    names._free.release()


async def test_what_is_no_name_is_said_so():
    for name in ("name.invalid", "x" * 70, "a..b"):
        with pytest.raises((OSError, UnicodeError)):
            await look_up(name)
