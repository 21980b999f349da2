"""`wsd-scanner run` as a program: how it starts, how it ends, how it refuses."""

import os
import re
import signal
import socket
from pathlib import Path

import pytest
from clients.wsscan import Client, retrieve_image_body, scan_ticket
from eventing.subscriber import free_port
from support.device import ENDS_WITHIN_S, RunningDevice, end, refuse, start
from support.lab import Lab
from support.pages import noisy_page, save_stack

WSD = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
DISCOVERY = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
LOOPBACK = ("--no-discovery", "--host", "127.0.0.1")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well_and_soon(start_device, sig):
    device: RunningDevice = start_device()
    device.process.send_signal(sig)
    assert device.process.wait(timeout=ENDS_WITHIN_S) == 0, device.stderr()


def test_a_stopped_worker_and_a_client_that_does_not_read_hold_up_no_stop(start_device):
    device: RunningDevice = start_device("--source", "chart")
    client = Client(device.scan_url)
    job = client.create_scan_job(scan_ticket(format="dib", dpi=300, color="RGB24"))
    with client.stream(client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))):
        (worker,) = Path(f"/proc/{device.process.pid}/task/{device.process.pid}/children"
                         ).read_text().split()  # fmt: skip
        os.kill(int(worker), signal.SIGSTOP)
        code, seconds = device.stop()
    assert code == 0, device.stderr()
    assert seconds < ENDS_WITHIN_S
    assert "did not end in time" not in device.stderr()
    assert not Path(f"/proc/{worker}").exists()


def test_the_ready_line_names_an_address_that_answers(start_device):
    device: RunningDevice = start_device("--name", "Front desk, 2nd floor")
    assert device.name == "Front desk, 2nd floor"
    assert device.scan_url.startswith("http://127.0.0.1:")


def test_the_identity_outlives_the_process(tmp_path):
    """Not with `start_device`, which gives every device a state folder of its own."""
    from support import device

    seen = set()
    for number in range(2):
        state = tmp_path / "state"
        command = ["run", *LOOPBACK, "--port", "0", "--state-dir", state]
        running = device.start(command, tmp_path / f"log{number}")
        seen.add(running.uuid)
        device.end(running)
    assert len(seen) == 1


def test_a_service_at_another_address_is_another_version_of_the_metadata(tmp_path):
    """Clients keep the addresses of the version that they know."""

    def version(*args: str) -> int:
        command = ["run", *LOOPBACK, "--state-dir", tmp_path / "state", *args]
        running = start(command, tmp_path / "log")
        try:
            probe = running.client.call(f"{WSD}/Probe", f'<Probe xmlns="{WSD}"/>', to=DISCOVERY)
            return int(probe.require().findtext(f".//{{{WSD}}}MetadataVersion") or "")
        finally:
            end(running)

    one, other = (str(free_port()) for _ in range(2))
    first = version("--port", one)
    assert version("--port", one) == first
    assert version("--port", other) == first + 1
    assert version("--port", other, "--advertise", "localhost") == first + 2
    assert version("--port", "0") == version("--port", "0")


def test_a_given_uuid_wins(start_device):
    given = "11111111-2222-4333-8444-555555555555"
    assert start_device("--uuid", given).uuid == given


def test_no_page_of_the_program_needs_the_checkout(tmp_path):
    done = refuse(["--help"], tmp_path)
    assert done.returncode == 0
    assert "run" in done.stdout
    assert "scan-server" in done.stdout


class TestRefusals:
    """One sentence that says what would have been right, exit code 2, nothing on stdout."""

    def refused(self, tmp_path: Path, *args: str | Path) -> str:
        command = ["run", *LOOPBACK, "--port", "0", "--state-dir", tmp_path / "state", *args]
        done = refuse(command, tmp_path)
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done.stderr
        assert "Traceback" not in lines[0]
        return lines[0]

    def test_a_port_in_use(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert str(port) in self.refused(tmp_path, "--port", str(port))

    @pytest.mark.network
    def test_an_unknown_interface(self, tmp_path, lab: Lab):
        command = ["run", "--interface", "nosuch0", "--port", "0", "--state-dir", tmp_path / "s"]
        done = refuse(command, tmp_path, lab.dev)
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(r".*nosuch0.*\n", done.stderr), done.stderr

    def test_a_folder_that_is_not_there(self, tmp_path):
        assert "nowhere" in self.refused(tmp_path, "--source", f"images:{tmp_path}/nowhere")

    def test_a_folder_without_pages(self, tmp_path):
        empty = tmp_path / "empty"
        empty.mkdir()
        assert "empty" in self.refused(tmp_path, "--source", f"images:{empty}")

    def test_a_spool_folder_that_cannot_be(self, tmp_path):
        (tmp_path / "file").touch()
        assert "cannot hold pages" in self.refused(tmp_path, "--spool-dir", tmp_path / "file")

    def test_a_spool_folder_in_which_nothing_can_be_made(self, tmp_path):
        assert "/proc: cannot hold pages" in self.refused(tmp_path, "--spool-dir", "/proc")

    def test_a_file_that_is_no_picture(self, tmp_path):
        words = tmp_path / "words.png"
        words.write_text("no picture at all")
        assert "words.png" in self.refused(tmp_path, "--source", f"images:{words}")

    def test_a_mistyped_flag(self, tmp_path):
        complaint = self.refused(tmp_path, "--sorce", "chart")
        assert "--sorce" in complaint
        assert "--source" in complaint

    def test_a_mistyped_profile(self, tmp_path):
        complaint = self.refused(tmp_path, "--profile", "genric")
        assert "genric" in complaint
        assert "generic" in complaint

    def test_an_unknown_kind_of_source(self, tmp_path):
        source = save_stack(tmp_path / "pages", [noisy_page(10, 10, seed=0)], 75)
        assert "images" in self.refused(tmp_path, "--source", f"image:{source}")

    def test_a_state_folder_that_is_a_file(self, tmp_path):
        occupied = tmp_path / "occupied"
        occupied.write_text("")
        assert "occupied" in self.refused(tmp_path, "--state-dir", occupied)
