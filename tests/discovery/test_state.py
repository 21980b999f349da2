"""What survives a restart."""

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_interface
from pathlib import Path

import pytest

from device.discovery.links import Link
from device.discovery.state import ADDRESSES_LIMIT, DiscoveryState

URN = "urn:uuid:5a3d9b1c-0000-4000-8000-000000000001"
NAME = "discovery-5a3d9b1c-0000-4000-8000-000000000001.json"


class Wall:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        raise AssertionError

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def start(tmp_path: Path, wall: Wall):
    return lambda metadata=b"m", urn=URN: DiscoveryState(
        tmp_path, urn, metadata=metadata, clock=wall
    )


def link(*addresses: str, name: str = "eth0") -> Link:
    return Link(2, name, tuple(map(ip_interface, addresses)))


def test_the_instance_id_is_the_time_and_grows_with_every_start(start, wall):
    first = start().instance_id
    assert first == int(wall.time.timestamp())
    assert start().instance_id == first + 1
    wall.time += timedelta(hours=1)
    assert start().instance_id == first + 3_600


def test_the_instance_id_grows_though_the_clock_goes_back(start, wall):
    first = start().instance_id
    wall.time = datetime(1970, 1, 2, tzinfo=UTC)
    assert start().instance_id == first + 1


def test_the_version_rises_with_the_metadata_and_never_falls(start):
    assert start(b"one").metadata_version == 1
    assert start(b"one").metadata_version == 1
    assert start(b"two").metadata_version == 2
    again = start(b"one")
    assert again.metadata_version == 3
    assert again.metadata_changed(b"one") == 3
    assert again.metadata_changed(b"three") == 4
    assert start(b"three").metadata_version == 4


def test_the_version_rises_when_an_address_takes_another_s_place(start):
    state = start()
    assert state.advertised([link("10.0.0.1/24", "fe80::1/64")]) == 1
    assert state.advertised([]) == 1
    assert state.advertised([link("10.0.0.1/24", "2001:db8::1/64", "fe80::1/64")]) == 1
    assert state.advertised([link("10.0.0.1/24"), link("10.0.1.1/24", name="wlan0")]) == 1
    assert state.advertised([link("10.0.0.2/24", "10.0.0.1/24")]) == 1, "the old one is still there"
    assert state.advertised([link("10.0.0.9/24")]) == 2
    assert state.advertised([link("10.0.0.9/24", "2001:db8::2/64", "fe80::1/64")]) == 3


def test_addresses_are_compared_over_restarts(start):
    start().advertised([link("10.0.0.1/24")])
    state = start()
    assert state.advertised([link("10.0.0.1/24")]) == 1
    assert state.advertised([link("10.0.0.2/24")]) == 2
    assert start().metadata_version == 2


def test_addresses_that_come_and_go_do_not_pile_up(start, tmp_path):
    state = start()
    for n in range(3 * ADDRESSES_LIMIT):
        state.advertised([link(f"10.0.{n}.1/24", name=f"veth{n}")])
    assert len(json.loads((tmp_path / NAME).read_text())["addresses"]) == ADDRESSES_LIMIT


def test_the_file_is_ours_alone_and_replaced_as_a_whole(start, tmp_path):
    start()
    before = (tmp_path / NAME).stat()
    assert stat.S_IMODE(before.st_mode) == 0o600
    start()
    assert (tmp_path / NAME).stat().st_ino != before.st_ino
    assert os.listdir(tmp_path) == [NAME]


def test_two_devices_keep_their_own(start, tmp_path):
    start(b"one")
    start(b"two", "urn:uuid:../../x")
    assert set(os.listdir(tmp_path)) == {NAME, "discovery-______x.json"}
    assert start(b"one").metadata_version == 1


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"instance_id": "x", "metadata_version": 1, "metadata_sha256": "", "addresses": {}}',
        b'{"instance_id": 1, "metadata_version": -1, "metadata_sha256": "", "addresses": {}}',
        b'{"instance_id": 1e99, "metadata_version": 1, "metadata_sha256": "", "addresses": {}}',
        b'{"instance_id": 1, "metadata_version": 1, "metadata_sha256": "", "addresses": []}',
        b'{"instance_id": true, "metadata_version": 1, "metadata_sha256": ""}',
    ],
)
def test_a_damaged_file_is_begun_anew_with_higher_numbers(start, tmp_path, damage, caplog):
    before = start()
    (tmp_path / NAME).write_bytes(damage)
    after = start()
    assert after.instance_id >= before.instance_id
    assert after.metadata_version > before.metadata_version
    assert NAME in caplog.text
    assert start().metadata_version == after.metadata_version


def test_without_a_place_to_write_the_clock_has_to_do(tmp_path, wall, caplog):
    (tmp_path / "file").write_text("")
    state = DiscoveryState(tmp_path / "file", URN, metadata=b"m", clock=wall)
    assert state.instance_id == int(wall.time.timestamp())
    assert "cannot be written" in caplog.text or "cannot be read" in caplog.text
