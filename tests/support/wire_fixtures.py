"""Fixtures of the tests that talk to a scan service in this process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from clients.wsscan import Client
from support.wire import Options, WireDevice

MakeDevice = Callable[..., WireDevice]


@pytest.fixture
def make_device() -> Iterator[MakeDevice]:
    """Runs a scan service until the test ends: see support.wire.Options."""
    with ExitStack() as stack:

        def make(**options: object) -> WireDevice:
            device = WireDevice(Options(**options))  # type: ignore[arg-type]
            stack.callback(device.close)
            return device

        yield make


@pytest.fixture
def device(make_device: MakeDevice) -> WireDevice:
    """One page on the glass, three sheets in the feeder; both scan as they are told."""
    return make_device(sheets=3)


@pytest.fixture
def client(device: WireDevice) -> Client:
    """A client of `device` that holds every answer against the schema."""
    return device.client
