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

from dataclasses import dataclass, replace
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


def begin(
    delivery: Delivery, now: float = 0.0, *, found: bool = False
) -> tuple[Delivery, Request | None]:
    """The first request. A delivery with a token was interrupted, and its job is looked at.

    `found` tells that the address of the service is known already.
    """
    first = replace(delivery, state=S.PROBING, unchecked=bool(delivery.token))
    if found:
        return _go_on(replace(first, state=S.READY), now)
    return first, Request(S.PROBING)


def next_deadline(delivery: Delivery) -> float | None:
    """The monotonic time at which `I.DEADLINE` is due, if any."""
    return delivery.deadline


def step(delivery: Delivery, given: Given, now: float) -> tuple[Delivery, Request | None]:
    """Move `delivery` by one input at monotonic time `now` (seconds).

    Raises:
        NotInThisState: the input cannot happen in this state.
    """
    before = delivery.state
    kind = _refine(delivery, given)
    state = TABLE.get((before, kind))
    if state is None:
        raise NotInThisState(f"{kind.name} in {before}")
    after = replace(_learn(delivery, kind, given), state=state)
    if kind in (I.PAGE, I.SCAN_OVER, I.SCAN_FAILED, I.CANCEL) and state is before is not S.READY:
        return after, None  # the request under way goes on, or its next try is still due
    if kind in (I.BROKEN, I.TEMPORARY):
        return replace(after, tries=after.tries + 1, deadline=now + _pause_s(delivery)), None
    if kind is I.STATUS:
        return replace(after, deadline=now + after.poll_s), None
    return _go_on(replace(after, deadline=None), now)


def _go_on(delivery: Delivery, now: float) -> tuple[Delivery, Request | None]:
    """Leave the hub if there is something to do, and ask for the request of the new state."""
    if delivery.state is S.READY:
        move = _next_move(delivery)
        if move is None:
            idle = now + SCAN_PAUSE_S if delivery.token else None
            return replace(delivery, deadline=idle), None
        delivery = replace(delivery, state=TABLE[(S.READY, move)])
    if delivery.state not in REQUESTING:
        return delivery, None
    if delivery.state is S.ENDING:
        delivery = replace(delivery, ends=delivery.ends + 1)
    return delivery, Request(delivery.state, delivery.next_document or 0)


def _next_move(delivery: Delivery) -> I | None:
    """What the facts ask for when nothing is under way."""
    if delivery.cancel:
        return I.CANCEL if delivery.token else I.LET_GO
    if delivery.unchecked:
        return I.CHECK
    if delivery.withdraw:
        return I.WITHDRAW if delivery.token else I.GAVE_UP
    if delivery.ended:
        return I.WATCH
    if delivery.next_document is not None:
        return I.SEND if delivery.token else I.CREATE
    if delivery.scan_over:
        return I.END if delivery.token else I.NOTHING
    return None


def _pause_s(delivery: Delivery) -> float:
    return delivery.pauses_s[delivery.tries]


def _refine(delivery: Delivery, given: Given) -> I:
    """The line of the table that this input means here."""
    state, kind = delivery.state, given.kind
    if kind is I.REFUSED and state in (S.CHECKING, S.WATCHING):
        kind = I.TEMPORARY
    if kind is I.GONE and state in (S.PROBING, S.GETTING, S.CREATING):
        kind = I.REFUSED
    match state, kind:
        case ((S.PROBING | S.GETTING | S.READY), I.CANCEL) if not delivery.token:
            return I.LET_GO
        case S.CREATING, I.CANCEL if delivery.deadline is not None:
            return I.LET_GO
        case S.CREATING, (I.BROKEN | I.TEMPORARY | I.REFUSED) if delivery.cancel:
            return I.LET_GO  # a job that was made all the same will time out
        case S.CANCELING, I.GONE if delivery.ends:
            return I.TOO_LATE
        case S.WATCHING, I.STATUS:
            return _refine_status(delivery, given)
        case S.CHECKING, I.STATUS:
            wanted = {Ended.WELL: I.COMPLETED, Ended.BADLY: I.LOST}
            return wanted.get(given.ended, I.FOUND)
        case S.CHECKING, I.GONE:
            return I.UNKNOWN if delivery.ends and not delivery.again else I.LOST
        case _, (I.BROKEN | I.TEMPORARY) if delivery.tries >= len(delivery.pauses_s):
            return I.GAVE_UP
    return kind


def _refine_status(delivery: Delivery, given: Given) -> I:
    match given.ended:
        case Ended.WELL:
            return I.COMPLETED
        case Ended.BADLY:
            return I.ENDED_BADLY
        case Ended.OPEN:
            return I.NOT_ENDED if delivery.ends < MAX_ENDS else I.GAVE_UP
        case Ended.NOT_YET:
            return I.STATUS


def _learn(delivery: Delivery, kind: I, given: Given) -> Delivery:
    """Take in the facts that come with an input."""
    d = replace(delivery, why=given.why) if given.why else delivery
    match kind:
        case I.PAGE:
            return replace(d, pages=d.pages + 1)
        case I.SCAN_OVER:
            return replace(d, scan_over=True)
        case I.SCAN_FAILED:
            return replace(d, scan_over=True, withdraw=True)
        case I.CANCEL | I.LET_GO:
            return replace(d, cancel=True)
        case I.DEADLINE if d.state is S.READY:
            return replace(d, withdraw=True, why="the scan paused too long")
        case I.DONE if d.state is S.CREATING:
            return replace(d, token=given.token, stored=frozenset(), tries=0)
        case I.DONE if d.state is S.SENDING:
            return replace(d, stored=d.stored | {d.next_document or 0}, tries=0)
        case I.DONE if d.state is S.ENDING:
            return replace(d, ended=True, tries=0)
        case I.FOUND if d.state is S.CHECKING:
            stored = d.stored if given.stored is None else given.stored
            over = given.ended is Ended.NOT_YET
            return replace(d, unchecked=False, stored=stored, ended=over, tries=0)
        case I.STATUS:
            return replace(d, tries=0)
        case I.LOST | I.ENDED_BADLY:
            return _without_job(d, given)
        case I.REFUSED if d.state is S.SENDING:
            return replace(d, withdraw=True, keep_scanning=True)
        case I.DONE | I.GONE if d.state is S.WITHDRAWING:
            return _without_job(d, given)
        case I.GAVE_UP | I.HOPELESS | I.REFUSED | I.GONE if not d.withdraw:
            return replace(d, keep_scanning=True)
        case I.UNKNOWN:
            return replace(d, why="the server has forgotten the job and may have delivered it")
        case I.TOO_LATE:
            return replace(d, cancel=False, ended=True)
    return d


def _without_job(d: Delivery, given: Given) -> Delivery:
    """The job came to nothing: all its pages are to be sent to a new one.

    Filters that did their work are not asked again, so that nothing is delivered twice.
    """
    left = d.filters
    if given.ended is Ended.BADLY and given.undelivered:
        left = tuple(d.filters[n] if d.filters else n for n in given.undelivered)
    return replace(
        d,
        token="",
        stored=frozenset(),
        ends=0,
        ended=False,
        unchecked=False,
        withdraw=False,
        filters=left,
        tries=0,
    )
