"""A whole SOAP answer, written at once.

aiohttp's own Response gathers its header in a multidict and sends it by way of nine coroutines. Of
a common answer that is a seventh of all the time.
"""

from __future__ import annotations

from aiohttp import HttpVersion10, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time

from device.http.addresses import PRODUCT

REPLY_TYPE = "application/soap+xml; charset=utf-8"


class SoapReply(web.StreamResponse):
    """The answer to a POST: an envelope, and whether the connection stays."""

    def __init__(self, status: int, envelope: bytes) -> None:
        super().__init__(status=status)
        self._envelope = envelope
        self._kept = False

    @property
    def keep_alive(self) -> bool:
        return self._kept

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        self._kept = request.keep_alive
        old = request.version <= HttpVersion10
        connection = ""
        if self._kept is old:
            connection = f"\r\nConnection: {'keep-alive' if old else 'close'}"
        head = (
            f"HTTP/1.{0 if old else 1} {self.status} {self.reason}\r\n"
            f"Content-Type: {REPLY_TYPE}\r\nServer: {PRODUCT}\r\n"
            f"Content-Length: {len(self._envelope)}\r\nDate: {rfc822_formatted_time()}"
            f"{connection}\r\n\r\n"
        )
        await request.writer.write_eof(head.encode() + self._envelope)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing more: `prepare` has written all there is."""
