"""Pictures of the pages that jobs have scanned, and the worker that makes those of the paper."""

import asyncio
import io

import pytest
from clients.wsscan import Client, FaultAnswer, scan_ticket
from panel.test_journal import panel_of
from PIL import Image
from support.clock import ManualClock

from device.pages.supervisor import PageLine
from device.panel import previews, sent
from device.panel.previews import Previews
from device.panel.sent import SentPages
from scanner_backends.base import TrayPage
from scanner_backends.errors import NoDocs


@pytest.mark.parametrize(("format", "images"), [("png", 2), ("pdf-a", 0)])
def test_each_page_of_a_job_has_a_picture(start_device, format, images):
    device = start_device("--panel-port", "0")
    panel = panel_of(device)
    client = Client(device.hosted_url("ScannerServiceType"))
    early = client.create_scan_job(scan_ticket())
    client.retrieve_image(early.id, early.token)
    assert panel.get(f"jobs/{early.id}")["pictures"] == [], "nobody looked"
    job = client.create_scan_job(scan_ticket(source="ADF", images=images, format=format))
    for _ in range(images or 1):
        client.retrieve_image(job.id, job.token)
    with pytest.raises(FaultAnswer):
        client.retrieve_image(job.id, job.token)
    pictures = panel.get(f"jobs/{job.id}")["pictures"]
    assert len(pictures) == (images or 3)
    seen = set()
    for path in pictures:
        answer = panel("GET", f"/api/v1/{path}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.raw)).width > 100
        seen.add(answer.raw)
    assert len(seen) == len(pictures)
    for path in (f"jobs/{job.id}/pictures/{len(pictures) + 1}", "jobs/99/pictures/1"):
        assert panel("GET", path).status == 404
    assert panel("GET", f"jobs/{job.id}/pictures/0").status == 404


def test_they_are_bounded(monkeypatch):
    monkeypatch.setattr(sent, "KEPT_OCTETS", 1000)
    pages = SentPages()
    for job in range(20):
        for _ in range(3):
            pages.add(job, b"x" * 90)
    assert [job for job in range(20) if pages.count(job)] == [17, 18, 19]
    assert pages.find(19, 3) == b"x" * 90
    for job, number in ((19, 4), (19, 0), (0, 1)):
        assert pages.find(job, number) is None
    for _ in range(2 * sent.PAGES_OF_A_JOB):
        pages.add(20, b"y")
    assert pages.count(20) == sent.PAGES_OF_A_JOB


async def test_a_worker_nobody_needs_is_let_go(monkeypatch):
    monkeypatch.setattr(previews, "IDLE_S", 0.05)
    rested = asyncio.Event()

    class Line(PageLine):
        async def rest(self) -> None:
            await super().rest()
            rested.set()

    line = Line("chart:sheets=1", clock=ManualClock())
    found = Previews(line, loads=lambda: 1)
    page = TrayPage(1, "sheet 1 front")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(found.run())
        first = await found.picture(page)
        async with asyncio.timeout(5):
            await rested.wait()
        assert line.worker_pid is None
        assert await found.picture(page) == first
        assert line.worker_pid is None, "it was kept"
        other = await found.picture(TrayPage(2, "sheet 1 back", back=True))
        assert other != first
        with pytest.raises(NoDocs, match="load it again"):
            await found.picture(TrayPage(7, "another"))
        running.cancel()
    await found.close(2)
