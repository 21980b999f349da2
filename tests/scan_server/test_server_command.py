"""`wsd-scanner scan-server` as a command: wrong use is one sentence and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.cli import main
from scan_server.options import ServerOptions

Captured = pytest.CaptureFixture[str]


def refused(captured: Captured, *words: str | Path) -> str:
    """The sentence, and nothing else."""
    assert main(["scan-server", *map(str, words)]) == 2
    said = captured.readouterr()
    assert said.out == ""
    (sentence,) = said.err.splitlines()
    assert "Errno" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--key", "f"), "--key needs --cert"),
        (("--key", "f", "--generate-cert"), "--key needs --cert"),
        (("--key", "f", "--http"), "--key needs --cert"),
        (("--cert", "f", "--generate-cert"), "exactly one of --cert FILE"),
        (("--cert", "f", "--http"), "exactly one of --cert FILE"),
        (("--generate-cert", "--http"), "exactly one of --cert FILE"),
        (("--ca", "f", "--http"), "--http has no use for --ca"),
        (("--events-to-same-user",), "--events-to-same-user needs --ca"),
        (("--service-type", "dsp:Any"), "--service-type is 'dsp:Any'"),
        (("--max-document", "0"), "--max-document is '0'"),
        (("--history", "1.5"), "--history is '1.5'"),
    ],
)
def test_flags_that_do_not_go_together(
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.setattr("scan_server.app.serve", None)  # it would run for ever
    store = tmp_path / "store"
    assert said in refused(
        capsys, "--store", store, "--state-dir", tmp_path / "state", "--port", "0", *flags
    )
    assert not list(tmp_path.iterdir()), "nothing is made before the flags are right"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--host", "192.0.2.1"), "'192.0.2.1' is no address of this machine"),
        (("--host", "no.such.invalid"), "'no.such.invalid' is no address of this machine"),
        (("--share", "\\\\h\\s=nowhere"), "nowhere: this folder does not exist"),
        (("--state-dir", "file"), "file: the state folder cannot be written"),
        (("--store", "file"), "--store file: cannot be made"),
        (("--store", "store/file/x"), "--store store/file/x: cannot be made"),
    ],
)
def test_what_the_system_refuses_is_said_in_plain_words(
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    for name in ("file", "store/file"):
        (tmp_path / name).touch()
    usual = ("--store", "store", "--state-dir", "state", "--http", "--port", "0")
    assert said in refused(capsys, *usual, *flags)


def test_limits_are_the_users(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[ServerOptions] = []

    async def serve(options: ServerOptions, **more: object) -> None:
        told.append(options)

    monkeypatch.setattr("scan_server.app.serve", serve)
    usual = ["scan-server", "--store", str(tmp_path), "--http"]
    flags = ["--max-document", "2.5", "--history", "7", "--service-type", "Other"]
    assert (main(usual), main([*usual, *flags])) == (0, 0)
    assert [(one.max_page_bytes, one.history_jobs, one.service_type) for one in told] == [
        (1_024_000_000, 1_000, "RepositoryProcessingServiceType"),
        (2_500_000, 7, "Other"),
    ]


@pytest.mark.parametrize("typo", ["--stor", "--sotre"])
def test_a_typo_in_a_needed_flag_is_named(capsys: Captured, typo: str) -> None:
    assert "did you mean --store?" in refused(capsys, typo, "x").replace("'", "")


def test_a_needed_flag_is_asked_for(capsys: Captured) -> None:
    assert "needs --store DIR" in refused(capsys)
