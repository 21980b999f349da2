"""The scan processes that a device offers at its panel, introduced to what else it is made of."""

from __future__ import annotations

import random
from collections.abc import Callable

from device.clock import Clock
from device.config import Config
from device.jobs.engine import Engine
from device.processes.workflow import Abilities, Workflow
from device.scan.service import ScanService


def offer(
    config: Config,
    engine: Engine,
    scan: ScanService,
    *,
    clock: Clock,
    changed: Callable[[], None],
    notify_to: Callable[[str], str],
) -> Workflow:
    """What the panel's users work with.

    Args:
        changed: rung whenever a delivery stands otherwise.
        notify_to: where scan servers shall send events, from the address by which one sees us.

    Raises:
        ConfigError: one of its settings is wrong.
    """

    def abilities() -> Abilities:
        tray = engine.tray
        return Abilities(
            scan.configuration,
            scan.default_ticket,
            feeder_loaded=tray.virtual and not tray.feeder_empty,
        )

    return Workflow(
        config.workflow,
        engine,
        config.state_dir,
        abilities=abilities,
        clock=clock,
        random=random.Random(),
        changed=changed,
        notify_to=notify_to,
    )
