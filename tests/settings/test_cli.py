"""The command line: help that helps, and one sentence for whatever is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from device import cli


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        code = cli.main(words)
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rnu"], "There is no command 'rnu'; did you mean 'run'?"),
        (["run", "--prot", "1"], "There is no flag --prot; did you mean '--port'?"),
        (
            ["run", "--no-discovry"],
            "There is no flag --no-discovry; did you mean '--no-discovery'?",
        ),
        (["run", "--port", "x"], "'x' is no whole number"),
        (
            ["run", "--port", "65536"],
            "--port is 65536, and must be a whole number from 0 to 65535.",
        ),
        (["run", "--profile", "generc"], "There is no profile 'generc'; did you mean 'generic'?"),
        (["run", "--uuid", "1"], "--uuid is '1', and must be a UUID."),
        (["run", "extra"], "'extra' is one word too many"),
        (["run", "--log-format", "xml"], "--log-format is 'xml'"),
        (["check", "/nowhere/x.toml"], "/nowhere/x.toml: there is no such file."),
        (["check", "/"], "is a folder; name a file."),
        (["scan-server"], "--store"),
        (["send"], "--server"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    code, out, err = run(capsys, *words)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert sentence in err


@pytest.mark.parametrize(
    "command", ["run", "profiles", "sources", "check", "scan-server", "send", "panel"]
)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert f"wsd-scanner {command}" in out
    _, whole, _ = run(capsys, "--help")
    assert f"\n    {command}" in whole


def test_profiles_are_listed_with_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "profiles")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["generic", "kyocera-m2040dn"]
    assert "75 to 600 dpi" in out


def test_sources_are_listed_with_what_they_take(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dll.conf").touch()  # SANE shall not search the network for scanners
    monkeypatch.setenv("SANE_CONFIG_DIR", str(tmp_path))
    code, out, _ = run(capsys, "sources")
    assert code == 0
    assert "images:PATH" in out
    assert "chart" in out


def test_check_tells_what_a_file_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good = tmp_path / "good.toml"
    good.write_text('name = "Second floor"\nport = 0\n')
    assert run(capsys, "check", str(good)) == (0, f"{good}: a configuration\n", "")
    bad = tmp_path / "bad.toml"
    bad.write_text('nmae = "Second floor"\n')
    code, _, err = run(capsys, "check", str(bad))
    assert code == 2
    assert "did you mean 'name'?" in err


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert code == 2
    assert out == ""
    assert "examples:" in err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--version")
    assert code == 0
    assert out.startswith("wsd-scanner 0.")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("waiting_jobs = 5000", "waiting_jobs is 5000, and must be a whole number from 0 to 1000."),
        ('profile = "gneric"', "did you mean 'generic'?"),
        ('source = "imgs:x"', "did you mean 'images'?"),
        ('advertise = "http://x"', "must be an address or a host name"),
    ],
)
def test_check_refuses_what_run_would_refuse(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, sentence: str
) -> None:
    file = tmp_path / "scanner.toml"
    file.write_text(text + "\n")
    code, out, err = run(capsys, "check", str(file))
    assert (code, out) == (2, "")
    assert sentence in err
