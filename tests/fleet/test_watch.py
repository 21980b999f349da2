"""When to look for scanners again."""

import asyncio
import socket

from support.clock import ManualClock

from device import watch as module
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
    waiting = asyncio.ensure_future(watch.wait(ask=False))
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


async def test_looks_without_a_reason_become_rare_until_there_is_one(monkeypatch):
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(module, "LOOK_SELDOM_S", 0.04)
    clock = ManualClock()
    watch = Watch(clock, lambda: socket.socket())

    async def waits_for(seconds: float) -> None:
        waiting = asyncio.ensure_future(watch.wait(ask=True))
        await turns()
        clock.advance(0.9 * seconds)
        await asyncio.wait({waiting}, timeout=2 * seconds)
        assert not waiting.done()
        clock.advance(0.2 * seconds)
        async with asyncio.timeout(3):
            await waiting

    for seconds in (0.01, 0.02, 0.04, 0.04):
        await waits_for(seconds)
    watch.look_soon()
    clock.advance(1)
    await watch.wait(ask=True)
    await waits_for(0.02)


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
        await watch.wait(ask=False)
    watch.stop()
