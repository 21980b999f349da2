"""Puts into the journal what is asked and answered at the port, and what is delivered."""

from __future__ import annotations

from collections.abc import Callable

from device.eventing.delivery import Outcome
from device.panel.journal import Direction, Journal
from device.soap.dispatch import OK, Exchange


def recorder(journal: Journal) -> Callable[[Exchange], None]:
    """What notes a request and its reply."""

    def note(exchange: Exchange) -> None:
        journal.add(
            Direction.REQUEST,
            exchange.peer,
            exchange.action,
            exchange.outcome,
            seconds=exchange.seconds,
            sent_octets=len(exchange.reply) + exchange.attachment_octets,
            received_octets=len(exchange.request),
            request=exchange.request,
            reply=exchange.reply,
        )

    return note


def note_delivery(journal: Journal, outcome: Outcome) -> None:
    """Note how one event fared with one subscriber."""
    failure = outcome.failure
    journal.add(
        Direction.EVENT,
        outcome.subscription.notify_to.url,
        outcome.action,
        OK if failure is None else failure.name.lower().replace("_", " "),
        seconds=outcome.seconds,
        sent_octets=len(outcome.message),
        request=outcome.message,
    )
