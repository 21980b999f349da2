"""Commands: what they are given, how their ends are read, and that nothing of them is left."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.post_scan import SID, Spool
from support.wait import wait_until

from device.dsp import filters
from device.dsp.filters import NamedConfig
from device.dsp.process import Filter as Entry
from device.dsp.words import FilterState
from device.errors import ConfigError
from device.settings import parse_toml
from scan_server.filters import command
from scan_server.filters.base import Halted, Outcome
from scan_server.filters.command import Command
from scan_server.filters.named import Named
from scan_server.filters.stop import Stop
from scan_server.identity import User
from scan_server.post_scan_jobs import PostScanJob

WELL = Outcome(FilterState.COMPLETED_SUCCESSFULLY)
WARNED = Outcome(FilterState.COMPLETED_WITH_WARNINGS, ("UnknownError",))
ANN = User(SID, "ann@example.org", "a@example.org")


def failed(again: bool = False, reason: str = "UnknownError") -> Outcome:
    return Outcome(FilterState.COMPLETED_WITH_ERRORS, (reason,), again)


class Place:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.spool = Spool(root)

    def job(self, *names: str, pages: tuple[bytes, ...] = (b"one", b"two")) -> PostScanJob:
        told = filters.write_named(filters.COMMAND, NamedConfig(names or ("c",)))
        return self.spool.job(Entry(filters.COMMAND, told), pages=pages)

    def command(self, program: str, **more: object) -> Named:
        """A command that is a Python program with the documents as arguments."""
        path = self.root / "program.py"
        path.write_text(program)
        made = Command("c", (sys.executable, str(path), command.FILES))
        return Named({"c": replace(made, **more)})  # type: ignore[arg-type]

    def run(self, program: str, job: PostScanJob | None = None, **more: object) -> Outcome:
        return self.spool.run(self.command(program, **more), job or self.job(), user=ANN)

    def left(self) -> list[Path]:
        return list((self.root / "received").rglob("command-*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_it_is_given_copies_a_description_and_a_clean_environment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET", "hidden")
    told = place.root / "told.json"
    program = f"""
import json, os, sys
found = dict(files=sys.argv[1:], cwd=os.getcwd(), environment=dict(os.environ),
             job=json.load(open("job.json")), pages=[open(p).read() for p in sys.argv[1:]],
             input=sys.stdin.read(), group=os.getpgrp() == os.getpid())
open({str(told)!r}, "w").write(json.dumps(found))
for path in sys.argv[1:]:
    open(path, "w").write("changed")
"""
    assert place.run(program, environment=(("MINE", "a=b"),)) == WELL
    found = json.loads(told.read_text())
    names = [f"scan_20260102T030405_ann@example.org_000{n}.png" for n in (1, 2)]
    assert found["files"] == [os.path.join(found["cwd"], name) for name in names]
    assert (found["pages"], found["input"], found["group"]) == (["one", "two"], "", True)
    found["environment"].pop("LC_CTYPE", None)
    assert found["environment"] == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": found["cwd"],
        "WSD_SCANNER_JOB": "aaaa",
        "WSD_SCANNER_USER": "ann@example.org",
        "MINE": "a=b",
    }
    assert found["job"]["user"] == {"sid": SID, "name": ANN.name, "mail": ANN.mail}
    assert [one["name"] for one in found["job"]["documents"]] == names
    assert place.left() == []
    kept = [place.spool.storage.path("aaaa", number).read_bytes() for number in (1, 2)]
    assert kept == [b"one", b"two"], "what it does to its copies is nobody else's business"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(0, WELL), (1, failed()), (75, failed(again=True)), (3, WARNED), (4, failed(again=True))],
)
def test_its_exit_code(place: Place, code: int, outcome: Outcome) -> None:
    more = {"warnings": frozenset({3}), "again": frozenset({4, 75})}
    assert place.run(f"raise SystemExit({code})", **more) == outcome
    assert place.left() == []


def test_a_signal(place: Place) -> None:
    assert place.run("import os; os.kill(os.getpid(), 9)") == failed()


def test_once_it_has_ended_well_it_does_not_run_again(place: Place) -> None:
    job, count = place.job(), place.root / "count"
    program = f"open({str(count)!r}, 'a').write('x'); raise SystemExit(3)"
    for _ in range(2):
        place.run(program, job, warnings=frozenset({3}))
    assert count.read_text() == "x"


def test_a_program_that_is_gone(place: Place) -> None:
    gone = Named({"c": Command("c", ("/nowhere/program",))})
    assert place.spool.run(gone, place.job()) == failed()


def test_a_name_that_the_settings_do_not_know(place: Place) -> None:
    assert place.run("", place.job("rm -rf")) == failed(reason="InvalidArgs")


def test_no_argument_is_read_by_a_shell(place: Place) -> None:
    told = place.root / "told"
    program = f"import sys; open({str(told)!r}, 'w').write(sys.argv[1])"
    found = place.command(program)
    (path,) = found.known.values()
    assert isinstance(path, Command)
    odd = replace(path, arguments=(*path.arguments[:2], "$(id) {files} `x`; *"))
    assert place.spool.run(Named({"c": odd}), place.job()) == WELL
    assert told.read_text() == "$(id) {files} `x`; *"


def test_what_it_prints_is_in_the_log_and_no_more_than_that(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "scan_server.filters.command"):
        assert place.run("print('A' * 5_000_000); import sys; print('B', file=sys.stderr)") == WELL
    (line,) = [one for one in caplog.messages if "command c" in one]
    assert 4_000 < len(line) < 4_500
    assert "AAAA" in line


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


CHILD = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-P", "-c", "import time; time.sleep(600)"])
open({told!r} + ".new", "w").write(f"{{os.getpid()}} {{child.pid}}")
os.rename({told!r} + ".new", {told!r})
{then}
"""


