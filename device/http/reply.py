"""A whole SOAP answer, written at once.

aiohttp's own Response gathers its header in a multidict and sends it by way of nine coroutines. Of
a common answer that is a seventh of all the time.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

from aiohttp import HttpVersion10
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time

from device.http import web
from device.http.addresses import PRODUCT
from device.http.memory import Written

REPLY_TYPE = "application/soap+xml; charset=utf-8"


class SoapReply(web.StreamResponse):
    """The answer to a POST."""

    def __init__(self, written: Written) -> None:
        super().__init__(status=written.status)
        self._written = written
        self._kept = False

    @property
    def keep_alive(self) -> bool:
        return self._kept

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        self._kept = request.keep_alive
        old = request.version <= HttpVersion10
        begin, end = _head(self.status, old, self._kept, rfc822_formatted_time())
        head = f"{begin}{self._written.octets}{end}"
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the peer is gone")
        transport.write(b"".join((head.encode(), *self._written.envelope)))
        await request.writer.drain()
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing more: `prepare` has written all there is."""


@lru_cache(maxsize=16)
def _head(status: int, old: bool, kept: bool, date: str) -> tuple[str, str]:
    """What stands in an HTTP header before and after the length; `old` is HTTP/1.0."""
    connection = f"Connection: {'keep-alive' if old else 'close'}\r\n" if kept is old else ""
    return (
        f"HTTP/1.{0 if old else 1} {status} {HTTPStatus(status).phrase}\r\n"
        f"Content-Type: {REPLY_TYPE}\r\nServer: {PRODUCT}\r\nContent-Length: ",
        f"\r\nDate: {date}\r\n{connection}\r\n",
    )
