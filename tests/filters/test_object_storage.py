"""Buckets, by a real S3 server that checks signatures: what lands, and what is never replaced."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.post_scan import SID, Spool
from support.s3_server import Store, s3_server
from support.tls import write_authority

from device.dsp import filters
from device.dsp.filters import NamedConfig
from device.dsp.process import Filter as Entry
from device.dsp.words import FilterState
from device.errors import ConfigError
from device.settings import parse_toml
from scan_server.filters import object_storage, settings
from scan_server.filters.base import Outcome
from scan_server.filters.named import Named
from scan_server.identity import User
from scan_server.post_scan_jobs import PostScanJob
from scan_server.records import Records
from scan_server.shares import Shares

WELL = Outcome(FilterState.COMPLETED_SUCCESSFULLY)
ANN = User(SID, "ann@example.org")
KEY = "in/ann@example.org/scan_20260102T030405_ann@example.org_000{}.png"
PAGES = (b"one", bytes(range(256)))


def failed(again: bool = False) -> Outcome:
    return Outcome(FilterState.COMPLETED_WITH_ERRORS, ("UnknownError",), again)


class Place:
    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store = root, store
        self.spool = Spool(root)
        write_authority(root)
        (root / "secret").write_text(store.secret_key)

    def filter(self, more: str = "", bucket: str = "scans") -> Named:
        text = (
            f'[[bucket]]\nname = "b"\nendpoint = "{self.store.url}"\nbucket = "{bucket}"\n'
            f'prefix = "/in/"\naccess_key = "{self.store.access_key}"\nca = "{self.root}/ca.pem"\n'
            f'secret_key_file = "{self.root}/secret"\n{more}'
        )
        return object_storage.read(parse_toml(text, "filters.toml"))

    def job(self, root_name: str = "scan") -> PostScanJob:
        told = filters.write_named(filters.OBJECT_STORAGE, NamedConfig(("b",)))
        entry = Entry(filters.OBJECT_STORAGE, told)
        return self.spool.job(entry, pages=PAGES, root_name=root_name)

    def run(
        self, job: PostScanJob | None = None, found: Named | None = None, **more: bool
    ) -> Outcome:
        return self.spool.run(found or self.filter(), job or self.job(), user=ANN, **more)


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with s3_server() as store:
        yield store


@pytest.fixture
def place(tmp_path: Path, server: Store) -> Place:
    server.begin_anew()
    return Place(tmp_path, server)


def delivered() -> dict[str, bytes]:
    return {KEY.format(n): page for n, page in enumerate(PAGES, 1)}


@pytest.mark.parametrize("more", ["", "conditional = false"])
def test_each_document_is_an_object(place: Place, more: str) -> None:
    assert place.run(found=place.filter(more)) == WELL
    assert place.store.objects() == delivered()
    head = place.store.client.head_object(Bucket="scans", Key=KEY.format(1))
    assert head["ContentType"] == "image/png"
    assert head["Metadata"] == {"wsd-scanner": "aaaa.0.0.1"}


def test_odd_names_are_signed_as_they_are_sent(place: Place) -> None:
    assert place.run(place.job("Rechnung #1 + ä%20~")) == WELL
    names = [key.rpartition("/")[2] for key in place.store.objects()]
    assert names[0].startswith("Rechnung #1 + ä%20~_2026")


@pytest.mark.parametrize("more", ["", "conditional = false"])
def test_an_object_that_is_there_is_never_replaced(place: Place, more: str) -> None:
    place.store.client.put_object(Bucket="scans", Key=KEY.format(1), Body=b"mine")
    assert place.run(found=place.filter(more)) == WELL
    found = place.store.objects()
    assert found.pop(KEY.format("1-2")) == b"one"
    assert found == {**delivered(), KEY.format(1): b"mine"}


@pytest.mark.parametrize("more", ["", "conditional = false"])
def test_an_answer_that_got_lost(place: Place, more: str) -> None:
    job = place.job()
    place.store.after["PUT"] = ["500 Lost"]
    assert place.run(job, place.filter(more), last=False) == failed(again=True)
    assert place.run(job, place.filter(more)) == WELL
    assert place.store.objects() == delivered()


def test_a_crash_before_our_record(place: Place) -> None:
    job = place.job()
    assert place.run(job) == WELL
    records = Records(place.spool.database)
    known = records.planned("aaaa", "0.0")
    records.unplan("aaaa", "0.0")
    records.plan("aaaa", "0.0", [1, 2], lambda n, _: known[n].path, lambda path: False)
    records.close()
    assert place.run(job) == WELL
    assert place.store.objects() == delivered()


@pytest.mark.parametrize(
    ("status", "again"),
    [
        ("403 Forbidden", False),
        ("409 Conflict", True),
        ("503 Slow Down", True),
        ("307 Away", False),
    ],
)
def test_a_status(place: Place, status: str, again: bool) -> None:
    place.store.instead["PUT"] = ["200 OK", status]
    assert place.run() == failed(again)


def test_a_bucket_that_failed_has_nothing_of_it(place: Place) -> None:
    place.store.instead["PUT"] = ["", "403 Forbidden"]
    assert place.run() == failed()
    assert place.store.objects() == {}


def test_a_wrong_key(place: Place) -> None:
    (place.root / "secret").write_text("other")
    assert place.run() == failed()
    assert place.store.objects() == {}


def test_a_bucket_that_is_not_there(place: Place) -> None:
    assert place.run(found=place.filter(bucket="nowhere")) == failed()


def test_nobody_else_may_read_the_secret(place: Place) -> None:
    (bucket,) = place.filter().known.values()
    assert place.store.secret_key not in repr(bucket)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("bucket", "bucket is missing"),
        ("access_key", "access_key is missing"),
        ("secret_key_env", "secret_key_file is missing, and so is secret_key_env"),
    ],
)
def test_wrong_settings(change: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_KEY", "x")
    lines = {
        "name": "b",
        "endpoint": "https://h",
        "bucket": "s",
        "access_key": "a",
        "secret_key_env": "S3_KEY",
    }
    del lines[change]
    text = "[[bucket]]\n" + "\n".join(f'{key} = "{value}"' for key, value in lines.items())
    with pytest.raises(ConfigError) as caught:
        object_storage.read(parse_toml(text, "filters.toml"))
    assert said in str(caught.value)


def test_without_the_library_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = builtins.__import__

    def without(name: str, *more: object) -> object:
        if name.startswith("botocore"):
            raise ImportError(name)
        return real(name, *more)  # type: ignore[arg-type]

    monkeypatch.delitem(sys.modules, "scan_server.filters.object_storage")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'wsd-scanner\[s3\]'"):
        settings.read(parse_toml("[object_storage]", "f"), Shares(tmp_path, {}, []))


def test_another_region_is_signed_for(place: Place) -> None:
    (bucket,) = place.filter('region = "eu-central-1"').known.values()
    assert isinstance(bucket, object_storage.Bucket)
    signed = bucket.signed("PUT", "/scans/x", "0" * 64, {})
    assert "/eu-central-1/s3/aws4_request" in signed["Authorization"]
    assert replace(bucket, region="x").signed("PUT", "/x", "0" * 64, {}) != signed
