"""Puts documents under names, each exactly once, whatever kind of folder it is.

The names are reserved in the records first; a file appears under its name whole or not at all,
and never over another. So the filter may be killed anywhere and run again. A target that failed
for good gets nothing: what was put there is taken away, so that a later job does not bring it
twice.

Source: ws-dsp section 7.4.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Protocol

from scan_server.database import DatabaseTrouble
from scan_server.filters.base import Failure, Kind, Work
from scan_server.filters.documents import OutgoingDocument


class Place(Protocol):
    """A folder at a target. All of it may raise `Failure` and `OSError`."""

    def prepare(self, work: Work) -> None:
        """Make the folder."""
        ...

    def path(self, name: str) -> str:
        """Where a file of that name is; no other target has such a path."""
        ...

    def taken(self, path: str) -> bool:
        """Whether a path is in use, as far as that is known at once; `put` has the last word."""
        ...

    def put(self, work: Work, document: OutgoingDocument, path: str) -> bool:
        """Make the file at `path`; False when another one is there. An equal one is ours."""
        ...

    def finish(self) -> None:
        """All is put: see that it stays so."""
        ...

    def remove(self, document: OutgoingDocument, path: str) -> None:
        """Remove the file at `path` if it is this document."""
        ...

    def leave(self) -> None:
        """Remove the folder if it is empty."""
        ...


def deliver(place: Place, work: Work, key: str, *, each: bool) -> None:
    """All documents to one place.

    With `each`, a document is certainly there when `put` returns, and is recorded at once.

    Raises:
        Failure, Halted, OSError, MemoryError, DatabaseTrouble: as `Target.deliver`.
    """
    left = work.left(key)
    if not left:
        return
    token = work.job.token
    try:
        place.prepare(work)
        known = work.records.planned(token, key)
        _plan(place, work, key, [one for one in left if one.document_id not in known], 0)
        for document in left:
            _place(place, work, key, document)
            if each:
                work.records.placed(token, key, document.document_id)
        place.finish()
        work.records.placed(token, key)
    except (Failure, OSError, MemoryError, DatabaseTrouble) as error:
        passing = not isinstance(error, Failure) or error.kind is Kind.PASSING
        if not work.stop.is_set() and (work.last or not passing):
            with contextlib.suppress(Failure, OSError, DatabaseTrouble):
                _take_back(place, work, key)
        raise


def _plan(
    place: Place, work: Work, key: str, documents: Iterable[OutgoingDocument], skipped: int
) -> None:
    """Reserve names; `skipped` names of each document are known to be somebody else's."""
    named = {one.document_id: one for one in documents}
    work.records.plan(
        work.job.token,
        key,
        named,
        lambda number, taken: place.path(named[number].name(taken + skipped)),
        place.taken,
    )


def _place(place: Place, work: Work, key: str, document: OutgoingDocument) -> None:
    """One document under its reserved name, or the next that nobody took since."""
    skipped = 0
    while True:
        path = work.records.planned(work.job.token, key)[document.document_id].path
        work.check()
        if place.put(work, document, path):
            return
        skipped += 1
        work.records.unplan(work.job.token, key, document.document_id)
        _plan(place, work, key, [document], skipped)


def _take_back(place: Place, work: Work, key: str) -> None:
    """Remove what was put to a target that failed."""
    documents = {one.document_id: one for one in work.documents}
    for number, placed in work.records.planned(work.job.token, key).items():
        with contextlib.suppress(Failure, OSError):
            place.remove(documents[number], placed.path)
    work.records.unplan(work.job.token, key)
    with contextlib.suppress(Failure, OSError):
        place.leave()
