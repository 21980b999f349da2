"""The one device of a source that is named, and what becomes of it when that is unplugged.

It stays: for who uses it, a scanner without its cable is a scanner that is stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from device.appearance import personal
from device.clock import Clock
from device.config import Config
from device.errors import ConfigError
from device.instance import SCAN_PATH, Device
from device.pages.search import search
from device.premises import Premises
from device.profile import Profile
from device.state import State
from device.watch import Watch
from scanner_backends import registry
from scanner_backends.base import Found
from scanner_backends.errors import BackendError
from scanner_backends.sane import identity

log = logging.getLogger(__name__)


class Single:
    """The device of a source that stands for one.

    Args:
        ready: told the line that says that it is up.
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
        self._premises = premises
        self._ready = ready
        self._watch = Watch(clock)
        self._missing = False
        self._device = Device(
            config,
            clock,
            source=config.source,
            state=State.load(config.state_dir, config.uuid),
            shape=personal(shape, config),
            scan_path=SCAN_PATH,
            failed=self._watch.look_soon,
        )

    def reload(self) -> None:
        """Read the source afresh, soon."""
        self._device.reload()
        self._watch.look_soon()

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Bring up the device. Raises ConfigError."""
        device = self._device
        try:
            await device.open()
        except BackendError as error:
            await device.close()
            raise ConfigError(str(error)) from None
        await self._premises.admit(device)
        await self._premises.start(group)
        self._ready(f"ready {device.name} {device.urn} {self._premises.url(device)}")

    async def run(self) -> None:
        """Follow what is plugged in and out, until cancelled."""
        if not registry.comes_and_goes(self._config.source):
            return
        await self._find_name()
        key, place = identity.key_of(self._name)
        self._watch.start()
        while True:
            told_of = key.startswith(identity.USB) and self._watch.hears
            await self._watch.wait(ask=self._missing and not told_of)
            try:
                await self._look(key, place)
            except BackendError as error:
                log.error("%s", error)

    async def _find_name(self) -> None:
        """Learn what the scanner is called now."""
        self._name = self._device.sane_name
        if not self._device.name_is_old:
            return
        try:
            found = await search(self._config.source)
        except BackendError as error:
            log.error("%s", error)
            return
        if len(found) == 1:
            self._name = found[0].name
            self._device.renamed(found[0].source)

    def stop(self) -> None:
        """Follow nothing any more."""
        self._watch.stop()

    async def _look(self, key: str, place: str) -> None:
        """See whether the scanner is there, and by which name. Raises BackendError."""
        if not self._missing and identity.is_plugged(self._name):
            return  # it was something else
        alike = [one for one in await search(self._config.source) if one.key == key]
        alike.sort(key=lambda one: one.place != place)
        if alike:
            await self._is_there(alike[0])
        elif not self._missing:
            self._missing = True
            log.warning("the scanner %s is gone; waiting for it", self._name)
            await self._device.unplugged()

    async def _is_there(self, one: Found) -> None:
        if self._missing or one.name != self._name:
            self._missing, self._name = False, one.name
            log.info("the scanner %s is there", one.name)
            await self._device.plugged_in(one.source)
