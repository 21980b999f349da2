"""Debian's sane-airscan as a client: the scanner user that nobody here wrote.

It gets a configuration directory of its own. With discovery on it also gets a private D-Bus that
it takes for the system bus: without one it finds nothing, and says nothing.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from support.lab import ENVIRONMENT, Side

TOOLS = ("scanimage", "airscan-discover", "dbus-run-session", "dbus-daemon")
OUT_OF_DOCUMENTS = 7
NOISE = "Failed to set fd limit"
AS_SYSTEM_BUS = 'DBUS_SYSTEM_BUS_ADDRESS=$DBUS_SESSION_BUS_ADDRESS exec "$@"'


class Found(NamedTuple):
    """A line of `airscan-discover`."""

    name: str
    url: str
    protocol: str


class Listed(NamedTuple):
    """A line of `scanimage -L`."""

    sane_name: str
    description: str


class Scanned(NamedTuple):
    returncode: int
    stderr: str
    files: list[Path]


def why_no_airscan() -> str | None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian: sane-utils sane-airscan dbus)"
    return None


@dataclass(frozen=True)
class Airscan:
    """One client: where it runs, and what it is told about devices."""

    directory: Path
    side: Side | None
    discovery: bool
    trace: Path | None

    def discover(self) -> list[Found]:
        """What `airscan-discover` finds; it takes five seconds."""
        output = self._run(["airscan-discover"]).stdout
        lines = re.findall(r"^\s+(.+?) = (\S+), (\S+)$", output, re.MULTILINE)
        return [Found(*line) for line in lines]

    def list(self) -> list[Listed]:
        """What `scanimage -L` lists."""
        output = self._run(["scanimage", "-L"]).stdout
        return [Listed(*line) for line in re.findall(r"^device `(.+?)' is (.+)$", output, re.M)]

    def options(self, sane_name: str) -> str:
        """What `scanimage -A` prints."""
        return self._run(["scanimage", "-d", sane_name, "-A"]).stdout

    def scan(
        self,
        sane_name: str,
        *,
        mode: str = "Color",
        dpi: int | None = None,
        source: str | None = None,
        batch: bool = False,
        options: Sequence[str] = (),
        timeout_s: float = 120,
    ) -> Scanned:
        """Scan one page, or with `batch` until the feeder is empty; pages are PNG files."""
        out = Path(tempfile.mkdtemp(prefix="pages", dir=self.directory))  # two may scan at once
        command = ["scanimage", "-d", sane_name, "--format=png", "--mode", mode]
        if dpi is not None:
            command += ["--resolution", str(dpi)]
        if source is not None:
            command += ["--source", source]
        command += [f"--batch={out}/%04d.png"] if batch else [f"--output-file={out}/0001.png"]
        done = self._run([*command, *options], timeout_s=timeout_s)
        files = [path for path in sorted(out.glob("*.png")) if path.stat().st_size]
        return Scanned(done.returncode, done.stderr, files)

    def start(self, sane_name: str, *options: str) -> "subprocess.Popen[bytes]":
        """Begin a scan whose page nobody wants."""
        assert not self.discovery, "for a device that was told by its URL"
        return subprocess.Popen(
            ["scanimage", "-d", sane_name, "--format=pnm", *options],
            env={**os.environ, **ENVIRONMENT, "SANE_CONFIG_DIR": str(self.directory)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _run(
        self, command: Sequence[str], timeout_s: float = 60
    ) -> "subprocess.CompletedProcess[str]":
        if self.discovery:
            command = ["dbus-run-session", "--", "sh", "-c", AS_SYSTEM_BUS, "-", *command]
        if self.side is not None:
            command = self.side.command(command)
        done = subprocess.run(
            command,
            env={**os.environ, **ENVIRONMENT, "SANE_CONFIG_DIR": str(self.directory)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        done.stderr = "".join(
            line for line in done.stderr.splitlines(keepends=True) if NOISE not in line
        )
        return done


def configure(
    directory: Path,
    *,
    side: Side | None = None,
    devices: dict[str, str] | None = None,
    trace: Path | None = None,
) -> Airscan:
    """Write a SANE configuration: these devices by URL, or discovery when there are none.

    Args:
        devices: name → URL of its WS-Scan service.
        trace: a directory for the client's own record of every message.
    """
    for name in ("airscan.d", "dll.d"):  # else the system's are read
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "dll.conf").write_text("airscan\n")
    lines = ["[devices]", *(f'"{name}" = {url}, WSD' for name, url in (devices or {}).items())]
    discovery = not devices
    lines += ["[options]", f"discovery = {'enable' if discovery else 'disable'}"]
    lines += ["protocol = manual", "ws-discovery = full"]
    if trace is not None:
        trace.mkdir(parents=True, exist_ok=True)
        lines += ["[debug]", f"trace = {trace}"]
    (directory / "airscan.conf").write_text("\n".join(lines) + "\n")
    return Airscan(directory, side, discovery, trace)
