"""What a filter is, and how one is run.

A filter serves targets: folders, mail, libraries. Each target gets every document of the job or is
a failure with a reason; the others are tried all the same. What was delivered is in the records,
so that a filter that was cut off anywhere goes on where it was and brings nothing twice.

Source: ws-dsp sections 6.3, 8.3 and 14.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from typing import Protocol

from device.dsp.filters import Config
from device.dsp.words import FilterState, FilterStateReason
from scan_server.database import DatabaseTrouble
from scan_server.filters.documents import OutgoingDocument, outgoing
from scan_server.filters.stop import Stop
from scan_server.identity import User
from scan_server.post_scan_jobs import PostScanJob
from scan_server.records import Records
from scan_server.storage import FULL, Storage

log = logging.getLogger(__name__)


class Halted(Exception):
    """The filter was told to stop."""


class Kind(Enum):
    """What a failure means."""

    FINAL = auto()
    PASSING = auto()  # the same may work later
    WARNING = auto()  # the documents are delivered, and there is something to say


class Failure(Exception):
    """A target did not get the documents, or not as it should. `why` is for the log.

    No secret and nothing that the target said in full goes into `why`.
    """

    def __init__(self, reason: str, why: str, kind: Kind = Kind.FINAL) -> None:
        self.reason = reason
        self.why = why
        self.kind = kind
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a filter ended. With `again`, something of it may work later."""

    state: FilterState
    reasons: tuple[str, ...] = ()
    again: bool = False


INVALID_INSTRUCTIONS = Outcome(FilterState.COMPLETED_WITH_ERRORS, (FilterStateReason.INVALID_ARGS,))


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a target is tried. The pause doubles each time, up to an hour."""

    tries: int = 3
    pause_s: float = 10.0

    def pause_after(self, attempt: int) -> float:
        """Seconds between try `attempt`, counted from 1, and the next."""
        return float(min(self.pause_s * 2 ** min(attempt - 1, 30), 3600.0))


@dataclass(frozen=True)
class Work:
    """One filter's turn at one job. After the `last` one, what failed stays so."""

    job: PostScanJob
    position: int
    user: User
    records: Records
    storage: Storage
    stop: Stop
    last: bool = True

    def check(self) -> None:
        """
        Raises:
            Halted: the filter was told to stop.
        """
        if self.stop.is_set():
            raise Halted

    def key(self, number: int) -> str:
        """The name of a target in the records."""
        return f"{self.position}.{number}"

    @cached_property
    def documents(self) -> tuple[OutgoingDocument, ...]:
        """All documents of the job, by DocumentId."""
        user, token = self.user.name, self.job.token
        return tuple(
            outgoing(self.job, user, one, self.storage.path(token, one.document_id))
            for one in self.job.documents
        )

    def done(self, key: str, name: str) -> bool:
        """Whether what is done as a whole is done; if not, it is reserved under `name`."""
        known = self.records.planned(self.job.token, key)
        if not known:
            self.records.plan(self.job.token, key, [0], lambda *_: name, lambda path: False)
        return bool(known) and known[0].done

    def left(self, key: str) -> list[OutgoingDocument]:
        """The documents that a target has not got."""
        known = self.records.planned(self.job.token, key)
        done = {number for number, placed in known.items() if placed.done}
        return [one for one in self.documents if one.document_id not in done]


class Target(Protocol):
    """Where documents go. `name` is what the log calls it."""

    @property
    def name(self) -> str: ...

    def deliver(self, work: Work, key: str) -> None:
        """Bring every document that the records do not have as delivered under `key`.

        Blocks: called in a thread. What it waits for ends when `work.stop` is set.

        Raises:
            Failure: the target did not get all.
            Halted: the filter was told to stop; what is delivered stays.
            OSError, MemoryError: the machine did not play along.
        """
        ...


class Filter(Protocol):
    """The delivery for one dialect."""

    @property
    def retry(self) -> Retry: ...

    def targets(self, config: Config, work: Work) -> Sequence[Target | Failure]:
        """The targets that the instructions name; a failure for one that is none of ours.

        The scan process comes over the wire: only what the server's settings allow is a target.
        """
        ...


@dataclass(slots=True)
class Run:
    """A filter that runs, perhaps several times. Targets that have settled are left alone."""

    filter: Filter
    config: Config
    _settled: dict[int, Failure | None] = field(default_factory=dict)

    def once(self, work: Work) -> Outcome:
        """Serve each target that is open.

        Raises:
            Halted: the filter was told to stop.
        """
        passing: list[Failure] = []
        for number, target in enumerate(self.filter.targets(self.config, work)):
            if number in self._settled:
                continue
            work.check()
            failure = target if isinstance(target, Failure) else _try(target, work, number)
            if failure:
                log.warning("job %s: %s", work.job.token, failure.why)
            if failure and failure.kind is Kind.PASSING:
                passing.append(failure)
            else:
                self._settled[number] = failure
        return self._outcome(passing)

    def _outcome(self, passing: Sequence[Failure]) -> Outcome:
        settled = [failure for failure in self._settled.values() if failure]
        errors = [one for one in settled if one.kind is Kind.FINAL] + list(passing)
        reasons = tuple(dict.fromkeys(one.reason for one in errors or settled))
        if errors:
            return Outcome(FilterState.COMPLETED_WITH_ERRORS, reasons, again=bool(passing))
        if reasons:
            return Outcome(FilterState.COMPLETED_WITH_WARNINGS, reasons)
        return Outcome(FilterState.COMPLETED_SUCCESSFULLY)


def _try(target: Target, work: Work, number: int) -> Failure | None:
    """One target, once."""
    try:
        target.deliver(work, work.key(number))
    except Failure as failure:
        work.check()  # a connection that we ended ourselves looks like a failure
        return Failure(failure.reason, f"{target.name}: {failure.why}", failure.kind)
    except OSError as error:
        work.check()
        return of_os_error(error, target.name)
    except DatabaseTrouble as error:
        reason = (
            FilterStateReason.OUT_OF_DISK_SPACE if error.full else FilterStateReason.UNKNOWN_ERROR
        )
        return Failure(reason, f"{target.name}: the records: {error}", Kind.PASSING)
    except MemoryError:
        reason = FilterStateReason.SERVER_OUT_OF_MEMORY
        return Failure(reason, f"{target.name}: out of memory", Kind.PASSING)
    return None


def of_os_error(error: OSError, name: str) -> Failure:
    """The server's own trouble with its own files, or with a connection that it does not know."""
    why = f"{name}: {error.strerror or type(error).__name__}"
    if error.errno in FULL:
        return Failure(FilterStateReason.OUT_OF_DISK_SPACE, why, Kind.PASSING)
    if error.errno == errno.ENOMEM:
        return Failure(FilterStateReason.SERVER_OUT_OF_MEMORY, why, Kind.PASSING)
    return Failure(FilterStateReason.UNKNOWN_ERROR, why, Kind.PASSING)
