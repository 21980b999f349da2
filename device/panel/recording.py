"""Puts into the journal what passes the dispatcher, and what is delivered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from lxml import etree

from device import faults
from device.clock import Clock
from device.errors import ActionNotSupported, DeviceError
from device.eventing.delivery import Outcome
from device.panel.journal import Direction, Journal
from device.soap.dispatch import Answer, Attachment, Dispatcher, Incoming, Route
from device.soap.envelope import Envelope

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

    def route(self, envelope: Envelope) -> Route:
        try:
            return super().route(envelope)
        except ActionNotSupported as error:
            xml = _xml(envelope)
            outcome = faults.fault_for(error).subcode
            self._journal.add(
                Direction.REQUEST,
                "",
                envelope.action,
                outcome,
                seconds=0.0,
                received_octets=len(xml),
                request=xml,
            )
            raise

    def _recorded(self, route: Route) -> Route:
        async def handler(incoming: Incoming) -> Answer:
            began = self._clock.monotonic()

            def note(outcome: str, reply: str = "", image_octets: int = 0) -> None:
                self._journal.add(
                    Direction.REQUEST,
                    incoming.peer,
                    route.action,
                    outcome,
                    seconds=self._clock.monotonic() - began,
                    sent_octets=len(reply) + image_octets,
                    received_octets=len(incoming.raw),
                    request=incoming.raw,
                    reply=reply,
                )

            try:
                answer = await route.handler(incoming)
            except DeviceError as error:
                known = type(error) in faults.TABLE
                note(faults.fault_for(error, route.service).subcode if known else "internal error")
                raise
            except BaseException:
                note(BROKEN)
                raise
            if answer.attachment is None:
                note(OK, answer.body)
                return answer
            counted = _Counted(
                answer.attachment, lambda outcome, octets: note(outcome, answer.body, octets)
            )
            return replace(answer, attachment=counted)

        return replace(route, handler=handler)


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
