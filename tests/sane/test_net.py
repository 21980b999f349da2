"""A scanner of another machine, through saned and SANE's net backend, works like a local one."""

import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image
from support import sane_test
from support.wait import wait_until

from device.pages.supervisor import PageImage
from scanner_backends.base import Mode, Source
from scanner_backends.errors import IoError, Jammed, NoDocs

pytestmark = pytest.mark.sane


PORT = 6566  # the net backend knows no other


class Server(NamedTuple):
    """A saned, and the group of its processes."""

    address: str
    group: int


@pytest.fixture
def saned(tmp_path: Path, sane: Path) -> Iterator[Server]:
    """Runs saned with the test backend, where the net backend looks for it.

    An address of its own on the loopback stands for a port of its own.
    """
    address = f"127.{random.randrange(1, 255)}.{random.randrange(255)}.{random.randrange(1, 255)}"
    server = sane_test.configure(tmp_path / "server")
    (server / "saned.conf").write_text("127.0.0.0/8\n")
    (sane / "dll.conf").write_text("net\n")
    (sane / "net.conf").write_text(f"connect_timeout = 5\n{address}\n")
    process = subprocess.Popen(
        ["saned", "-l", "-b", address, "-p", str(PORT), "-e"],
        env={**os.environ, "SANE_CONFIG_DIR": str(server)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: answers(address), 10, "answer of saned")
        yield Server(address, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


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
