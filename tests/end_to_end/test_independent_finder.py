"""The `wsdiscovery` package's client finds the device, and hears it come and go."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients.wsscan import DPWS, SCAN
from support.device import ENDS_WITHIN_S, RunningDevice
from support.lab import Lab

FINDER = Path(__file__).parent.parent / "support" / "finder.py"
DEVICE_TYPE = [DPWS, "Device"]
SCANNER_TYPE = [SCAN, "ScanDeviceType"]
PRINTER_TYPE = ["http://schemas.microsoft.com/windows/2006/08/wdp/print", "PrintDeviceType"]

pytestmark = [pytest.mark.network, pytest.mark.slow]


class Finder:
    """The finder program, and everything that it has said."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._passed_over: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))

    def hear(self, event: str, timeout_s: float = 15) -> dict[str, Any]:
        """The next thing of that kind that it says, or has said already."""
        for said in self._passed_over:
            if said["event"] == event:
                self._passed_over.remove(said)
                return said
        while True:
            said = self._said.get(timeout=timeout_s)
            if said["event"] == event:
                return said
            self._passed_over.append(said)

    def ask(self, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def find(self, *types: list[str]) -> list[dict[str, Any]]:
        self.ask(find=types)
        return self.hear("found")["services"]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._reader.join()
        self._process.stdout.close()


@pytest.fixture
def finder(lab: Lab) -> Iterator[Finder]:
    process = lab.cli.popen(
        [sys.executable, FINDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    started = Finder(process)
    started.hear("listening")
    yield started
    started.close()


def test_hello_at_the_start_and_bye_at_the_end(lab: Lab, finder: Finder, start_device):
    device: RunningDevice = start_device(side=lab.dev)
    hello = finder.hear("hello")
    assert hello["endpoint"] == device.endpoint
    assert SCANNER_TYPE in hello["types"]
    code, took_s = device.stop()
    assert finder.hear("bye")["endpoint"] == device.endpoint
    assert code == 0
    assert took_s < ENDS_WITHIN_S


def test_a_probe_by_type_finds_the_device(lab: Lab, finder: Finder, start_device):
    device: RunningDevice = start_device(side=lab.dev)
    for types in ([DEVICE_TYPE], [SCANNER_TYPE], [DEVICE_TYPE, SCANNER_TYPE], []):
        (service,) = finder.find(*types)
        assert service["endpoint"] == device.endpoint
        assert {tuple(DEVICE_TYPE), tuple(SCANNER_TYPE)} <= set(map(tuple, service["types"]))
        (xaddr,) = service["xaddrs"]  # the finder keeps the answer that came last
        ours = (lab.dev.ipv4, lab.dev.ipv6, lab.dev.link_local())
        assert any(f"//{a}:" in xaddr or f"//[{a}]:" in xaddr for a in ours), xaddr


def test_a_probe_for_something_else_finds_nothing(lab: Lab, finder: Finder, start_device):
    start_device(side=lab.dev)
    finder.hear("hello")
    assert finder.find(PRINTER_TYPE) == []


@pytest.mark.parametrize(("pattern", "count"), [("lab*", 0), ("docker*", 1)])
def test_nobody_finds_it_on_an_interface_that_is_excluded(
    lab: Lab, finder: Finder, start_device, pattern, count
):
    start_device("--exclude-interface", pattern, side=lab.dev)
    assert len(finder.find(SCANNER_TYPE)) == count


def test_resolve_gives_the_address_of_the_device(lab: Lab, finder: Finder, start_device):
    device: RunningDevice = start_device(side=lab.dev)
    finder.ask(**{"resolve": device.endpoint, "from": lab.cli.ipv4})
    resolved = finder.hear("resolved")
    assert resolved["endpoint"] == device.endpoint
    assert resolved["relates"]
    assert resolved["from_port"] == 3702
    assert resolved["metadata_version"] >= 1
    (xaddr,) = resolved["xaddrs"]
    assert lab.dev.ipv4 in xaddr
