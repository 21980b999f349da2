"""A delivery to a scan server, as a table: Probe, Get, CreatePostScanJob, SendImage…, End, watch.

One request is under way at a time; a new one replaces it. `READY` is the hub: nothing is under
way, and what comes next follows from the facts (pages, token, what the server has).

A lost connection leads back to Probe, for addresses and certificates may have changed, and then
to where the delivery stood: SendImage goes out again with the same DocumentId.

A server that cannot be reached or trusted, or that refuses, does not stop the scan: what is in the
feeder ends in the spool, for a later try. (ws-dsp section 14 keeps nothing, or stops scanning; but
half a stack is of no use.) Only a scan that itself fails or pauses too long ends early.

Source: ws-dsp sections 3.2, 4, 10 and 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

PAUSES_S = (2.0, 4.0, 8.0)
POLL_S = 2.0
SCAN_PAUSE_S = 540.0
"""A scan that pauses this long is given up: the server forgets the job after 10 minutes."""
MAX_ENDS = 3


class S(StrEnum):
    """Where a delivery stands. The last three are final."""

    PROBING = "Probing"
    GETTING = "Getting"
    READY = "Ready"
    CHECKING = "Checking"
    CREATING = "Creating"
    SENDING = "Sending"
    ENDING = "Ending"
    WATCHING = "Watching"
    CANCELING = "Canceling"
    WITHDRAWING = "Withdrawing"
    DELIVERED = "Delivered"
    CANCELED = "Canceled"
    FAILED = "Failed"


FINAL = frozenset({S.DELIVERED, S.CANCELED, S.FAILED})


class I(Enum):  # noqa: E742 - the table reads better so
    """What can happen to a delivery: first what comes from outside, then what follows from it."""

    PAGE = auto()  # one more page is in the spool
    SCAN_OVER = auto()
    SCAN_FAILED = auto()
    CANCEL = auto()
    DEADLINE = auto()
    FOUND = auto()  # the server's address, or its service, or the job's state after a resume
    DONE = auto()  # the request was answered as hoped
    STATUS = auto()  # the job's status was answered
    BROKEN = auto()  # no answer
    TEMPORARY = auto()
    REFUSED = auto()
    GONE = auto()  # the server does not know, or has cancelled, the job
    HOPELESS = auto()  # no trust, or no scan server

    GAVE_UP = auto()  # the last try failed
    LET_GO = auto()  # cancelled before there was a job
    TOO_LATE = auto()  # cancelled when the job may have ended already
    NOT_ENDED = auto()  # End never arrived
    COMPLETED = auto()
    ENDED_BADLY = auto()
    LOST = auto()  # an earlier job came to nothing: a new one takes its pages
    UNKNOWN = auto()  # an earlier job may have been delivered, nobody knows
    CHECK = auto()
    CREATE = auto()
    SEND = auto()
    END = auto()
    WATCH = auto()
    WITHDRAW = auto()
    NOTHING = auto()  # there was no page at all


TABLE: dict[tuple[S, I], S] = {
    (S.PROBING, I.FOUND): S.GETTING,
    (S.GETTING, I.FOUND): S.READY,
    (S.GETTING, I.REFUSED): S.FAILED,
    (S.PROBING, I.REFUSED): S.FAILED,
    (S.READY, I.DEADLINE): S.WITHDRAWING,  # the scan paused too long
    (S.READY, I.CHECK): S.CHECKING,
    (S.READY, I.CREATE): S.CREATING,
    (S.READY, I.SEND): S.SENDING,
    (S.READY, I.END): S.ENDING,
    (S.READY, I.WATCH): S.WATCHING,
    (S.READY, I.WITHDRAW): S.WITHDRAWING,
    (S.READY, I.NOTHING): S.DELIVERED,
    (S.CHECKING, I.FOUND): S.READY,
    (S.CHECKING, I.COMPLETED): S.DELIVERED,
    (S.CHECKING, I.LOST): S.READY,
    (S.CHECKING, I.UNKNOWN): S.FAILED,
    (S.CHECKING, I.CANCEL): S.CANCELING,
    (S.CREATING, I.DONE): S.READY,
    (S.CREATING, I.REFUSED): S.FAILED,
    (S.SENDING, I.DONE): S.READY,
    (S.SENDING, I.REFUSED): S.WITHDRAWING,
    (S.SENDING, I.GONE): S.FAILED,
    (S.SENDING, I.CANCEL): S.CANCELING,
    (S.SENDING, I.SCAN_FAILED): S.WITHDRAWING,
    (S.ENDING, I.DONE): S.READY,
    (S.ENDING, I.REFUSED): S.WATCHING,  # perhaps an earlier End arrived: the status tells
    (S.ENDING, I.GONE): S.FAILED,
    (S.ENDING, I.CANCEL): S.CANCELING,
    (S.WATCHING, I.STATUS): S.WATCHING,
    (S.WATCHING, I.NOT_ENDED): S.ENDING,
    (S.WATCHING, I.COMPLETED): S.DELIVERED,
    (S.WATCHING, I.ENDED_BADLY): S.FAILED,
    (S.WATCHING, I.GONE): S.FAILED,
    (S.WATCHING, I.CANCEL): S.CANCELING,
    (S.CANCELING, I.DONE): S.CANCELED,
    (S.CANCELING, I.GONE): S.CANCELED,
    (S.CANCELING, I.REFUSED): S.FAILED,
    (S.CANCELING, I.TOO_LATE): S.WATCHING,
    (S.WITHDRAWING, I.DONE): S.FAILED,
    (S.WITHDRAWING, I.GONE): S.FAILED,
    (S.WITHDRAWING, I.REFUSED): S.FAILED,
    (S.WITHDRAWING, I.CANCEL): S.CANCELING,
    (S.PROBING, I.LET_GO): S.CANCELED,
    (S.GETTING, I.LET_GO): S.CANCELED,
    (S.READY, I.LET_GO): S.CANCELED,
    (S.CREATING, I.LET_GO): S.CANCELED,
    (S.READY, I.CANCEL): S.CANCELING,
    **{(state, I.DEADLINE): state for state in S if state not in FINAL | {S.READY}},
    **{(state, I.GAVE_UP): S.FAILED for state in S if state not in FINAL},
    **{(state, I.HOPELESS): S.FAILED for state in S if state not in FINAL | {S.READY}},
    **{(state, I.BROKEN): S.PROBING for state in S if state not in FINAL | {S.READY}},
    **{(state, I.TEMPORARY): state for state in S if state not in FINAL | {S.READY}},
    # Legal and idle: these only change the facts.
    **{(state, I.PAGE): state for state in S if state not in FINAL},
    **{(state, I.SCAN_OVER): state for state in S if state not in FINAL},
    **{(state, I.SCAN_FAILED): state for state in S if state not in FINAL | {S.SENDING}},
    (S.PROBING, I.CANCEL): S.PROBING,
    (S.GETTING, I.CANCEL): S.GETTING,
    (S.CREATING, I.CANCEL): S.CREATING,
    (S.CANCELING, I.CANCEL): S.CANCELING,
}

REQUESTING = frozenset(S) - FINAL - {S.READY}
"""The states in which a request is under way, or waits for its next try."""


class Ended(Enum):
    """How the server's job stands, as far as a delivery cares."""

    NOT_YET = auto()
    OPEN = auto()  # Creating: End has not arrived
    WELL = auto()
    BADLY = auto()


