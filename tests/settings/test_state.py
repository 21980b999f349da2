"""Identity and JobIds survive a restart."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from device.errors import ConfigError
from device.state import FILE_NAME, State


def test_an_identity_is_made_once(tmp_path: Path) -> None:
    first = State.load(tmp_path / "deep" / "down").uuid
    assert str(uuid.UUID(first)) == first
    assert State.load(tmp_path / "deep" / "down").uuid == first


def test_another_identity_for_one_run_leaves_the_stored_one(tmp_path: Path) -> None:
    stored = State.load(tmp_path).uuid
    other = "5a3d0d9e-1c1a-4f6e-8a2b-0c1d2e3f4a5b"
    state = State.load(tmp_path, other)
    assert state.uuid == other
    state.next_job_id()
    assert State.load(tmp_path).uuid == stored


def test_job_ids_go_on_after_a_restart(tmp_path: Path) -> None:
    state = State.load(tmp_path)
    assert [state.next_job_id(), state.next_job_id()] == [1, 2]
    assert State.load(tmp_path).next_job_id() == 3


def test_job_ids_begin_again_after_the_last_one(tmp_path: Path) -> None:
    State.load(tmp_path)
    path = tmp_path / FILE_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), "last_job_id": 2**31 - 1}))
    assert State.load(tmp_path).next_job_id() == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"uuid": "x"}', '{"uuid": 7}'])
def test_a_damaged_file_is_not_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ConfigError, match="is damaged"):
        State.load(tmp_path)
    assert (tmp_path / FILE_NAME).read_text() == text


def test_a_folder_that_cannot_be_made_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="name another with --state-dir"):
        State.load(tmp_path / "file" / "below")
