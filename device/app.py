"""Which parts exist, start order, stop order. No decisions of its own."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

from device import profile
from device.clock import Clock
from device.config import Config
from device.errors import ConfigError
from device.imaging.spec import SUPPORTED
from device.premises import Premises
from device.scanners import Scanners
from device.single import Single
from scanner_backends import registry
from scanner_backends.errors import SourceError

log = logging.getLogger(__name__)


async def run(config: Config, clock: Clock, ready: Callable[[str], None]) -> None:
    """Be the device, or the devices, until SIGTERM or SIGINT. SIGHUP reads the source afresh.

    Args:
        ready: told one line for each device that is up.

    Raises:
        ConfigError: a setting is wrong, or what it names cannot be had.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    premises = Premises(config, clock)
    devices = _devices_of(config, clock, premises, ready)
    loop.add_signal_handler(signal.SIGHUP, devices.reload)
    try:
        async with asyncio.TaskGroup() as group:
            premises.open()
            try:
                await devices.start(group)
            except BaseException:
                await premises.abandon()
                raise
            following = group.create_task(devices.run())
            await stop.wait()
            log.info("going down")
            following.cancel()
            devices.stop()
            await premises.stop()
    except BaseExceptionGroup as errors:  # except* wraps what it raises before Python 3.11.4
        told, _ = errors.split(ConfigError)
        if told is None or not isinstance(told.exceptions[0], ConfigError):
            raise
        raise told.exceptions[0] from None


def _devices_of(
    config: Config, clock: Clock, premises: Premises, ready: Callable[[str], None]
) -> Single | Scanners:
    """The one device that the source is for, or all that it stands for. Raises ConfigError."""
    try:
        many = registry.stands_for_many(config.source)
    except SourceError as error:
        raise ConfigError(str(error)) from None
    kind = Scanners if many else Single
    return kind(config, clock, premises, profile.load(config.profile, SUPPORTED), ready)