@dataclass(frozen=True, slots=True)
class Given:
    """An input with what came along.

    `token`: with DONE of a CreatePostScanJob. `ended`, `undelivered` (positions of the filters
    that did not do their work) and `stored` (the DocumentIds that the server has): with STATUS.
    """

    kind: I
    why: str = ""
    token: str = ""
    ended: Ended = Ended.NOT_YET
    undelivered: tuple[int, ...] = ()
    stored: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery.

    `pages` are in the spool, DocumentIds 1 to `pages`; `stored` are those that the server has
    acknowledged for the job `token`. `ends` counts the EndPostScanJob sent, `tries` the failures
    in a row. `filters` are the positions of the filters still to be served, None for all.
    `again` allows to send what an unknown job may have delivered. `keep_scanning` says of a
    failed delivery that the trouble is the server's: the rest of the stack belongs in the spool.
    """

    state: S = S.PROBING
    token: str = ""
    pages: int = 0
    scan_over: bool = False
    stored: frozenset[int] = frozenset()
    ends: int = 0
    ended: bool = False
    filters: tuple[int, ...] | None = None
    unchecked: bool = False
    again: bool = False
    cancel: bool = False
    withdraw: bool = False
    tries: int = 0
    deadline: float | None = None
    why: str = ""
    keep_scanning: bool = False
    pauses_s: tuple[float, ...] = PAUSES_S
    poll_s: float = POLL_S

    @property
    def next_document(self) -> int | None:
        """The DocumentId to send next."""
        return next((n for n in range(1, self.pages + 1) if n not in self.stored), None)

    @property
    def final(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class Request:
    """An effect: make the request that belongs to this state."""

    state: S
    document_id: int = 0


class NotInThisState(Exception):
    """The input has no line in the table for this state."""
