"""Scan processes in a folder of XML files."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from dataclasses import replace
from pathlib import Path

from device.dsp import process
from device.dsp.process import MAX_DOCUMENT, ScanProcess
from device.errors import (
    ConfigError,
    DeviceError,
    NoSuchProcess,
    OperatorError,
    ProcessUnusable,
)
from device.model.operator import ListedProcess
from device.processes.source import Offer, Visitor

MAX_FILE = 4 * MAX_DOCUMENT + 4
"""Octets of a document in UTF-16 or in UTF-8, whichever takes more."""
MAX_LISTED = 1000


class FolderUnreadable(OperatorError):
    """The folder of scan processes cannot be read."""

    def __init__(self, folder: Path, error: OSError) -> None:
        why = os.strerror(error.errno or 0)
        super().__init__(f"The folder of scan processes {folder} cannot be read: {why}.")


class Folder:
    """Every `*.xml` of a folder, each read anew whenever it is asked for.

    A process is called after its file. Its identifier is the GUID in the file's name; without one
    it is made of the name.

    Raises:
        ConfigError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not folder.is_dir():
            raise ConfigError(f"--process-folder {folder}: there is no such folder.")

    async def listed(self, visitor: Visitor) -> list[ListedProcess]:
        """What the files hold; a file that is no scan process is listed with what is wrong."""

        def look(path: Path) -> ListedProcess:
            try:
                read(path)
            except DeviceError as error:
                return ListedProcess(identifier_of(path), name_of(path), str(error))
            return ListedProcess(identifier_of(path), name_of(path))

        return await asyncio.to_thread(lambda: [look(path) for path in self._files()])

    async def load(self, identifier: str, visitor: Visitor) -> Offer:
        """The process of one file."""
        for path in await asyncio.to_thread(self._files):
            if identifier_of(path) == identifier.upper():
                return Offer(identifier_of(path), name_of(path), await _named(path))
        raise NoSuchProcess(identifier)

    def _files(self) -> list[Path]:
        try:
            found = [path for path in self._folder.iterdir() if path.suffix.lower() == ".xml"]
        except OSError as error:
            raise FolderUnreadable(self._folder, error) from None
        return sorted(found)[:MAX_LISTED]


async def _named(path: Path) -> ScanProcess:
    try:
        return await asyncio.to_thread(read, path)
    except DeviceError as error:
        raise ProcessUnusable(name_of(path), str(error)) from None


def read(path: Path) -> ScanProcess:
    """The scan process in a file.

    Raises:
        ConfigError: it cannot be read.
        DeviceError: it is not what it should be; the sentence names the element.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"it cannot be read: {os.strerror(error.errno or 0)}") from None
    return replace(process.parse(data), psp_identifier=identifier_of(path))


def identifier_of(path: Path) -> str:
    """The GUID in a file's name, or else one that stands for that name."""
    return process.guid_in(path.stem) or str(uuid.uuid5(uuid.NAMESPACE_URL, path.stem)).upper()


def name_of(path: Path) -> str:
    """What a file's process is called: the file's name without the GUID."""
    guid = process.guid_in(path.stem)
    rest = re.sub(re.escape(guid), "", path.stem, flags=re.IGNORECASE) if guid else path.stem
    return rest.strip(" {}_-.") or path.stem
