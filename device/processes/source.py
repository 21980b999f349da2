"""Where scan processes come from, behind one interface."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from device.directory.client import Logon
from device.dsp.process import ScanProcess
from device.errors import NoSuchProcess
from device.model.operator import ListedProcess, User

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: a user, and the directory as this user sees it, if there is one."""

    user: User
    logon: Logon | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A scan process as its source has it, before anything was changed at the panel."""

    identifier: str
    name: str
    process: ScanProcess


class Source(Protocol):
    """Some scan processes. A visitor is shown only those that this visitor may use."""

    async def listed(self, visitor: Visitor) -> Sequence[ListedProcess]:
        """All of them, in any order.

        Raises:
            OperatorError: they cannot be had now.
        """
        ...

    async def load(self, identifier: str, visitor: Visitor) -> Offer:
        """One of them.

        Raises:
            NoSuchProcess: there is none, or not for this visitor.
            ProcessUnusable: it is not what it should be; the sentence names the element.
            OperatorError: it cannot be had now.
        """
        ...


class Sources:
    """Several sources as one. Of two processes with one identifier the first source's is taken."""

    def __init__(self, *sources: Source) -> None:
        self._sources = sources

    async def listed(self, visitor: Visitor) -> list[ListedProcess]:
        """The processes of them all, sorted by name. Raises as Source does."""
        found: dict[str, ListedProcess] = {}
        nameless: list[ListedProcess] = []
        for source in self._sources:
            for one in await source.listed(visitor):
                if one.problem:
                    log.warning("the scan process %r cannot be used: %s", one.name, one.problem)
                if one.identifier:
                    found.setdefault(one.identifier, one)
                else:
                    nameless.append(one)
        return sorted([*found.values(), *nameless], key=lambda one: (one.name.casefold(), one.name))

    async def load(self, identifier: str, visitor: Visitor) -> Offer:
        """One process. Raises as Source does."""
        for source in self._sources:
            try:
                return await source.load(identifier, visitor)
            except NoSuchProcess:
                continue
        raise NoSuchProcess(identifier)
