"""Which of SANE's devices is meant, and which of them are no source: those that we are ourselves.

A scanner that we put on the network comes back to us through sane-airscan and the escl backend;
taking it for a source would be a circle.
"""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from scanner_backends.errors import SourceError
from scanner_backends.sane.identity import local_name
from scanner_backends.sane.words import SaneDevice

NETWORK_BACKENDS = ("airscan", "escl")
CAMERAS = ("dc210", "dc240", "dc25", "dmc", "gphoto2", "pint", "qcam", "stv680", "v4l")
"""Backends whose devices take pictures, but not of paper."""
_USB_BY_ESCL = "airscan:e"
_ADDRESS = re.compile(r"\bip=([0-9A-Fa-f.:]+)")


def is_network(name: str) -> bool:
    """Whether a SANE name belongs to a backend that finds network scanners, ours among them."""
    return _backend(name) in NETWORK_BACKENDS


def is_ours(device: SaneDevice) -> bool:
    """Whether a device of a network backend lives on this very machine.

    sane-airscan tells the address as the device's type (`ip=192.0.2.1`), escl in its name. One
    that tells none is taken for ours: better one source less than a circle. A USB scanner that
    ipp-usb offers on the loopback is none of ours: we do not speak eSCL.
    """
    if not is_network(device.name) or _is_usb_by_escl(device):
        return False
    address = _address(device)
    return not address or _is_local(address)


def is_wanted(device: SaneDevice) -> bool:
    """Whether a device is one of those to be put on the network when none of them is named.

    No network scanner is: it is there already, and two programs like this one would pass each
    other's back and forth for ever. No camera is, either.
    """
    network = is_network(device.name) and not _is_usb_by_escl(device)
    return not network and _backend(device.name) not in CAMERAS


def _backend(name: str) -> str:
    return local_name(name).partition(":")[0]


def _is_usb_by_escl(device: SaneDevice) -> bool:
    """Whether a device is plugged in here, and driven by ipp-usb and sane-airscan."""
    if not device.name.startswith(_USB_BY_ESCL):
        return False
    address = _address(device)
    try:
        return bool(address) and ip_address(address or "").is_loopback
    except ValueError:
        return False


def _address(device: SaneDevice) -> str | None:
    """Where a device of a network backend lives, None if it does not tell."""
    told = _ADDRESS.search(device.type)
    if told is not None:
        return told[1]
    return urlsplit(local_name(device.name).partition(":")[2]).hostname


def choose(wanted: str, devices: list[SaneDevice]) -> SaneDevice:
    """The device that `wanted` means: its SANE name, or a part of name, vendor and model, or a
    regular expression that is found there. Nothing means the only one.

    Raises:
        SourceError: there is none, or more than one; the sentence lists what there is.
    """
    usable = [device for device in devices if not is_ours(device)]
    exact = [device for device in usable if device.name == wanted]
    found = exact or [device for device in usable if _matches(wanted, device)]
    if len(found) == 1:
        return found[0]
    if not usable:
        raise SourceError("SANE finds no scanner; scanimage -L should list it.")
    listed = ", ".join(map(str, found or usable))
    if found:
        what = f"{wanted!r} fits" if wanted else "There are"
        raise SourceError(f"{what} {len(found)} scanners: {listed}. Write sane:NAME with one name.")
    raise SourceError(f"SANE has no scanner {wanted!r}: there is {listed}.")


def _matches(wanted: str, device: SaneDevice) -> bool:
    text = f"{device.name} {device.vendor} {device.model}"
    if wanted.casefold() in text.casefold():
        return True
    try:
        return re.search(wanted, text, re.IGNORECASE) is not None
    except re.error:
        return False


def _is_local(address: str) -> bool:
    """An address is ours if a socket can have it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind((address, 0))
    except OSError:
        return False
    return True
