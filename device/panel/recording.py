"""Puts into the journal what passes the dispatcher, and what is delivered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import NoReturn

from lxml import etree

from device import faults
from device.clock import Clock
from device.errors import ActionNotSupported, DeviceError
from device.eventing.delivery import Outcome
from device.panel.journal import Direction, Journal
from device.soap.dispatch import Answer, Attachment, Dispatcher, Incoming, Route
from device.soap.envelope import Body, Envelope

OK = "ok"
BROKEN = "broken off"


class RecordingDispatcher(Dispatcher):
    """A dispatcher whose operations are noted, and the requests for operations that are not."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        super().__init__()
        self._journal = journal
        self._clock = clock

    def add(self, *routes: Route) -> None:
        super().add(*map(self._recorded, routes))

    def refuse(self, envelope: Envelope) -> NoReturn:
        xml = _xml(envelope)
        self._journal.add(
            Direction.REQUEST,
            "",
            envelope.action,
            faults.fault_for(ActionNotSupported(envelope.action)).subcode,
            seconds=0.0,
            received_octets=len(xml),
            request=xml,
        )
        super().refuse(envelope)

    def _recorded(self, route: Route) -> Route:
        action, inner = route.action, route.handler

        async def handler(incoming: Incoming) -> Answer:
            began = self._clock.monotonic()
            try:
                answer = await inner(incoming)
            except DeviceError as error:
                known = type(error) in faults.TABLE
                outcome = (
                    faults.fault_for(error, route.service).subcode if known else "internal error"
                )
                self._note(incoming, action, began, outcome)
                raise
            except BaseException:
                self._note(incoming, action, began, BROKEN)
                raise
            if answer.attachment is None:
                self._note(incoming, action, began, OK, answer.body)
                return answer

            def over(outcome: str, octets: int) -> None:
                self._note(incoming, action, began, outcome, answer.body, octets)

            return answer._replace(attachment=_Counted(answer.attachment, over))

        return replace(route, handler=handler)

    def _note(
        self,
        incoming: Incoming,
        action: str,
        began: float,
        outcome: str,
        reply: Body = "",
        image_octets: int = 0,
    ) -> None:
        raw = incoming.raw
        size = len(reply) if isinstance(reply, str) else sum(map(len, reply))
        self._journal.add(
            Direction.REQUEST,
            incoming.peer,
            action,
            outcome,
            seconds=self._clock.monotonic() - began,
            sent_octets=size + image_octets,
            received_octets=len(raw),
            request=raw,
            reply=reply,
        )


class _Counted:
    """An attachment that tells how many octets of it went out."""

    def __init__(self, inner: Attachment, over: Callable[[str, int], None]) -> None:
        self.media_type = inner.media_type
        self._inner = inner
        self._over = over
        self._octets = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner.chunks():
            self._octets += len(chunk)
            yield chunk

    def resting(self) -> bool:
        return self._inner.resting()

    async def finished(self, *, delivered: bool) -> None:
        try:
            await self._inner.finished(delivered=delivered)
        finally:
            self._over(OK if delivered else BROKEN, self._octets)


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


def _xml(envelope: Envelope) -> bytes:
    blocks = envelope.headers if envelope.body is None else (envelope.body,)
    if not blocks:
        return b""
    return etree.tostring(blocks[0].getroottree(), encoding="utf-8")
