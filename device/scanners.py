"""All scanners that are found, a device each: they come and go, and stay who they are."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from device.appearance import personal
from device.clock import Clock
from device.config import Config
from device.errors import ConfigError
from device.instance import Device
from device.pages.room import Room
from device.pages.search import search
from device.premises import Premises
from device.profile import Profile
from device.roster import free_name, identities, news
from device.state import State
from device.watch import Watch
from scanner_backends.base import Found
from scanner_backends.errors import BackendError, SourceError
from scanner_backends.sane.identity import is_plugged, is_remote

log = logging.getLogger(__name__)


class Scanners:
    """The devices of a source that stands for many.

    Args:
        ready: told one line for each device that has come up.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        premises: Premises,
        shape: Profile,
        ready: Callable[[str], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._premises = premises
        self._shape = shape
        self._ready = ready
        self._watch = Watch(clock)
        self._room = Room()
        self._known: dict[str, Found] = {}
        self._devices: dict[str, Device] = {}
        self._refused: dict[str, str] = {}
        self._unheard = False
        if config.uuid is not None:
            raise ConfigError(
                "A UUID is one device's: with it, --source must name one scanner, like sane:NAME."
            )

    def reload(self) -> None:
        """Look for scanners again, soon."""
        self._watch.look_soon()

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Bring up a device for each scanner that there is. Raises ConfigError."""
        self._group = group
        self._watch.start()
        try:
            await self._look()
        except SourceError as error:
            raise ConfigError(str(error)) from None
        except BackendError as error:
            log.error("%s", error)
        await self._premises.start(group)
        if not self._devices:
            log.warning("no scanner is there; waiting for one")
        self._tell(*self._devices.values())

    async def run(self) -> None:
        """Follow what is plugged in and out, until cancelled."""
        while True:
            await self._watch.wait(ask=self._must_ask())
            before = set(self._devices.values())
            try:
                await self._look()
            except (BackendError, ConfigError) as error:
                log.error("%s", error)
            self._tell(*(one for one in self._devices.values() if one not in before))

    def stop(self) -> None:
        """Follow nothing any more."""
        self._watch.stop()

    # ---- inside

    def _must_ask(self) -> bool:
        """Whether something may come that no event tells of."""
        remote = any(is_remote(one.name) for one in self._known.values())
        return self._unheard or remote or bool(self._refused) or not self._devices

    async def _look(self) -> None:
        """Ask what there is, and do as it says. Raises BackendError, ConfigError."""
        self._unheard = True
        found = await search(self._config.source)
        self._unheard = False
        there = identities(found, self._known, lambda who: self._folder(who).is_dir())
        told = news(self._known, there, is_plugged)
        for who in told.gone:
            await self._dismiss(who)
        for who, one in told.moved.items():
            self._known[who] = one
            self._devices[who].renamed(one.source)
        self._refused = {who: why for who, why in self._refused.items() if who in told.come}
        for who, one in told.come.items():
            await self._admit(who, one)

    async def _admit(self, who: str, one: Found) -> None:
        """Bring up a device for a scanner. One that cannot be opened now may be later."""
        state = State.load(self._folder(who))
        try:
            shape = self._named(one, state)
        except ConfigError:
            state.close()
            raise
        device = Device(
            self._config,
            self._clock,
            source=one.source,
            state=state,
            shape=shape,
            room=self._room,
            failed=self._watch.look_soon,
        )
        try:
            await device.open()
            await self._premises.admit(device)
            await device.rest()
        except BackendError as error:
            await device.close()
            if self._refused.get(who) != str(error):
                log.error("%s", error)
            self._refused[who] = str(error)
            return
        except BaseException:
            await device.close()
            raise
        self._refused.pop(who, None)
        self._known[who] = one
        self._devices[who] = device
        log.info("%s is there: %s", device.name, one.name)

    def _named(self, one: Found, state: State) -> Profile:
        """The profile with names by which people can tell the scanner from all others.

        Some clients show the name, others maker and model. Raises ConfigError.
        """
        others = [device.shape for device in self._devices.values()]
        model = free_name(
            "", one.model, state.recall("model"), [other.model.model_name for other in others]
        )
        name = free_name(
            self._config.name,
            f"{one.maker} {model}".strip(),
            state.recall("name"),
            [other.friendly_name for other in others],
        )
        state.remember("model", model)
        state.remember("name", name)
        shape = self._shape
        named = replace(
            shape.model, manufacturer=one.maker or shape.model.manufacturer, model_name=model
        )
        return personal(replace(shape, model=named), replace(self._config, name=name))

    async def _dismiss(self, who: str) -> None:
        device = self._devices.pop(who)
        log.info("%s is gone: %s", device.name, self._known.pop(who).name)
        # When we are stopped meanwhile, this goes on to its end: no worker must be left behind.
        await asyncio.shield(self._group.create_task(self._premises.dismiss(device)))

    def _folder(self, who: str) -> Path:
        """Where the state of a scanner is kept."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", who)[:60].strip(".-")
        digest = hashlib.sha256(who.encode()).hexdigest()[:8]
        return self._config.state_dir / "scanners" / f"{plain}-{digest}"

    def _tell(self, *devices: Device) -> None:
        for device in devices:
            self._ready(f"ready {device.name} {device.urn} {self._premises.url(device)}")
