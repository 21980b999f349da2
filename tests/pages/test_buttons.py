"""A button of the scanner, from the worker to the computer that waits."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from clients.wsscan import Client, scan_ticket
from eventing.subscriber import Sink, Subscriber
from support.wait import wait_until

from scanner_backends.base import Pressed
from scanner_backends.errors import IoError, Jammed

pytestmark = pytest.mark.usefixtures("scripted")


class Button:
    """The button of `source`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.source = f"scripted:button {path}"

    def press(self) -> None:
        self._path.touch()


@pytest.fixture
def button(tmp_path: Path) -> Button:
    return Button(tmp_path / "pressed")


async def test_presses_come_from_the_worker(line, button: Button):
    scanner = await line(button.source)
    assert (await scanner.start()).buttons == ("scan",)
    assert await scanner.poll() == ()
    button.press()
    assert await scanner.poll() == (Pressed("scan", "first"),)
    assert await scanner.poll() == ()


async def test_nobody_looks_at_buttons_while_there_is_a_job(line, order, button: Button):
    scanner = await line(button.source)
    async with await scanner.page(1, None, *order()) as image:
        button.press()
        assert await scanner.poll() == ()
        assert b"".join([piece async for piece in image])
    assert await scanner.poll() == (), "a further page may be wanted"
    scanner.job_over(1)
    assert await scanner.poll() == (Pressed("scan", "first"),)


async def test_what_goes_wrong_is_told(line):
    with pytest.raises(Jammed):
        await (await line("scripted:jam")).poll()


async def test_a_source_without_buttons_has_none_pressed(line):
    assert await (await line("chart")).poll() == ()


async def test_a_worker_can_be_ended_while_its_buttons_are_asked_for(line, button: Button):
    scanner = await line(button.source, term_s=0.2)
    await scanner.start()
    os.kill(scanner.worker_pid, signal.SIGSTOP)  # it answers nothing any more
    asking = asyncio.ensure_future(scanner.poll())
    await asyncio.sleep(0)
    await scanner.close()
    with pytest.raises(IoError):
        await asking


def test_a_press_reaches_the_computer_that_waits_and_its_job_is_taken(start_device, button: Button):
    device = start_device("--source", button.source)
    sink = Sink()
    client = Client(device.scan_url)
    made = Subscriber(client).subscribe(
        sink.url, events=["ScanAvailableEvent"], destinations=[("Scan to DESK-7", "Scan")]
    )
    button.press()
    (got,) = sink.wait_for("ScanAvailableEvent")
    assert got.text("ClientContext") == "Scan"
    job = client.create_scan_job(
        scan_ticket(),
        scan_identifier=got.text("ScanIdentifier"),
        destination_token=made.tokens["Scan"],
    )
    assert client.retrieve_image(job.id, job.token).content
    wait_until(lambda: client.job_state(job.id) == "Completed", 5, "the end of the job")
    sink.close()
