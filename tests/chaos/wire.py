"""A wire between device and scan server on which each message can be lost, cut, late or doubled.

Messages are whole HTTP requests and answers; bodies are not looked into but for the action. Written
on raw streams: nothing of the product.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_ACTION = re.compile(rb"Action[^>]*>\s*[^<]*/([A-Za-z]+)\s*<")
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)


@dataclass(frozen=True)
class Message:
    """One message on its way: the third SendImage is `SendImage 3`."""

    operation: str
    is_answer: bool
    data: bytes

    def __str__(self) -> str:
        return f"{self.operation} {'answer' if self.is_answer else 'request'}"


class Lost(Exception):
    """The message goes no further; both connections end."""


Disturb = Callable[[Message], Awaitable[bytes | None]]
"""What becomes of a message: its first octets, then the connection is cut; None lets it pass."""


class Wire:
    """Listens for the device and passes on to the scan server, a connection for each request.

    `disturb` sees each message before it is passed on, and may raise `Lost`.
    """

    def __init__(self, server_port: Callable[[], int], disturb: Disturb) -> None:
        self._server_port = server_port
        self._disturb = disturb
        self._seen: Counter[str] = Counter()
        self.messages: list[str] = []
        self.port = 0

    async def __aenter__(self) -> Wire:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                writer.write(await self._exchange(request))
                await writer.drain()
        except Lost as lost:
            writer.write(lost.args[0] if lost.args else b"")
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def _exchange(self, request: bytes) -> bytes:
        found = _ACTION.search(request)
        name = found[1].decode() if found else "?"
        self._seen[name] += 1
        operation = f"{name} {self._seen[name]}"
        asked = Message(operation, False, request)
        self.messages.append(str(asked))
        begun = await self._disturb(asked)
        if begun is not None:
            await self._half(begun)
            raise Lost
        answer = await self.send(request)
        told = Message(operation, True, answer)
        self.messages.append(str(told))
        begun = await self._disturb(told)
        if begun is not None:
            raise Lost(begun)
        return answer

    async def send(self, request: bytes) -> bytes:
        """Pass a request on; its answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server_port())
        try:
            writer.write(request)
            await writer.drain()
            answer = await _read(reader)
            if not answer:
                raise Lost
            return answer
        finally:
            writer.close()

    async def _half(self, begun: bytes) -> None:
        """Pass on the beginning of a request, and hang up."""
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self._server_port())
            writer.write(begun)
            await writer.drain()
            writer.close()
            await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> bytes:
    """One HTTP message; empty when the peer has hung up before it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return b""
    if found := _LENGTH.search(head):
        return head + await reader.readexactly(int(found[1]))
    if not _CHUNKED.search(head):
        return head
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        body += line + await reader.readexactly(size + 2)
        if not size:
            return head + body
