"""Start the device and tell how near it comes to its limits, as ratios of one and the same run.

    python bench/run.py [--seconds S] [--rounds N]

- GetScannerElements and GetActiveJobs per second, against a bare aiohttp handler that returns the
  very same bytes;
- GetActiveJobs of a device that remembers a thousand finished jobs, against one that has none;
- one A4 page at 300 dpi, RGB, by CreateScanJob and RetrieveImage, against acquiring and encoding
  that page alone, in one process;
- peak memory of the device and of its worker.

Both sides of a ratio take turns, and the medians of the rounds are compared. The machine's noise
goes into both; quote the ratios, not the absolute figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import load
import messages

A4_MIL = (8268, 11693)
DPI = 300
FINISHED_JOBS = 1000
END = b"\r\n0\r\n\r\n"
"""Of a reply in chunks."""


@contextmanager
def started(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process, and the first line that it prints.

    Of its log, which has lines for each of thousands of jobs, only what is more than information
    is shown, when it has ended.
    """
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(10)
            log.seek(0)
            sys.stderr.writelines(line for line in log if " INFO " not in line)


def scan_url(ready: str) -> str:
    """The scan service of the device whose ready line this is."""
    return re.sub(r"/[^/]*$", "/scan", ready.rsplit(" ", 1)[1])


