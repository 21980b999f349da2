"""The rows of conformance.toml, the tests that name them, and the page made of both.

python tests/conformance/rows.py          writes docs/conformance.md
"""

import json
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROWS = TESTS / "conformance.toml"
PAGE = TESTS.parent / "docs" / "conformance.md"
STATUSES = ("done", "part", "later", "omitted")
LEVELS = ("M", "S", "O")
HEADINGS = {
    "WL": "Wire level",
    "OP": "Operations",
    "FA": "Faults",
    "EV": "Events and subscriptions",
    "EL": "Element families",
    "KW": "Keywords",
    "JM": "Job machine",
    "MT": "Image transfer",
}
INTRODUCTION = """\
# Conformance: WS-Scan

<!-- Written by `make conformance` from tests/conformance.toml and the marks of the tests. -->

What the scan service does of WS-Scan, for those who write a client and test it here. Each row is
a line of a checklist; its files hold the tests that prove it over the wire. **M** must be there,
**S** should be, **O** depends on hardware or choice. *Part* and *later* say what is missing;
*omitted* is left out for good.
"""


TABLE_HEAD = "| Row | Level | What is done | Status | Tests |\n|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Row:
    id: str
    level: str
    section: str
    what: str
    status: str = "done"
    why: str = ""


def load() -> list[Row]:
    with ROWS.open("rb") as file:
        return [Row(**row) for row in tomllib.load(file)["row"]]


class Collector:
    """A pytest plugin: which test files name which row."""

    def __init__(self) -> None:
        self.files: dict[str, set[str]] = {}

    def pytest_collection_modifyitems(self, items: list) -> None:  # type: ignore[type-arg]
        for item in items:
            for mark in item.iter_markers("conformance"):
                for one in mark.args:
                    self.files.setdefault(one, set()).add(str(item.path.relative_to(TESTS.parent)))


def named() -> dict[str, set[str]]:
    """Row → the test files that name it, collected in a process of its own."""
    command = [sys.executable, "-P", str(Path(__file__).resolve()), "--collect"]
    answer = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"the tests cannot be collected:\n{answer.stdout}{answer.stderr}")
    return {row: set(files) for row, files in json.loads(answer.stdout.splitlines()[-1]).items()}


def page(rows: list[Row], files: dict[str, set[str]]) -> str:
    """docs/conformance.md."""
    parts = [INTRODUCTION, _totals(rows)]
    for prefix, heading in HEADINGS.items():
        parts.append(f"\n## {heading}\n\n{TABLE_HEAD}")
        parts += [_line(row, files) for row in rows if row.id.startswith(prefix)]
    return "".join(parts)


def _totals(rows: list[Row]) -> str:
    counts = Counter((row.level, row.status) for row in rows)
    lines = ["\n| Level | Rows | " + " | ".join(s.capitalize() for s in STATUSES) + " |\n"]
    lines.append("|---|---|" + "---|" * len(STATUSES) + "\n")
    for level in LEVELS:
        cells = [counts[level, status] for status in STATUSES]
        lines.append(f"| {level} | {sum(cells)} | " + " | ".join(map(str, cells)) + " |\n")
    cells = [sum(counts[level, status] for level in LEVELS) for status in STATUSES]
    lines.append(f"| all | {sum(cells)} | " + " | ".join(map(str, cells)) + " |\n")
    return "".join(lines)


def _line(row: Row, files: dict[str, set[str]]) -> str:
    links = " ".join(f"[{Path(f).stem.removeprefix('test_')}](../{f})"
                     for f in sorted(files.get(row.id, ())))  # fmt: skip
    status = f"{row.status}: {row.why}" if row.why else row.status
    return f"| {row.id} | {row.level} | {row.what} | {status} | {links} |\n"


def _collect() -> int:
    import pytest

    collector = Collector()
    code = pytest.main(
        ["--collect-only", "-qq", "-p", "no:cacheprovider", str(TESTS)], plugins=[collector]
    )
    print("\n" + json.dumps({row: sorted(files) for row, files in collector.files.items()}))
    return code


if __name__ == "__main__":
    if "--collect" in sys.argv:
        sys.exit(_collect())
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(load(), named()), encoding="utf-8")
    print(f"{PAGE.name} is written")
