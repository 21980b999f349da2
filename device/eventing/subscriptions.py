"""Who listens to what, until when. No sockets, no scan words; time goes in.

    add ──> live ──renew──> live
             ├── expire, remove ──> gone
             └── failed, again and again for minutes ──> the caller is told to give it up

Source: dpws sections 6.2 to 6.4 and 10.2, point 10.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum, auto

from device.errors import UnableToProcess


@dataclass(frozen=True, slots=True)
class Limits:
    """How many subscriptions there may be, in all and of one peer, and how long each may last."""

    total: int = 100
    per_peer: int = 20
    longest_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How failures of a sink are met.

    An event is tried again after each of `retries_s`, and then given up. A sink that has failed
    for `give_up_s`, and at least `give_up_failures` times, with no success between, is given up
    as a whole: a notebook that sleeps for a minute loses events, and not its subscription.
    """

    retries_s: tuple[float, ...] = (0.5, 2.0, 5.0)
    give_up_s: float = 180.0
    give_up_failures: int = 5


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a subscriber wants its events.

    `address` is the checked IP address that `url` stands for, with a zone where it needs one;
    `parameters` are headers, as XML.
    """

    url: str
    address: str
    parameters: str = ""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscriber's wish. `identifier` is a bare UUID in lower case.

    `manager` is the address of the subscription manager that the subscriber was told;
    `as_time` tells that it thinks in dateTimes; `user` is who it is, empty if that is not known.
    """

    identifier: str
    peer: str
    notify_to: Sink
    end_to: Sink | None
    actions: frozenset[str]
    expires_at: float
    manager: str = ""
    as_time: bool = False
    user: str = ""
    failures: int = 0
    failing_since: float | None = None


class Failed(Enum):
    """How a delivery failed, as far as it decides what comes next."""

    UNREACHED = auto()  # nothing was sent
    UNANSWERED = auto()  # it was sent; whether it was taken is not known
    ANSWERED_BUSY = auto()  # a 5xx: it may be taken later
    ANSWERED_NO = auto()  # any other answer that is not 2xx

    @property
    def worth_repeating(self) -> bool:
        """Whether the same event may be sent again: never when it may have been taken."""
        return self in (Failed.UNREACHED, Failed.ANSWERED_BUSY)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do after a failure: try the event again in `again_s`, and keep the sink or not."""

    again_s: float | None
    keep: bool


class Subscriptions:
    """The table of subscriptions, oldest first."""

    def __init__(self, limits: Limits | None = None, patience: Patience | None = None) -> None:
        self._limits = limits or Limits()
        self._patience = patience or Patience()
        self._live: OrderedDict[str, Subscription] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def all(self) -> tuple[Subscription, ...]:
        """All of them, oldest first; some may be due."""
        return tuple(self._live.values())

    def granted_s(self, asked_s: float | None) -> float:
        """The whole seconds that a wish for `asked_s` is granted; None is as long as possible."""
        longest = self._limits.longest_s
        return longest if asked_s is None else min(float(math.ceil(asked_s)), longest)

    def check_room(self, peer: str, leaving: Collection[str] = ()) -> None:
        """Refuse one subscription too many; those of `leaving` do not count.

        Raises:
            UnableToProcess: there are as many as may be, in all or of this peer.
        """
        staying = [one for one in self._live.values() if one.identifier not in leaving]
        if len(staying) >= self._limits.total:
            raise UnableToProcess
        if sum(one.peer == peer for one in staying) >= self._limits.per_peer:
            raise UnableToProcess("This client has as many subscriptions as it may have.")

    def add(self, subscription: Subscription) -> None:
        """Take a subscription in. Raises UnableToProcess as `check_room` does."""
        self.check_room(subscription.peer)
        self._live[subscription.identifier] = subscription

    def find(self, identifier: str, now: float) -> Subscription | None:
        """A subscription that has not lapsed."""
        found = self._live.get(identifier)
        return found if found is not None and found.expires_at > now else None

    def renew(self, identifier: str, granted_s: float, now: float, *, as_time: bool) -> bool:
        """Let a subscription last from now; False if it is not there any more."""
        found = self.find(identifier, now)
        if found is None:
            return False
        self._live[identifier] = replace(found, expires_at=now + granted_s, as_time=as_time)
        return True

    def remove(self, identifier: str) -> Subscription | None:
        """Take a subscription out; None if it is not there."""
        return self._live.pop(identifier, None)

    def expire(self, now: float) -> tuple[Subscription, ...]:
        """Take out the subscriptions that have lapsed."""
        lapsed = tuple(one for one in self._live.values() if one.expires_at <= now)
        for one in lapsed:
            del self._live[one.identifier]
        return lapsed

    def next_expiry(self) -> float | None:
        """The monotonic time at which `expire` has something to do, None if it never has."""
        return min((one.expires_at for one in self._live.values()), default=None)

    def listeners(
        self, action: str, now: float, user: str | None = None
    ) -> tuple[Subscription, ...]:
        """Who gets the event of this action, oldest first; of a `user` only if one is given."""
        return tuple(
            one
            for one in self._live.values()
            if action in one.actions and one.expires_at > now and user in (None, one.user)
        )

    def same(self, wish: Subscription) -> tuple[str, ...]:
        """The subscriptions whose every event would reach the same place twice with `wish`."""
        return tuple(
            one.identifier
            for one in self._live.values()
            if (one.peer, one.notify_to, one.actions) == (wish.peer, wish.notify_to, wish.actions)
        )

    def delivered(self, identifier: str) -> None:
        """A sink took an event: whatever failed before is forgotten."""
        found = self._live.get(identifier)
        if found is not None and found.failures:
            self._live[identifier] = replace(found, failures=0, failing_since=None)

    def failed(self, identifier: str, failure: Failed, attempt: int, now: float) -> Verdict:
        """A sink did not take an event, at the attempt of this number, the first being 1."""
        found = self._live.get(identifier)
        if found is None:
            return Verdict(None, keep=False)
        since = now if found.failing_since is None else found.failing_since
        failures = found.failures + 1
        self._live[identifier] = replace(found, failures=failures, failing_since=since)
        patience = self._patience
        if now - since >= patience.give_up_s and failures >= patience.give_up_failures:
            return Verdict(None, keep=False)
        again = failure.worth_repeating and attempt <= len(patience.retries_s)
        return Verdict(patience.retries_s[attempt - 1] if again else None, keep=True)
