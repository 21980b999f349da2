"""The kernel's events: which of them tell of a scanner, and when to look for it."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_backends.sane import hotplug
from scanner_backends.sane.hotplug import Action, Plugged, Quiet, parse, received

PATH = "/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.4"


def event(action: str = "add", **values: str) -> bytes:
    """A message as the kernel sends it."""
    told = {
        "ACTION": action,
        "DEVPATH": PATH,
        "SUBSYSTEM": "usb",
        "DEVTYPE": "usb_device",
        "PRODUCT": "4b8/13a/100",
        "BUSNUM": "001",
        "DEVNUM": "009",
        "SEQNUM": "4711",
        **values,
    }
    lines = [f"{action}@{PATH}", *(f"{key}={value}" for key, value in told.items())]
    return "\0".join(lines).encode() + b"\0"


def test_a_device_that_comes_and_goes():
    assert parse(event()) == Plugged(Action.ADD, "1-1.4", "4b8", "13a", 1, 9)
    gone = parse(event("remove"))
    assert gone is not None
    assert (gone.action, gone.bus_path) == (Action.REMOVE, "1-1.4")


@pytest.mark.parametrize(
    "message",
    [
        event("bind"),
        event("change"),
        event(SUBSYSTEM="block"),
        event(DEVTYPE="usb_interface"),
        b"libudev\0\xfe\xed\xca\xfe",
        b"",
    ],
)
def test_other_events_are_passed_over(message: bytes):
    assert parse(message) is None


@given(st.binary(max_size=200) | st.text(alphabet="addUSB=\0@/_", max_size=80).map(str.encode))
def test_nothing_on_the_socket_breaks_us(message: bytes):
    parse(message)
    parse(event() + message)


def test_numbers_that_are_none_are_nought():
    assert parse(event(BUSNUM="x", DEVNUM="", PRODUCT="")) == Plugged(Action.ADD, "1-1.4")


class Wire:
    """A socket on which these datagrams, with these senders, wait."""

    def __init__(self, *waiting: tuple[bytes, int] | OSError) -> None:
        self.waiting = list(waiting)

    def recvfrom(self, size: int) -> tuple[bytes, tuple[int, int]]:
        if not self.waiting:
            raise BlockingIOError
        found = self.waiting.pop(0)
        if isinstance(found, OSError):
            raise found
        return found[0], (found[1], 1)


def test_only_the_kernel_is_believed_and_lost_events_are_no_end():
    wire = Wire((event(), 4242), OSError(105, "no buffer space"), (event("remove"), 0))
    assert [one.action for one in received(wire)] == [Action.REMOVE]


def test_the_socket_can_be_had_without_root():
    try:
        sock = hotplug.subscribe()
    except OSError:
        assert not hasattr(socket, "AF_NETLINK")
        return
    with sock:
        assert received(sock) == []


def test_one_look_for_many_events():
    quiet = Quiet(1.0)
    assert quiet.due is None
    assert not quiet.ready(0)
    for now in (10.0, 10.4, 10.9):
        quiet.heard(now)
    assert not quiet.ready(11.5)
    assert quiet.due == pytest.approx(11.9)
    assert quiet.ready(11.9)
    assert not quiet.ready(20)
