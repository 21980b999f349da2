"""Answers WS-Transfer Get. Not discovery."""

from __future__ import annotations

from device.dpws.metadata import PREFIXES, DeviceMetadata, write_metadata
from device.soap import namespaces as ns
from device.soap.dispatch import Answer, Incoming, Route


def routes(metadata: DeviceMetadata) -> tuple[Route, ...]:
    """The one operation of the device itself."""

    async def get(incoming: Incoming) -> Answer:
        return Answer(write_metadata(metadata, incoming.base_url()), PREFIXES)

    return (Route(ns.GET, get, ns.WSCN),)
