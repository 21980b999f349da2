"""Who registered for device-initiated scans, under which token. Pure: time goes in.

A press of the button makes a scan identifier for one destination. It has to be used within five
minutes; then, by default, it serves until the stack that the press started is empty, because a
real receiver makes a job for each sheet with the same identifier (clients.md, section 3.3).

    WAITING ──used──> SCANNING ──its latest job is over──> DONE ──used again──> SCANNING
       └──not taken, five minutes, subscription gone──> NO_ANSWER

Source: ws-scan sections 7.1, 9.2, 9.5 and 18, point 15.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from device.errors import InvalidDestinationToken, InvalidScanIdentifier
from scanner_backends.base import TrayPage

ANSWER_S: Final = 300.0
"""How long a client may take to ask for the job, and for each further one."""
FIRST: Final = "first"
PRESSES_KEPT: Final = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """A destination as a client registers it."""

    name: str
    context: str


@dataclass(frozen=True, slots=True)
class Destination:
    """An entry of the panel's list. `subscription` owns it, `peer` is that client's address.

    `only` tells that the subscription has no purpose beside its destinations.
    """

    number: int
    subscription: str
    peer: str
    name: str
    context: str
    token: str
    only: bool = True

    @property
    def same(self) -> tuple[str, str, str]:
        """What a client that subscribes again keeps."""
        return self.peer, self.name, self.context


class PressState(StrEnum):
    """What the panel shows of a press."""

    WAITING = "waiting"
    SCANNING = "scanning"
    DONE = "done"
    NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Press:
    """One press of the scan button.

    `stack` is what lay in the feeder then: nothing if the scan is from elsewhere, None if a real
    feeder does not say. `jobs` are those that were made of it.
    """

    number: int
    destination: Destination
    identifier: str
    source: str
    stack: tuple[TrayPage, ...] | None
    deadline: float
    state: PressState = PressState.WAITING
    jobs: tuple[int, ...] = ()
    used_up: bool = False


class Destinations:
    """The destinations, in the order in which they were registered, and the latest presses.

    Args:
        token: makes tokens and identifiers that nobody can guess.
        once: an identifier serves for one job only.
    """

    def __init__(self, token: Callable[[], str], *, once: bool = False) -> None:
        self._token = token
        self._once = once
        self._entries: OrderedDict[int, Destination] = OrderedDict()
        self._presses: OrderedDict[str, Press] = OrderedDict()
        self._last = 0

    # ---- destinations

    def all(self) -> tuple[Destination, ...]:
        """What the panel lists."""
        return tuple(self._entries.values())

    def find(self, number: int) -> Destination | None:
        """One destination by its number."""
        return self._entries.get(number)

    def called(self, name: str) -> Destination | None:
        """The destination of that name, else the first one with it in its name.

        `first` is the one that is listed first.
        """
        wanted, there = name.casefold(), self.all()
        if wanted == FIRST:
            return there[0] if there else None
        exact = [one for one in there if one.name.casefold() == wanted]
        partly = [one for one in there if wanted in one.name.casefold()]
        return next(iter((*exact, *partly)), None)

    def emptied(
        self, peer: str, wanted: Iterable[Wanted], alike: Collection[str]
    ) -> tuple[str, ...]:
        """The subscriptions that would have no purpose left once `peer` registers `wanted`.

        They lose all their destinations, and either had no other purpose, or are among `alike`:
        those whose other events go where those of the new one go.
        """
        coming = {(peer, one.name, one.context) for one in wanted}
        staying = {one.subscription for one in self._entries.values() if one.same not in coming}
        leaving = [
            one.subscription
            for one in self._entries.values()
            if one.same in coming and (one.only or one.subscription in alike)
        ]
        return tuple(one for one in dict.fromkeys(leaving) if one not in staying)

    def register(
        self, subscription: str, peer: str, wanted: Sequence[Wanted], *, only: bool
    ) -> tuple[Destination, ...]:
        """Enter destinations, in place of those that this client had by the same names."""
        made = tuple(
            Destination(
                self._next(), subscription, peer, one.name, one.context, self._token(), only
            )
            for one in wanted
        )
        coming = {one.same for one in made}
        for number, entry in list(self._entries.items()):
            if entry.same in coming:
                del self._entries[number]
        self._entries.update((one.number, one) for one in made)
        return made

    def drop(self, subscription: str) -> None:
        """A subscription is gone, and its destinations with it."""
        for number, entry in list(self._entries.items()):
            if entry.subscription == subscription:
                del self._entries[number]

    # ---- presses

    def presses(self) -> tuple[Press, ...]:
        """The latest presses, oldest first."""
        return tuple(self._presses.values())

    def press(
        self,
        destination: Destination,
        source: str,
        stack: tuple[TrayPage, ...] | None,
        now: float,
    ) -> Press:
        """The button was pressed for `destination`; for `stack` see `Press`."""
        identifier = f"urn:uuid:{self._token()}"
        press = Press(self._next(), destination, identifier, source, stack, now + ANSWER_S)
        self._presses[identifier] = press
        while len(self._presses) > PRESSES_KEPT:
            self._presses.popitem(last=False)
        return press

    def check(
        self, identifier: str | None, token: str | None, feeder: Sequence[TrayPage], now: float
    ) -> Press | None:
        """The press that a CreateScanJob follows; None if it follows none.

        Args:
            feeder: what lies in the feeder now.

        Raises:
            InvalidScanIdentifier: unknown, too late, used up, or missing beside a token.
            InvalidDestinationToken: unknown, of another destination, or missing.
        """
        if not identifier and not token:
            return None
        if not identifier:
            raise InvalidScanIdentifier
        press = self._presses.get(identifier)
        if token and (press is None or not self._holds(press, feeder, now)):
            raise InvalidScanIdentifier
        # A client that subscribed again since the press has a new token for the same destination.
        fitting = {
            one.token
            for one in self._entries.values()
            if press is not None and one.same == press.destination.same
        }
        if token not in fitting:
            raise InvalidDestinationToken
        return press

    def used(self, press: Press, job_id: int, now: float, *, feeder: bool) -> None:
        """A job was created with the identifier of `press`, from the feeder or not."""
        self._presses[press.identifier] = replace(
            press,
            jobs=(*press.jobs, job_id),
            state=PressState.SCANNING,
            deadline=now + ANSWER_S,
            used_up=self._once or not feeder or press.stack == (),
        )

    def job_over(self, job_id: int, *, feeder_ended: bool) -> None:
        """A job has ended; `feeder_ended` tells that it left nothing to scan."""
        for press in self._presses.values():
            if job_id in press.jobs:
                over = press.used_up or feeder_ended
                state = PressState.DONE if press.jobs[-1] == job_id else press.state
                self._presses[press.identifier] = replace(press, used_up=over, state=state)
                return

    def not_taken(self, identifier: str) -> None:
        """The client did not take the event of a press, as far as we know: its identifier holds."""
        press = self._presses.get(identifier)
        if press is not None and press.state is PressState.WAITING:
            self._presses[identifier] = replace(press, state=PressState.NO_ANSWER)

    def tick(self, now: float) -> None:
        """Let go of presses that nobody answered."""
        for press in self.presses():
            late = press.deadline <= now or self._is_orphan(press)
            if press.state is PressState.WAITING and late:
                self.not_taken(press.identifier)

    # ---- inside

    def _holds(self, press: Press, feeder: Sequence[TrayPage], now: float) -> bool:
        """Whether the identifier of `press` is good for one job more.

        Sheets are told apart by identity: those that were laid in later are another stack.
        """
        if press.used_up or press.deadline <= now or self._is_orphan(press):
            return False
        if not press.jobs or press.stack is None:
            return True
        fronts = (sheet for sheet in feeder if not sheet.back)
        return any(sheet is page for sheet in fronts for page in press.stack)

    def _is_orphan(self, press: Press) -> bool:
        return all(one.same != press.destination.same for one in self._entries.values())

    def _next(self) -> int:
        self._last += 1
        return self._last
