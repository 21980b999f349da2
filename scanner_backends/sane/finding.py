"""Which of SANE's devices is meant, and which of them are no source: those that we are ourselves.

A scanner that we put on the network comes back to us through sane-airscan and the escl backend;
taking it for a source would be a circle.
"""

from __future__ import annotations

import re
import socket
from urllib.parse import urlsplit

from scanner_backends.errors import SourceError
from scanner_backends.sane.words import SaneDevice

NETWORK_BACKENDS = ("airscan", "escl")
_ADDRESS = re.compile(r"\bip=([0-9A-Fa-f.:]+)")


def is_network(name: str) -> bool:
    """Whether a SANE name belongs to a backend that finds network scanners, ours among them."""
    return name.partition(":")[0] in NETWORK_BACKENDS


def is_ours(device: SaneDevice) -> bool:
    """Whether a device of a network backend lives on this very machine.

    sane-airscan tells the address as the device's type (`ip=192.0.2.1`), escl in its name. One
    that tells none is taken for ours: better one source less than a circle.
    """
    if not is_network(device.name):
        return False
    told = _ADDRESS.search(device.type)
    address = told[1] if told else urlsplit(device.name.partition(":")[2]).hostname
    return not address or _is_local(address)


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
