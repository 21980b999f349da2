"""Each scanner that SANE finds is a device of its own, whoever else comes or goes."""

import json
import signal
from collections.abc import Callable
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from typing import NamedTuple

import pytest
from clients.wsscan import GET_ACTION, Client, retrieve_image_body, scan_ticket
from support import schema
from support.device import RunningDevice, next_one, refuse
from support.wait import wait_until

pytestmark = [pytest.mark.sane, pytest.mark.usefixtures("sane")]


class Two(NamedTuple):
    """The devices of both scanners of the test backend, in one process."""

    first: RunningDevice
    second: RunningDevice
    panel: int

    def listed(self) -> list[dict[str, str]]:
        """What the panel lists."""
        connection = HTTPConnection("127.0.0.1", self.panel, timeout=20)
        connection.request("GET", "/api/v1/devices")
        found = json.load(connection.getresponse())
        connection.close()
        return found

    def look(self) -> None:
        """Have scanners looked for."""
        self.first.process.send_signal(signal.SIGHUP)

    def until(self, *names: str) -> None:
        """Wait until just these devices are there."""
        wait_until(lambda: {one["name"] for one in self.listed()} == set(names), 20, str(names))


@pytest.fixture
def start_two(start_device) -> Callable[..., Two]:
    def start(*args: str, source: str = "sane") -> Two:
        first = start_device("--source", source, "--panel-port", "0", "-v", *args)
        second = next_one(first)
        told = first.stderr().partition("panel at port ")[2]
        return Two(first, second, int(told.split()[0]))

    return start


@pytest.fixture
def two(start_two) -> Two:
    return start_two()


def client_of(device: RunningDevice) -> Client:
    return Client(device.scan_url, check=schema.check)


def scanned(device: RunningDevice) -> int:
    """Scan a page, and tell the number of its job."""
    client = client_of(device)
    job = client.create_scan_job(scan_ticket())
    assert client.retrieve_image(job.id, job.token).content
    return job.id


def test_each_has_its_identity_its_name_and_its_address(two: Two):
    assert two.first.name == "Noname frontend-tester"
    assert two.second.name == "Noname frontend-tester 2"
    assert two.first.uuid != two.second.uuid
    for device in two[:2]:
        assert device.uuid in device.url
        assert device.uuid in device.scan_url
        metadata = device.client.get(device.endpoint)
        assert device.name in [element.text for element in metadata.iter()]
        assert client_of(device).scanner_state() == "Idle"
    assert [(one["uuid"], one["url"]) for one in two.listed()] == [
        (device.uuid, device.url) for device in two[:2]
    ]


def test_who_names_no_device_reaches_the_first_one(two: Two):
    origin = two.first.url.rpartition("/")[0]
    for path in ("/", "/scan"):
        client = Client(origin + path)
        assert client.get(two.first.endpoint) is not None
        refused = client.call(GET_ACTION, to=two.second.endpoint).fault
        assert refused is not None
        assert refused.subcode.local == "DestinationUnreachable"
    with client_of(two.second).stream(b"", "text/plain") as response:
        assert response.status == 415


def test_a_browser_sees_them_all_or_one(two: Two):
    def page(path: str) -> str:
        host = two.first.url.split("/")[2]
        connection = HTTPConnection(host, timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer

    assert all(device.uuid in page("/") for device in two[:2])
    assert two.first.uuid not in page(f"/{two.second.uuid}/")


def test_two_scan_at_once(two: Two):
    client = client_of(two.first)
    job = client.create_scan_job(scan_ticket(format="dib", dpi=600))
    request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    with client.stream(request) as response:
        begun = response.read(100_000)
        assert client.scanner_state() == "Processing"
        assert client_of(two.second).scanner_state() == "Idle"
        scanned(two.second)
        whole = begun + response.read()
    assert len(whole) > 90_000_000
    assert client.job_state(job.id) == "Completed"


def test_one_goes_the_other_works_on_and_it_comes_back_as_itself(two: Two, scanners):
    job = scanned(two.second)
    scanners(1)
    two.look()
    two.until(two.first.name)
    gone = client_of(two.first)
    gone.url = gone.url.replace(two.first.uuid, two.second.uuid)
    refused = gone.call("GetActiveJobs").fault
    assert refused is not None
    assert refused.subcode.local == "DestinationUnreachable"
    scanned(two.first)
    scanners(2)
    two.look()
    back = next_one(two.first)
    assert (back.uuid, back.name, back.url) == (two.second.uuid, two.second.name, two.second.url)
    assert scanned(back) > job
    client = client_of(back)
    wait_until(lambda: len(client.get_job_history()) == 2, 5, "both jobs in its history")


def test_a_job_of_a_scanner_that_goes_is_ended(two: Two, scanners):
    client = client_of(two.second)
    job = client.create_scan_job(scan_ticket(format="dib", dpi=600))
    request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    with client.stream(request) as response:
        response.read(100_000)
        scanners(1)
        two.look()
        two.until(two.first.name)
        with pytest.raises(IncompleteRead):  # cut off: half a picture must not look whole
            response.read()


def test_without_any_scanner_the_program_waits(two: Two, scanners):
    scanners(0)
    two.look()
    two.until()
    connection = HTTPConnection(two.first.url.split("/")[2], timeout=20)
    connection.request("POST", "/scan", b"anything")
    assert connection.getresponse().status == 503
    connection.close()
    scanners(1)
    two.look()
    assert next_one(two.first).uuid == two.first.uuid


def test_identities_outlive_the_program(start_two, tmp_path: Path):
    kept = ["--state-dir", str(tmp_path / "kept")]
    once = start_two(*kept)
    once.first.stop()
    again = start_two(*kept)
    for before, after in zip(once[:2], again[:2], strict=True):
        assert (before.uuid, before.name) == (after.uuid, after.name)


def test_a_name_of_the_users_is_the_first_ones(start_two):
    named = start_two("--name", "Attic")
    assert named.first.name == "Attic"
    assert named.second.name == "Attic (Noname frontend-tester 2)"


def test_a_busy_scanner_is_busy_and_not_gone(start_two, options_file):
    busy = options_file('set.read-return-value = "SANE_STATUS_DEVICE_BUSY"')
    busy_path = Path(busy.partition("=")[2])
    busy_path.write_text(busy_path.read_text().replace('".*"', '"test:1"'))
    two = start_two(source=f"sane:{busy}")
    client = client_of(two.second)
    job = client.create_scan_job(scan_ticket())
    request = retrieve_image_body(job.id, job.token)
    refused = client.call("RetrieveImage", request).fault
    assert refused is not None
    assert refused.subcode.local == "ServerErrorTemporaryError"
    scanned(two.first)
    two.look()
    two.until(two.first.name, two.second.name)
    assert client.scanner_state() in ("Idle", "Processing")


def test_one_uuid_is_not_for_several(tmp_path: Path):
    done = refuse(["run", "--source", "sane", "--uuid", "0" * 32], tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "sane:NAME" in done.stderr


def test_an_options_file_that_is_wrong_is_so_for_all(tmp_path: Path, options_file):
    done = refuse(["run", "--source", "sane:" + options_file("hid = []")], tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "options.toml: hid is not known" in done.stderr
