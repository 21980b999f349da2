"""The spool: what is in it survives, what is not whole does not count."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from device.dsp import spool
from device.dsp.spool import Journal
from device.errors import ConfigError, DeliveryError

JOURNAL = Journal("https://h/ScanServer", "S-1-0-0", "0", "<x/>", filters=(1,), stored=(1, 2))


async def bytes_of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_pages_and_journal_are_there_for_the_next_process(tmp_path: Path) -> None:
    job = spool.new_spool(tmp_path, "20260101T000000Z")
    await job.save(JOURNAL)
    await job.add("png", bytes_of(b"one", b"!"))
    await job.add("image/x-odd", bytes_of(b"two"))
    job.close()
    (again,) = spool.left_over(tmp_path)
    assert again.journal == JOURNAL
    assert [(p.document_id, p.format, p.path.read_bytes(), p.size) for p in again.pages()] == [
        (1, "png", b"one!", 4),
        (2, "image/x-odd", b"two", 3),
    ]
    again.close()


async def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    job = spool.new_spool(tmp_path / "state", "x")
    await job.save(JOURNAL)
    await job.add("png", bytes_of(b"one"))
    for path in (tmp_path / "state", *(tmp_path / "state").rglob("*")):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    job.close()


async def test_a_page_that_breaks_off_does_not_count(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("jam")

    job = spool.new_spool(tmp_path, "x")
    await job.save(JOURNAL)
    with pytest.raises(RuntimeError):
        await job.add("png", broken())
    assert job.pages() == []
    await job.add("png", bytes_of(b"whole"))
    assert [page.path.read_bytes() for page in job.pages()] == [b"whole"]
    job.close()


async def test_an_empty_page_is_refused(tmp_path: Path) -> None:
    job = spool.new_spool(tmp_path, "x")
    with pytest.raises(DeliveryError, match="page 1 is empty"):
        await job.add("png", bytes_of(b""))
    job.close()


async def test_a_delivery_under_way_is_left_alone(tmp_path: Path) -> None:
    job = spool.new_spool(tmp_path, "x")
    await job.save(JOURNAL)
    assert spool.left_over(tmp_path) == []
    job.close()
    (found,) = spool.left_over(tmp_path)
    found.close()


async def test_remains_are_swept(tmp_path: Path) -> None:
    job = spool.new_spool(tmp_path, "x")  # its process dies before the journal is there
    job.close()
    (tmp_path / "spool" / ".half-removed").mkdir()
    assert spool.left_over(tmp_path) == []
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    job = spool.new_spool(tmp_path, "x")
    await job.save(JOURNAL)
    (job.folder / spool.JOURNAL).write_text("{")
    job.close()
    (found,) = spool.left_over(tmp_path)
    with pytest.raises(DeliveryError, match=r"journal\.json"):
        _ = found.journal
    found.close()


def test_a_state_folder_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        spool.new_spool(file, "x")


async def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, os.strerror(28))

    job = spool.new_spool(tmp_path, "x")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DeliveryError, match="No space left"):
        await job.add("png", bytes_of(b"one"))
    assert job.pages() == []
    job.close()
