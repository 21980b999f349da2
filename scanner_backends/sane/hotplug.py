"""Word of scanners that are plugged in and out, from the kernel: libsane has none.

A netlink socket of the kernel's own events, which needs neither root nor a library. What it says
is only that something about USB is new: which scanner that is, SANE must be asked. One plug makes
a dozen events, and a device needs a moment to be ready, so that the question is put once they have
been quiet for a while.

Source: netlink(7); Linux, Documentation/ABI/testing/sysfs-uevent and lib/kobject_uevent.c.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PROTOCOL: Final = 15
"""NETLINK_KOBJECT_UEVENT."""
KERNEL_GROUP: Final = 1
MAX_EVENT: Final = 8192
"""Bytes. The kernel's own limit is 2048 and the path."""
QUIET_S: Final = 1.0


class Action(StrEnum):
    """What became of a device; the other actions do not make it come or go."""

    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Plugged:
    """A USB device that came or went. The numbers are in hexadecimal as the kernel writes them.

    `bus_path` is its place, bus and ports, which is the same when it is plugged into the same
    socket again: 1-1.4.
    """

    action: Action
    bus_path: str
    vendor: str = ""
    product: str = ""
    bus: int = 0
    number: int = 0


def subscribe() -> socket.socket:
    """A socket that becomes readable at an event. Raises OSError where there is no such thing."""
    sock = socket.socket(
        socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, PROTOCOL
    )
    try:
        sock.bind((0, KERNEL_GROUP))
    except OSError:
        sock.close()
        raise
    return sock


def received(sock: socket.socket) -> list[Plugged]:
    """All USB devices that came or went since the last call."""
    found: list[Plugged] = []
    while True:
        try:
            data, (sender, _) = sock.recvfrom(MAX_EVENT)
        except BlockingIOError:
            return found
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # some were lost; those that follow tell enough
                raise
        else:
            event = parse(data) if sender == 0 else None  # 0 is the kernel; anybody else may lie
            if event is not None:
                found.append(event)


def parse(message: bytes) -> Plugged | None:
    """A USB device that came or went, None if the message tells of something else.

    Its form is `action@path`, then `KEY=value` texts, each ended by a zero byte.
    """
    head, *lines = message.decode(errors="replace").split("\0")
    values = dict(line.partition("=")[::2] for line in lines if "=" in line)
    if values.get("SUBSYSTEM") != "usb" or values.get("DEVTYPE") != "usb_device":
        return None
    try:
        action = Action(values.get("ACTION") or head.partition("@")[0])
    except ValueError:
        return None
    vendor, _, rest = values.get("PRODUCT", "").partition("/")
    return Plugged(
        action,
        values.get("DEVPATH", "").rpartition("/")[2],
        vendor,
        rest.partition("/")[0],
        _number(values.get("BUSNUM", "")),
        _number(values.get("DEVNUM", "")),
    )


class Quiet:
    """Tells when to look: `wait_s` seconds after the last event. Times are monotonic seconds."""

    def __init__(self, wait_s: float = QUIET_S) -> None:
        self._wait_s = wait_s
        self.due: float | None = None
        """When to look next, None when there is nothing to look for."""

    def heard(self, now: float) -> None:
        """Something came or went."""
        self.due = now + self._wait_s

    def ready(self, now: float) -> bool:
        """Whether to look now; then not again before the next event."""
        if self.due is None or now < self.due:
            return False
        self.due = None
        return True


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
