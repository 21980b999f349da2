"""Posts one message to one sink, and says how that went."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from device.eventing.subscriptions import Failed, Sink

log = logging.getLogger(__name__)
traffic = logging.getLogger("device.traffic.http")

MAX_ANSWER = 4_096
"""Octets that are read of a sink's answer; nothing in it matters."""
ANSWER_BODY_S = 1.0
"""How long that may take: the event was taken when the status came."""
SOAP_TYPE = "application/soap+xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds to connect, and for the whole exchange."""

    connect_s: float = 4.0
    total_s: float = 10.0


@dataclass(slots=True)
class _Exchange:
    """What is known of one POST under way."""

    reused: bool = False
    sent: bool = False


class Sender:
    """Posts to sinks, over a connection of its own for each subscriber.

    It follows no redirect, knows no proxy and keeps no cookie. It connects to the address that
    was checked when the sink was named, whatever its name would resolve to now.
    """

    def __init__(self, times: Times | None = None) -> None:
        self._times = times or Times()
        self._resolver = _Checked()
        self._tls = _unverified()
        self._session: aiohttp.ClientSession | None = None

    async def send(self, key: str, sink: Sink, message: bytes) -> Failed | None:
        """Post `message`; None when the sink took it.

        `key` names the connection to use; it consists of letters, digits and hyphens.
        """
        url, host = self._where(key, sink)
        traffic.debug("%s < %r", sink.url, message)
        for again in (True, False):
            exchange = _Exchange()
            try:
                async with self._open().post(
                    url,
                    data=message,
                    headers={"Content-Type": SOAP_TYPE, "Host": host},
                    allow_redirects=False,
                    ssl=self._tls,
                    trace_request_ctx=exchange,
                ) as response:
                    return await _judge(response)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                log.debug("%s: %r", sink.url, error)
                # A connection that lay idle may have been closed meanwhile; a new one will tell.
                # Who takes a message and then closes without a word may have acted on it.
                if not (again and exchange.reused):
                    return Failed.UNANSWERED if exchange.sent else Failed.UNREACHED
            except (aiohttp.ClientError, OSError, ValueError) as error:
                log.debug("%s: %r", sink.url, error)
                return Failed.UNANSWERED if exchange.sent else Failed.UNREACHED
        return Failed.UNREACHED

    def forget(self, key: str) -> None:
        """The subscriber of `key` is gone."""
        for end in ("n", "e"):
            self._resolver.known.pop(f"{end}{key}.invalid", None)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _where(self, key: str, sink: Sink) -> tuple[URL, str]:
        """The URL to give to aiohttp, and the Host header.

        The host in the URL is a name of our own making, which our resolver turns into the checked
        address: so connections are kept by subscriber, and a zone gets through.
        """
        parts = urlsplit(sink.url)
        name = f"{key}.invalid"
        self._resolver.known[name] = sink.address
        port = f":{parts.port}" if parts.port else ""
        query = f"?{parts.query}" if parts.query else ""
        scheme = parts.scheme.lower()
        return URL(f"{scheme}://{name}{port}{parts.path or '/'}{query}", encoded=True), parts.netloc

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            tracing = aiohttp.TraceConfig()
            tracing.on_connection_reuseconn.append(_mark_reused)
            tracing.on_request_headers_sent.append(_mark_sent)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    limit_per_host=1,
                    resolver=self._resolver,
                    use_dns_cache=False,
                    keepalive_timeout=30,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=self._times.total_s, sock_connect=self._times.connect_s
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
                auto_decompress=False,
                trace_configs=[tracing],
            )
        return self._session


async def _mark_sent(_session: Any, context: SimpleNamespace, _parameters: Any) -> None:
    context.trace_request_ctx.sent = True


async def _mark_reused(_session: Any, context: SimpleNamespace, _parameters: Any) -> None:
    context.trace_request_ctx.reused = True


async def _judge(response: aiohttp.ClientResponse) -> Failed | None:
    """What a sink's answer means. Its body is read, so that the connection can stay, or cut."""
    try:
        async with asyncio.timeout(ANSWER_BODY_S):
            left = MAX_ANSWER
            while left > 0 and (piece := await response.content.read(left)):
                left -= len(piece)
            if left <= 0:
                response.close()
    except (aiohttp.ClientError, OSError):
        response.close()
    if 200 <= response.status < 300:
        return None
    return Failed.ANSWERED_BUSY if response.status >= 500 else Failed.ANSWERED_NO


def _unverified() -> ssl.SSLContext:
    """TLS as good as no TLS: a sink's certificate is its own make, and proves nothing to us.

    So it needs none of the system's authorities, which would take a megabyte for each device.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass
class _Checked(AbstractResolver):
    """Resolves the names that `Sender` makes to the addresses that were checked."""

    known: dict[str, str] = field(default_factory=dict)

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[Any]:
        address = self.known.get(host)
        if address is None:
            raise OSError(f"{host} is no sink")
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST,
            }
        ]

    async def close(self) -> None:
        """Nothing is held."""
