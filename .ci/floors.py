"""floors.py PYPROJECT [--installed]: the oldest versions that the project says it works with.

What users install is pinned to its lower bound. With `--installed`, this Python must have that one.
"""

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path


def floors(pyproject: Path) -> dict[str, str]:
    """Name → version."""
    oldest = {}
    for requirement in tomllib.loads(pyproject.read_text())["project"]["dependencies"]:
        bound = re.fullmatch(r"([\w-]+)>=([\d.]+)(?:,<[\d.]+)?", requirement)
        if bound is None:
            raise SystemExit(f"{requirement}: no lower bound of the form NAME>=VERSION")
        oldest[bound[1]] = bound[2]
    return oldest


if __name__ == "__main__":
    for name, wanted in floors(Path(sys.argv[1])).items():
        if "--installed" not in sys.argv:
            print(f"{name}=={wanted}")
        elif not f"{version(name)}.".startswith(f"{wanted}."):
            raise SystemExit(f"{name} is {version(name)} instead of {wanted}")
