"""The events of post-scan jobs, as the device receives them.

One subscription serves all deliveries to a scan server, for it tells of every job. It is taken
before a job is made, renewed while there are deliveries, and given back after the last one. What an
event says is shown, and asked for again over the checked connection: anybody may post events.

Source: ws-dsp sections 3.4 and 6.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from device.clock import Clock
from device.dsp.client import ScanServer, Subscription
from device.dsp.elements import read_end_state, read_status
from device.dsp.exchange import local_address
from device.dsp.words import JobStatus
from device.soap import xml
from device.soap.dispatch import Answer, Incoming, Route
from device.soap.namespaces import DSP, WSE
from device.soap.xml import Element

log = logging.getLogger(__name__)

STATUS_EVENT: Final = f"{DSP}/PostScanJobStatusEvent"
END_EVENT: Final = f"{DSP}/PostScanJobEndStateEvent"
ACTIONS: Final = (STATUS_EVENT, END_EVENT)
SUBSCRIPTION_END: Final = f"{WSE}/SubscriptionEnd"
ASKED_S: Final = 3600.0
REFUSED_S: Final = 600.0
"""How long a server that has no events is not asked again."""
GOODBYE_S: Final = 5.0

Told = Callable[[JobStatus], None]


@dataclass(slots=True)
class _Source:
    """A scan server, as a source of events."""

    users: int = 0
    subscription: Subscription | None = None
    refused_until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Events:
    """The sink for all deliveries of a device.

    Args:
        notify_to: the URL where events should go, from the address by which a server sees us.
    """

    def __init__(self, notify_to: Callable[[str], str], *, clock: Clock) -> None:
        self._notify_to = notify_to
        self._clock = clock
        self._sources: dict[str, _Source] = {}
        self._told: dict[str, Told] = {}

    def routes(self) -> tuple[Route, ...]:
        """What the dispatcher has to take."""
        return (
            Route(STATUS_EVENT, self._status, DSP, ("PostScanJobStatusEvent",), one_way=True),
            Route(END_EVENT, self._end_state, DSP, ("PostScanJobEndStateEvent",), one_way=True),
            Route(SUBSCRIPTION_END, self._ended, WSE, ("SubscriptionEnd",), one_way=True),
        )

    # ---- for a delivery

    @contextlib.contextmanager
    def attending(self, server: str) -> Iterator[None]:
        """A delivery to this server is under way."""
        source = self._sources.setdefault(server, _Source())
        source.users += 1
        try:
            yield
        finally:
            source.users -= 1

    async def attend(self, server: ScanServer) -> bool:
        """Subscribe, or renew what is half over. Whether events will come."""
        source = self._sources[server.url]
        async with source.lock:
            now = self._clock.monotonic()
            held = source.subscription
            if held is not None and now < held.renew_at:
                return True
            if held is not None:
                source.subscription = await server.renew(held, ASKED_S, now)
            if source.subscription is None and now >= source.refused_until:
                source.subscription = await self._subscribe(server, now)
                if source.subscription is None:
                    source.refused_until = now + REFUSED_S
            return source.subscription is not None

    async def _subscribe(self, server: ScanServer, now: float) -> Subscription | None:
        ours = await local_address(server.url)
        if not ours:
            return None
        return await server.subscribe(self._notify_to(ours), ACTIONS, ASKED_S, now)

    async def finished(self, server: ScanServer) -> None:
        """A delivery has ended; after the last one the subscription is given back."""
        source = self._sources[server.url]
        if source.users > 1 or source.subscription is None:
            return
        held, source.subscription = source.subscription, None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await server.unsubscribe(held)

    def listen(self, token: str, told: Told) -> None:
        """Tell `told` what comes of the job with this token."""
        self._told[token] = told

    def forget(self, token: str) -> None:
        """Listen to that job no more."""
        self._told.pop(token, None)

    # ---- what comes in

    async def _status(self, incoming: Incoming) -> Answer:
        self._tell(read_status(xml.need(_body(incoming), DSP, "JobStatus")))
        return Answer("")

    async def _end_state(self, incoming: Incoming) -> Answer:
        self._tell(read_end_state(xml.need(_body(incoming), DSP, "PostScanJobEndState")))
        return Answer("")

    async def _ended(self, incoming: Incoming) -> Answer:
        """A server ends a subscription; which one is not said, so all are looked at again."""
        log.info("%s ends a subscription", incoming.peer)
        for source in self._sources.values():
            source.subscription = None
        return Answer("")

    def _tell(self, status: JobStatus) -> None:
        told = self._told.get(status.job_token)
        if told is None:
            log.debug("an event of a job that is none of ours")
            return
        told(status)


def _body(incoming: Incoming) -> Element:
    """The body element; the dispatcher has checked that it is there."""
    body = incoming.envelope.body
    assert body is not None
    return body
