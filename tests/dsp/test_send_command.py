"""`wsd-scanner send` as a command: what it says, and what it refuses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients.dsp_server import DspServer

from device.cli import main


@pytest.fixture
def server() -> Iterator[DspServer]:
    with DspServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.delenv("WSD_SCANNER_STATE_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))


Captured = pytest.CaptureFixture[str]
SOURCE = ("--source", "chart:sheets=1")


def send(*words: str) -> int:
    return main(["send", *words])


def advice(captured: Captured) -> list[str]:
    """The command that the summary names, as a shell reads it."""
    said = captured.readouterr().out
    found = re.search("`([^`]+)`", said)
    assert found, said
    return shlex.split(found[1])


def test_the_advice_names_the_spool_that_was_used(
    server: DspServer, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script["Probe"] = {1: "text"}
    assert send("--server", server.url, *SOURCE, "--state-dir", "some where") == 3
    program, *words = advice(capsys)
    assert program == "wsd-scanner"
    assert words[-1] == str(tmp_path / "some where")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(words) == 0
    assert "2 pages delivered" in capsys.readouterr().out


@pytest.mark.parametrize("words", [(), ("--state-dir", "xdg/wsd-scanner")])
def test_the_advice_is_short_for_the_usual_folder(
    server: DspServer, capsys: Captured, words: tuple[str, ...]
) -> None:
    server.script["Probe"] = {1: "text"}
    assert send("--server", server.url, *SOURCE, *words) == 3
    assert advice(capsys) == ["wsd-scanner", "send", "--resume"]


def test_resume_takes_the_right_server(server: DspServer, capsys: Captured) -> None:
    with DspServer() as wrong:
        wrong.script["Probe"] = {0: "text"}
        assert send("--server", wrong.url, *SOURCE) == 3
    assert send("--resume", "--server", server.url) == 0
    assert [len(found) for found in server.documents.values()] == [2]


@pytest.mark.parametrize("flag", ["--source", "--process", "--user"])
def test_resume_begins_nothing_new(flag: str, capsys: Captured) -> None:
    assert send("--resume", flag, "x") == 2
    assert flag in capsys.readouterr().err
