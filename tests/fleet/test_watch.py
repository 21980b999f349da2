"""When to look for scanners again."""

import asyncio
import socket

from support.clock import ManualClock

from device.watch import Watch
from scanner_backends.sane import hotplug


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_look_once_it_is_quiet(monkeypatch):
    clock = ManualClock()
    told: list[hotplug.Plugged] = []
    monkeypatch.setattr(hotplug, "received", lambda sock: sock.recv(9) and told)
    kernel, ours = socket.socketpair()
    ours.setblocking(False)
    watch = Watch(clock, lambda: ours)
    watch.start()
    waiting = asyncio.ensure_future(watch.wait())
    with kernel:
        kernel.send(b"a mouse")
        await turns()
        assert not waiting.done()
        told.append(hotplug.Plugged(hotplug.Action.ADD, "1-1"))
        for _ in range(3):
            clock.advance(0.9)
            kernel.send(b"a scanner")
            await turns()
        assert not waiting.done()
        clock.advance(1.0)
        async with asyncio.timeout(3):
            await waiting
        watch.stop()


async def test_a_look_without_a_reason_when_it_has_been_long():
    clock = ManualClock()
    watch = Watch(clock, lambda: socket.socket())
    waiting = asyncio.ensure_future(watch.wait(0.01))
    await turns()
    clock.advance(0.01)
    async with asyncio.timeout(3):
        await waiting


async def test_without_the_kernels_word_there_are_other_reasons(caplog):
    def refuse() -> socket.socket:
        raise OSError(93, "Protocol not supported")

    clock = ManualClock()
    watch = Watch(clock, refuse)
    watch.start()
    assert "not noticed by themselves: [Errno 93]" in caplog.text
    watch.look_soon()
    clock.advance(1)
    async with asyncio.timeout(3):
        await watch.wait()
    watch.stop()
