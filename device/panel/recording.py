"""Puts into the journal what is asked and answered at the port, and what is delivered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from device.eventing.delivery import Outcome
from device.panel.journal import Direction, Journal
from device.soap.dispatch import OK, Exchange


def recorder(journal: Journal) -> Callable[[Exchange], None]:
    """What notes a request and its reply."""
    return partial(journal.add, Direction.REQUEST)


def note_delivery(journal: Journal, outcome: Outcome) -> None:
    """Note how one event fared with one subscriber."""
    failure = outcome.failure
    exchange = Exchange(
        outcome.subscription.notify_to.url,
        outcome.action,
        OK if failure is None else failure.name.lower().replace("_", " "),
        outcome.seconds,
        outcome.message,
    )
    journal.add(Direction.EVENT, exchange)
