"""The devices of all scanners that are found, in this process; what is found is up to the test."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pages.conftest import scripted  # noqa: F401

from device import profile, scanners, watch
from device.clock import SystemClock
from device.config import Config
from device.errors import ConfigError
from device.imaging.spec import SUPPORTED
from device.premises import Premises
from device.scanners import Scanners
from scanner_backends.base import Found
from scanner_backends.errors import IoError, SourceError

pytestmark = pytest.mark.usefixtures("scripted")


class Fleet:
    """What is found, and the devices that come of it."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[Found] | Exception = []
        self.plugged: set[str] = set()
        self.lines: list[str] = []
        self.looks = 0
        monkeypatch.setattr(scanners, "search", self._search)
        monkeypatch.setattr(scanners, "is_plugged", self.plugged.__contains__)
        monkeypatch.setattr(watch, "LOOK_AGAIN_S", 0.02)
        monkeypatch.setattr(watch, "LOOK_SELDOM_S", 0.1)
        config = Config(
            source="sane",
            host="127.0.0.1",
            port=0,
            discovery=False,
            panel_port=0,
            state_dir=tmp_path / "state",
            spool_dir=tmp_path / "spool",
        )
        self.premises = Premises(config, SystemClock())
        shape = profile.load("generic", SUPPORTED)
        self.scanners = Scanners(config, SystemClock(), self.premises, shape, self.lines.append)

    async def _search(self, source: str) -> list[Found]:
        self.looks += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def names(self) -> list[str]:
        return [device.name for device in self.premises.devices]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - nothing sets an event when that becomes true
                await asyncio.sleep(0.01)

    async def look(self) -> None:
        """Have scanners looked for, and see the end of it."""
        looks = self.looks
        self.scanners.reload()
        await self.until(lambda: self.looks > looks)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(tmp_path, monkeypatch)


async def run(fleet: Fleet, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` while the fleet runs."""
    fleet.premises.open()
    async with asyncio.TaskGroup() as group:
        await fleet.scanners.start(group)
        following = group.create_task(fleet.scanners.run())
        try:
            await work()
        finally:
            following.cancel()
            fleet.scanners.stop()
            await fleet.premises.stop()


def scanner(source: str, key: str = "a", model: str = "Model") -> Found:
    return Found(f"scripted:{source}", key, "", "Maker", model, source)


async def test_a_scanner_that_is_busy_when_it_comes_is_tried_again(fleet: Fleet, tmp_path: Path):
    taken = tmp_path / "taken"
    taken.write_bytes(b"")
    fleet.found = [scanner(f"busy {taken}"), scanner("button x", "b", "Other")]

    async def work() -> None:
        assert fleet.names() == ["Maker Other"]
        await fleet.until(lambda: fleet.looks > 2)
        taken.unlink()
        await fleet.until(lambda: len(fleet.lines) == 2)
        assert fleet.names() == ["Maker Other", "Maker Model"]

    await run(fleet, work)
    assert [line.split(" urn:")[0] for line in fleet.lines] == [
        "ready Maker Other",
        "ready Maker Model",
    ]


async def test_a_scanner_by_another_name_is_the_same_device(fleet: Fleet):
    fleet.found = [scanner("button x")]

    async def work() -> None:
        (device,) = fleet.premises.devices
        fleet.found = [scanner("refuse")]
        await fleet.look()
        assert fleet.premises.devices == (device,)
        with pytest.raises(SourceError, match="never there"):
            await device.parts("").load()

    await run(fleet, work)
    assert len(fleet.lines) == 1


async def test_what_cannot_be_listed_is_still_there(fleet: Fleet):
    fleet.found = [scanner("button x")]

    async def work() -> None:
        fleet.found = IoError("A driver broke down.")
        await fleet.look()
        await fleet.until(lambda: fleet.looks > 3)  # it is tried again by itself
        assert fleet.names() == ["Maker Model"]
        fleet.found = []
        await fleet.until(lambda: fleet.names() == [])

    await run(fleet, work)


async def test_one_that_its_driver_hides_while_it_is_open_is_not_gone(fleet: Fleet):
    fleet.found = [scanner("button x"), scanner("button y", "b", "Other")]

    async def work() -> None:
        fleet.plugged.add("button x")
        fleet.found = []
        await fleet.look()
        await fleet.until(lambda: fleet.names() == ["Maker Model"])
        fleet.plugged.clear()
        await fleet.look()
        await fleet.until(lambda: fleet.names() == [])

    await run(fleet, work)


async def test_maker_and_model_tell_two_of_a_kind_apart(fleet: Fleet):
    fleet.found = [scanner("button x"), scanner("button y", "b")]

    async def work() -> None:
        assert fleet.names() == ["Maker Model", "Maker Model 2"]
        models = [device.shape.model for device in fleet.premises.devices]
        assert [(one.manufacturer, one.model_name) for one in models] == [
            ("Maker", "Model"),
            ("Maker", "Model 2"),
        ]

    await run(fleet, work)


async def test_without_sane_it_is_said_and_not_waited_for(fleet: Fleet):
    fleet.found = SourceError("libsane.so.1 is not there.")
    fleet.premises.open()
    async with asyncio.TaskGroup() as group:
        with pytest.raises(ConfigError, match="libsane"):
            await fleet.scanners.start(group)
    fleet.scanners.stop()
    await fleet.premises.abandon()
