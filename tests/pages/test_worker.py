"""The worker process, spoken to over its two pipes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import pytest
from support.wait import wait_until

from device.child_process import environment
from device.pages import frames
from device.pages.frames import (
    CancelOrder,
    DescribeOrder,
    FinishOrder,
    Frame,
    Kind,
    PageOrder,
    Part,
    QuitOrder,
)

pytestmark = pytest.mark.usefixtures("scripted")


class Running:
    """A worker under test."""

    def __init__(self, source: str, *more: str) -> None:
        command = [sys.executable, "-P", "-m", "device.pages.worker", source, *more]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )

    @property
    def orders(self) -> BinaryIO:
        assert self.process.stdin
        return self.process.stdin

    def send(self, *orders: frames.Order) -> None:
        self.orders.write(b"".join(map(frames.order_line, orders)))
        self.orders.flush()

    def read(self) -> Frame | None:
        assert self.process.stdout
        return frames.read(self.process.stdout)

    def read_page(self) -> list[Frame]:
        """The frames of a page, up to the one that ends it."""
        found = []
        while (frame := self.read()) is not None:
            found.append(frame)
            if frame.kind is not Kind.DATA:
                break
        return found

    def end(self) -> str:
        """What it wrote to the standard error, after it has left by itself."""
        self.orders.close()
        assert self.process.stderr
        errors = self.process.stderr.read().decode()
        assert self.process.wait(10) == 0, errors
        return errors

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()

    def __enter__(self) -> "Running":
        return self


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:
        yield lambda source, *more: stack.enter_context(Running(source, *more))


def described(worker: Running) -> frames.Description:
    text = b""
    worker.send(DescribeOrder())
    while (frame := worker.read()) is not None and frame.payload:
        assert frame.kind is Kind.DESCRIBED, frame
        text += frame.payload
    return frames.description_of(text)


def test_a_page_is_data_and_then_an_end_that_tells_its_size(start, order):
    worker = start("scripted:pages")
    worker.send(PageOrder(7, 0, *order()))
    *data, end = worker.read_page()
    assert {frame.kind for frame in data} == {Kind.DATA}
    assert {frame.job for frame in (*data, end)} == {7}
    assert frames.json_of(end) == {
        "width_px": 100,
        "height_px": 256,
        "bytes_sent": sum(len(frame.payload) for frame in data),
    }
    assert worker.end() == ""


def test_neither_asyncio_nor_http_nor_xml_are_loaded(start, order):
    worker = start("scripted:pages")
    worker.send(PageOrder(1, 0, *order()))
    worker.read_page()
    assert described(worker).name == "nothing unwanted"


def test_a_very_long_description_arrives_whole(start):
    assert len(described(start("scripted:many")).platen) == 30_000


@pytest.mark.parametrize(
    ("script", "error"),
    [("jam", "Jammed"), ("jam at once", "Jammed"), ("bug", "IoError"), ("memory", "NoMem")],
)
def test_an_error_is_told_and_the_worker_lives_on(start, order, script, error):
    worker = start(f"scripted:{script}")
    for job in (1, 2):
        worker.send(PageOrder(job, 0, *order()))
        last = worker.read_page()[-1]
        assert (last.job, last.kind) == (job, Kind.ERROR)
        assert type(frames.error_of(last)).__name__ == error
    errors = worker.end()
    assert ("nobody thought of this" in errors) is (script == "bug")
    assert "nobody thought" not in str(frames.error_of(last))


def test_a_full_disk_is_named_and_no_mistake_of_ours(start, order, tmp_path: Path):
    worker = start("scripted:full", str(tmp_path))
    worker.send(PageOrder(1, 0, *order()))
    last = worker.read_page()[-1]
    assert str(frames.error_of(last)) == f"There is no room for the page in {tmp_path}."
    assert "Traceback" not in worker.end()


def test_an_empty_feeder_is_told(start, order):
    worker = start("scripted:empty")
    worker.send(PageOrder(1, 0, *order()))
    assert worker.read_page() == [Frame(1, Kind.NONE)]


def test_a_source_that_cannot_be_opened_is_told_each_time(start, order):
    worker = start("scripted:refuse")
    worker.send(DescribeOrder(), PageOrder(1, 0, *order()))
    for _ in range(2):
        frame = worker.read()
        assert str(frames.error_of(frame)) == "This source is never there."


def test_what_a_library_prints_stays_out_of_the_frames(start, order):
    worker = start("scripted:print")
    worker.send(PageOrder(1, 0, *order()))
    assert worker.read_page()[-1].kind is Kind.END
    assert worker.end().count("stray") == 3


def test_a_line_that_is_no_order_is_passed_over(start, order):
    worker = start("scripted:pages")
    worker.orders.write(b"\x00\xffnonsense\n{}\n")
    worker.send(PageOrder(1, 0, *order()))
    assert worker.read_page()[-1].kind is Kind.END
    assert worker.end().count("skipped") == 2


def test_a_cancelled_page_ends_at_once(start, order):
    worker = start("scripted:wait")
    worker.send(PageOrder(1, 0, *order()), CancelOrder(1))
    (frame,) = worker.read_page()
    assert type(frames.error_of(frame)).__name__ == "Cancelled"


def test_a_page_that_waits_its_turn_can_be_cancelled(start, order):
    worker = start("scripted:wait")
    worker.send(PageOrder(1, 0, *order()), PageOrder(2, 0, *order()), CancelOrder(2))
    worker.send(CancelOrder(1))
    assert [worker.read().job for _ in range(2)] == [1, 2]


def test_cancelling_another_job_changes_nothing(start, order):
    worker = start("scripted:pages")
    worker.send(CancelOrder(5), PageOrder(1, 0, *order()), CancelOrder(2))
    assert worker.read_page()[-1].kind is Kind.END


def test_a_job_that_was_cancelled_can_have_another_page(start, order):
    worker = start("chart")
    worker.send(PageOrder(1, 0, *order()), CancelOrder(1))
    worker.read_page()
    worker.send(PageOrder(1, 0, *order()))
    assert worker.read_page()[-1].kind is Kind.END


def test_the_source_is_released_when_the_worker_is_told_to_leave(start):
    worker = start("scripted:farewell")
    described(worker)
    worker.send(QuitOrder())
    assert worker.read() is None
    assert worker.end() == "closed\n"


def test_the_worker_leaves_when_its_orders_end_in_mid_page(start, order):
    worker = start("scripted:wait later")
    worker.send(PageOrder(1, 0, *order()))
    assert worker.read().kind is Kind.DATA
    worker.end()


def test_the_worker_is_nice_and_deaf_to_ctrl_c(start, order):
    worker = start("scripted:pages")
    described(worker)
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, worker.process.pid) == min(19, mine + 10)
    worker.process.send_signal(signal.SIGINT)
    worker.send(PageOrder(1, 0, *order()))
    assert worker.read_page()[-1].kind is Kind.END


def test_a_hanging_worker_does_not_outlive_its_parent():
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-P', '-m', 'device.pages.worker',"
        " 'scripted:hang'], stdin=subprocess.PIPE)\n"
        'child.stdin.write(b\'{"order":"describe"}\\n\')\n'
        "child.stdin.flush()\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    command = [sys.executable, "-P", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        status = Path(f"/proc/{pid}/status")
        # It hangs once it ignores SIGTERM, which its script does just before.
        ignored = 1 << (signal.SIGTERM - 1)
        wait_until(lambda: masks(status)["SigIgn"] & ignored, 20, "hanging worker")
        parent.kill()
    wait_until(lambda: not alive(status), 10, "end of the worker")


def masks(status: Path) -> dict[str, int]:
    lines = (line.split(":\t") for line in status.read_text().splitlines())
    return {
        name: int(value, 16) for name, value in lines if name.startswith("Sig") and name != "SigQ"
    }


def alive(status: Path) -> bool:
    try:
        return "State:\tZ" not in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_document_waits_for_each_further_page_and_for_its_end(start, order):
    worker = start("scripted:pages")
    wanted = order("tiff-multi-uncompressed")
    worker.send(PageOrder(4, 0, *wanted, Part.FIRST))
    assert read_to(worker, Kind.NEXT)[-1] == Frame(4, Kind.NEXT)
    worker.send(PageOrder(4, 1, *wanted, Part.NEXT))
    assert read_to(worker, Kind.NEXT)[-1] == Frame(4, Kind.NEXT)
    worker.send(FinishOrder(4))
    assert {frame.kind for frame in read_to(worker, Kind.END)} == {Kind.DATA, Kind.END}


def read_to(worker: Running, kind: Kind) -> list[Frame]:
    """The frames up to one of that kind."""
    found = []
    while (frame := worker.read()) is not None:
        found.append(frame)
        if frame.kind is kind:
            break
    return found


def test_orders_for_a_document_that_has_ended_are_passed_over(start, order):
    worker = start("scripted:pages")
    worker.send(PageOrder(4, 0, *order(), Part.NEXT), FinishOrder(4), PageOrder(5, 0, *order()))
    assert worker.read_page()[-1].job == 5
    assert worker.end() == ""


def test_the_worker_leaves_when_its_orders_end_while_a_document_waits(start, order):
    worker = start("scripted:pages")
    worker.send(PageOrder(4, 0, *order("tiff-multi-uncompressed"), Part.FIRST))
    read_to(worker, Kind.NEXT)
    worker.end()
