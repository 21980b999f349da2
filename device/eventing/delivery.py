"""Posts notifications, and reports each outcome back.

Whoever changes something only lays its event into the subscribers' queues. Each subscriber gets
one event at a time, by a task of its own: a sink that hangs, refuses or trickles holds up its own
events and no other's. The tasks are started in turn and at a measured pace, so that a thousand
subscribers do not take the machine away from the scan that they hear of.

Source: dpws sections 6.2, 6.4 and 10.2, performance.md section 5.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from device.clock import Clock
from device.eventing import messages
from device.eventing.messages import SUBSCRIPTION_END, EndStatus
from device.eventing.sender import Sender
from device.eventing.subscriptions import Failed, Sink, Subscription, Subscriptions
from device.soap.envelope import pieces
from device.soap.xml import MAX_ENVELOPE

log = logging.getLogger(__name__)

MAX_WAITING = 128
FIRST_EVENT_S = 0.05
"""How long the first event after SubscribeResponse waits, so that it cannot come before that."""
GOODBYE_S = 1.5


@dataclass(frozen=True, slots=True)
class Pace:
    """Events that leave at once, and each second after that; one costs 0.4 ms of our only thread.

    What listens has to wait while there is something that it could slow.
    """

    burst: float
    rate: float


AT_REST = Pace(64, 800)
AT_WORK = Pace(16, 150)
PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Event:
    """A notification, its body made once for all subscribers. `told` hears how one fared.

    With a `user`, it is for the subscriptions of that user only. `sent_as` is its action on the
    wire where that is not the one that is subscribed to here.
    """

    action: str
    body: str
    prefixes: tuple[str, ...]
    told: Callable[[bool], None] | None = None
    user: str | None = None
    sent_as: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one event fared with one subscriber. `failure` is None when it was taken."""

    subscription: Subscription
    action: str
    message: bytes
    attempts: int
    seconds: float
    failure: Failed | None


@dataclass(slots=True)
class _Line:
    """What waits for one subscriber, and the task that sends its next event.

    `listed` tells that it waits for its turn, `served` that it has had one.
    """

    waiting: deque[Event] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None
    lost: int = 0
    listed: bool = False
    served: bool = False


