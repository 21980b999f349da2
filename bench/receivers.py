"""Many devices send pages to one scan server, and to a bare aiohttp receiver that writes to disk.

    python bench/receivers.py [--devices N] [--pages N] [--megabytes N] [--rounds N] [--folder DIR]
    python bench/receivers.py --pages 100 --rounds 1      # the whole load: 25 GB to each of the two

Both take turns: each gets ten pages of every device (`--at-a-time`), then these are checked and
deleted, so that the disk holds 2.5 GB at most. Throughput is a ratio within each turn, from the
first octet to the last answer. Every delivered file is compared with what was sent.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web
from run import peak_mb

DSP = "http://schemas.microsoft.com/windows/2008/12/wdp/distributedscan/processing"
PSP = "http://schemas.microsoft.com/windows/2008/02/imaging/postscan/psp"
FSH = "http://schemas.microsoft.com/windows/2007/10/imaging/postscan/filter/fileshare"
BOUNDARY = "boundary-of-a-page"
KIND = (
    f'multipart/related; boundary={BOUNDARY}; type="application/xop+xml"; start="<root>"; '
    'start-info="application/soap+xml"'
)


@dataclass(frozen=True)
class Load:
    """What is sent in one turn: `pages` behind the first `before` of each device.

    The pages of all devices differ in their first octets only.
    """

    devices: int
    pages: int
    octets: int
    before: int = 0

    @property
    def numbers(self) -> range:
        return range(self.before + 1, self.before + self.pages + 1)

    @property
    def total(self) -> int:
        return self.devices * self.pages * self.octets

    def head(self, device: int, number: int) -> bytes:
        return f"device {device:06d} page {number:06d} ".encode()


class Device:
    """One connection, kept alive; raw, so that sending costs little."""

    def __init__(self, port: int, rest: memoryview) -> None:
        self._port = port
        self._rest = rest
        self._buffer = b""

    async def connect(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket()
        self._socket.setblocking(False)
        await self._loop.sock_connect(self._socket, ("127.0.0.1", self._port))

    async def post(
        self, path: str, kind: str, before: bytes, page: bytes = b"", after: bytes = b""
    ) -> bytes:
        """One request; the body of its answer."""
        length = len(before) + len(after) + (len(page) + len(self._rest) if page else 0)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {length}\r\n\r\n"
        )
        await self._loop.sock_sendall(self._socket, head.encode() + before + page)
        if page:
            await self._loop.sock_sendall(self._socket, self._rest)
            await self._loop.sock_sendall(self._socket, after)
        return await self._answer()

    async def _answer(self) -> bytes:
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += await self._read()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head + await self._read())
        length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])  # type: ignore[index]
        while len(self._buffer) < length:
            self._buffer += await self._read()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return body

    async def _read(self) -> bytes:
        data = await self._loop.sock_recv(self._socket, 65_536)
        if not data:
            raise RuntimeError("the server hung up")
        return data

    def close(self) -> None:
        self._socket.close()


class ScanDevice(Device):
    """A device that speaks WS-DSP."""

    path = ""

    async def call(self, operation: str, inner: str) -> bytes:
        message = self._envelope(operation, inner)
        return await self.post(self.path, "application/soap+xml; charset=utf-8", message)

    async def find(self) -> None:
        """Ask for the processing service."""
        message = (
            '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
            'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><s:Header>'
            f"<a:To>http://127.0.0.1:{self._port}/ScanServer</a:To>"
            "<a:Action>http://schemas.xmlsoap.org/ws/2004/09/transfer/Get</a:Action>"
            f"<a:MessageID>urn:uuid:{os.urandom(16).hex()}</a:MessageID></s:Header>"
            "<s:Body/></s:Envelope>"
        )
        answer = await self.post("/ScanServer", "application/soap+xml", message.encode())
        found = re.search(rb"(/ScanServer/[0-9a-f-]+)<", answer)
        assert found is not None, answer
        self.path = found[1].decode()

    def _envelope(self, operation: str, inner: str) -> bytes:
        return (
            '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
            'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
            f'xmlns:x="{DSP}" xmlns:p="{PSP}" xmlns:f="{FSH}" '
            'xmlns:i="http://www.w3.org/2004/08/xop/include"><s:Header>'
            f"<a:To>http://127.0.0.1:{self._port}{self.path}</a:To>"
            f"<a:Action>{DSP}/{operation}</a:Action>"
            f"<a:MessageID>urn:uuid:{os.urandom(16).hex()}</a:MessageID></s:Header>"
            f"<s:Body><x:{operation}Request>{inner}</x:{operation}Request></s:Body></s:Envelope>"
        ).encode()

    async def create(self) -> str:
        answer = await self.call(
            "CreatePostScanJob",
            "<x:UserIdentifier>S-1-5-21-1-2-3-1000</x:UserIdentifier>"
            "<x:PSP_Identifier>C4F199C7-6876-4549-A86E-A85035952448</x:PSP_Identifier>"
            "<x:PostScanInstructions><p:DocumentRootName>load</p:DocumentRootName>"
            f"<p:FiltersToProcess><p:Filter><p:Dialect>{FSH}</p:Dialect><p:Instructions>"
            r"<f:FileShareConfig><f:FileShares><f:ShareUNC>\\.\store</f:ShareUNC></f:FileShares>"
            "</f:FileShareConfig></p:Instructions></p:Filter></p:FiltersToProcess>"
            "</x:PostScanInstructions>",
        )
        found = re.search(rb"JobToken>([^<]+)<", answer)
        assert found is not None, answer
        return found[1].decode()

    async def image(self, token: str, number: int, page: bytes) -> None:
        root = self._envelope(
            "SendImage",
            f"<x:JobToken>{token}</x:JobToken><x:DocumentDescription><x:DocumentId>{number}"
            "</x:DocumentId><x:Format>png</x:Format></x:DocumentDescription><x:ImageData>"
            '<i:Include href="cid:page"/></x:ImageData>',
        )
        before = (
            f"--{BOUNDARY}\r\nContent-Type: application/xop+xml\r\nContent-ID: <root>\r\n\r\n"
        ).encode() + root
        before += f"\r\n--{BOUNDARY}\r\nContent-ID: <page>\r\n\r\n".encode()
        after = f"\r\n--{BOUNDARY}--\r\n".encode()
        await self.post(self.path, KIND, before, page, after)


async def to_scan_server(port: int, load: Load, rest: memoryview) -> float:
    """Seconds from the first page to the last SendImageResponse; then the jobs end."""
    devices = [ScanDevice(port, rest) for _ in range(load.devices)]
    tokens = []
    for device in devices:
        await device.connect()
        await device.find()
        tokens.append(await device.create())

    async def send(index: int) -> None:
        for number in load.numbers:
            await devices[index].image(tokens[index], number, load.head(index, number))

    began = time.perf_counter()
    await asyncio.gather(*map(send, range(load.devices)))
    took = time.perf_counter() - began
    for device, token in zip(devices, tokens, strict=True):
        lone = f"<x:JobToken>{token}</x:JobToken>"
        await device.call("EndPostScanJob", lone)
        asked = f"{lone}<x:RequestedElements><x:Name>x:JobStatus</x:Name></x:RequestedElements>"
        status = b""
        while b"JobState>Completed<" not in status:
            await asyncio.sleep(0.05 if status else 0)
            status = await device.call("GetPostScanJobElements", asked)
        device.close()
    return took


async def to_bare(port: int, load: Load, rest: memoryview) -> float:
    """Seconds from the first page to the last answer."""

    async def send(index: int) -> None:
        device = Device(port, rest)
        await device.connect()
        for number in load.numbers:
            await device.post(f"/{index}-{number}", "image/png", b"", load.head(index, number))
        device.close()

    began = time.perf_counter()
    await asyncio.gather(*map(send, range(load.devices)))
    return time.perf_counter() - began


async def receive(folder: Path) -> None:
    """The bare receiver: as little as can be between aiohttp and the disk."""

    async def handle(request: web.Request) -> web.Response:
        number = os.open(folder / request.path[1:], os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            async for piece in request.content.iter_any():
                os.write(number, piece)
        finally:
            os.close(number)
        return web.Response(text="stored")

    application = web.Application()
    application.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"ready http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await asyncio.Event().wait()


@contextmanager
def started(*command: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process, and the port of its ready line."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline().rsplit(":", 1)[1].split("/")[0])
    finally:
        process.terminate()
        process.wait(10)


def check(store: Path, load: Load, rest: memoryview) -> None:
    """Every page is there once, with every octet."""

    def digest(first: bytes, others: memoryview) -> bytes:
        found = hashlib.blake2b(first)
        found.update(others)
        return found.digest()

    wanted = Counter(
        digest(load.head(index, number), rest)
        for index in range(load.devices)
        for number in load.numbers
    )
    there = Counter(
        hashlib.blake2b(path.read_bytes()).digest() for path in store.rglob("*") if path.is_file()
    )
    assert there == wanted, f"{len(there & wanted)} of {len(wanted)} pages are right"


def empty(folder: Path) -> None:
    """Delete what is in it."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--pages", type=int, default=10, help="of each device (default: 10)")
    parser.add_argument("--at-a-time", type=int, default=10, help="pages of a turn (default: 10)")
    parser.add_argument("--megabytes", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the disk to be written (default: /tmp)")
    parser.add_argument("--receive", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.receive:
        asyncio.run(receive(told.receive))
        return
    whole = Load(told.devices, told.pages, int(told.megabytes * 1_000_000))
    rest = memoryview(os.urandom(whole.octets - len(whole.head(0, 0))))
    turns = [
        replace(whole, pages=min(told.at_a_time, whole.pages - before), before=before)
        for before in range(0, whole.pages, told.at_a_time)
    ]
    ratios, rates, peaks = [], [], []
    for _ in range(told.rounds):
        with tempfile.TemporaryDirectory(dir=told.folder) as name, ExitStack() as stack:
            bare, store, state = (Path(name) / part for part in ("bare", "store", "state"))
            bare.mkdir()
            command = (
                str(Path(sys.executable).with_name("wsd-scanner")),
                *("scan-server", "--http", "--host", "127.0.0.1", "--port", "0", "--no-panel"),
                *("--store", str(store), "--state-dir", str(state)),
            )
            receiver = started(sys.executable, __file__, "--receive", str(bare))
            _, bare_port = stack.enter_context(receiver)
            process, port = stack.enter_context(started(*command))
            for turn in turns:
                limit = asyncio.run(to_bare(bare_port, turn, rest))
                empty(bare)
                ours = asyncio.run(to_scan_server(port, turn, rest))
                check(store, turn, rest)
                empty(store)
                ratios.append(limit / ours)
                rates.append((turn.total / ours / 1e6, turn.total / limit / 1e6))
            peaks.append(peak_mb(process.pid))
    ours_mb, bare_mb = (statistics.median(rate) for rate in zip(*rates, strict=True))
    print(
        f"{whole.devices} devices, {whole.pages} pages of {whole.octets / 1e6:g} MB each: "
        f"{statistics.median(ratios):.2f} of a bare aiohttp receiver "
        f"({ours_mb:,.0f} of {bare_mb:,.0f} MB/s; turns {', '.join(f'{r:.2f}' for r in ratios)})\n"
        f"all octets right; peak {max(peaks):.1f} MB"
    )


if __name__ == "__main__":
    main()
