"""One connection to a web server of the settings: bodies of any size, no redirects, no proxies.

Python's own http.client, because a filter is a thread: it sends what it reads from the disk, and
a halt ends what it waits for.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import SplitResult

from device.dsp.words import FilterStateReason as R
from device.settings import Table
from scan_server.filters import reading
from scan_server.filters.base import Failure, Kind, Work

PIECE = 1 << 20
MAX_ANSWER = 65_536
"""Octets of an answer that are read where only its status matters."""
_BROKEN = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Server:
    """Where a web server is, and what it wants to know of us."""

    scheme: str
    host: str
    port: int
    tls: ssl.SSLContext
    authorization: str = field(default="", repr=False)
    timeout_s: float = 30.0

    @property
    def authority(self) -> str:
        """Host and port, as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"

    @contextmanager
    def connected(self, work: Work) -> Iterator[Peer]:
        """A peer, whose connection breaks off when the filter is halted."""
        connection = (
            http.client.HTTPSConnection(
                self.host, self.port, timeout=self.timeout_s, context=self.tls
            )
            if self.scheme == "https"
            else http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        )

        def hang_up() -> None:
            # Not SSLSocket's own shutdown, which changes what the other thread works with.
            if isinstance(connection.sock, socket.socket):
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

        with work.stop.calling(hang_up):
            try:
                yield Peer(self, connection, work)
            finally:
                connection.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers by their names in lower case, and the beginning of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def good(self) -> bool:
        return 200 <= self.status <= 299


@dataclass(frozen=True, slots=True)
class Peer:
    """A connection. It is made by the first request, and again when the server has closed it."""

    server: Server
    connection: http.client.HTTPConnection
    work: Work

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] | None = None,
    ) -> Answer:
        """One request. A body needs its Content-Length among the headers.

        Raises:
            Failure: there was no answer.
        """
        with self._asked(method, target, headers, body) as response:
            found = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(response.status, found, response.read(MAX_ANSWER))
            if not response.isclosed():
                self.connection.close()
            return answer

    def fetch(self, target: str, headers: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """The body at `target`, piece by piece; nothing for anything but status 200.

        Raises:
            Failure: there was no answer, or not all of it.
        """
        with self._asked("GET", target, headers, None) as response:
            if response.status == 200:
                while piece := response.read(PIECE):
                    self.work.check()
                    yield piece
            self.connection.close()

    @contextmanager
    def _asked(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None,
        body: Iterable[bytes] | None,
    ) -> Iterator[http.client.HTTPResponse]:
        sent = {"User-Agent": "wsd-scanner", **(headers or {})}
        if self.server.authorization and "Authorization" not in sent:
            sent["Authorization"] = self.server.authorization
        broken = False
        try:
            try:
                self.connection.request(method, target, self._watched(body), sent)
            except (BrokenPipeError, ConnectionResetError):
                if self.connection.sock is None:
                    raise
                # It may have answered before it had read all: a refusal, most of the time.
                broken = True
            yield self.connection.getresponse()
            if broken:
                self.connection.close()
        except ssl.SSLCertVerificationError as error:
            self.connection.close()
            why = f"its certificate is not trusted: {error.verify_message}"
            raise Failure(R.UNKNOWN_ERROR, why) from error
        except _BROKEN as error:
            self.connection.close()
            why = getattr(error, "strerror", None) or type(error).__name__
            raise Failure(R.UNKNOWN_ERROR, why, Kind.PASSING) from error

    def _watched(self, body: Iterable[bytes] | None) -> Iterator[bytes] | None:
        return None if body is None else self._pieces(body)

    def _pieces(self, body: Iterable[bytes]) -> Iterator[bytes]:
        for piece in body:
            self.work.check()
            yield piece


def passes(status: int) -> bool:
    """Whether the same request may work later."""
    return status in (408, 423, 425, 429) or (500 <= status <= 599 and status not in (501, 505))


def read_server(table: Table, url: SplitResult) -> Server:
    """`ca`, `timeout`, and who we are: `user` with its password, or a `token`.

    Raises:
        ConfigError: something in it is wrong.
    """
    user, password = table.text("user", ""), reading.secret(table, "password")
    token = reading.secret(table, "token")
    if bool(user) != bool(password):
        raise table.wrong("user", "needs password_file or password_env, and these need a user")
    if user and token:
        raise table.wrong("user", "and a token cannot both be sent")
    return Server(
        scheme=url.scheme,
        host=str(url.hostname),
        port=url.port or (443 if url.scheme == "https" else 80),
        tls=reading.tls(table),
        authorization=f"Bearer {token}" if token else _basic(user, password) if user else "",
        timeout_s=table.number("timeout", 30.0, low=0.1, high=600),
    )


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
