"""The settings of filters: what is wrong is said with its place, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.cli import main
from device.dsp import filters
from device.errors import ConfigError
from device.settings import parse_toml
from scan_server.filters.base import Retry
from scan_server.filters.settings import Filters, read
from scan_server.shares import Shares


def settings(text: str, folder: Path = Path("/nowhere")) -> Filters:
    return read(parse_toml(text, "filters.toml"), Shares(folder, {}, []))


def test_without_settings_there_is_the_file_share() -> None:
    found = settings("")
    assert set(found) == {filters.FILE_SHARE}
    assert found[filters.FILE_SHARE].retry == Retry(3, 10)


def test_retries() -> None:
    found = settings("[file_share]\ntries = 5\npause = 0.5")
    assert found[filters.FILE_SHARE].retry == Retry(5, 0.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[file_shar]", "file_shar is not known; did you mean 'file_share'?"),
        ("[file_share]\ntrie = 3", "file_share.trie is not known; did you mean 'tries'?"),
        ("[file_share]\ntries = 0", "file_share.tries is 0, and must be a whole number from 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(text)
    assert str(caught.value).startswith("filters.toml: ")
    assert said in str(caught.value)


def test_the_command_says_it_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "f.toml").write_text("[file_shar]")
    words = ["--store", tmp_path / "store", "--state-dir", tmp_path / "state", "--http"]
    assert main(["scan-server", *map(str, words), "--filters", str(tmp_path / "f.toml")]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "f.toml: file_shar is not known" in sentence
    assert not (tmp_path / "state").exists(), "nothing is made before the settings are right"
