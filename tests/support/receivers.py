"""Open "scan to computer" programs, run as they are from a folder of checkouts.

None of them is on a package registry, so nothing here can install them: the variable `RECEIVERS`
names a folder with one checkout for each, by its repository's name, and `RECEIVERS_PYTHON` a Python
with the libraries that they need (default: `venv/bin/python` in that folder).
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from support.device import RunningDevice
from support.lab import Side

FOLDER = os.environ.get("RECEIVERS", "")


Start: TypeAlias = Callable[
    [Path, Path, RunningDevice, Side], tuple[list[str], Mapping[str, str], Path]
]


@dataclass(frozen=True)
class Receiver:
    """How one program is started.

    Args:
        repository: its name on GitHub; the last part is the name of the checkout.
        destination: what it calls itself on the scanner's panel.
        dpi: at which it scans.
        device_arguments: how the device has to be run for it.
        ipv6: whether it may meet the device by IPv6 as well.
        whole_stack: one press brings all sheets of the feeder.
        says_goodbye: it unsubscribes when it is ended.
        start: from checkout, home folder, device and client side: arguments, environment and
            working folder.
    """

    repository: str
    destination: str
    dpi: int
    start: Start
    device_arguments: tuple[str, ...] = ()
    ipv6: bool = True
    whole_stack: bool = False
    says_goodbye: bool = False

    @property
    def name(self) -> str:
        return self.repository.partition("/")[2]

    def why_not_here(self) -> str | None:
        """None when it can be run."""
        if not FOLDER:
            return "the variable RECEIVERS names no folder of checkouts"
        if not (Path(FOLDER) / self.name).is_dir():
            return f"there is no checkout of {self.repository} in {FOLDER}"
        return None

    def run(self, home: Path, device: RunningDevice, cli: Side) -> Path:
        """Start it in `cli`; the folder in which it stores pages. It ends with the namespace."""
        checkout = (Path(FOLDER) / self.name).resolve()
        store = home / "scans"
        store.mkdir(parents=True)
        args, environment, cwd = self.start(checkout, home, device, cli)
        python = os.environ.get("RECEIVERS_PYTHON", str(Path(FOLDER) / "venv/bin/python"))
        with (home / "log").open("wb") as log:
            cli.popen(
                [python, *args],
                stdout=log,
                stderr=log,
                cwd=cwd,
                env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
            )
        return store


def _occino(checkout: Path, home: Path, device: RunningDevice, cli: Side):
    return (
        ["-m", "wsd_scan_receiver.main"],
        {
            "PYTHONPATH": str(checkout / "src"),
            "OUTPUT_DIR": str(home / "scans"),
            "ORIGINAL_DIR": str(home / "original"),
            "WSD_UUID_FILE": str(home / "uuid"),
            "WSD_DEVICE_NAME": "Paperless",
            "WSD_HOST": cli.ipv4,
            "WSD_SUBSCRIBE_ENABLED": "true",
            "WSD_SUBSCRIBE_INTERVAL_SECONDS": "2",
        },
        home,
    )


def _tobag(checkout: Path, home: Path, device: RunningDevice, cli: Side):
    (home / "Pictures").mkdir()
    (home / "Pictures/scans").symlink_to(home / "scans")
    return (
        ["-m", "wsd_scan", "start", "--auto", "--self", cli.ipv4],
        {"PYTHONPATH": str(checkout)},
        home,
    )


def _wsd4ha(checkout: Path, home: Path, device: RunningDevice, cli: Side):
    # It asks the way to 8.8.8.8 for its own address; nothing is sent there, and nothing could be.
    cli.run(["ip", "route", "add", "default", "dev", cli.interface])
    # A Hello is no help: it takes a device for subscribed as soon as the second copy comes.
    pinned = {"uuid": device.uuid, "xaddr": device.url, "friendly_name": device.name}
    (home / "pinned.json").write_text(json.dumps({"scanners": [pinned]}))
    return (
        ["main.py"],
        {
            "WORK_PATH": str(home),
            "SCAN_FOLDER": str(home / "scans"),
            "PINNED_FILE": str(home / "pinned.json"),
            "DISPLAYNAME": "Home Assistant",
        },
        checkout / "wsd",
    )


# retsamedoc/airscand is not among them: it asks for jobs at `/WDP/SCAN`, whatever the metadata say,
# and nothing of ours lives there.
RECEIVERS = (
    # It cannot use a link-local address that a Hello brings, and then waits a minute.
    Receiver("occino/wsd-scan-receiver", "Paperless", 300, _occino, ipv6=False),
    Receiver("Tobag/wsd-scan", "Color JPEG", 200, _tobag, whole_stack=True, says_goodbye=True),
    Receiver(
        "rossi75/WSD4HA",
        "Home Assistant",
        300,
        _wsd4ha,
        ("--host", "10.77.0.1", "--port", "80", "--no-discovery"),
    ),
)
