"""The installed program as a child process: started, waited for, ended."""

import os
import re
import selectors
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from clients.wsscan import DPWS, WSA, Client
from support.lab import Side

READY = re.compile(r"ready (?P<name>.+) urn:uuid:(?P<uuid>[0-9a-f-]{36}) (?P<url>https?://\S+)\n")
READY_WITHIN_S = 20.0
ENDS_WITHIN_S = 5.0


def program() -> list[str]:
    """The console script next to this Python, or what that script would do."""
    script = Path(sys.executable).with_name("wsd-scanner")
    if script.exists():
        return [str(script)]
    return [sys.executable, "-P", "-c", "import sys; from device.cli import main; sys.exit(main())"]


def environment() -> dict[str, str]:
    """Ours, without the settings of a device that somebody may have exported."""
    return {k: v for k, v in os.environ.items() if not k.startswith("WSD_SCANNER_")}


@dataclass(frozen=True)
class RunningDevice:
    """A device that said it is ready. `url` is its metadata address."""

    process: "subprocess.Popen[bytes]"
    name: str
    uuid: str
    url: str
    log: Path

    @property
    def endpoint(self) -> str:
        return f"urn:uuid:{self.uuid}"

    @property
    def client(self) -> Client:
        return Client(self.url)

    def hosted_url(self, port_type: str) -> str:
        """Where the metadata say that a hosted service lives."""
        return hosted_url(self.client.get(self.endpoint), port_type)

    @property
    def scan_url(self) -> str:
        return self.hosted_url("ScannerServiceType")

    def stop(self) -> tuple[int, float]:
        """SIGTERM; the exit code, and how long it took in seconds."""
        asked_s = time.monotonic()
        self.process.terminate()
        return self.process.wait(timeout=3 * ENDS_WITHIN_S), time.monotonic() - asked_s

    def rest_of_stdout(self) -> bytes:
        """What came after the ready line; only once the process has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def stderr(self) -> str:
        return self.log.read_text(errors="replace")


def hosted_url(metadata: ET.Element, port_type: str) -> str:
    for hosted in metadata.iter(f"{{{DPWS}}}Hosted"):
        types = (hosted.findtext(f"{{{DPWS}}}Types") or "").split()
        if port_type in {name.rpartition(":")[2] for name in types}:
            for address in hosted.iter(f"{{{WSA}}}Address"):
                return (address.text or "").strip()
    raise LookupError(f"the metadata name no {port_type}: {ET.tostring(metadata)!r}")


def start(command: Sequence[str | Path], log: Path, side: Side | None = None) -> RunningDevice:
    """Run `wsd-scanner` with these arguments until it says that it is ready."""
    with log.open("wb") as stderr:
        options = {
            "stdout": subprocess.PIPE,
            "stderr": stderr,
            "env": environment(),
            "cwd": log.parent,
        }
        args = [*program(), *map(str, command)]
        if side is None:
            process = subprocess.Popen(args, stdin=subprocess.DEVNULL, **options)
        else:
            process = side.popen(args, **options)
    try:
        line = _first_line(process, READY_WITHIN_S)
        ready = READY.fullmatch(line)
        if ready is None:
            raise AssertionError(f"not a ready line: {line!r}\n{log.read_text(errors='replace')}")
    except BaseException:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        raise
    return RunningDevice(process, ready["name"], ready["uuid"], ready["url"], log)


@contextmanager
def on_loopback(home: Path, *args: str | Path) -> Iterator[RunningDevice]:
    """A device without discovery and panel, with its files in `home`, until the block ends."""
    quiet = ("--no-discovery", "--host", "127.0.0.1", "--port", "0", "--no-panel")
    started = start(["run", *quiet, "--state-dir", home / "state", *args], home / "log")
    try:
        yield started
    finally:
        end(started)


def next_one(device: RunningDevice) -> RunningDevice:
    """The next device of the same process that says it is ready."""
    line = _first_line(device.process, READY_WITHIN_S)
    ready = READY.fullmatch(line)
    assert ready is not None, f"not a ready line: {line!r}\n{device.stderr()}"
    return replace(device, name=ready["name"], uuid=ready["uuid"], url=ready["url"])


def end(device: RunningDevice) -> None:
    """End it if it still runs; either way it must have ended well, and have said nothing else."""
    took_s = 0.0
    try:
        if device.process.poll() is None:
            _, took_s = device.stop()
        rest = device.rest_of_stdout()
    finally:
        if device.process.poll() is None:
            device.process.kill()
            device.process.wait()
        if device.process.stdout is not None:
            device.process.stdout.close()
    assert device.process.returncode == 0, device.stderr()
    assert took_s < ENDS_WITHIN_S, device.stderr()
    assert rest == b"", "more than the ready lines on stdout"


def refuse(
    command: Sequence[str | Path], cwd: Path, side: Side | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command that is expected to end at once."""
    args = [*program(), *map(str, command)]
    return subprocess.run(
        args if side is None else side.command(args),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
        cwd=cwd,
        timeout=READY_WITHIN_S,
        check=False,
    )


def _first_line(process: "subprocess.Popen[bytes]", timeout_s: float) -> str:
    """One line of stdout; less than a line when the process ends or the time is over."""
    assert process.stdout is not None
    deadline_s = time.monotonic() + timeout_s
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline_s - time.monotonic())):
                break
            byte = os.read(process.stdout.fileno(), 1)
            if not byte:
                break
            line += byte
    return line.decode(errors="replace")
