"""The rows of the conformance lists, the tests that name them, and the pages made of both.

python tests/conformance/rows.py          writes docs/conformance.md and docs/conformance-dsp.md
"""

import json
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
STATUSES = ("done", "part", "later", "omitted")
LEVELS = ("M", "S", "O")
NOTICE = "<!-- Written by `make conformance` from tests/{} and the marks of the tests. -->"
KEY = """\
Each row is a line of a checklist; its files hold the tests that prove it over the wire. **M** must
be there, **S** should be, **O** depends on hardware or choice. *Part* and *later* say what is
missing; *omitted* is left out for good.
"""


@dataclass(frozen=True)
class List:
    """One list: its rows, its page, and the headings by the prefixes of its rows."""

    rows: str
    page: str
    title: str
    about: str
    headings: dict[str, str]

    @property
    def path(self) -> Path:
        return DOCS / self.page


LISTS = (
    List(
        "conformance.toml",
        "conformance.md",
        "Conformance: WS-Scan",
        "What the scan service does of WS-Scan, for those who write a client and test it here.",
        {
            "WL": "Wire level",
            "OP": "Operations",
            "FA": "Faults",
            "EV": "Events and subscriptions",
            "EL": "Element families",
            "KW": "Keywords",
            "JM": "Job machine",
            "MT": "Image transfer",
        },
    ),
    List(
        "conformance-dsp.toml",
        "conformance-dsp.md",
        "Conformance: Distributed Scan Management",
        "What the scan server and the device do of WS-DSP, WS-DSC and WS-DSD.",
        {
            "SL": "Server: listener, Probe and metadata",
            "SW": "Server: on the wire",
            "SM": "Server: modes",
            "SD": "Server: directory and scan processes",
            "SO": "Server: operations",
            "SF": "Server: faults",
            "SS": "Server: states",
            "SJ": "Server: reasons of a job",
            "SX": "Server: states of a filter",
            "SR": "Server: reasons of a filter",
            "SI": "Server: filters",
            "ST": "Server: time",
            "SE": "Server: events",
            "SC": "Server: WS-DSC",
            "SH": "Server: hygiene",
            "DD": "Device: directory",
            "DT": "Device: trust",
            "DP": "Device: scan processes",
            "DF": "Device: finding the server",
            "DO": "Device: operations",
            "DE": "Device: events",
            "DX": "Device: faults and failures",
            "DK": "Device: keywords",
            "DC": "Device: several things at once",
            "DI": "Device: panel",
            "DL": "Device: limits",
            "DS": "Device: WS-DSD",
        },
    ),
)
TABLE_HEAD = "| Row | Level | What is done | Status | Tests |\n|---|---|---|---|---|\n"


READINGS_HEAD = """
## Where the standard leaves a choice

What was chosen here where its pages are silent or contradict each other, and where other scanners
may differ.

| Question | Here | Because |
|---|---|---|
"""


@dataclass(frozen=True)
class Reading:
    question: str
    here: str
    because: str


@dataclass(frozen=True)
class Row:
    id: str
    level: str
    section: str
    what: str
    status: str = "done"
    why: str = ""


def load(one: List) -> list[Row]:
    """The rows of a list."""
    with (TESTS / one.rows).open("rb") as file:
        return [Row(**row) for row in tomllib.load(file)["row"]]


def readings(one: List) -> list[Reading]:
    """What a list tells of choices."""
    with (TESTS / one.rows).open("rb") as file:
        return [Reading(**told) for told in tomllib.load(file).get("reading", ())]


class Collector:
    """A pytest plugin: which test files name which row."""

    def __init__(self) -> None:
        self.files: dict[str, set[str]] = {}
        self.seen: set[Path] = set()

    def pytest_collection_modifyitems(self, items: list) -> None:  # type: ignore[type-arg]
        for item in items:
            self.seen.add(item.path)
            for mark in item.iter_markers("conformance"):
                for one in mark.args:
                    self.files.setdefault(one, set()).add(str(item.path.relative_to(TESTS.parent)))

    @property
    def saw_all(self) -> bool:
        """Whether no file was left out."""
        return self.seen >= set(TESTS.rglob("test_*.py"))


def named() -> dict[str, set[str]]:
    """Row → the test files that name it, collected in a process of its own."""
    command = [sys.executable, "-P", str(Path(__file__).resolve()), "--collect"]
    answer = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"the tests cannot be collected:\n{answer.stdout}{answer.stderr}")
    return {row: set(files) for row, files in json.loads(answer.stdout.splitlines()[-1]).items()}


def page(one: List, files: dict[str, set[str]]) -> str:
    """The page of a list."""
    rows = load(one)
    about = "\n".join((one.about, KEY))
    parts = [f"# {one.title}\n\n{NOTICE.format(one.rows)}\n\n{about}", _totals(rows)]
    for prefix, heading in one.headings.items():
        parts.append(f"\n## {heading}\n\n{TABLE_HEAD}")
        parts += [_line(row, files) for row in rows if row.id.startswith(prefix)]
    if told := readings(one):
        parts.append(READINGS_HEAD)
        parts += [f"| {one.question} | {one.here} | {one.because} |\n" for one in told]
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
    collector = Collector()
    code = pytest.main(
        ["--collect-only", "-qq", "-p", "no:cacheprovider", str(TESTS)], plugins=[collector]
    )
    print("\n" + json.dumps({row: sorted(files) for row, files in collector.files.items()}))
    return code


if __name__ == "__main__":
    if "--collect" in sys.argv:
        sys.exit(_collect())
    DOCS.mkdir(exist_ok=True)
    found = named()
    for one in LISTS:
        one.path.write_text(page(one, found), encoding="utf-8")
        print(f"{one.page} is written")
