"""Scan processes in the directory: whatever it shows to the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from device.dsp import process
from device.errors import DeviceError, NoSuchProcess, ProcessUnusable
from device.model.operator import ListedProcess
from device.processes.source import Offer, Visitor


class InDirectory:
    """The processes below the directory's container, as the visitor's own logon finds them.

    Their documents are read only when they are chosen: there may be many, of half a megabyte each.
    """

    async def listed(self, visitor: Visitor) -> Sequence[ListedProcess]:
        """What the directory lists."""
        return [] if visitor.logon is None else await visitor.logon.processes()

    async def load(self, identifier: str, visitor: Visitor) -> Offer:
        """One process, by its identifier."""
        if visitor.logon is None:
            raise NoSuchProcess(identifier)
        found = await visitor.logon.document(identifier)
        if not found.text.strip():
            raise ProcessUnusable(found.name, "the directory has no document of it")
        try:
            document = process.parse(found.text)
        except DeviceError as error:
            raise ProcessUnusable(found.name, str(error)) from None
        return Offer(
            identifier.upper(), found.name, replace(document, psp_identifier=identifier.upper())
        )
