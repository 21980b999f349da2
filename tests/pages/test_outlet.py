"""The way out of the worker: in order, from memory and from the disk, and bounded."""

import os
import random
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from support.wait import wait_until

from device.pages import frames, outlet
from device.pages.frames import Frame, Kind
from device.pages.outlet import Outlet

PIECE = 50_000
HELD = 100_000


class Way:
    """An outlet into a pipe, and the end that a client would read."""

    def __init__(self, folder: Path, limit: int) -> None:
        end, self.write_end = os.pipe()
        self.stream = os.fdopen(end, "rb")
        self.outlet = Outlet(self.write_end, folder, limit)
        self.waiting: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def put(self, *made: Frame, page: int = 1) -> threading.Thread:
        """Put frames, as the encoder does, in a thread that may have to wait."""

        def work() -> None:
            try:
                for frame in made:
                    self.outlet.put(frame, page)
            except BrokenPipeError as error:
                self.errors.append(error)

        thread = threading.Thread(target=work, daemon=True)
        self.waiting.append(thread)
        thread.start()
        return thread

    def read(self, count: int) -> list[Frame]:
        found = [frames.read(self.stream) for _ in range(count)]
        return [frame for frame in found if frame is not None]

    def end(self) -> None:
        """Hang up, and see that nobody waits for ever."""
        self.stream.close()
        with suppress(BrokenPipeError):
            while True:
                self.outlet.put(data(0))
        for thread in self.waiting:
            thread.join(10)
            assert not thread.is_alive()
        os.close(self.write_end)


@pytest.fixture
def way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Way]]:
    monkeypatch.setattr(outlet, "HELD", HELD)
    made: list[Way] = []

    def make(limit: int = 10 * PIECE, folder: Path = tmp_path) -> Way:
        made.append(Way(folder, limit))
        return made[-1]

    yield make
    for one in made:
        one.end()


def data(number: int, job: int = 1, size: int = PIECE) -> Frame:
    return Frame(job, Kind.DATA, number.to_bytes(4, "big") * (size // 4))


def spools() -> list[int]:
    """Descriptors of ours that are files without a name."""
    found = []
    for entry in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            status = os.stat(f"/proc/self/fd/{entry}")
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                found.append(int(entry))
    return found


def at_rest(thread: threading.Thread, way: Way) -> None:
    """Wait until a thread that puts frames has to wait, which only its lack of progress shows."""
    seen: list[int] = []

    def still() -> bool:
        seen.append(len(way.outlet._queue))
        return len(seen) > 20 and len(set(seen[-20:])) == 1 and thread.is_alive()

    wait_until(still, 10, "the one who puts frames waits")


@pytest.mark.parametrize("seed", range(8))
def test_what_goes_in_comes_out_in_its_order(way, seed):
    chance = random.Random(seed)
    sizes = [chance.choice((4, 4000, PIECE, 90_000)) for _ in range(200)]
    sent = [data(number, size=size) for number, size in enumerate(sizes)]
    one = way(limit=chance.choice((100_000, 333_333, 5_000_000)))
    thread = one.put(*sent)
    came: list[Frame] = []
    while len(came) < len(sent):
        if chance.random() < 0.2:
            thread.join(0.002)  # let it get ahead
        came += one.read(min(chance.randint(1, 30), len(sent) - len(came)))
    assert came == sent


def test_one_who_makes_more_than_there_is_room_for_has_to_wait(way):
    one = way(limit=10 * PIECE)
    thread = one.put(*map(data, range(40)))
    at_rest(thread, one)
    waiting = len(one.outlet._queue) * PIECE
    assert waiting <= 10 * PIECE + HELD
    assert waiting >= 9 * PIECE
    assert one.read(40) == list(map(data, range(40)))
    thread.join(10)
    assert not thread.is_alive()


def test_what_waits_on_the_disk_is_for_no_other_eyes_and_goes(way, tmp_path):
    before = spools()
    one = way()
    one.put(*map(data, range(8))).join(10)
    (spool,) = set(spools()) - set(before)
    assert stat.S_IMODE(os.fstat(spool).st_mode) == 0o600
    assert os.listdir(tmp_path) == []
    one.read(8)
    wait_until(lambda: spools() == before, 10, "the file is gone")


def test_a_client_that_keeps_up_costs_no_file(way):
    before = spools()
    one = way()
    for number in range(30):
        one.put(data(number)).join(10)
        assert one.read(1) == [data(number)]
        assert spools() == before


def test_data_that_nobody_wants_makes_room_and_the_end_of_its_page_stays(way):
    one = way(limit=4 * PIECE)
    thread = one.put(*(data(number, job=7) for number in range(12)), Frame(7, Kind.END, b"{}"))
    at_rest(thread, one)
    one.outlet.discard(7)
    at_rest_or_over(thread)
    one.outlet.discard(7)
    one.put(data(1, job=8)).join(10)
    kinds = [(frame.job, frame.kind) for frame in read_to(one, data(1, job=8))]
    assert kinds[-2:] == [(7, Kind.END), (8, Kind.DATA)]
    assert len(kinds) < 8


def at_rest_or_over(thread: threading.Thread) -> None:
    thread.join(10)
    assert not thread.is_alive()


def read_to(one: Way, last: Frame) -> Sequence[Frame]:
    found: list[Frame] = []
    while not found or found[-1] != last:
        found += one.read(1)
    return found


def test_a_page_may_be_told_done_before_its_data_but_not_before_the_page_before(way):
    one = way()
    first, second = [data(n) for n in range(8)], [data(n) for n in range(8, 12)]
    one.put(*first, page=1).join(10)
    one.put(*second, page=2).join(10)
    one.outlet.put_before(2, Frame(1, Kind.NEXT))
    assert one.read(13) == [*first, Frame(1, Kind.NEXT), *second]


def test_a_page_that_has_left_altogether_is_told_done_at_once(way):
    one = way()
    one.put(data(1), page=1).join(10)
    one.read(1)
    one.outlet.put_before(1, Frame(1, Kind.NEXT))
    assert one.read(1) == [Frame(1, Kind.NEXT)]


def test_without_a_folder_pages_wait_in_memory_and_the_scanner_with_them(way, tmp_path, caplog):
    one = way(folder=tmp_path / "gone")
    thread = one.put(*map(data, range(20)))
    at_rest(thread, one)
    assert len(one.outlet._queue) * PIECE <= HELD
    assert one.read(20) == list(map(data, range(20)))
    assert caplog.text.count("in memory only") == 1


def test_one_who_waits_is_told_that_the_other_end_is_gone(way):
    one = way(limit=PIECE)
    thread = one.put(*map(data, range(20)))
    at_rest(thread, one)
    one.stream.close()
    thread.join(10)
    assert len(one.errors) == 1
