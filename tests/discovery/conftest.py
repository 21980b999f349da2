"""Devices and agents in namespaces, ended with their test."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from discovery.programs import Agent, Announcer
from support.lab import Side

Announce = Callable[..., Announcer]
MakeAgent = Callable[[Side], Agent]


@pytest.fixture
def announce(tmp_path: Path) -> Iterator[Announce]:
    """Starts devices: `announce(side, "--interface", "lab0")`; afterwards none may have erred."""
    started: list[Announcer] = []
    numbers = itertools.count(1)
    with contextlib.ExitStack() as stack:

        def start(side: Side, *args: str, uuid: str = "") -> Announcer:
            """Its Bye takes most of a second: a test that wants it says `stop`."""
            uuid = uuid or f"5a3d9b1c-0000-4000-8000-{next(numbers):012x}"
            announcer = Announcer(side, tmp_path / "device", uuid, *args)
            stack.callback(announcer.kill)
            started.append(announcer)
            return announcer.started()

        yield start
    for announcer in started:
        assert "Traceback" not in announcer.log.read_text(), announcer.log.read_text()


@pytest.fixture
def agent() -> Iterator[MakeAgent]:
    """Starts agents: `agent(lab.cli)`."""
    with contextlib.ExitStack() as stack:

        def start(side: Side) -> Agent:
            started = Agent(side)
            stack.callback(started.close)
            return started

        yield start
