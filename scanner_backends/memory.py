"""How much memory there is to have."""

from __future__ import annotations

import math
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_OWN_CGROUP = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")


def available_bytes() -> float:
    """What can be had without any other program being swapped out; infinite if nobody can tell.

    That is less in a control group with a limit of its own: a container, or a service with one.
    """
    return min(_of_the_machine(), _of_the_group())


def _of_the_machine() -> float:
    try:
        return _table(_MEMINFO)["MemAvailable:"] * 1024
    except (OSError, LookupError, ValueError):
        return math.inf


def _of_the_group() -> float:
    try:
        lines = _OWN_CGROUP.read_text().splitlines()
        name = next(line for line in lines if line.startswith("0::"))[3:]
        folder = _CGROUPS / name.lstrip("/")
        most, used = ((folder / f"memory.{one}").read_text() for one in ("max", "current"))
        cached = _table(folder / "memory.stat")
        return int(most) - int(used) + cached["inactive_file"] + cached["active_file"]
    except (OSError, StopIteration, LookupError, ValueError):  # "max": without a limit
        return math.inf


def _table(path: Path) -> dict[str, int]:
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows}
