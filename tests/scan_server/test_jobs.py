"""The jobs over their records: idle time, history, and changes that nobody waits for any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.clock import ManualClock
from support.post_scan import Spool
from support.wait import wait_until

from device.dsp import filters
from device.dsp.process import Filter
from device.dsp.words import JobStateReason
from device.dsp.words import PostScanJobState as S
from device.errors import JobTokenNotFound
from scan_server.jobs import Jobs
from scan_server.post_scan_jobs import Document, Given, I, NotInThisState
from scan_server.processing import at_once
from scan_server.records import Records

SHARE = Filter(filters.FILE_SHARE, filters.write_file_share([r"\\.\store"]))
IDLE_S = 600.0


class Table:
    """Jobs on a clock that a test turns."""

    def __init__(self, root: Path) -> None:
        self.spool = Spool(root)
        self.clock = ManualClock()
        self.heard: list[tuple[str, str]] = []
        self.jobs = self.open()

    def open(self, history: int = 100) -> Jobs:
        records = Records(self.spool.database)
        records.prepare()
        return Jobs(
            records,
            self.spool.storage,
            self.clock,
            idle_s=IDLE_S,
            history=history,
            heard=lambda before, after: self.heard.append((after.token, str(after.state))),
        )

    async def new(self, token: str = "aaaa") -> str:
        job = self.spool.job(SHARE, pages=[], token=token)
        await self.jobs.add(replace(job, deadline=self.clock.monotonic() + IDLE_S))
        return token

    async def state(self, token: str = "aaaa") -> S:
        job = await self.jobs.get(token)
        assert job is not None
        return job.state

    async def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.jobs.end_idle()


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[Table]:
    found = Table(tmp_path)
    yield found
    found.jobs.close()


class TestIdleTime:
    @pytest.mark.conformance("ST-01")
    async def test_ten_minutes_after_creation(self, table: Table) -> None:
        await table.new()
        await table.later(IDLE_S - 1)
        assert await table.state() is S.CREATING
        await table.later(1)
        job = await table.jobs.get("aaaa")
        assert job
        assert (job.state, job.reason) == (S.ABORTED, JobStateReason.TIMED_OUT)

    @pytest.mark.conformance("ST-01")
    async def test_ten_minutes_after_the_last_image(self, table: Table) -> None:
        await table.new()
        for _ in range(3):
            await table.later(IDLE_S - 1)
            await table.jobs.stored("aaaa", Document(1, "png", 1))
        await table.later(IDLE_S - 1)
        assert await table.state() is S.CREATING
        await table.later(1)
        assert await table.state() is S.ABORTED

    @pytest.mark.conformance("ST-01")
    async def test_an_image_that_comes_in_counts_from_its_end(self, table: Table) -> None:
        await table.new()
        with table.jobs.receiving("aaaa"):
            await table.later(5 * IDLE_S)
            assert await table.state() is S.CREATING
        await table.later(IDLE_S - 1)
        assert await table.state() is S.CREATING
        await table.later(1)
        assert await table.state() is S.ABORTED

    async def test_it_is_over_with_the_end(self, table: Table) -> None:
        await table.new()
        await table.jobs.apply("aaaa", Given(I.END))
        await table.later(10 * IDLE_S)
        assert await table.state() is S.PENDING

    async def test_a_restart_gives_ten_minutes_more(self, table: Table) -> None:
        await table.new()
        await table.later(IDLE_S - 1)
        table.jobs.close()
        table.jobs = table.open()
        await table.jobs.restart()
        await table.later(IDLE_S - 1)
        assert await table.state() is S.CREATING
        await table.later(1)
        assert await table.state() is S.ABORTED

    async def test_the_watch_ends_it_by_itself(self, table: Table) -> None:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            watch = group.create_task(table.jobs.watch_idle())
            await table.new()
            table.clock.advance(IDLE_S)
            await table.new("bbbb")  # whatever happens, it looks again
            ended = lambda: ("aaaa", "Aborted") in table.heard  # noqa: E731
            await asyncio.to_thread(wait_until, ended, 10, "end of the job")
            watch.cancel()


class TestHistory:
    @pytest.mark.conformance("SO-42", "ST-02")
    async def test_it_keeps_the_newest(self, table: Table) -> None:
        table.jobs.close()
        table.jobs = table.open(history=2)
        for number in range(5):
            await table.new(f"job{number}")
            await table.jobs.apply(f"job{number}", Given(I.CANCEL))
        await table.new("living")
        assert [job.token for job in await table.jobs.ended()] == ["job3", "job4"]
        assert [job.token for job in await table.jobs.active()] == ["living"]

    @pytest.mark.conformance("SO-42", "ST-02")
    async def test_it_keeps_seven_days(self, table: Table) -> None:
        await table.new("old")
        await table.jobs.apply("old", Given(I.CANCEL))
        await table.new("young")
        table.clock.advance(7 * 86_400 + 1)
        await table.jobs.apply("young", Given(I.CANCEL))
        assert [job.token for job in await table.jobs.ended()] == ["young"]
        assert await table.jobs.get("old") is None

    async def test_what_is_forgotten_is_forgotten_whole(self, table: Table) -> None:
        await table.new("old")
        await table.jobs.stored("old", Document(1, "png", 1))
        await table.jobs.apply("old", Given(I.CANCEL))
        table.clock.advance(8 * 86_400)
        await table.jobs.restart()
        await table.new("old")
        job = await table.jobs.get("old")
        assert job
        assert job.documents == ()


class TestChanges:
    async def test_an_unknown_token(self, table: Table) -> None:
        assert await table.jobs.get("nobody") is None
        with pytest.raises(JobTokenNotFound):
            await table.jobs.apply("nobody", Given(I.END))

    async def test_a_token_has_no_case(self, table: Table) -> None:
        await table.new("aaaa")
        assert await table.jobs.get("AAAA")

    async def test_what_cannot_happen_changes_nothing(self, table: Table) -> None:
        await table.new()
        await table.jobs.apply("aaaa", Given(I.END))
        with pytest.raises(NotInThisState):
            await table.jobs.apply("aaaa", Given(I.END))
        assert table.heard == [("aaaa", "Creating"), ("aaaa", "Pending")]

    async def test_it_is_told_though_nobody_waits_for_it(
        self, table: Table, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A request may be cut off while the disk is slow: what was recorded is told even so."""
        await table.new()
        go_on, asked = threading.Event(), threading.Event()
        change = Records.change

        def slow(self: Records, *told: object, **more: object) -> object:
            asked.set()
            go_on.wait(10)
            return change(self, *told, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(Records, "change", slow)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            waiting = group.create_task(table.jobs.apply("aaaa", Given(I.END)))
            await asyncio.to_thread(asked.wait, 10)
            waiting.cancel()
            go_on.set()
        async with asyncio.timeout(10):
            assert (await table.jobs.next_turn(at_once)).state is S.STARTED
        assert table.heard[-2:] == [("aaaa", "Pending"), ("aaaa", "Started")]

    async def test_turns_come_in_the_order_of_the_ends(self, table: Table) -> None:
        for token in ("a", "b", "c"):
            await table.new(token)
        for token in ("c", "a", "b"):
            await table.jobs.apply(token, Given(I.END))
        turns = [(await table.jobs.next_turn(at_once)).token for _ in range(3)]
        assert turns == ["c", "a", "b"]

    async def test_a_held_job_has_its_turn_when_it_is_released(self, table: Table) -> None:
        for token in ("a", "b"):
            await table.new(token)
            await table.jobs.apply(token, Given(I.END))
        await table.jobs.apply("a", Given(I.HOLD))
        assert (await table.jobs.next_turn(at_once)).token == "b"
        await table.jobs.apply("a", Given(I.RELEASE))
        async with asyncio.timeout(10):
            assert (await table.jobs.next_turn(at_once)).token == "a"
