"""An MTOM request as it comes in: its root part, then the other parts one by one.

The root need not come first where parts before it are allowed: they wait in a temporary file.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import IO

from aiohttp import StreamReader

from device.errors import MalformedMessage
from device.soap.dispatch import Part
from device.soap.multipart import (
    Decoder,
    Event,
    PartBegin,
    PartData,
    PartEnd,
    Reader,
    content_id,
)
from device.soap.xml import MAX_ENVELOPE

PIECE_TIMEOUT_S = 30.0
MAX_SPOOLED = 1 << 30
"""Octets of parts before the root."""


class Message:
    """The message under way. `root` is the envelope; `parts` may be walked once."""

    def __init__(self, events: AsyncIterator[Event], max_early_parts: int) -> None:
        self._events = events
        self._max_early = max_early_parts
        self._early: list[tuple[PartBegin, IO[bytes]]] = []
        self.root = b""

    async def read_root(self, start: str, stack: AsyncExitStack) -> None:
        """Read up to the end of the root part: the one that `start` names, else the first."""
        spooled = 0
        begin: PartBegin | None = None
        is_root = False
        async for event in self._events:
            match event:
                case PartBegin():
                    begin = event
                    is_root = not start or event.content_id == start
                    if not is_root:
                        if len(self._early) >= self._max_early:
                            raise MalformedMessage("too many parts stand before the root part")
                        file = stack.enter_context(tempfile.TemporaryFile())
                        self._early.append((begin, file))
                case PartData() if is_root:
                    self.root += event.data
                    if len(self.root) > MAX_ENVELOPE:
                        raise MalformedMessage(f"the root is longer than {MAX_ENVELOPE} octets")
                case PartData():
                    spooled += len(event.data)
                    if spooled > MAX_SPOOLED:
                        raise MalformedMessage("too much stands before the root part")
                    await asyncio.to_thread(self._early[-1][1].write, event.data)
                case PartEnd() if is_root and begin is not None:
                    decoder = begin.decoder()
                    self.root = decoder.feed(self.root)
                    decoder.close()
                    return
        if self._early and start:
            raise MalformedMessage(f"no part has the Content-ID {start}")
        raise MalformedMessage("the multipart body has no parts")

    async def parts(self) -> AsyncIterator[Part]:
        """The parts beside the root, in order of arrival."""
        for begin, file in self._early:
            file.seek(0)
            yield _part(begin, _file_chunks(file))
        async for event in self._events:
            if isinstance(event, PartBegin):
                yield _part(event, self._live_chunks())

    async def _live_chunks(self) -> AsyncIterator[bytes]:
        async for event in self._events:
            if isinstance(event, PartEnd):
                return
            if isinstance(event, PartData):
                yield event.data


def _part(begin: PartBegin, chunks: AsyncIterator[bytes]) -> Part:
    media_type = begin.headers.get("content-type", "application/octet-stream")
    return Part(begin.content_id, media_type, _decoded(begin.decoder(), chunks))


async def _decoded(decoder: Decoder, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if data := decoder.feed(chunk):
            yield data
    decoder.close()


async def _file_chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, 1 << 18):
        yield chunk


async def _events(content: StreamReader, boundary: str) -> AsyncIterator[Event]:
    """Events of the body; an end before the closing delimiter raises MalformedMessage."""
    reader = Reader(boundary)
    while not reader.finished:
        try:
            async with asyncio.timeout(PIECE_TIMEOUT_S):
                piece = await content.readany()
        except TimeoutError:
            raise MalformedMessage("the body stopped in the middle") from None
        if not piece:
            break
        for event in reader.feed(piece):
            yield event
    reader.close()
    while await content.readany():
        pass  # the epilogue


@asynccontextmanager
async def opened(
    content: StreamReader, parameters: Mapping[str, str], max_early_parts: int
) -> AsyncIterator[Message]:
    """Open the body of a request with these Content-Type parameters, read up to its root part.

    At most `max_early_parts` may stand before that.

    Raises:
        MalformedMessage: the message cannot be read.
    """
    async with AsyncExitStack() as stack:
        events = _events(content, parameters.get("boundary", ""))
        message = Message(events, max_early_parts)
        await message.read_root(content_id(parameters.get("start", "")), stack)
        yield message
