"""A load of POSTs over kept-alive connections, by raw streams so that the client costs little."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load: requests per second, and the times of single requests."""

    count: int
    per_second: float
    median_ms: float
    p99_ms: float
    reply: bytes


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode("latin-1"))
    length = next(
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    return await reader.readexactly(length)


async def measure(
    host: str, port: int, path: str, body: bytes, *, connections: int, seconds: float
) -> Load:
    """Send `body` again and again for `seconds` over that many connections."""
    request = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        "Content-Type: application/soap+xml; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    times: list[float] = []
    reply = b""
    end = time.perf_counter() + seconds

    async def work() -> None:
        nonlocal reply
        reader, writer = await asyncio.open_connection(host, port)
        while (begin := time.perf_counter()) < end:
            reply = await _one(reader, writer, request)
            times.append(time.perf_counter() - begin)
        writer.close()

    begin = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    took = time.perf_counter() - begin
    times.sort()
    return Load(
        count=len(times),
        per_second=len(times) / took,
        median_ms=statistics.median(times) * 1000,
        p99_ms=times[int(len(times) * 0.99)] * 1000,
        reply=reply,
    )
