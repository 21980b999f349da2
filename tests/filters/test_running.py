"""Filters in the server: order, retries, what is left alone, unknown ones, a stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support.clock import ManualClock
from support.post_scan import Spool
from support.wait import wait_until

from device.dsp import filters
from device.dsp.process import Filter as Entry
from device.dsp.words import FilterState, FilterStateReason, JobStateReason
from device.dsp.words import PostScanJobState as S
from scan_server.filters.base import Failure, Filter, Kind, Retry, Work
from scan_server.identity import Users
from scan_server.jobs import Jobs
from scan_server.post_scan_jobs import Given, I, PostScanJob
from scan_server.processing import Processing
from scan_server.records import Records

SHARE = Entry(filters.FILE_SHARE, filters.write_file_share([r"\\h\s"]))
MAIL = Entry(filters.EMAIL, filters.write_email(filters.EmailConfig(addresses=("a@b",))))
STRANGE = Entry("urn:strange", "<x xmlns='urn:strange'/>")


@dataclass
class Scripted:
    """A target that fails as told, try by try, and then takes everything."""

    name: str
    script: list[Failure | Callable[[Work], None]] = field(default_factory=list)
    tried: int = 0

    def deliver(self, work: Work, key: str) -> None:
        self.tried += 1
        if self.script:
            step = self.script.pop(0)
            if isinstance(step, Failure):
                raise step
            step(work)


@dataclass
class Several:
    """A filter with scripted targets."""

    members: Sequence[Scripted | Failure]
    retry: Retry = field(default_factory=lambda: Retry(tries=3, pause_s=10))

    def targets(self, config: object, work: Work) -> Sequence[Scripted | Failure]:
        return self.members


PASSING = Failure(FilterStateReason.UNKNOWN_ERROR, "later", Kind.PASSING)
FINAL = Failure(FilterStateReason.FILE_SHARE_ACCESS_DENIED, "no")
WARNING = Failure(FilterStateReason.UNKNOWN_ERROR, "well", Kind.WARNING)


class Server:
    """The job table and the queue, without the wire."""

    def __init__(self, root: Path, of_dialect: dict[str, Filter]) -> None:
        self.spool = Spool(root)
        self.records = Records(self.spool.database)
        self.records.prepare()
        self.jobs = Jobs(
            Records(self.spool.database), self.spool.storage, ManualClock(), idle_s=600, history=100
        )
        self.pauses: list[float] = []
        self.paused: Callable[[], None] = lambda: None
        self.processing = Processing(
            self.jobs, of_dialect, Users(), self.spool.storage, self.spool.database, self._wait
        )

    async def _wait(self, stopped: asyncio.Event, seconds: float) -> None:
        self.pauses.append(seconds)
        self.paused()
        await asyncio.sleep(0)

    async def give(self, *entries: Entry, token: str = "aaaa", go_on: bool | None = None) -> str:
        job = self.spool.job(*entries, pages=[b"page"], token=token)
        told = replace(job.instructions, continue_on_error=go_on)
        await self.jobs.add(replace(job, instructions=told))
        await self.jobs.apply(token, Given(I.END))
        return token

    def job(self, token: str) -> PostScanJob:
        job = self.records.get(token)
        assert job is not None
        return job

    async def until_ended(self, *tokens: str) -> None:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            work = group.create_task(self.processing.work())
            await until(lambda: all(self.job(token).state.final for token in tokens))
            work.cancel()

    def told(self, token: str = "aaaa") -> list[tuple[str, tuple[str, ...]]]:
        return [(str(one.state), one.reasons) for one in self.job(token).filters]


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, condition, 10, "change", every_s=0.002)


def serve(root: Path, **of_dialect: Filter) -> Server:
    named = {"share": filters.FILE_SHARE, "mail": filters.EMAIL}
    return Server(root, {named[name]: one for name, one in of_dialect.items()})


async def test_a_passing_failure_is_tried_again_after_growing_pauses(tmp_path: Path) -> None:
    target = Scripted("t", [PASSING, PASSING])
    server = serve(tmp_path, share=Several([target]))
    await server.until_ended(await server.give(SHARE))
    assert server.told() == [("CompletedSuccessfully", ())]
    assert (target.tried, server.pauses) == (3, [10, 20])


@pytest.mark.conformance("SR-10")
async def test_after_the_last_try_a_passing_failure_stays(tmp_path: Path) -> None:
    target = Scripted("t", [PASSING] * 3)
    server = serve(tmp_path, share=Several([target]))
    await server.until_ended(await server.give(SHARE))
    assert server.told() == [("CompletedWithErrors", ("UnknownError",))]
    assert target.tried == 3


def test_a_pause_grows_to_an_hour() -> None:
    retry = Retry(pause_s=600)
    assert [retry.pause_after(n) for n in (1, 2, 3, 4, 90)] == [600, 1200, 2400, 3600, 3600]


async def test_only_what_may_still_work_is_tried_again(tmp_path: Path) -> None:
    well, bad, slow = Scripted("w"), Scripted("b", [FINAL, FINAL]), Scripted("s", [PASSING])
    server = serve(tmp_path, share=Several([well, FINAL, bad, slow]))
    await server.until_ended(await server.give(SHARE))
    assert (well.tried, bad.tried, slow.tried) == (1, 1, 2)
    assert server.told() == [("CompletedWithErrors", ("FileShareAccessDenied",))]


async def test_a_warning_stops_nothing(tmp_path: Path) -> None:
    server = serve(tmp_path, share=Several([Scripted("t", [WARNING])]), mail=Several([]))
    token = await server.give(SHARE, MAIL)
    await server.until_ended(token)
    assert server.told() == [
        ("CompletedWithWarnings", ("UnknownError",)),
        ("CompletedSuccessfully", ()),
    ]
    assert server.job(token).reason is JobStateReason.COMPLETED_WITH_WARNINGS


@pytest.mark.conformance("SS-12")
@pytest.mark.parametrize("go_on", [True, False, None])
async def test_continue_on_error(tmp_path: Path, go_on: bool | None) -> None:
    server = serve(tmp_path, share=Several([FINAL]), mail=Several([]))
    token = await server.give(SHARE, STRANGE, MAIL, go_on=go_on)
    await server.until_ended(token)
    job, denied = server.job(token), ("FileShareAccessDenied",)
    if go_on:
        assert (job.state, job.reason) == (S.COMPLETED, JobStateReason.COMPLETED_WITH_ERRORS)
        assert server.told() == [
            ("CompletedWithErrors", denied),
            ("CompletedWithErrors", ("InvalidArgs",)),
            ("CompletedSuccessfully", ()),
        ]
    else:
        assert (job.state, job.reason) == (S.ABORTED, JobStateReason.PROCESSING_FAILED)
        assert server.told() == [
            ("CompletedWithErrors", denied),
            ("Canceled", ()),
            ("Canceled", ()),
        ]


@pytest.mark.conformance("SS-11")
async def test_filters_run_in_document_order_one_after_another(tmp_path: Path) -> None:
    order: list[str] = []
    mail = Several([Scripted("m", [lambda work: order.append("mail")])])
    share = Several([Scripted("s", [PASSING, lambda work: order.append("share")])])
    server = serve(tmp_path, mail=mail, share=share)
    await server.until_ended(await server.give(SHARE, MAIL))
    assert order == ["share", "mail"]


async def test_a_job_that_waits_for_its_next_try_holds_up_no_other(tmp_path: Path) -> None:
    """However many wait: the others get their turn, and what was canceled waits no longer."""
    server = serve(tmp_path, share=Several([Scripted("s", [PASSING] * 1000)]), mail=Several([]))
    waiting = [await server.give(SHARE, token=f"wait{n}") for n in range(20)]

    async def hold(stopped: asyncio.Event, seconds: float) -> None:
        await stopped.wait()

    server.processing._wait = hold
    quick = await server.give(MAIL, token="quick")
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        work = group.create_task(server.processing.work())
        await until(lambda: server.job(quick).state.final)
        for token in waiting:
            await server.jobs.apply(token, Given(I.CANCEL))
        await until(lambda: all(server.job(t).state is S.CANCELED for t in waiting))
        work.cancel()


async def test_a_filter_that_hangs_does_not_hold_up_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scan_server.processing.STOP_S", 0.01)
    begun, end = threading.Event(), threading.Event()

    def hang(work: Work) -> None:
        begun.set()
        end.wait()

    server = serve(tmp_path, share=Several([Scripted("t", [hang])]))
    token = await server.give(SHARE)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        work = group.create_task(server.processing.work())
        await asyncio.to_thread(begun.wait)
        await server.processing.close()
        work.cancel()
    assert server.job(token).state is S.PROCESSING
    end.set()
    wait_until(lambda: not any("filter-" in one.name for one in threading.enumerate()), 5, "end")


async def test_a_stop_ends_what_waits_and_the_job_goes_on_later(tmp_path: Path) -> None:
    begun = threading.Event()

    def wait(work: Work) -> None:
        hung_up = threading.Event()
        with work.stop.calling(hung_up.set):
            begun.set()
            hung_up.wait()
        raise Failure(FilterStateReason.UNKNOWN_ERROR, "hung up")

    target = Scripted("t", [wait])
    server = serve(tmp_path, share=Several([target]))
    token = await server.give(SHARE)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        work = group.create_task(server.processing.work())
        await asyncio.to_thread(begun.wait)
        await server.processing.close()
        work.cancel()
    assert server.job(token).state is S.PROCESSING
    again = serve(tmp_path, share=Several([target]))
    await again.jobs.restart()
    await again.until_ended(token)
    assert again.told() == [("CompletedSuccessfully", ())]


async def test_a_cancel_stops_the_filter_at_work(tmp_path: Path) -> None:
    def cancel(work: Work) -> None:
        canceled = server.jobs.apply(work.job.token, Given(I.CANCEL))
        asyncio.run_coroutine_threadsafe(canceled, loop)
        wait_until(work.stop.is_set, 5, "stop")
        work.check()

    server = serve(tmp_path, share=Several([Scripted("t", [cancel])]), mail=Several([]))
    loop = asyncio.get_running_loop()
    token = await server.give(SHARE, MAIL)
    await server.until_ended(token)
    assert server.job(token).state is S.CANCELED
    assert [one.state for one in server.job(token).filters] == [FilterState.CANCELED] * 2


@pytest.mark.conformance("SR-03")
async def test_a_server_without_memory_says_so(tmp_path: Path) -> None:
    def starve(work: Work) -> None:
        raise MemoryError

    server = serve(tmp_path, share=Several([Scripted("t", [starve] * 3)]))
    await server.until_ended(await server.give(SHARE))
    assert server.told() == [("CompletedWithErrors", ("ServerOutOfMemory",))]