class Delivery:
    """Delivers events to the subscriptions of a table.

    Args:
        given_up: told the identifier of a subscription that was ended since its sink fails.
        lapsed: called when the table has something to expire.
        report: told how each event fared.
        farewell: the reason that subscribers are given at the end.
        max_waiting: events that wait for one subscriber. What is oldest is lost first: the end of
            a job says more than its beginning.
    """

    def __init__(
        self,
        table: Subscriptions,
        *,
        clock: Clock,
        given_up: Callable[[str], None],
        lapsed: Callable[[], None],
        report: Callable[[Outcome], None] = lambda outcome: None,
        at_work: Callable[[], bool] = lambda: False,
        sender: Sender | None = None,
        message_id: Callable[[], str] = lambda: uuid.uuid4().urn,
        farewell: str = "The scanner is going down.",
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._table = table
        self._farewell = farewell
        self._max_waiting = max_waiting
        self._clock = clock
        self._given_up = given_up
        self._lapsed = lapsed
        self._report = report
        self._at_work = at_work
        self._sender = sender or Sender()
        self._message_id = message_id
        self._lines: dict[str, _Line] = {}
        self._turns: deque[tuple[str, _Line]] = deque()
        self._work = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._kick = asyncio.Event()
        self._closing = False

    # ---- what others may ask for; none of it waits

    def publish(self, event: Event) -> None:
        """Send an event to everybody who listens to it."""
        now = self._clock.monotonic()
        for subscription in self._table.listeners(event.action, now, event.user):
            self._queue(subscription.identifier, event)

    def post(self, identifier: str, event: Event) -> bool:
        """Send an event to one subscriber before others get theirs; False if there is none."""
        if self._table.find(identifier, self._clock.monotonic()) is None:
            return False
        self._queue(identifier, event, first=True)
        return True

    def drop(self, identifier: str) -> None:
        """Send nothing more of what waits for this subscription."""
        line = self._lines.pop(identifier, None)
        if line is not None:
            _lose(line)
            if line.task is not None:
                line.task.cancel()
        self._sender.forget(identifier)

    def end(self, subscription: Subscription, why: EndStatus, reason: str) -> None:
        """Send SubscriptionEnd, if the subscriber wants it."""
        if self._group is not None and not self._closing:
            self._group.create_task(self._say_end(subscription, why, reason))

    def wake(self) -> None:
        """The table has changed: look again when something is due."""
        self._kick.set()

    def waiting(self, identifier: str) -> int:
        """How many events wait for this subscriber."""
        line = self._lines.get(identifier)
        return 0 if line is None else len(line.waiting)

    # ---- lifetime

    async def run(self) -> None:
        """Deliver, and let subscriptions lapse in time, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._keep_pace(group))
            while True:
                self._lapsed()
                self._kick.clear()
                due = self._table.next_expiry()
                wait = None if due is None else max(0.0, due - self._clock.monotonic())
                try:
                    async with asyncio.timeout(wait):
                        await self._kick.wait()
                except TimeoutError:
                    continue

    async def close(self) -> None:
        """Tell all subscribers that this is the end; those that do not listen are left.

        What waits is sent first, as far as the time allows; a sink that just failed gets nothing.
        """
        self._closing = True
        try:
            async with asyncio.timeout(GOODBYE_S), asyncio.TaskGroup() as group:
                for subscription in self._table.all():
                    group.create_task(self._part_from(subscription))
        except TimeoutError:
            log.info("some subscribers did not hear that this is the end")
        for subscription in self._table.all():
            self._table.remove(subscription.identifier)
            self.drop(subscription.identifier)
        await self._sender.close()

    # ---- inside

    def _queue(self, identifier: str, event: Event, *, first: bool = False) -> None:
        if self._closing:
            return
        line = self._lines.get(identifier)
        if line is None:
            line = self._lines[identifier] = _Line()
        if len(line.waiting) >= self._max_waiting:
            line.lost += 1
            level = logging.WARNING if line.lost == 1 else logging.DEBUG
            log.log(level, "a subscriber is too slow: an event is lost")
            _tell(line.waiting.popleft(), taken=False)
        line.waiting.append(event)
        self._list(identifier, line, first=first)

    def _list(self, identifier: str, line: _Line, *, first: bool = False) -> None:
        """Let a line wait for its turn, unless it does or has it."""
        if line.listed or line.task is not None or self._closing:
            return
        line.listed = True
        if first:
            self._turns.appendleft((identifier, line))
        else:
            self._turns.append((identifier, line))
        self._work.set()

    async def _keep_pace(self, group: asyncio.TaskGroup) -> None:
        """Give each line its turn, at the pace that there is."""
        now = asyncio.get_running_loop().time
        allowance, last = AT_REST.burst, now()
        while True:
            await self._work.wait()
            pace = AT_WORK if self._at_work() else AT_REST
            allowance, last = min(pace.burst, allowance + (now() - last) * pace.rate), now()
            while self._turns and allowance >= 1 and not self._closing:
                identifier, line = self._turns.popleft()
                line.listed = False
                if self._lines.get(identifier) is line and line.waiting:
                    allowance -= 1
                    line.task = group.create_task(self._serve(identifier, line))
            if self._turns and not self._closing:
                await asyncio.sleep(PAUSE_S)
            else:
                self._work.clear()

    async def _serve(self, identifier: str, line: _Line) -> None:
        """Send the next event of a line, and let the line wait for its turn again."""
        try:
            if not line.served:
                await asyncio.sleep(FIRST_EVENT_S)
                line.served = True
            await self._send_next(identifier, line)
        finally:
            line.task = None
        if line.waiting and self._lines.get(identifier) is line:
            self._list(identifier, line)

    async def _send_next(self, identifier: str, line: _Line) -> None:
        subscription = self._table.find(identifier, self._clock.monotonic())
        if subscription is None:
            _lose(line)
            return
        event, taken = line.waiting.popleft(), False
        try:
            taken = await self._deliver(subscription, event)
        except Exception:
            log.exception("delivering failed")
        finally:
            _tell(event, taken=taken)

    async def _deliver(self, subscription: Subscription, event: Event) -> bool:
        """Send one event, again if need be; whether it was taken."""
        sink, identifier = subscription.notify_to, subscription.identifier
        action = event.sent_as or event.action
        message = self._written(sink, action, event.body, event.prefixes)
        if len(message) > MAX_ENVELOPE:
            log.error("an event %s has %d octets and is not sent", action, len(message))
            return False
        began, attempt = self._clock.monotonic(), 0
        while True:
            attempt += 1
            failure = await self._sender.send(f"n{identifier}", sink, message)
            now = self._clock.monotonic()
            self._report(Outcome(subscription, action, message, attempt, now - began, failure))
            if failure is None:
                self._table.delivered(identifier)
                return True
            verdict = self._table.failed(identifier, failure, attempt, now)
            if not verdict.keep:
                self._give_up(subscription, failure)
                return False
            if verdict.again_s is None:
                log.info("%s did not take an event (%s)", sink.url, failure.name.lower())
                return False
            await asyncio.sleep(verdict.again_s)

    def _give_up(self, subscription: Subscription, failure: Failed) -> None:
        """End a subscription whose sink fails. One that cannot be reached is not told."""
        if self._table.remove(subscription.identifier) is None:
            return
        log.warning("%s takes no events: subscription ended", subscription.notify_to.url)
        line = self._lines.pop(subscription.identifier, None)
        if line is not None:
            _lose(line)
        self._sender.forget(subscription.identifier)
        self._given_up(subscription.identifier)
        answers = failure in (Failed.ANSWERED_BUSY, Failed.ANSWERED_NO)
        if answers or not _same_place(subscription.notify_to, subscription.end_to):
            self.end(subscription, EndStatus.DELIVERY_FAILURE, "Events could not be delivered.")

    async def _part_from(self, subscription: Subscription) -> None:
        if subscription.failures:
            return
        line = self._lines.get(subscription.identifier)
        if line is not None and line.task is not None:
            await asyncio.wait({line.task})
        while line is not None and line.waiting:
            await self._send_next(subscription.identifier, line)
        still = self._table.find(subscription.identifier, self._clock.monotonic())
        if still is not None and not still.failures:
            await self._say_end(subscription, EndStatus.SHUTTING_DOWN, self._farewell)

    async def _say_end(self, subscription: Subscription, why: EndStatus, reason: str) -> None:
        if subscription.end_to is None:
            return
        manager = messages.manager(subscription.manager, subscription.identifier)
        body = messages.subscription_end(manager, why, reason)
        message = self._written(subscription.end_to, SUBSCRIPTION_END, body, ("wse",))
        began = self._clock.monotonic()
        failure = await self._sender.send(
            f"e{subscription.identifier}", subscription.end_to, message
        )
        seconds = self._clock.monotonic() - began
        self._report(Outcome(subscription, SUBSCRIPTION_END, message, 1, seconds, failure))
        self._sender.forget(subscription.identifier)

    def _written(self, sink: Sink, action: str, body: str, prefixes: tuple[str, ...]) -> bytes:
        return b"".join(
            pieces(
                action,
                body,
                message_id=self._message_id(),
                to=sink.url,
                prefixes=prefixes,
                headers=sink.parameters,
            )
        )


def _tell(event: Event, *, taken: bool) -> None:
    if event.told is not None:
        event.told(taken)


def _lose(line: _Line) -> None:
    """Nothing of what waits will be sent."""
    while line.waiting:
        _tell(line.waiting.popleft(), taken=False)


def _same_place(one: Sink, other: Sink | None) -> bool:
    return other is None or urlsplit(one.url).netloc == urlsplit(other.url).netloc
