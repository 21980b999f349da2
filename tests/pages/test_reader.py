"""Bands are read ahead of the one who takes them: a few, in their order, and no more when told."""

import threading
from collections.abc import Iterator

import pytest
from support.wait import wait_until

from device.pages.reader import BANDS_AHEAD, BYTES_AHEAD, BandReader
from scanner_backends.errors import Jammed


class Source:
    """Counts the bands that were taken from it."""

    def __init__(self, size: int = 100) -> None:
        self.size = size
        self.given = 0

    def bands(self, count: int, error: Exception | None = None) -> Iterator[bytes]:
        for number in range(count):
            self.given += 1
            yield bytes([number]) * self.size
        if error:
            raise error


@pytest.fixture
def reader() -> BandReader:
    return BandReader()


def test_all_bands_come_in_their_order(reader):
    for _ in range(3):
        came = list(reader.read(Source().bands(200)))
        assert came == [bytes([number]) * 100 for number in range(200)]


@pytest.mark.parametrize(
    ("size", "ahead"), [(100, BANDS_AHEAD), (BYTES_AHEAD // 2, 2), (BYTES_AHEAD * 2, 1)]
)
def test_a_few_bands_are_read_ahead(reader, size, ahead):
    source = Source(size)
    bands = reader.read(source.bands(20))
    next(bands)
    wait_until(lambda: source.given == 1 + ahead, 10, "bands are read ahead")  # one was taken
    reader.stop()
    assert source.given == 1 + ahead


def test_an_error_comes_behind_the_bands_before_it(reader):
    bands = reader.read(Source().bands(3, Jammed("stuck")))
    assert [next(bands) for _ in range(3)] == [bytes([number]) * 100 for number in range(3)]
    with pytest.raises(Jammed):
        next(bands)
    assert len(list(reader.read(Source().bands(2)))) == 2


def test_after_a_stop_the_source_is_left_alone(reader):
    source = Source()
    bands = reader.read(source.bands(100))
    next(bands)
    reader.stop()
    given = source.given
    assert list(reader.read(Source().bands(3))) != []
    assert source.given == given
    reader.stop()


def test_a_stop_waits_for_the_band_under_way(reader):
    gate = threading.Event()

    def bands() -> Iterator[bytes]:
        yield b"first"
        gate.wait(10)
        yield b"second"

    reading = reader.read(bands())
    assert next(reading) == b"first"
    stopping = threading.Thread(target=reader.stop)
    stopping.start()
    stopping.join(0.05)
    assert stopping.is_alive()
    gate.set()
    stopping.join(10)
    assert not stopping.is_alive()
