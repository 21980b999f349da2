"""One HTTP exchange with a scan server: a POST, and an input for the table of what comes back.

Redirects are not followed, no proxy is read from the environment, and an answer is a fault under
any HTTP status.

Source: ws-dsp sections 3.1, 5 and 14.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from urllib.parse import urlsplit

import aiohttp

from device.dsp import trust, wording
from device.dsp.post_scan_job import Given, I
from device.dsp.refusals import Kind, read_refusal
from device.errors import InvalidArgs, MalformedMessage, VersionMismatch
from device.soap import envelope
from device.soap.xml import Element

traffic = logging.getLogger("device.traffic.dsp")

MAX_ANSWER = 1 << 20
CONNECT_S = 10.0
ANSWER_S = 60.0
"""Longest wait for an answer, and for the server to take the next piece of a page."""
_RETRY_STATUS = frozenset({502, 503, 504})

Pieces = Callable[[Callable[[], None]], AsyncIterator[bytes]]
"""Makes a request's body; it calls its argument whenever the server has taken a piece."""
Reader = Callable[[Element], Given]


class Exchange:
    """Connections to one scan server. Use it as a context manager.

    Args:
        host: what sentences call the server.
        context: TLS, for https.
        shows_certificate: whether `context` holds a client certificate.
    """

    def __init__(self, host: str, context: ssl.SSLContext | None, shows_certificate: bool) -> None:
        self._host = host
        self._context = context
        self._shows_certificate = shows_certificate
        self._answered = False
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Exchange:
        if self._context:
            connector = aiohttp.TCPConnector(ssl=self._context, limit=2)
        else:
            connector = aiohttp.TCPConnector(limit=2)
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session:
            await self._session.close()

    async def post(
        self, url: str, pieces: Pieces, headers: dict[str, str], read: Reader, token: str
    ) -> Given:
        """Post, and make an input for the table of whatever comes back."""
        assert self._session is not None
        loop = asyncio.get_running_loop()
        deadline = asyncio.timeout(ANSWER_S)

        def alive() -> None:
            deadline.reschedule(loop.time() + ANSWER_S)

        try:
            async with (
                deadline,
                self._session.post(
                    url, data=pieces(alive), headers=headers, allow_redirects=False
                ) as response,
            ):
                return self._understand(response.status, await _whole(response), read, token)
        except TimeoutError:
            return Given(I.BROKEN, f"{self._host} did not answer within {ANSWER_S:g} s")
        except (aiohttp.ClientError, OSError) as error:
            if failure := trust.in_words(error, self._host):
                return Given(I.HOPELESS, failure)
            hung_up = _is_hang_up(error)
            why = "it hung up" if hung_up else _short(error)
            hint = self._hint if hung_up and not self._answered else ""
            return Given(I.BROKEN, f"no connection to {self._host}: {why}{hint}")

    @property
    def _hint(self) -> str:
        """Some servers (asyncio's among them) hang up on a bad certificate without a word."""
        if not self._context:
            return ""
        if self._shows_certificate:
            return "; perhaps it does not accept our client certificate"
        return "; perhaps it demands a client certificate (--cert and --key)"

    def _understand(self, status: int, answer: bytes, read: Reader, token: str) -> Given:
        self._answered = True
        traffic.debug("< %d %r", status, answer)
        try:
            found = envelope.read(answer, limit=MAX_ANSWER)
        except (MalformedMessage, VersionMismatch) as error:
            if status in _RETRY_STATUS:
                return Given(I.BROKEN, f"{self._host} answered with HTTP status {status}")
            if 200 <= status < 300:
                return Given(I.REFUSED, f"{self._host} answered with no SOAP message: {error}")
            return Given(I.REFUSED, f"{self._host} answered with HTTP status {status}")
        if found.body is None:
            return Given(I.REFUSED, f"{self._host} answered with an empty SOAP message")
        refusal = read_refusal(found.body)
        if refusal is not None:
            kind = _KINDS[refusal.kind]
            if refusal.kind is Kind.UNAVAILABLE and token and not _GUID.fullmatch(token):
                kind = I.GONE
            return Given(kind, str(refusal))
        try:
            return read(found.body)
        except InvalidArgs as error:
            return Given(I.REFUSED, f"{self._host} answered with something else: {error}")


async def local_address(url: str) -> str:
    """The address of ours by which the host of `url` sees us; empty when there is none.

    Asked of the routing table, by a socket that sends nothing.
    """
    parts = urlsplit(url)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            parts.hostname, parts.port or 443, type=socket.SOCK_DGRAM
        )
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError:
        return ""


_KINDS = {
    Kind.TEMPORARY: I.TEMPORARY,
    Kind.ARGUMENT: I.REFUSED,
    Kind.OPERATION: I.REFUSED,
    Kind.TOKEN_NOT_FOUND: I.GONE,
    Kind.JOB_CANCELED: I.GONE,
    Kind.UNAVAILABLE: I.BROKEN,
}
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body; what is longer than an answer can be is cut, and so not understood."""
    answer = b""
    async for piece in response.content.iter_any():
        answer += piece
        if len(answer) > MAX_ANSWER:
            response.close()
            break
    return answer


_HANG_UPS = (
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientPayloadError,
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
)
_HANG_UP_NUMBERS = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE})


def _is_hang_up(error: BaseException) -> bool:
    """aiohttp wraps it, and newer ones otherwise than older ones."""
    found = (error, error.__cause__, getattr(error, "os_error", None))
    return any(
        isinstance(one, _HANG_UPS) or getattr(one, "errno", None) in _HANG_UP_NUMBERS
        for one in found
    )


def _short(error: BaseException) -> str:
    """What went wrong, in few words and without addresses that are in the sentence already."""
    number = getattr(error, "errno", None)
    if isinstance(getattr(error, "os_error", None), socket.gaierror):
        return "its name is not known"
    if isinstance(number, int) and number > 0:
        return os.strerror(number)
    inner = getattr(error, "os_error", None)
    return wording.plain(inner if isinstance(inner, OSError) else error)
