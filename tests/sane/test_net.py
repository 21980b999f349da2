"""A scanner of another machine, through saned and SANE's net backend, works like a local one."""

import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from clients.wsscan import Client, scan_ticket
from PIL import Image
from support import sane_test
from support.device import next_one
from support.wait import wait_until

from device.pages.page_image import PageImage
from scanner_backends.base import Mode, Source
from scanner_backends.errors import IoError, Jammed, NoDocs

pytestmark = pytest.mark.sane


PORT = 6566  # the net backend knows no other


class Server:
    """A saned, with the test backend. An address of its own stands for a port of its own."""

    def __init__(self, address: str, directory: Path) -> None:
        self.address = address
        self._directory = directory

    @property
    def group(self) -> int:
        """The group of its processes."""
        return self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["saned", "-l", "-b", self.address, "-p", str(PORT), "-e"],
            env={**os.environ, "SANE_CONFIG_DIR": str(self._directory)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(lambda: answers(self.address), 10, "answer of saned")

    def stop(self) -> None:
        os.killpg(self.group, signal.SIGKILL)
        self._process.wait(10)


@pytest.fixture
def saned(tmp_path: Path, sane: Path) -> Iterator[Server]:
    """Runs saned where the net backend looks for it."""
    address = f"127.{random.randrange(1, 255)}.{random.randrange(255)}.{random.randrange(1, 255)}"
    server = sane_test.configure(tmp_path / "server")
    (server / "saned.conf").write_text("127.0.0.0/8\n")
    (sane / "dll.conf").write_text("net\n")
    (sane / "net.conf").write_text(f"connect_timeout = 5\n{address}\n")
    running = Server(address, server)
    running.start()
    yield running
    running.stop()


def answers(address: str) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((address, PORT)) == 0


def decoded(file: bytes) -> Image.Image:
    with Image.open(BytesIO(file)) as image:
        return image.copy()


async def whole(image: PageImage) -> bytes:
    return b"".join([piece async for piece in image])


async def test_scanners_of_another_machine_are_found(line, saned: Server):
    description = await (await line("sane:net.*test:1")).start()
    assert description.name == f"net:{saned.address}:test:1"
    assert [ability.source for ability in description.sources] == [Source.FLATBED, Source.ADF]
    assert len(description.sources[0].modes) == 5


async def test_pages_are_those_of_the_local_device(line, order, saned: Server, tmp_path: Path):
    local = sane_test.configure(tmp_path / "local")
    options = ["--resolution", "150", "-x", "60", "-y", "40"]
    scanner = await line(f"sane:net:{saned.address}:test:0")
    for mode, name in ((Mode.GRAY, "Gray"), (Mode.COLOR, "Color")):
        pnm = sane_test.scanimage(local, "--mode", name, "--depth", "8", *options)
        width, height, _, data = sane_test.samples(pnm)
        given = order(mode, 8, dpi=150, format="png", size=(width, height))
        assert decoded(await whole(await scanner.page(1, None, *given))).tobytes() == data


async def test_the_feeder_and_its_statuses(line, order, options_file, saned: Server):
    name = f"sane:net:{saned.address}:test:0"
    scanner = await line(name)
    for _ in range(10):
        assert await whole(await scanner.page(1, None, *order(source=Source.ADF)))
    with pytest.raises(NoDocs):
        await scanner.page(1, None, *order(source=Source.ADF))
    scanner.job_over(1)
    jammed = await line(name + options_file('set.read-return-value = "SANE_STATUS_JAMMED"'))
    with pytest.raises(Jammed):
        await whole(await jammed.page(1, None, *order()))


async def test_a_server_that_goes_away_is_an_io_error(line, order, saned: Server):
    scanner = await line(f"sane:net:{saned.address}:test:0", cancel_s=0.5, term_s=0.5)
    assert await whole(await scanner.page(1, None, *order()))
    scanner.job_over(1)
    os.killpg(saned.group, signal.SIGKILL)
    with pytest.raises(IoError):
        await whole(await scanner.page(2, None, *order()))


def test_scanners_of_another_machine_come_and_go_like_local_ones(start_device, saned: Server):
    first = start_device("--source", "sane", "-v")
    second = next_one(first)
    Client(second.scan_url).create_scan_job(scan_ticket())
    saned.stop()
    first.process.send_signal(signal.SIGHUP)
    wait_until(lambda: first.stderr().count(" is gone: net:") == 2, 20, "two that are gone")
    saned.start()
    first.process.send_signal(signal.SIGHUP)
    back = [next_one(first), next_one(first)]
    assert [(one.uuid, one.name) for one in back] == [
        (one.uuid, one.name) for one in (first, second)
    ]
    client = Client(back[1].scan_url)
    job = client.create_scan_job(scan_ticket())
    assert client.retrieve_image(job.id, job.token).content
