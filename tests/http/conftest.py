"""A scan service on loopback for each test that asks for one."""

from support.wire_fixtures import client, device, make_device

__all__ = ["client", "device", "make_device"]
