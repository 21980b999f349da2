"""The file-share filter: each file exactly once, whatever happens."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.post_scan import Spool

from device.dsp import filters
from device.dsp.process import Filter
from device.dsp.words import FilterState, FilterStateReason
from device.soap.namespaces import FSH
from scan_server.filters import file_share
from scan_server.filters.base import Halted, Outcome, Work
from scan_server.filters.documents import OutgoingDocument
from scan_server.filters.file_share import FileShare
from scan_server.filters.stop import Stop
from scan_server.post_scan_jobs import Document, PostScanJob
from scan_server.records import Records
from scan_server.shares import Shares

PAGES = 3


class Place:
    """Folders, records and a job with pages in the spool."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store, self.share = root / "store", root / "share"
        self.store.mkdir()
        self.share.mkdir()
        self.spool = Spool(root)
        self.shares = Shares(self.store, {r"\\h\s": self.share}, [])

    def job(self, *uncs: str, token: str = "aaaa", format_: str = "png") -> PostScanJob:
        entry = Filter(filters.FILE_SHARE, filters.write_file_share(uncs))
        return self.spool.job(entry, pages=contents(token), token=token, format_=format_)

    def run(self, job: PostScanJob, stop: Stop | None = None) -> Outcome:
        return self.spool.run(FileShare(self.shares, 0o022), job, stop=stop)

    def delivered(self, folder: Path) -> list[bytes]:
        """Contents of all files there, hidden ones too."""
        return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def contents(token: str = "aaaa") -> list[bytes]:
    return [b"%s page %d" % (token.encode(), number) for number in range(1, PAGES + 1)]


STORE, SHARE = r"\\.\store", r"\\h\s"


def test_the_own_store_has_a_folder_per_job(place: Place) -> None:
    assert place.run(place.job(STORE)).state is FilterState.COMPLETED_SUCCESSFULLY
    folder = place.store / "scan_20260102T030405_aaaa"
    assert [path.name for path in sorted(folder.iterdir())] == [
        f"scan_20260102T030405_S-1-0-0_000{n}.png" for n in (1, 2, 3)
    ]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}


@pytest.mark.conformance("SI-04")
def test_without_any_share_the_pages_go_to_the_own_store(place: Place) -> None:
    """FileShares may be missing; success with nothing delivered would lose the pages."""
    nothing = f'<f:FileShareConfig xmlns:f="{FSH}"/>'
    job = place.spool.job(Filter(filters.FILE_SHARE, nothing), pages=contents())
    assert place.run(job).state is FilterState.COMPLETED_SUCCESSFULLY
    assert place.delivered(place.store) == contents()


def test_a_share_has_a_folder_per_user(place: Place) -> None:
    place.run(place.job(SHARE))
    assert place.delivered(place.share / "S-1-0-0") == contents()


def test_two_jobs_in_the_same_second_do_not_meet(place: Place) -> None:
    for token in ("aaaa", "bbbb"):
        place.run(place.job(SHARE, token=token))
    assert place.delivered(place.share) == contents("aaaa") + contents("bbbb")


def test_equal_pages_of_two_jobs_are_two_files(place: Place) -> None:
    for token in ("aaaa", "bbbb"):
        job = place.job(SHARE, token=token)
        for document in job.documents:
            place.spool.storage.path(token, document.document_id).write_bytes(b"same")
        place.run(job)
    assert place.delivered(place.share) == [b"same"] * (2 * PAGES)


@pytest.mark.conformance("SI-05")
def test_a_file_that_is_there_is_never_replaced(place: Place) -> None:
    folder = place.share / "S-1-0-0"
    folder.mkdir()
    (folder / "scan_20260102T030405_S-1-0-0_0002.png").write_bytes(b"mine")
    place.run(place.job(SHARE))
    assert place.delivered(place.share) == [*contents(), b"mine"]


def test_a_name_taken_at_the_last_moment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Records.plan

    def late(self: Records, *args: object) -> None:
        plan(self, *args)  # type: ignore[arg-type]
        for placed in self.planned("aaaa", "0.0").values():
            if placed.path.endswith("0002.png"):
                Path(placed.path).write_bytes(b"mine")

    monkeypatch.setattr(Records, "plan", late)
    place.run(place.job(SHARE))
    assert place.delivered(place.share) == [*contents(), b"mine"]


@pytest.mark.conformance("SI-10")
def test_a_bitmap_without_its_file_header_gets_one(place: Place) -> None:
    job = place.job(STORE, format_="dib")
    info = (40).to_bytes(4, "little") + bytes(10) + (8).to_bytes(2, "little") + bytes(24)
    whole = b"BM" + bytes(60)
    place.spool.storage.path("aaaa", 1).write_bytes(info + b"pixels")
    place.spool.storage.path("aaaa", 2).write_bytes(whole)
    documents = (Document(1, "dib", len(info) + 6), Document(2, "dib", len(whole)))
    place.run(replace(job, documents=documents))
    first, second = sorted(place.store.rglob("*.bmp"))
    head = first.read_bytes()
    assert (head[:2], head[14:]) == (b"BM", info + b"pixels")
    assert int.from_bytes(head[2:6], "little") == len(head)
    assert int.from_bytes(head[10:14], "little") == 14 + 40 + 4 * 256
    assert second.read_bytes() == whole


