"""Makes the kernel tell that a USB device came or went, as a program: `plug.py add|remove`.

The kernel passes on to everybody in a network namespace what its owner sends it (since Linux 4.18):
so a namespace hears of scanners on a machine that has no USB at all, and no other namespace does.

Source: Linux, lib/kobject_uevent.c, uevent_net_rcv_skb.
"""

import socket
import struct
import sys

UEVENTS = 15
HEADER = struct.Struct("=IHHII")
MINIMUM_TYPE = 0x10


def plug(action: str) -> None:
    path = "/devices/pci0000:00/0000:00:14.0/usb1/1-1"
    told = {
        "ACTION": action,
        "DEVPATH": path,
        "SUBSYSTEM": "usb",
        "DEVTYPE": "usb_device",
        "PRODUCT": "4b8/13a/100",
        "BUSNUM": "001",
        "DEVNUM": "009",
    }
    lines = [f"{action}@{path}", *(f"{key}={value}" for key, value in told.items())]
    message = b"".join(line.encode() + b"\0" for line in lines)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, UEVENTS) as sock:
        sock.bind((0, 0))
        header = HEADER.pack(HEADER.size + len(message), MINIMUM_TYPE, 1, 0, 0)
        sock.sendto(header + message, (0, 0))


if __name__ == "__main__":
    plug(sys.argv[1])
