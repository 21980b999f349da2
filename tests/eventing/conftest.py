"""A device that sends events, and sinks for them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from eventing.subscriber import Answer, Sink, Subscriber
from eventing.wired import EventDevice

MakeDevice = Callable[..., EventDevice]
MakeSink = Callable[..., Sink]


@pytest.fixture
def make_sink() -> Iterator[MakeSink]:
    """Event sinks: `make_sink(Answer(500))`."""
    with ExitStack() as stack:

        def make(answer: Answer | None = None) -> Sink:
            sink = Sink(answer)
            stack.callback(sink.close)
            return sink

        yield make


@pytest.fixture
def sink(make_sink: MakeSink) -> Sink:
    return make_sink()


@pytest.fixture
def make_device(make_sink: MakeSink) -> Iterator[MakeDevice]:
    """Runs a device until the test ends: `make_device(sheets=3, rules=Rules(...))`.

    It ends before the sinks do, so that they hear that it does.
    """
    with ExitStack() as stack:

        def make(**options: object) -> EventDevice:
            device = EventDevice(**options)  # type: ignore[arg-type]
            stack.callback(device.close)
            return device

        yield make


@pytest.fixture
def device(make_device: MakeDevice) -> EventDevice:
    """One page on the glass, three sheets in the feeder; both scan as they are told."""
    return make_device(sheets=3)


@pytest.fixture
def subscriber(device: EventDevice) -> Subscriber:
    return device.subscriber
