"""Whether a peer has got every byte: more than that we have written it."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Callable

from device.clock import Clock
from device.http import web

STALL_S = 60.0
"""How long a peer may take no byte while bytes wait for it."""
_CHECK_S = 0.005
_TCP_CLOSE = 7
_TCP_INFO_SIZE = 128
_BYTES_ACKED = 120
"""Where `tcpi_bytes_acked` stands in Linux's struct tcp_info."""


class Delivery:
    """One reply on its way, seen from the socket below.

    It holds the socket open: a peer that closes the moment it has everything takes ours along,
    and then nobody could tell any more whether it had.

    Args:
        resting: whether it is we who keep the peer waiting.
    """

    def __init__(self, request: web.BaseRequest, clock: Clock, resting: Callable[[], bool]) -> None:
        self._transport = request.transport
        below = self._transport.get_extra_info("socket") if self._transport else None
        self._sock = None if below is None or below.fileno() < 0 else below.dup()
        self._clock = clock
        self._resting = resting
        self._taken = -1
        self._since_s = clock.monotonic()

    def stalled(self) -> bool:
        """Whether bytes have waited for `STALL_S`, and the peer took none of them."""
        if self._sock is None:
            return False
        now, taken = self._clock.monotonic(), _acknowledged(self._sock)
        if taken != self._taken or not self._waiting(self._sock) or self._resting():
            self._taken, self._since_s = taken, now
        return now - self._since_s >= STALL_S

    async def complete(self) -> bool:
        """Wait until the peer's kernel has taken every byte, or never will.

        What lies in a buffer of ours is not delivered. A peer that closes with bytes unread
        resets the connection, and one that stalls is not waited for.
        """
        if self._sock is None or self._transport is None:
            return False
        while True:
            waiting = self._waiting(self._sock)
            if _reset(self._sock) or (waiting and self.stalled()):
                return False
            if not waiting:
                return True
            await asyncio.sleep(_CHECK_S)

    def _waiting(self, sock: socket.socket) -> bool:
        return bool(self._transport and self._transport.get_write_buffer_size()) or bool(
            _queued(sock)
        )

    def close(self) -> None:
        """Let go of the socket."""
        if self._sock is not None:
            self._sock.close()


def _queued(sock: socket.socket) -> int:
    """Bytes that the peer's kernel has not acknowledged."""
    answer = bytearray(4)
    fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, answer)
    return int(struct.unpack("i", answer)[0])


def _acknowledged(sock: socket.socket) -> int:
    """Bytes that the peer's kernel has acknowledged; 0 where ours does not tell."""
    told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    return int(struct.unpack_from("Q", told, _BYTES_ACKED)[0]) if len(told) > _BYTES_ACKED else 0


def _reset(sock: socket.socket) -> bool:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE
