"""SANE's own test backend: a private configuration, and `scanimage` run directly as the oracle."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

TOOLS = ("scanimage", "saned")

CONFIGURATION = """\
number_of_devices 2
mode Color
depth 8
resolution_min 1.0
resolution_max 1200.0
resolution_quant 1.0
resolution 300.0
test-picture "Color pattern"
geometry_min 0.0
geometry_max 300.0
geometry_quant {quant}
tl_x 0.0
tl_y 0.0
br_x 210.0
br_y 297.0
"""
"""Debian's own ends at 200 mm."""


def why_no_sane() -> str | None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"{', '.join(missing)} not installed (Debian: sane-utils)" if missing else None


def configure(directory: Path, quant: float = 1.0) -> Path:
    """A folder for SANE_CONFIG_DIR in which only the test backend is named."""
    (directory / "dll.d").mkdir(parents=True, exist_ok=True)  # else the system's is read
    (directory / "dll.conf").write_text("test\n")
    (directory / "test.conf").write_text(CONFIGURATION.format(quant=quant))
    return directory


def scanimage(directory: Path, *options: str, device: str = "test:0") -> bytes:
    """The page as PNM, scanned by SANE's own program."""
    return _scanimage(directory, ["-d", device, "--format=pnm", *options])


def samples(pnm: bytes) -> tuple[int, int, int, bytes]:
    """Width, height, largest sample (1 for a bitmap) and the samples of a PNM file."""
    magic, at, numbers = pnm[:2], 2, []
    while len(numbers) < (2 if magic == b"P4" else 3):
        while pnm[at : at + 1].isspace():
            at += 1
        if pnm[at : at + 1] == b"#":
            at = pnm.index(b"\n", at)
            continue
        end = at
        while not pnm[end : end + 1].isspace():
            end += 1
        numbers.append(int(pnm[at:end]))
        at = end
    highest = 1 if magic == b"P4" else numbers[2]
    return numbers[0], numbers[1], highest, pnm[at + 1 :]


def _scanimage(directory: Path, options: Sequence[str], tries: int = 3) -> bytes:
    try:
        done = subprocess.run(
            ["scanimage", *options],
            env={**os.environ, "SANE_CONFIG_DIR": str(directory)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
    except subprocess.TimeoutExpired:
        # One run in some hundreds never ends: the test backend loses its reader at the very end.
        if tries == 1:
            raise
        return _scanimage(directory, options, tries - 1)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout
