"""Tell what scanners that come and go leave behind in the memory of the main process.

    python bench/plugging.py [--rounds N] [--scanners N]

One scanner of SANE's test backend stays; in each round others come and go again, each a device with
its connections, its worker and its place at the panel. What is told is the resident memory at the
start, after a tenth of the rounds, when all caches are warm, and at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from run import memory_mb

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.sane_test import configure
from support.wait import wait_until


class Program:
    """The program, and how many scanners there are for it."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        self._conf = configure(folder / "sane") / "test.conf"
        self._say(1)
        command = [str(Path(sys.executable).with_name("wsd-scanner")), "run", "--source", "sane"]
        command += ["--host", "127.0.0.1", "--port", "0", "--no-discovery", "--panel-port", "0"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "-v", "--state-dir", str(folder / "state")],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=dict(os.environ, SANE_CONFIG_DIR=str(self._conf.parent)),
            )
        wait_until(lambda: self._panel() is not None, 20, "a panel")
        wait_until(lambda: self._listed() == 1, 20, "one device")

    def _panel(self) -> str | None:
        found = re.search(r"panel at port (\d+)", self._log.read_text())
        return found and f"http://127.0.0.1:{found[1]}/api/v1/devices"

    def _listed(self) -> int:
        with urllib.request.urlopen(str(self._panel()), timeout=20) as answer:
            return len(json.load(answer))

    def _say(self, many: int) -> None:
        _, _, rest = self._conf.read_text().partition("\n")
        self._conf.write_text(f"number_of_devices {many}\n{rest}")

    def have(self, many: int) -> None:
        """There are so many scanners from now on, and the program knows."""
        self._say(many)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self._listed() == many, 60, f"{many} devices")

    def memory_mb(self) -> float:
        """What the main process holds now."""
        return memory_mb(self.process.pid)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--scanners", type=int, default=2, help="how many come and go")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(Path(folder))
        try:
            begin = warm = program.memory_mb()
            started = time.monotonic()
            for number in range(chosen.rounds):
                program.have(1 + chosen.scanners)
                program.have(1)
                if number == chosen.rounds // 10:
                    warm = program.memory_mb()
            end = program.memory_mb()
        finally:
            program.process.terminate()
            program.process.wait(15)
    each = (end - warm) / max(1, chosen.rounds - chosen.rounds // 10 - 1) * 1024
    print(
        f"{begin:.1f} MB at the start, {warm:.1f} MB when warm, {end:.1f} MB after "
        f"{chosen.rounds} rounds in {time.monotonic() - started:.0f} s: {each:.0f} kB a round"
    )


if __name__ == "__main__":
    main()
