"""What every child process of ours needs."""

from __future__ import annotations

import os
import site
from pathlib import Path

NICENESS = 10
"""How much more a child gives way to other programs than we do, unless the user says otherwise."""


def environment() -> dict[str, str]:
    """Ours, in which a child finds the very `device` that runs here.

    An installed one is found anyway. A checkout may have come into sys.path by the working
    folder, which -P keeps out of the child's.
    """
    environment = dict(os.environ)
    root = str(Path(__file__).resolve().parents[1])
    if root not in (*site.getsitepackages(), site.getusersitepackages()):
        known = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
        environment["PYTHONPATH"] = os.pathsep.join([root, *(p for p in known if p != root)])
    return environment
