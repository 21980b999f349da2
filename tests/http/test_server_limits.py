"""What the HTTP server does with peers that are slow, lost or curious."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from device.errors import ConfigError
from device.http import server
from device.http.server import HttpServer, open_sockets


@pytest.fixture
async def http(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpServer]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=(await request.read()).decode())

    monkeypatch.setattr(server, "HEADER_TIMEOUT_S", 0.1)
    page = {"/": "<p>facts</p>"}
    running = HttpServer(handle, open_sockets("127.0.0.1", 0), page.get)
    await running.start()
    yield running
    await running.stop()


async def talk(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(10):
        answer = await reader.read(65_536)
    writer.close()
    return answer


async def test_a_header_that_does_not_come_closes_the_connection(http: HttpServer) -> None:
    assert await talk(http.port, b"POST / HT") == b""


async def test_a_peer_that_has_spoken_may_take_its_time(http: HttpServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
    closed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, closed.set)
    await closed.wait()
    writer.write(b"cd")
    async with asyncio.timeout(10):
        assert (await reader.readuntil(b"abcd")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_peer_that_expects_to_be_told_is_told(http: HttpServer) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    assert await talk(http.port, head) == b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("request_line", "status", "allow"),
    [
        (b"GET /scan", b"405", b"Allow: POST"),
        (b"DELETE /", b"405", b"Allow: GET, HEAD, POST"),
        (b"GET /", b"200", b"<p>facts</p>"),
    ],
)
async def test_other_methods_are_told_what_is_allowed(
    http: HttpServer, request_line: bytes, status: bytes, allow: bytes
) -> None:
    answer = await talk(http.port, request_line + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.split()[1] == status
    assert allow in answer
    assert b"Server: wsd-scanner\r\n" in answer


@pytest.mark.parametrize("limit", ["MAX_CONNECTIONS", "MAX_CONNECTIONS_OF_ONE_PEER"])
async def test_connections_that_are_too_many_are_turned_away_until_others_go(
    http: HttpServer, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(server, limit, 2)
    monkeypatch.setattr(server, "HEADER_TIMEOUT_S", 60)
    get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    kept = [await asyncio.open_connection("127.0.0.1", http.port) for _ in range(2)]
    for reader, writer in kept:
        writer.write(get)
        assert (await reader.readline()).split()[1] == b"200"
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: failures.append(told))
    refused = await talk(http.port, b"")
    assert refused.split()[1] == b"503"
    assert refused.endswith(b"\r\n\r\nToo many connections.\n")
    gc.collect()
    assert failures == []
    for reader, writer in kept:
        writer.close()
        await reader.read()
    assert b"<p>facts</p>" in await talk(http.port, get)


async def test_connections_that_are_over_take_no_memory(
    http: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_TIMEOUT_S", 60)
    for request in (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"G"):
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", http.port)
            writer.write(request)
            writer.close()
    async with asyncio.timeout(10):
        while any(isinstance(one, web.RequestHandler) for one in gc.get_objects()):
            await asyncio.sleep(0.01)
            gc.collect()


def test_a_port_in_use_is_said_in_one_sentence() -> None:
    (taken,) = open_sockets("127.0.0.1", 0)
    with taken, pytest.raises(ConfigError, match="is taken by another program"):
        open_sockets("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "1.2.3"])
def test_a_host_that_is_not_ours_is_said_in_one_sentence(host: str) -> None:
    with pytest.raises(ConfigError, match="is no address of this machine"):
        open_sockets(host, 0)


def test_all_addresses_of_both_families_share_one_port() -> None:
    sockets = open_sockets("", 0)
    ports = {sock.getsockname()[1] for sock in sockets}
    for sock in sockets:
        sock.close()
    assert len(ports) == 1
