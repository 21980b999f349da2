"""Scans without end: pages fetched, cancelled and left in the middle leave nothing behind."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from clients.wsscan import Client, retrieve_image_body, scan_ticket
from support.wait import wait_until

pytestmark = [pytest.mark.sane, pytest.mark.slow, pytest.mark.usefixtures("sane")]

ROUNDS = 100
"""Of five scans each. What grows by a page of memory in each round, is found."""
SETTLED = 40
"""Rounds after which what is remembered of requests, up to a bound, is complete."""
GROWTH_MB = 4.0
ABANDONED_EVERY = 10
"""The test backend itself loses 0.2 MB with each page that is cancelled in its middle."""


@dataclass(frozen=True)
class Burden:
    """What a process holds."""

    memory_mb: float
    descriptors: int
    threads: int
    children: int


def burden(pid: int) -> Burden:
    status = Path(f"/proc/{pid}/status").read_text()
    numbers = {
        name: int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmRSS", "Threads")
    }
    return Burden(
        numbers["VmRSS"] / 1024,
        len(os.listdir(f"/proc/{pid}/fd")),
        numbers["Threads"],
        len(children(pid)),
    )


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def test_five_hundred_scans_leave_nothing_behind(start_device):
    device = start_device("--source", "sane:test:0", "--no-panel", "--history", "10")
    client = Client(device.scan_url)
    main = device.process.pid

    def worker() -> int:
        """Another one than at the start, if the driver hung; that is what there are workers for."""
        (only,) = wait_until(
            lambda: (found := children(main))[1:] == [] and found, 20, "one worker"
        )
        return only

    def held() -> dict[str, int]:
        """What can be counted."""
        own, its = burden(main), burden(worker())
        return {
            "descriptors": own.descriptors,
            "threads": own.threads,
            "children": own.children,
            "worker's descriptors": its.descriptors,
            "worker's threads": its.threads,
            "worker's children": its.children,
        }

    def memory_at_rest() -> list[float]:
        wait_until(lambda: client.get_active_jobs() == [], 20, "no job is left")
        # A connection of ours may not have been closed at the start.
        wait_until(lambda: no_more(held(), at_start), 20, "no more is held than at the start")
        return [burden(pid).memory_mb for pid in (main, worker())]

    at_start = held()
    before = [0.0, 0.0]
    for number in range(ROUNDS):
        if number == SETTLED:
            before = memory_at_rest()
        a_round(client)
        if number % ABANDONED_EVERY == 0:
            abandon(client)
    after = memory_at_rest()
    assert all(now - then < GROWTH_MB for then, now in zip(before, after, strict=True))


def no_more(now: dict[str, int], then: dict[str, int]) -> bool:
    return all(now[name] <= then[name] for name in then)


def a_round(client: Client) -> None:
    """Five scans: two from the glass, two from the feeder, one of a job that is cancelled."""
    small = {"dpi": 75, "region": (0, 0, 1000, 1000)}
    job = client.create_scan_job(scan_ticket(format="jfif", **small))
    assert client.retrieve_image(job.id, job.token).content
    job = client.create_scan_job(scan_ticket(source="ADF", format="png", images=2, **small))
    for _ in range(2):
        assert client.retrieve_image(job.id, job.token).content
    job = client.create_scan_job(scan_ticket(source="ADF", format="png", **small))
    assert client.retrieve_image(job.id, job.token).content
    client.cancel_job(job.id)
    job = client.create_scan_job(
        scan_ticket(format="tiff-single-g4", color="BlackAndWhite1", **small)
    )
    assert client.retrieve_image(job.id, job.token).content


def abandon(client: Client) -> None:
    """Hang up in the middle of a page."""
    job = client.create_scan_job(scan_ticket(format="tiff-single-uncompressed", dpi=300))
    body = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    with client.stream(body) as response:
        assert response.read(10_000)
