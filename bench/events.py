"""What 1,000 subscribers, a hundred of whom hang, cost a scan that they all hear of.

    python bench/events.py [--subscribers N] [--hanging N] [--rounds N]

Two devices take turns with the same job, a stack of sheets by RetrieveImage: one that nobody
listens to, and one with the subscribers. Told are the ratio of the two times (the sinks run on the
same cores), whether every subscriber that listens got every event once and in order, and what the
device's memory came to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import re
import socket
import statistics
import sys
import tempfile
import time
import urllib.error
from collections import defaultdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import messages
from run import cpu_s, peak_mb, post, started

SHEETS = 5
DRAINED_S = 180.0
WSE = "http://schemas.xmlsoap.org/ws/2004/08/eventing"
DIALECT = "http://schemas.xmlsoap.org/ws/2006/02/devprof/Action"


class Heard(NamedTuple):
    """What the sinks got: how many subscribers heard anything, and what one of them did."""

    subscribers: int
    events: int
    alike: bool
    one: list[bytes]
    connections: int


class Sinks:
    """All sinks behind one port, in a process of their own; `hanging` ones never answer."""

    def __init__(self, questions: Connection) -> None:
        self._questions = questions
        self._got: dict[str, list[bytes]] = defaultdict(list)
        self._connections = 0

    async def run(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2000)
        self._questions.send(server.sockets[0].getsockname()[1])
        over = asyncio.Event()

        def answer() -> None:
            if self._questions.recv() is None:
                over.set()
                return
            heard = list(self._got.values()) or [[]]
            alike = all(one == heard[0] for one in heard)
            count = sum(map(len, heard))
            self._questions.send(Heard(len(self._got), count, alike, heard[0], self._connections))

        asyncio.get_running_loop().add_reader(self._questions.fileno(), answer)
        await over.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                assert length is not None
                body = await reader.readexactly(int(length[1]))
                path = head.split(b" ", 2)[1].decode()
                if path.startswith("/hanging"):
                    await asyncio.sleep(3600)
                self._got[path].append(body.partition(b"<soap:Body>")[2])
                writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")


def run_sinks(questions: Connection) -> None:
    asyncio.run(Sinks(questions).run())


def subscribe(url: str, sink: str) -> None:
    """One subscription to all events of a job and of the scanner."""
    actions = " ".join(
        f"{messages.SCAN}/{name}"
        for name in ("JobStatusEvent", "JobEndStateEvent", "ScannerStatusSummaryEvent")
    )
    wish = (
        f'<e:Subscribe xmlns:e="{WSE}"><e:Delivery><e:NotifyTo><wsa:Address>{sink}</wsa:Address>'
        f'</e:NotifyTo></e:Delivery><e:Filter Dialect="{DIALECT}">{actions}</e:Filter>'
        "</e:Subscribe>"
    )
    envelope = messages.request("Subscribe").decode()
    envelope = envelope.replace(f"{messages.SCAN}/Subscribe", f"{WSE}/Subscribe")
    envelope = re.sub(r"<wscn:Subscribe.*?>.*</wscn:.*?>", lambda _: wish, envelope)
    post(url, envelope.encode())


def job(url: str) -> float:
    """Seconds of one job: the whole feeder, which is filled anew afterwards."""
    begin = time.perf_counter()
    wanted = messages.create_scan_job(format_="jfif", dpi=200, width_mil=8268, height_mil=11693)
    created = post(url, wanted.replace(b">Platen<", b">ADF<")).decode()
    found = re.search(r"<wscn:JobId>(.+?)</.*<wscn:JobToken>(.+?)</", created)
    assert found is not None, created
    for _ in range(SHEETS):
        post(url, messages.retrieve_image(found[1], found[2]))
    with contextlib.suppress(urllib.error.HTTPError):  # the fault that ends the job
        post(url, messages.retrieve_image(found[1], found[2]))
    return time.perf_counter() - begin


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def load_feeder(panel: str) -> None:
    post(f"{panel}/api/v1/feeder/load", b"")


def drained(sinks: Connection, listening: int) -> Heard:
    """Wait until all that listen have heard the same, the job's end last."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < DRAINED_S:
        sinks.send("heard")
        heard: Heard = sinks.recv()
        if heard.subscribers == listening and heard.alike and b"Idle" in heard.one[-1]:
            return heard
        time.sleep(0.5)
    raise TimeoutError("the events do not come to an end")


def measure(
    urls: list[str], panels: list[str], pid: int, sinks: Connection, chosen: argparse.Namespace
) -> None:
    port = sinks.recv()
    listening = chosen.subscribers - chosen.hanging
    names = [f"s{n}" for n in range(listening)] + [f"hanging{n}" for n in range(chosen.hanging)]
    quiet, told = urls
    for name in names:
        subscribe(told, f"http://127.0.0.1:{port}/{name}")
    times: dict[str, list[float]] = {quiet: [], told: []}
    begun_s = cpu_s(pid)
    for number in range(chosen.rounds + 1):
        for url, panel in zip(urls, panels, strict=True):
            took = job(url)
            if number:  # the first of each starts the worker
                times[url].append(took)
            if url == told:
                heard = drained(sinks, listening)
            load_feeder(panel)
    ratios = [one / other for one, other in zip(times[told], times[quiet], strict=True)]
    print(
        f"a job of {SHEETS} sheets with {chosen.subscribers} subscribers, {chosen.hanging} of whom "
        f"hang: {statistics.median(ratios):.2f} of the time without "
        f"({statistics.median(times[told]):.2f} s of {statistics.median(times[quiet]):.2f} s)"
    )
    cost_ms = 1000 * (cpu_s(pid) - begun_s) / heard.events
    print(
        f"{heard.events:,} events taken, {len(heard.one)} by each, all alike and in order; "
        f"{heard.connections} connections; {cost_ms:.2f} ms each"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--hanging", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    program = str(Path(sys.executable).with_name("wsd-scanner"))
    with contextlib.ExitStack() as stack:
        urls, panels, processes = [], [], []
        for _ in range(2):
            state = stack.enter_context(tempfile.TemporaryDirectory())
            port = free_port()
            panels.append(f"http://127.0.0.1:{port}")
            process, ready = stack.enter_context(
                started(
                    *(program, "run", "--host", "127.0.0.1", "--port", "0", "--no-discovery"),
                    *("--panel-port", str(port), "--state-dir", state),
                    *("--source", f"chart:sheets={SHEETS}"),
                    *("--max-subscriptions", "5000", "--max-subscriptions-per-client", "5000"),
                )
            )
            urls.append(re.sub(r"/[^/]*$", "/scan", ready.rsplit(" ", 1)[1]))
            processes.append(process)
        print(f"idle: {peak_mb(processes[1].pid):.1f} MB")
        ours, theirs = multiprocessing.Pipe()
        stack.callback(ours.send, None)
        multiprocessing.get_context("spawn").Process(target=run_sinks, args=(theirs,)).start()
        measure(urls, panels, processes[1].pid, ours, chosen)
        print(
            f"peak: {peak_mb(processes[1].pid):.1f} MB, "
            f"without subscribers {peak_mb(processes[0].pid):.1f} MB"
        )


if __name__ == "__main__":
    main()
