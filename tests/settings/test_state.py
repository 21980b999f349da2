"""Identity and JobIds survive a restart."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from device.errors import ConfigError
from device.state import FILE_NAME, State


@contextmanager
def loaded(folder: Path, identity: str | None = None) -> Iterator[State]:
    with closing(State.load(folder, identity)) as state:
        yield state


def test_an_identity_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down"
    with loaded(folder) as state:
        first = state.uuid
    assert str(uuid.UUID(first)) == first
    with loaded(folder) as state:
        assert state.uuid == first


def test_another_identity_for_one_run_leaves_the_stored_one(tmp_path: Path) -> None:
    with loaded(tmp_path) as state:
        stored = state.uuid
    other = "5a3d0d9e-1c1a-4f6e-8a2b-0c1d2e3f4a5b"
    with loaded(tmp_path, other) as state:
        assert state.uuid == other
        state.next_job_id()
    with loaded(tmp_path) as state:
        assert state.uuid == stored


def test_job_ids_go_on_after_a_restart(tmp_path: Path) -> None:
    with loaded(tmp_path) as state:
        assert [state.next_job_id(), state.next_job_id()] == [1, 2]
    with loaded(tmp_path) as state:
        assert state.next_job_id() == 3


def test_job_ids_begin_again_after_the_last_one(tmp_path: Path) -> None:
    State.load(tmp_path).close()
    path = tmp_path / FILE_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), "last_job_id": 2**31 - 1}))
    with loaded(tmp_path) as state:
        assert state.next_job_id() == 1


def test_devices_on_one_folder_have_an_identity_each(tmp_path: Path) -> None:
    with loaded(tmp_path) as first, loaded(tmp_path) as second:
        both = [first.uuid, second.uuid]
        assert both[0] != both[1]
        assert first.path("jobs.jsonl") != second.path("jobs.jsonl")
        assert [first.next_job_id(), second.next_job_id()] == [1, 1]
    with loaded(tmp_path) as first, loaded(tmp_path) as second:
        assert [first.uuid, second.uuid] == both
        assert [first.next_job_id(), second.next_job_id()] == [2, 2]


def test_a_folder_that_becomes_unwritable_does_not_stop_scanning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with loaded(tmp_path) as state:
        monkeypatch.setattr("device.state.replace_file", full)
        assert [state.next_job_id(), state.next_job_id()] == [1, 2]
    assert caplog.text.count("JobIds may come again") == 1
    with pytest.raises(ConfigError, match="cannot be written: No space left"):
        State.load(tmp_path)


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
