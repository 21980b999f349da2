"""floors.py PYPROJECT DEV_LOCK: the oldest versions that the project says it works with.

What users install is pinned to its lower bound, the test tools to what the lock says.
"""

import re
import sys
import tomllib
from pathlib import Path


def floors(pyproject: Path, lock: Path) -> list[str]:
    project = tomllib.loads(pyproject.read_text())["project"]
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE))
    oldest = []
    for requirement in project["dependencies"]:
        bound = re.fullmatch(r"([\w-]+)>=([\d.]+)(?:,<[\d.]+)?", requirement)
        if bound is None:
            raise SystemExit(f"{requirement}: no lower bound of the form NAME>=VERSION")
        oldest.append(f"{bound[1]}=={bound[2]}")
    tools = [
        re.split(r"[^\w-]", name, maxsplit=1)[0]
        for name in project["optional-dependencies"]["test"]
    ]
    return oldest + [f"{name}=={locked[name.lower()]}" for name in tools]


if __name__ == "__main__":
    print(*floors(Path(sys.argv[1]), Path(sys.argv[2])), sep="\n")
