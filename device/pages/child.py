"""The worker's process as the supervisor holds it: two pipes and a way to end it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

from device.child_process import environment
from device.pages import frames
from device.pages.frames import Frame, Order, QuitOrder

READ_LIMIT = 64 * 1024
"""Bytes. asyncio stops reading the pipe at twice this: what a slow peer costs in memory."""


_REAP_S = 1.0

log = logging.getLogger(__name__)


class ChildDied(Exception):
    """The process has ended; `str()` tells how."""


class Child:
    """A running worker."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._orders = process.stdin
        self._frames = process.stdout
        self._header: frames.Header | None = None
        self.reading = asyncio.Lock()

    @classmethod
    async def start(cls, arguments: list[str]) -> Child:
        """Start a worker by exec; it inherits the standard error."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "device.pages.worker",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=READ_LIMIT,
            env=environment(),
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not self._frames.at_eof()

    @property
    def memory_mb(self) -> float:
        """What it holds now, 0 where nobody can tell."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)

    def send(self, order: Order) -> None:
        """Write one order. They are short, and the worker always reads: no need to wait."""
        if not self._orders.is_closing():
            self._orders.write(frames.order_line(order))

    async def read(self) -> Frame:
        """The next frame. A read that is cancelled leaves the pipe at the place where it was.

        Raises:
            ChildDied: there is none.
            FrameError: it is none.
        """
        try:
            if self._header is None:
                head = await self._frames.readexactly(frames.HEADER_SIZE)
                self._header = frames.unpack_header(head)
            payload = await self._frames.readexactly(self._header.length)
        except asyncio.IncompleteReadError:
            await self._reaped_within(_REAP_S)
            raise ChildDied(self._how()) from None
        header, self._header = self._header, None
        return Frame(header.job, header.kind, payload)

    async def quit(self, patience_s: float) -> None:
        """Let the worker release its source and leave; use force after that."""
        self.send(QuitOrder())
        self._orders.close()
        try:
            if not await self._ended_within(patience_s):
                await self.end(patience_s)
        finally:
            self._signal(kill=True)  # for a caller who was cancelled meanwhile

    async def end(self, patience_s: float) -> None:
        """SIGTERM, and SIGKILL after `patience_s` seconds."""
        try:
            self._signal(kill=False)
            if not await self._ended_within(patience_s):
                self._signal(kill=True)
                await self._gone()
        finally:
            self._signal(kill=True)  # for a caller who was cancelled meanwhile

    async def _ended_within(self, patience_s: float) -> bool:
        try:
            async with asyncio.timeout(patience_s):
                await self._gone()
        except TimeoutError:
            return False
        return True

    async def _reaped_within(self, patience_s: float) -> None:
        """The pipe ends a moment before the process does; only then there is a code to tell."""
        try:
            async with asyncio.timeout(patience_s):
                await self._process.wait()
        except TimeoutError:
            log.warning("worker %d closed its pipe and lives on", self.pid)

    async def _gone(self) -> None:
        """Read the pipe empty, without which asyncio never lets go of it, and reap the process."""
        async with self.reading:
            while await self._frames.read(READ_LIMIT):
                pass
        await self._process.wait()
        self._orders.close()

    def _signal(self, *, kill: bool) -> None:
        if self._process.returncode is not None:
            return
        try:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()
        except ProcessLookupError:
            pass  # it was faster

    def _how(self) -> str:
        code = self._process.returncode
        if code is None:
            return "its pipe was closed"
        return f"killed by signal {-code}" if code < 0 else f"it ended with code {code}"
