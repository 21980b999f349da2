"""`wsd-scanner send` as a command: what it says, and what it refuses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients.dsp_server import DspServer

from device.cli import main
from device.dsp import sending, spool


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


class TestDiscard:
    def test_what_cannot_be_delivered_is_listed_and_removed(
        self, server: DspServer, tmp_path: Path, capsys: Captured
    ) -> None:
        server.script["Probe"] = {0: "text"}
        for sheets in (1, 2):
            assert send("--server", server.url, "--source", f"chart:sheets={sheets}") == 3
        root = tmp_path / "xdg" / "wsd-scanner" / "spool"
        folders = sorted(root.iterdir())
        capsys.readouterr()
        assert send("--discard") == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        host = server.url.split("/")[2]
        for folder, pages in zip(folders, (2, 4), strict=True):
            line = next(line for line in lines if str(folder) in line)
            assert f"{pages} pages for {host} thrown away" in line
        assert not list(root.iterdir())
        assert send("--resume") == 0

    def test_nothing_there(self, capsys: Captured) -> None:
        assert send("--discard") == 0
        assert capsys.readouterr().out == "Nothing is left in the spool.\n"

    async def test_a_damaged_delivery_goes_too(self, tmp_path: Path) -> None:
        job = spool.new_spool(tmp_path, "x")
        (job.folder / spool.JOURNAL).write_text("{")
        job.close()
        assert [str(job.folder) in line for line in sending.discard(tmp_path)] == [True]
        assert not job.folder.exists()

    async def test_a_delivery_under_way_is_left_alone(self, tmp_path: Path) -> None:
        job = spool.new_spool(tmp_path, "x")
        await job.save(spool.Journal("https://h/", "S-1-0-0", "0", "<x/>"))
        assert sending.discard(tmp_path) == []
        assert job.folder.exists()
        job.close()

    @pytest.mark.parametrize(
        "more", [("--resume",), ("--server", "https://h/"), ("--source", "chart"), ("--again",)]
    )
    def test_it_does_nothing_else(self, capsys: Captured, more: tuple[str, ...]) -> None:
        assert send("--discard", *more) == 2
        assert f"{more[0]} has no use" in capsys.readouterr().err

    def test_the_help_tells_of_it(self, capsys: Captured) -> None:
        with pytest.raises(SystemExit):
            send("--help")
        assert "wsd-scanner send --discard" in capsys.readouterr().out
