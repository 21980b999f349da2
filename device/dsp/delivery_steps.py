"""How a delivery moves along its table: each input leads to the next request, or to the end.

Source: ws-dsp sections 3.2, 4, 10 and 14.
"""

from __future__ import annotations

from dataclasses import replace

from device.dsp.post_scan_job import (
    MAX_ENDS,
    REQUESTING,
    SCAN_PAUSE_S,
    TABLE,
    Delivery,
    Ended,
    Given,
    I,
    NotInThisState,
    Request,
    S,
)


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
