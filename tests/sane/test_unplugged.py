"""The scanner that a device stands for is unplugged: the device stays, and waits for it."""

import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from clients.wsscan import Client, FaultAnswer, retrieve_image_body, scan_ticket
from discovery.programs import Agent
from support import schema
from support.airscan import Airscan
from support.device import RunningDevice, next_one
from support.lab import Lab
from support.wait import wait_until

pytestmark = [pytest.mark.sane, pytest.mark.usefixtures("sane")]

PLUG = Path(__file__).parent.parent / "support" / "plug.py"


class Desk:
    """The device of the second scanner of the test backend, and its cable."""

    def __init__(self, device: RunningDevice, scanners: Callable[[int], None]) -> None:
        self.device = device
        self.client = Client(device.scan_url, check=schema.check)
        self._scanners = scanners

    def unplug(self) -> None:
        self._scanners(1)
        self.look()
        wait_until(lambda: self.client.scanner_state() == "Stopped", 10, "a stopped scanner")

    def plug_in(self) -> None:
        self._scanners(2)
        self.look()
        wait_until(lambda: self.client.scanner_state() != "Stopped", 10, "a scanner")

    def look(self) -> None:
        """Have the scanner looked for."""
        self.device.process.send_signal(signal.SIGHUP)

    def scan(self) -> bytes:
        job = self.client.create_scan_job(scan_ticket())
        return self.client.retrieve_image(job.id, job.token).content


@pytest.fixture
def desk(start_device, scanners) -> Desk:
    return Desk(start_device("--source", "sane:test:1", "-v"), scanners)


def test_the_device_stays_and_says_what_is_the_matter(desk: Desk):
    before = desk.client.get_scanner_elements("ScannerConfiguration")
    desk.unplug()
    status = desk.client.get_scanner_elements("ScannerStatus")["ScannerStatus"]
    assert status is not None
    told = [element.text for element in status.iter()]
    assert "AttentionRequired" in told
    assert "wsdscanner:Unplugged" in told
    assert "Critical" in told
    after = desk.client.get_scanner_elements("ScannerConfiguration")
    assert text_of(after) == text_of(before)
    with pytest.raises(FaultAnswer) as refused:
        desk.client.create_scan_job(scan_ticket())
    assert refused.value.fault.subcode.local == "ServerErrorNotAcceptingJobs"


def text_of(elements) -> list[str | None]:
    return [element.text for element in elements["ScannerConfiguration"].iter()]


def test_it_works_again_when_it_is_plugged_in(desk: Desk):
    page = desk.scan()
    desk.unplug()
    desk.plug_in()
    assert desk.scan() == page
    assert "Traceback" not in desk.device.stderr()


def test_a_job_that_waits_goes_on_then(desk: Desk):
    job = desk.client.create_scan_job(scan_ticket())
    desk.unplug()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(desk.client.retrieve_image, job.id, job.token)
        wait_until(lambda: "ScannerStopped" in job_text(desk, job.id), 5, "a job that waits")
        desk.plug_in()
        assert waiting.result(20).content


def job_text(desk: Desk, job_id: int) -> list[str | None]:
    status = desk.client.get_job_elements(job_id, "JobStatus")["JobStatus"]
    assert status is not None
    return [element.text for element in status.iter()]


def test_a_job_that_fails_is_a_reason_to_look(desk: Desk, scanners):
    """Where the kernel's word does not reach us, that is how we learn of it."""
    job = desk.client.create_scan_job(scan_ticket(format="dib", dpi=600))
    request = desk.client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    scanners(1)
    with desk.client.stream(request) as response:
        response.read(100_000)
    wait_until(lambda: desk.client.scanner_state() == "Stopped", 10, "a stopped scanner")


# ---- on the network, by the kernel's own word


@pytest.fixture
def plug(lab: Lab) -> Callable[[str], None]:
    """Lets the device's namespace hear that something was plugged in or out."""

    def tell(action: str) -> None:
        lab.dev.run([sys.executable, PLUG, action])

    return tell


def in_namespace(device: RunningDevice, lab: Lab) -> str:
    """Where the scan service of a device is for the other side."""
    return f"http://{lab.dev.ipv4}:5357/{device.uuid}/scan"


@pytest.mark.network
def test_scanners_are_found_as_they_come_and_go(
    lab: Lab, start_device, make_airscan, scanners, plug
):
    agent = Agent(lab.cli)
    agent.listen(4, lab.cli.interface)
    first = start_device("--source", "sane", "-v", side=lab.dev)
    second = next_one(first)
    airscan: Airscan = make_airscan(side=lab.cli)
    assert {found.name for found in airscan.discover()} == {first.name, second.name}
    told = {"A": in_namespace(first, lab), "B": in_namespace(second, lab)}
    direct: Airscan = make_airscan(side=lab.cli, devices=told)
    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(direct.scan, f"airscan:w{number}:{name}", mode="Gray", dpi=75)
            for number, name in enumerate(told)
        ]
        assert [one.result().returncode for one in both] == [0, 0]
    scanners(1)
    plug("remove")
    assert agent.hear("Bye", 10).endpoint == second.endpoint
    scanners(2)
    plug("add")
    back = next_one(first)
    assert (back.uuid, back.name) == (second.uuid, second.name)
    assert agent.hear("Hello", 10, back.url).endpoint == second.endpoint
    agent.close()


@pytest.mark.network
def test_a_scanner_that_comes_later_is_waited_for(lab: Lab, start_device, scanners, plug, tmp_path):
    scanners(0)
    log = tmp_path / "device0" / "log"
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(start_device, "--source", "sane", side=lab.dev)
        wait_until(lambda: log.exists() and "waiting for one" in log.read_text(), 15, "a log line")
        scanners(1)
        plug("add")
        assert starting.result().name == "Noname frontend-tester"
