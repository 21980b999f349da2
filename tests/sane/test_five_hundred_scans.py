"""Scans without end: pages fetched, cancelled and left in the middle leave nothing behind."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from clients.wsscan import Client, FaultAnswer, retrieve_image_body, scan_ticket
from support.wait import wait_until

pytestmark = [pytest.mark.sane, pytest.mark.slow, pytest.mark.usefixtures("sane")]

ROUNDS = 100
"""Of five scans each, which a process must live through to be judged by the last sixty."""
EVERY = 10
"""Rounds after which a page is abandoned, and memory is looked at. The test backend itself loses
0.2 MB with each page that is cancelled in its middle."""
JUDGED = 60
GROWTH_MB = 4.0
"""In the rounds judged: 14 kB with each scan are found."""
ANSWERS_KEPT = 500
"""How many answers the device keeps for requests that come again (device/http/memory.py)."""


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

    def look() -> None:
        """Note the memory of both when they are at rest."""
        wait_until(lambda: client.get_active_jobs() == [], 20, "no job is left")
        # A connection of ours may not have been closed at the start.
        wait_until(lambda: no_more(held(), at_start), 20, "no more is held than at the start")
        for pid in (main, worker()):
            looks.setdefault(pid, []).append(burden(pid).memory_mb)

    looks: dict[int, list[float]] = {}
    at_start = held()
    fill_the_memory_of_answers(client)
    # A worker that took the place of another is young, and grows for a while as the first one did.
    while any(len(looks.get(pid, ())) < ROUNDS // EVERY for pid in (main, worker())):
        assert len(looks.get(main, ())) < 3 * ROUNDS // EVERY, f"no worker lives long: {looks}"
        for _ in range(EVERY):
            a_round(client)
        abandon(client)
        look()
    for name, pid in (("main process", main), ("worker", worker())):
        before, *_, after = looks[pid][-1 - JUDGED // EVERY :]
        assert after - before < GROWTH_MB, f"the {name} grew, in MB: {looks[pid]}"


def no_more(now: dict[str, int], then: dict[str, int]) -> bool:
    return all(now[name] <= then[name] for name in then)


def fill_the_memory_of_answers(client: Client) -> None:
    for _ in range(ANSWERS_KEPT):
        with pytest.raises(FaultAnswer, match="JobIdNotFound"):
            client.cancel_job(9999)


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
