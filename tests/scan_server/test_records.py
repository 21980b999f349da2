"""The records, the same in both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.postgres import Postgres as Cluster

from device.dsp.process import Filter, PostScanInstructions
from device.dsp.words import PostScanJobState as S
from device.errors import ConfigError
from scan_server.database import Database, DatabaseTrouble, Sqlite
from scan_server.post_scan_jobs import (
    Document,
    Effect,
    Given,
    I,
    NotInThisState,
    PostScanJob,
    create,
    step,
)
from scan_server.postgres import Postgres
from scan_server.records import Move, Records
from scan_server.shared_records import SharedRecords

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Open = Callable[..., Records]


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return Sqlite(tmp_path / "records.sqlite")
    cluster: Cluster = request.getfixturevalue("postgres")
    return Postgres(cluster.url())


@pytest.fixture
def open_(database: Database) -> Iterator[Open]:
    with ExitStack() as stack:

        def make(server: str = "") -> Records:
            if isinstance(database, Postgres):
                records: Records = SharedRecords(database, server=server)
            else:
                records = Records(database, server=server)
            records.prepare()
            stack.callback(records.close)
            return records

        yield make


@pytest.fixture
def records(open_: Open) -> Records:
    return open_()


def new(token: str = "a", **more: object) -> PostScanJob:
    told = PostScanInstructions("Zwei  Wörter", (Filter("urn:d", '<x xmlns="urn:d"></x>'),), True)
    job = create(
        token=token, user="U", psp_identifier="P", instructions=told, owner="me", now=0, at=AT
    )
    return replace(job, deadline=None, **more)  # type: ignore[arg-type]


def given(kind: I, **more: object) -> Move:
    return lambda job: step(job, Given(kind, **more), 0, AT)  # type: ignore[arg-type]


def image(number: int, size: int = 1) -> Move:
    return given(I.STORED, document=Document(number, "png", size))


def known(job: PostScanJob | None) -> PostScanJob:
    assert job is not None
    return replace(job, deadline=None)


def test_a_value_is_made_once(open_: Open) -> None:
    one = open_().identity("uuid", lambda: "first")
    assert (one, open_().identity("uuid", lambda: "second")) == ("first", "first")


def test_a_job_is_what_it_was(records: Records, open_: Open) -> None:
    change = records.add(new())
    assert (change.before, change.after, change.effects) == (None, new(), ())
    moved = records.change("a", image(2, 5_000_000_000))
    assert moved
    assert moved.before == new()
    assert known(open_().get("a")) == known(moved.after)
    assert moved.after.documents == (Document(2, "png", 5_000_000_000),)
    assert records.get("b") is None
    assert records.change("b", image(1)) is None


def test_a_document_is_replaced(records: Records) -> None:
    records.add(new())
    for number, size in ((2, 1), (1, 1), (2, 9)):
        records.change("a", image(number, size))
    assert known(records.get("a")).documents == (Document(1, "png", 1), Document(2, "png", 9))


def test_what_cannot_happen_changes_nothing(records: Records) -> None:
    records.add(new())
    with pytest.raises(NotInThisState):
        records.change("a", given(I.BEGIN))
    assert known(records.get("a")) == new()
    with pytest.raises(DatabaseTrouble):
        records.add(new())  # twice
    assert [job.token for job in records.active()] == ["a"]


def test_effects_come_with_the_change(records: Records) -> None:
    records.add(new())
    change = records.change("a", given(I.CANCEL))
    assert change
    assert change.effects == (Effect.DISCARD,)
    refused = step(new("b"), Given(I.REFUSED), 0, AT)[0]
    assert records.add(refused).effects == (Effect.DISCARD,)


def test_the_queue_is_in_the_order_of_the_ends(records: Records) -> None:
    for token in "abcd":
        records.add(new(token))
    for token in "cadb":
        records.change(token, given(I.END))
    records.change("a", given(I.HOLD))
    claimed = []
    while change := records.claim(given(I.TURN)):
        assert change.after.state is S.STARTED
        claimed.append(change.after.token)
    assert claimed == ["c", "d", "b"]
    records.change("a", given(I.RELEASE))
    assert records.claim(given(I.TURN))


def test_lists(records: Records) -> None:
    for token in "abc":
        records.add(new(token))
        records.change(token, image(1))
    records.change("b", given(I.CANCEL))
    assert [job.token for job in records.active()] == ["a", "c"]
    assert [(job.token, len(job.documents)) for job in records.ended()] == [("b", 1)]
    assert records.count_active() == 2


@pytest.mark.parametrize(
    ("keep", "days", "left"), [(1, 9, "d"), (9, 2, "cd"), (0, 9, ""), (9, 9, "abcd")]
)
def test_the_history_is_cut(records: Records, keep: int, days: int, left: str) -> None:
    for number, token in enumerate("abcd"):
        records.add(new(token))
        records.plan(token, "0.0", [1], lambda d, n, t=token: f"{t}{n}", lambda path: False)  # type: ignore[misc]
        at = AT + timedelta(days=number)
        records.change(token, lambda job, at=at: step(job, Given(I.CANCEL), 0, at))  # type: ignore[misc]
    records.add(new("living"))
    records.forget(keep=keep, oldest=AT + timedelta(days=4) - timedelta(days=days))
    assert "".join(job.token for job in records.ended()) == left
    assert records.count_active() == 1
    assert [bool(records.planned(token, "0.0")) for token in "abcd"] == [t in left for t in "abcd"]


def test_names_are_reserved_once(records: Records, open_: Open) -> None:
    def name(document: int, taken: int) -> str:
        return f"file{document}-{taken}"

    records.plan("a", "0.0", [1, 2], name, lambda path: path == "file2-0")
    open_().plan("b", "0.0", [1], name, lambda path: False)
    assert {n: p.path for n, p in records.planned("a", "0.0").items()} == {
        1: "file1-0",
        2: "file2-1",
    }
    assert records.planned("b", "0.0")[1].path == "file1-1"
    records.placed("a", "0.0", 1)
    assert [records.planned("a", "0.0")[n].done for n in (1, 2)] == [True, False]
    records.placed("a", "0.0")
    assert records.planned("a", "0.0")[2].done
    records.unplan("a", "0.0", 1)
    assert list(records.planned("a", "0.0")) == [2]
    records.unplan("a", "0.0")
    assert records.planned("a", "0.0") == {}


def test_many_at_once_never_claim_the_same_job(open_: Open) -> None:
    """Four at work, as four servers are: each job is one's and no other's."""
    first = open_()
    tokens = [f"job{number:03d}" for number in range(60)]
    for token in tokens:
        first.add(new(token))
        first.change(token, given(I.END))
    claimed: list[list[str]] = [[], [], [], []]
    workers = [open_(str(number)) for number in range(4)]

    def work(number: int) -> None:
        while change := workers[number].claim(given(I.TURN)):
            claimed[number].append(change.after.token)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(token for tokens_ in claimed for token in tokens_) == tokens


def test_a_job_in_another_s_care_is_left_alone(open_: Open) -> None:
    one, two = open_("one"), open_("two")
    one.add(new())
    one.change("a", given(I.END))
    assert two.change("a", given(I.HOLD), holder="two") is None
    assert two.change("a", given(I.HOLD), holder="one")
    assert one.change("a", given(I.RELEASE), holder="one") is None, "it is in two's care now"


def test_a_database_that_is_none(tmp_path: Path) -> None:
    for url, said in (
        ("mysql://x/y", "must be a URL that begins with postgresql://"),
        ("postgresql://h/x?nonsense=1", "--database cannot be read"),
    ):
        with pytest.raises(ConfigError, match=said):
            Postgres(url)
    there = Postgres("postgresql://joe:secret@127.0.0.1:1/x")
    assert str(there) == "database 127.0.0.1 1 x"
    with pytest.raises(DatabaseTrouble) as trouble:
        there.connect(careful=False)
    assert "secret" not in str(trouble.value)
