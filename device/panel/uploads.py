"""Files that are laid in by way of the panel: kept while a page of theirs lies somewhere.

FOLDER/NUMBER/NAME    one file in each numbered folder, readable by this user only
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from device.panel.problems import Problem
from scanner_backends.base import Description, TrayPage, file_of
from scanner_backends.errors import BackendError

MAX_FILE = 64 << 20
MAX_ALL = 256 << 20
"""Octets that lie here at a time."""
MAX_FILES = 200
"""In one request."""
MAX_NAME = 120

log = logging.getLogger(__name__)

_BROKEN_FORM = (ValueError, AssertionError, RuntimeError, HttpProcessingError)
"""What aiohttp has for forms that are broken off or badly formed."""


@dataclass(frozen=True, slots=True)
class LaidIn:
    """What an upload has brought: pages, and a sentence for each file or page left out."""

    pages: tuple[TrayPage, ...]
    refused: tuple[str, ...]


class Uploads:
    """The files of one device.

    Args:
        folder: theirs alone; whatever lies there from a run before is thrown away.
        look: tells what is in the file of a number. Raises BackendError.
    """

    def __init__(self, folder: Path, look: Callable[[int], Awaitable[Description]]) -> None:
        self._folder = folder
        self._look = look
        self._numbers = count(1)
        self._sizes: dict[int, int] = {}
        self._arriving: set[int] = set()
        shutil.rmtree(folder, ignore_errors=True)

    async def take(self, request: web.Request) -> LaidIn:
        """Take the files of a form (multipart/form-data).

        Raises:
            Problem: it is none, or nothing in it can be scanned.
        """
        if request.content_type != "multipart/form-data":
            raise Problem(415, "Send the files as multipart/form-data.", kind="media-type")
        pages: list[TrayPage] = []
        refused: list[str] = []
        taken: list[int] = []
        if (request.content_length or 0) > MAX_ALL:
            raise _too_much()
        try:
            form = await request.multipart()
            while (part := await form.next()) is not None:
                if len(taken) + len(refused) >= MAX_FILES:
                    raise Problem(413, f"{MAX_FILES} files at a time, please.", kind="size")
                number = next(self._numbers)
                taken.append(number)
                self._arriving.add(number)
                found = await self._take_one(part, number)
                pages += found.pages
                refused += found.refused
            if not pages:
                raise Problem(422, " ".join(refused) or "There is no file in it.", kind="file")
        except _BROKEN_FORM:
            self._drop(taken)
            raise Problem(400, "The form is broken off or badly formed.", kind="form") from None
        except BaseException:
            self._drop(taken)
            raise
        finally:
            self._arriving.difference_update(taken)
        return LaidIn(tuple(pages), tuple(refused))

    def sweep(self, lying: Iterable[TrayPage]) -> None:
        """Throw away the files of which no page is among those that lie somewhere."""
        kept = {file_of(page.number) for page in lying}
        self._drop([n for n in self._sizes if n not in kept and n not in self._arriving])

    def close(self) -> None:
        """Throw everything away."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._sizes.clear()

    async def _take_one(self, part: MultipartReader | BodyPartReader, number: int) -> LaidIn:
        if not isinstance(part, BodyPartReader) or part.filename is None:
            raise Problem(422, "The form may hold files only.", kind="form")
        name = plain_name(part.filename)
        try:
            complaint = await self._store(part, number, name)
            found = await self._look(number) if not complaint else None
        except BackendError as error:
            complaint, found = f"it cannot be looked at ({error})", None
        except OSError as error:
            complaint, found = f"it cannot be kept here ({error.strerror})", None
        if found is None or not found.feeder:
            self._drop([number])
            sentences = found.refused if found and found.refused else (f"{name}: {complaint}.",)
            return LaidIn((), sentences)
        return LaidIn(found.feeder, found.refused)

    async def _store(self, part: BodyPartReader, number: int, name: str) -> str:
        """Write a file; what is wrong with its size, '' if nothing is. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        folder = self._folder / str(number)
        folder.mkdir(mode=0o700)
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        complaint = ""
        octets = self._sizes[number] = 0
        with os.fdopen(handle, "wb") as file:
            while chunk := await part.read_chunk(1 << 16):
                octets += len(chunk)
                if octets > MAX_ALL:
                    raise _too_much()
                if octets > MAX_FILE:
                    complaint = f"a file may have {MAX_FILE >> 20} MB"
                elif sum(self._sizes.values()) + len(chunk) > MAX_ALL:
                    complaint = f"with those that lie here it has more than {MAX_ALL >> 20} MB"
                if not complaint:  # otherwise read on: other files may follow
                    self._sizes[number] += len(chunk)
                    file.write(chunk)
        return complaint

    def _drop(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._sizes.pop(number, None)
            shutil.rmtree(self._folder / str(number), ignore_errors=True)


def _too_much() -> Problem:
    return Problem(413, f"All files together may have {MAX_ALL >> 20} MB.", kind="size")


def plain_name(told: str) -> str:
    """A file name as it can be shown and stored: no folders, nothing unprintable, not too long."""
    last = told.replace("\\", "/").rpartition("/")[2]
    plain = "".join(one for one in last if one.isprintable()).strip(" .")
    return plain.encode()[:MAX_NAME].decode(errors="ignore") or "file"