@pytest.mark.conformance("SR-02", "SR-05", "SI-06")
@pytest.mark.parametrize(
    ("number", "store_reason", "share_reason"),
    [
        (
            errno.ENOSPC,
            FilterStateReason.OUT_OF_DISK_SPACE,
            FilterStateReason.FILE_SHARE_OUT_OF_DISK_SPACE,
        ),
        (errno.EROFS, *[FilterStateReason.FILE_SHARE_ACCESS_DENIED] * 2),
        (errno.EIO, *[FilterStateReason.UNKNOWN_ERROR] * 2),
    ],
)
def test_a_target_that_fails_gets_nothing_and_the_others_all(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    store_reason: str,
    share_reason: str,
) -> None:
    copy = file_share._copy
    for bad, good, reason in (
        (place.store, place.share, store_reason),
        (place.share, place.store, share_reason),
    ):

        def broken(work: Work, document: OutgoingDocument, path: Path, folder: Path = bad) -> None:
            if path.is_relative_to(folder) and "0003" in path.name:
                raise OSError(number, os.strerror(number))
            copy(work, document, path)

        monkeypatch.setattr(file_share, "_copy", broken)
        token = f"{bad.name:>08}"
        outcome = place.run(place.job(STORE, SHARE, token=token))
        assert (outcome.state, outcome.reasons) == (FilterState.COMPLETED_WITH_ERRORS, (reason,))
        assert outcome.again is (number != errno.EROFS)
        assert contents(token)[0] not in place.delivered(bad)
        assert contents(token)[0] in place.delivered(good)


@pytest.mark.conformance("SR-04")
def test_a_share_that_nobody_named(place: Place) -> None:
    outcome = place.run(place.job(r"\\nobody\s", SHARE))
    assert outcome.reasons == (FilterStateReason.FILE_SHARE_ACCESS_DENIED,)
    assert place.delivered(place.share) == contents()


def test_a_share_that_is_not_mounted(place: Place) -> None:
    place.share.rmdir()
    outcome = place.run(place.job(SHARE))
    assert outcome.reasons == (FilterStateReason.FILE_SHARE_ACCESS_DENIED,)
    assert not place.share.exists()


@pytest.mark.conformance("SO-30")
def test_what_is_delivered_before_a_cancel_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, link = Stop(), os.link

    def stopping(source: Path, path: Path) -> None:
        link(source, path)
        stop.set()

    monkeypatch.setattr(os, "link", stopping)
    with pytest.raises(Halted):
        place.run(place.job(STORE), stop)
    assert place.delivered(place.store) == contents()[:1]


def test_what_may_work_later_is_left_for_the_next_try(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = file_share._copy
    again = [OSError(errno.EIO, "")]

    def flaky(work: Work, document: OutgoingDocument, path: Path) -> None:
        if path.is_relative_to(place.share) and document.document_id == 2 and again:
            raise again.pop()
        copy(work, document, path)

    monkeypatch.setattr(file_share, "_copy", flaky)
    job = place.job(STORE, SHARE)
    outcome = place.spool.run(FileShare(place.shares, 0o022), job, last=False)
    assert outcome.again
    assert place.delivered(place.share) == contents()[:1]
    assert place.run(job) == Outcome(FilterState.COMPLETED_SUCCESSFULLY)
    assert place.delivered(place.share) == place.delivered(place.store) == contents()


POINTS = (
    (Records, "plan"),
    (Records, "planned"),
    (Records, "placed"),
    (os, "link"),
    (os, "chmod"),
    (file_share, "_copy"),
    (file_share, "_sync_folder"),
    (file_share._Folder, "prepare"),
    (Path, "replace"),
    (Path, "touch"),
    (Path, "unlink"),
)


def _killed_at(point: int, work: Callable[[], object]) -> bool:
    """Do `work` in a child that is killed at its n-th point; whether it came so far.

    A point lies before and after each call of `POINTS`. The child has no chance to clean up.
    """
    child = os.fork()
    if not child:
        count = 0

        def pass_point() -> None:
            nonlocal count
            count += 1
            if count == point:
                os._exit(9)

        def guarded(call: Callable[..., object]) -> Callable[..., object]:
            def run(*args: object, **more: object) -> object:
                pass_point()
                try:
                    return call(*args, **more)
                finally:
                    pass_point()

            return run

        try:
            for owner, name in POINTS:
                setattr(owner, name, guarded(getattr(owner, name)))
            work()
        except BaseException:  # noqa: BLE001 - a child must not come back
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


def _half_copy(work: Work, document: OutgoingDocument, path: Path) -> None:
    path.write_bytes(document.path.read_bytes()[:3])
    os._exit(9)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("uncs", "links"), [((STORE, SHARE), True), ((STORE, SHARE), False), ((SHARE,), True)]
)
def test_killed_anywhere_and_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uncs: tuple[str, ...], links: bool
) -> None:
    def no_link(source: Path, path: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    point, alive = 0, True
    while alive:
        point += 1
        (tmp_path / str(point)).mkdir()
        place = Place(tmp_path / str(point))
        job = place.job(*uncs)
        job = replace(job, documents=job.documents[:2])
        alive = _killed_at(point, lambda: place.run(job))  # noqa: B023 - done at once
        if alive and point % 2:
            _killed_at(point // 2 + 1, lambda: place.run(job))  # noqa: B023 - and a second time
        assert place.run(job).state is FilterState.COMPLETED_SUCCESSFULLY
        assert place.delivered(place.store) == (contents()[:2] if STORE in uncs else [])
        assert place.delivered(place.share) == (contents()[:2] if SHARE in uncs else [])
    assert point > 15


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_in_the_middle_of_a_copy(place: Place) -> None:
    job = place.job(STORE, SHARE)

    def work() -> None:
        file_share._copy = _half_copy
        place.run(job)

    child = os.fork()
    if not child:
        work()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    place.run(job)
    assert place.delivered(place.store) == place.delivered(place.share) == contents()