@pytest.mark.parametrize("then", ["time.sleep(600)", "import signal; signal.pause()"])
def test_no_more_time(place: Place, then: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = place.root / "told"

    class OnceItRuns(threading.Thread):
        """Time that is over when the program has begun."""

        def __init__(self, seconds: float, call: Callable[..., None], arguments: list[object]):
            super().__init__(target=self._later, args=(call, arguments), daemon=True)

        def _later(self, call: Callable[..., None], arguments: list[object]) -> None:
            wait_until(told.exists, 30, "start")
            call(*arguments)

        def cancel(self) -> None: ...

    monkeypatch.setattr(command, "Timer", OnceItRuns)
    outcome = place.run(CHILD.format(told=str(told), then=then))
    assert outcome == failed()
    pids = [int(word) for word in told.read_text().split()]
    wait_until(lambda: not any(map(_alive, pids)), 5, "end of the group")
    assert place.left() == []


def test_one_that_does_not_hear_sigterm_is_killed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "GRACE_S", 0.05)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    assert place.run(deaf, limit_s=0.5) == failed()


def test_what_it_leaves_behind_is_ended(place: Place) -> None:
    told = place.root / "told"
    assert place.run(CHILD.format(told=str(told), then="")) == WELL
    pids = [int(word) for word in told.read_text().split()]
    wait_until(lambda: not any(map(_alive, pids)), 5, "end of the group")


def test_a_halt_ends_the_whole_group(place: Place) -> None:
    told, stop = place.root / "told", Stop()
    found = place.command(CHILD.format(told=str(told), then="time.sleep(600)"))
    watch = threading.Thread(target=lambda: (wait_until(told.exists, 10, "start"), stop.set()))
    watch.start()
    with pytest.raises(Halted):
        place.spool.run(found, place.job(), stop=stop)
    watch.join()
    pids = [int(word) for word in told.read_text().split()]
    wait_until(lambda: not any(map(_alive, pids)), 5, "end of the group")
    assert place.left() == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_in_the_middle_it_runs_again(place: Place) -> None:
    told = place.root / "told"
    program = CHILD.format(told=str(told), then="time.sleep(600)")
    child = os.fork()
    if not child:
        try:
            place.run(program)
        finally:
            os._exit(1)
    wait_until(told.exists, 10, "start")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for word in told.read_text().split():
        os.kill(int(word), signal.SIGKILL)
    assert place.left() != []
    assert place.run("import sys; raise SystemExit(len(sys.argv) - 3)") == WELL
    assert place.left() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "command is missing"),
        ('[[command]]\nname = "a"', "command[1].run is missing"),
        ('[[command]]\nname = "a"\nrun = ["ls"]', "must be a program's full path"),
        ('[[command]]\nname = "a"\nrun = ["/nowhere"]', "must be a program's full path"),
        ('[[command]]\nname = "a"\nrun = "ls -l"', "run is 'ls -l', and must be a list of texts"),
        ('[[command]]\nname = "a"\nrun = ["/bin/ls"]\nenvironment = ["x"]', "NAME=VALUE"),
        ('[[command]]\nname = "a"\nrun = ["/bin/ls"]\nlimt = 3', "did you mean 'limit'?"),
        (2 * '[[command]]\nname = "a"\nrun = ["/bin/ls"]\n', "is 'a', which is there already"),
    ],
)
def test_wrong_settings(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        command.read(parse_toml(text, "filters.toml"))
    assert said in str(caught.value)


def test_settings() -> None:
    text = (
        '[[command]]\nname = "a"\nrun = ["/bin/ls", "-l", "-l", "{files}"]\n'
        'limit = 5\nagain = [4]\nwarnings = [3]\nenvironment = ["A=b=c"]'
    )
    assert command.read(parse_toml(text, "f")).known["a"] == Command(
        "a", ("/bin/ls", "-l", "-l", "{files}"), (("A", "b=c"),), 5, frozenset({4}), frozenset({3})
    )
