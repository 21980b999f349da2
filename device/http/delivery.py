"""Whether a peer has got every byte: more than that we have written it."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios

from aiohttp import web

_CHECK_S = 0.005
_TCP_CLOSE = 7


class Delivery:
    """One reply on its way, seen from the socket below.

    It holds the socket open: a peer that closes the moment it has everything takes ours along,
    and then nobody could tell any more whether it had.
    """

    def __init__(self, request: web.BaseRequest) -> None:
        self._transport = request.transport
        below = self._transport.get_extra_info("socket") if self._transport else None
        self._sock = None if below is None or below.fileno() < 0 else below.dup()

    async def complete(self) -> bool:
        """Wait until the peer's kernel has taken every byte, or never will.

        What lies in a buffer of ours is not delivered. A peer that closes with bytes unread
        resets the connection.
        """
        if self._sock is None or self._transport is None:
            return False
        while True:
            waiting = self._transport.get_write_buffer_size() or _queued(self._sock)
            if _reset(self._sock):
                return False
            if not waiting:
                return True
            await asyncio.sleep(_CHECK_S)

    def close(self) -> None:
        """Let go of the socket."""
        if self._sock is not None:
            self._sock.close()


def _queued(sock: socket.socket) -> int:
    """Bytes that the peer's kernel has not acknowledged."""
    answer = bytearray(4)
    fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, answer)
    return int(struct.unpack("i", answer)[0])


def _reset(sock: socket.socket) -> bool:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE
