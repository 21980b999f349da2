"""Who a scanner is, whatever it is called today.

SANE names a USB scanner by bus and device number, and the latter is another one each time that it
is plugged in. The kernel knows its serial number, and else the socket that it is plugged into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

USB_DEVICES = Path("/sys/bus/usb/devices")

USB = "usb:"
"""What the key of a scanner begins with that is plugged in here."""

_REMOTE = re.compile(r"net:(\[[^\]]*\]|[^:]*):")
_USB = re.compile(r"\blibusb:(\d+):(\d+)")
_AIRSCAN = re.compile(r"\bairscan:([a-z])[0-9a-f]+:")


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """A USB device that is plugged in. `bus_path` is its socket, as in 1-1.4."""

    bus_path: str
    vendor: str
    product: str
    serial: str


def is_remote(name: str) -> bool:
    """Whether SANE's net backend reaches the scanner on another machine."""
    return _REMOTE.match(name) is not None


def local_name(name: str) -> str:
    """A name as it is on the machine that the scanner is plugged into."""
    while (remote := _REMOTE.match(name)) is not None:
        name = name[remote.end() :]
    return name


def usb_device(name: str, devices: Path = USB_DEVICES) -> UsbDevice | None:
    """The USB device behind a SANE name; None if there is none, or it is not plugged in here."""
    numbers = _USB.search(name)
    if numbers is None or is_remote(name):
        return None
    wanted = [int(number) for number in numbers.groups()]
    for entry in _entries(devices):
        if [_number(entry, "busnum"), _number(entry, "devnum")] == wanted:
            told = (_text(entry, key) for key in ("idVendor", "idProduct", "serial"))
            return UsbDevice(entry.name, *told)
    return None


def is_plugged(name: str, devices: Path = USB_DEVICES) -> bool:
    """Whether a USB scanner of exactly that name is plugged in here.

    A driver may leave a scanner out of its list only because another program has it open.
    """
    return usb_device(name, devices) is not None


def key_of(name: str, devices: Path = USB_DEVICES) -> tuple[str, str]:
    """What stays the same of a scanner, and what tells it from another of which the same stays.

    The latter is '' where there cannot be two.
    """
    found = usb_device(name, devices)
    if found is not None:
        model = f"{USB}{found.vendor}:{found.product}"
        serial = found.serial.strip()
        if serial.strip("0"):
            return f"{model}:{serial}", found.bus_path
        return f"{model}@{found.bus_path}", ""
    plain = _AIRSCAN.sub(r"airscan:\1:", _USB.sub("libusb", name))
    return plain, "" if plain == name else name


def _entries(devices: Path) -> Iterator[Path]:
    try:
        yield from sorted(devices.iterdir())
    except OSError:  # no USB here
        return


def _number(entry: Path, key: str) -> int:
    text = _text(entry, key)
    return int(text) if text.isdecimal() else -1


def _text(entry: Path, key: str) -> str:
    try:
        return (entry / key).read_text(errors="replace").strip()
    except OSError:  # unplugged meanwhile, or it has no such thing
        return ""
