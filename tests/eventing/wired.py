"""The in-process device of `support.wire`, with everything that makes and sends events."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from eventing.subscriber import Subscriber
from support.wire import MANAGED, PATH, Options, WireDevice

from device.eventing.delivery import Outcome
from device.eventing.sender import Sender, Times
from device.eventing.subscriptions import Patience
from device.jobs.tray import Tray
from device.model.changes import Change
from device.notifications import Notifications, Rules
from device.scan.destinations import Destination, Press

HASTY = Patience(retries_s=(0.01, 0.01), give_up_s=180.0, give_up_failures=3)
TIMES = Times(connect_s=1.0, total_s=1.5)


class _Heard(list[Change]):
    """Keeps the changes, and passes them on; `also` is told that there is one."""

    def __init__(self, pass_on: Callable[[Change], None]) -> None:
        super().__init__()
        self._pass_on = pass_on
        self.also: Callable[[], None] = lambda: None

    def append(self, change: Change) -> None:
        super().append(change)
        self._pass_on(change)
        self.also()


class EventDevice(WireDevice):
    """Subscriptions and the button beside the eight operations."""

    def __init__(self, rules: Rules | None = None, times: Times = TIMES, **options: Any) -> None:
        self.rules = rules or Rules(patience=HASTY)
        self.times = times
        self.outcomes: list[Outcome] = []
        super().__init__(Options(**options))

    async def _serve(self) -> None:
        self.notifications = Notifications(
            PATH,
            managed_path=MANAGED,
            clock=self.clock,
            rules=self.rules,
            report=self.outcomes.append,
            sender=Sender(self.times),
        )
        self.button = self.notifications.make_button(
            _EngineToCome(self), lambda: self.configuration.sources
        )
        self.changes = _Heard(self.notifications.heard)
        self.options = replace(
            self.options,
            routes=self.notifications.routes(),
            service_options={"started": self.button.check, **(self.options.service_options or {})},
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self.notifications.run())
            await super()._serve()
            await self.notifications.close()
            running.cancel()

    @property
    def subscriber(self) -> Subscriber:
        return Subscriber(self.client)

    def destinations(self) -> tuple[Destination, ...]:
        return self.do(self.notifications.destinations.all)

    def press(self, context: str, source: str | None = None) -> Press:
        """Press the button for the destination of that context."""

        def pressed() -> Press:
            (found,) = [
                one for one in self.notifications.destinations.all() if one.context == context
            ]
            return self.button.press(found, source)

        return self.do(pressed)

    def presses(self) -> tuple[Press, ...]:
        return self.do(self.notifications.destinations.presses)

    def turn(self, seconds: float) -> None:
        """Turn the clock, and let the engine and the subscriptions see it."""
        self.advance(seconds)
        self.do(self.notifications.service.tick)
        self.do(self.button.tick)

    def subscriptions(self) -> int:
        return self.do(lambda: len(self.notifications.table))


class _EngineToCome:
    """The engine of a device that is only being built."""

    def __init__(self, device: EventDevice) -> None:
        self._device = device

    @property
    def tray(self) -> Tray:
        return self._device.engine.tray

    @property
    def halted(self) -> bool:
        return self._device.engine.halted

    def check_accepting(self) -> None:
        self._device.engine.check_accepting()