def post(url: str, body: bytes) -> bytes:
    """One request over a connection of its own."""
    request = urllib.request.Request(
        url, body, {"Content-Type": "application/soap+xml; charset=utf-8"}
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        return bytes(reply.read())


def stream(url: str, body: bytes) -> Iterator[memoryview]:
    """Post, and yield the reply as it comes, HTTP and all.

    A client library would cost as much as the device does.
    """
    to = urlsplit(url)
    head = (
        f"POST {to.path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n"
        f"Content-Type: application/soap+xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    buffer = bytearray(1 << 18)
    last = b""
    with socket.create_connection((str(to.hostname), int(to.port or 80))) as connection:
        connection.sendall(head.encode() + body)
        while length := connection.recv_into(buffer):
            assert last or buffer.startswith(b"HTTP/1.1 200 "), bytes(buffer[:length])
            last = (last + buffer[max(0, length - len(END)) : length])[-len(END) :]
            yield memoryview(buffer)[:length]
    assert last == END, "the reply broke off"


def peak_mb(pid: int) -> float:
    """Largest resident size so far, in MB."""
    return memory_mb(pid, "VmHWM")


def memory_mb(pid: int, name: str = "VmRSS") -> float:
    """Resident size in MB, by its name in /proc: now, or the peak (`VmHWM`)."""
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(rf"{name}:\s+(\d+) kB", status)
    return int(match[1]) / 1024 if match else 0.0


def worker_of(pid: int) -> int:
    """The device's worker process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def scan(url: str, format_: str) -> int:
    """One page; how many bytes the reply had."""
    created = post(
        url,
        messages.create_scan_job(
            format_=format_, dpi=DPI, width_mil=A4_MIL[0], height_mil=A4_MIL[1]
        ),
    ).decode()
    found = re.search(r"<wscn:JobId>(.+?)</.*<wscn:JobToken>(.+?)</", created)
    assert found is not None, created
    return sum(map(len, stream(url, messages.retrieve_image(found[1], found[2]))))


def encode_alone(format_: str) -> None:
    """The same page without the device: chart, pipeline and encoder in this process."""
    from device.imaging.convert import fit
    from device.imaging.encoders import encoder_for
    from device.imaging.spec import ImageSpec
    from scanner_backends.base import Mode, ScanRequest, Source
    from scanner_backends.chart import ChartBackend

    size = tuple(mil * DPI // 1000 for mil in A4_MIL)
    request = ScanRequest(
        Source.FLATBED, Mode.COLOR, 8, DPI, DPI, 0.0, 0.0, *(mil * 0.0254 for mil in A4_MIL)
    )
    spec = ImageSpec(format_, "RGB24", size[0], size[1], DPI, DPI, quality=80)
    page = fit(ChartBackend("").scan(request, 0), request, spec, None)
    for _ in encoder_for(format_)(page, spec, None):
        pass


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def soap(name: str, body: bytes, device: str, pid: int, seconds: float, rounds: int) -> None:
    """One SOAP operation against the bare handler."""
    host, port = device.split("//")[1].split("/")[0].split(":")
    reply = post(device, body)
    with tempfile.NamedTemporaryFile() as file:
        file.write(reply)
        file.flush()
        here = Path(__file__).parent
        with started(sys.executable, str(here / "bare.py"), file.name) as (limit, bare_port):
            ours: list[load.Load] = []
            bare: list[load.Load] = []
            costs: dict[int, list[float]] = {pid: [], limit.pid: []}
            for _ in range(rounds):
                for server, port_number, results in (
                    (pid, int(port), ours),
                    (limit.pid, int(bare_port), bare),
                ):
                    before = cpu_s(server)
                    done = await load.measure(
                        host, port_number, "/scan", body, connections=50, seconds=seconds
                    )
                    results.append(done)
                    costs[server].append((cpu_s(server) - before) / done.count * 1e6)
    ratios = [one.per_second / other.per_second for one, other in zip(ours, bare, strict=True)]
    cost, limit_cost = (statistics.median(values) for values in costs.values())
    print(
        f"{name:<28} {statistics.median(ratios):5.2f} of bare aiohttp's requests per second, "
        f"{limit_cost / cost:.2f} by processor time ({cost:.0f} of {limit_cost:.0f} us)\n"
        f"{'':<28}       ({statistics.median(one.per_second for one in ours):,.0f} /s of "
        f"{statistics.median(one.per_second for one in bare):,.0f} /s; "
        f"median {statistics.median(one.median_ms for one in ours):.2f} ms, "
        f"p99 {statistics.median(one.p99_ms for one in ours):.2f} ms; {len(reply)} octets)"
    )


async def history(fresh: str, old: str, seconds: float, rounds: int) -> None:
    """GetActiveJobs with and without finished jobs that are remembered."""
    for _ in range(FINISHED_JOBS):
        created = post(
            old, messages.create_scan_job(format_="jfif", dpi=75, width_mil=1000, height_mil=1000)
        )
        post(old, messages.cancel_job(created.partition(b"JobId>")[2].partition(b"<")[0].decode()))
    rates: dict[str, list[float]] = {fresh: [], old: []}
    for _ in range(rounds):
        for device, results in rates.items():
            host, port = device.split("//")[1].split("/")[0].split(":")
            body = messages.get_active_jobs()
            done = await load.measure(
                host, int(port), "/scan", body, connections=50, seconds=seconds
            )
            results.append(done.per_second)
    ratio = statistics.median(
        one / other for one, other in zip(rates[old], rates[fresh], strict=True)
    )
    print(f"{'GetActiveJobs':<28} {ratio:5.2f} of itself after {FINISHED_JOBS} finished jobs")


def pages(device: str, format_: str, rounds: int) -> None:
    """One page by the device against the page alone."""
    scan(device, format_)
    encode_alone(format_)
    whole: list[float] = []
    alone: list[float] = []
    size = 0
    for _ in range(rounds):
        begin = time.perf_counter()
        size = scan(device, format_)
        whole.append(time.perf_counter() - begin)
        alone.append(timed(lambda: encode_alone(format_)))
    ratio = statistics.median(one / other for one, other in zip(whole, alone, strict=True))
    print(
        f"A4 {DPI} dpi RGB, {format_:<12} {ratio:5.2f} of encoding alone"
        f"   ({statistics.median(whole):.3f} s of {statistics.median(alone):.3f} s; "
        f"{size:,} octets)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each load")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as state, tempfile.TemporaryDirectory() as other_state:
        command = (
            str(Path(sys.executable).with_name("wsd-scanner")),
            *("run", "--host", "127.0.0.1", "--port", "0", "--no-discovery"),
            *("--panel-port", "0", "--history", str(FINISHED_JOBS)),
            *("--niceness", "0", "--state-dir"),  # as what pages are compared with
        )
        with started(*command, state) as (process, ready):
            device = scan_url(ready)
            print(f"idle: device {peak_mb(process.pid):.1f} MB")
            for name, body in (
                ("GetScannerElements", messages.get_scanner_elements()),
                ("GetActiveJobs", messages.get_active_jobs()),
            ):
                asyncio.run(soap(name, body, device, process.pid, chosen.seconds, chosen.rounds))
            with started(*command, other_state) as (_, ready):
                asyncio.run(history(device, scan_url(ready), chosen.seconds, chosen.rounds))
            for format_ in ("jfif", "png", "tiff-single-uncompressed"):
                pages(device, format_, chosen.rounds)
            worker = worker_of(process.pid)
            print(f"peak: device {peak_mb(process.pid):.1f} MB, worker {peak_mb(worker):.1f} MB")


if __name__ == "__main__":
    main()
