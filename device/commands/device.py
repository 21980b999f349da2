"""run, profiles, check."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from pathlib import Path

from device import authorities, config, log
from device.commands.parser import (
    Commands,
    add_command,
    add_logging,
    add_settings,
    say,
    settings_of,
)

RUN_EPILOG = """\
Every setting can also stand in the file, by its name with underscores, or in the environment as
WSD_SCANNER_NAME. Flags win over the environment, that over the file, that over the default.

When everything is up, one line is printed: ready NAME urn:uuid:UUID URL
(with --source sane, one for each scanner, and for each that is plugged in later).
SIGHUP reads the source afresh and fills the feeder; SIGTERM and Ctrl-C end all jobs and say Bye.

examples:
  wsd-scanner run
  wsd-scanner run --source images:~/pages --interface eth0
  wsd-scanner run --host 127.0.0.1 --port 0 --no-discovery
  wsd-scanner run --config scanner.toml -v
"""


def add_run(name: str, commands: Commands) -> None:
    parser = add_command(name, commands, _run, "be a scanner on the network", RUN_EPILOG)
    add_settings(parser, [setting.name for setting in config.SETTINGS])
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings from a TOML file")
    add_logging(parser)


def _run(parsed: argparse.Namespace) -> int:
    settings = settings_of(parsed)
    log.configure(settings.log_format, parsed.verbose)
    for sentence in config.unknown_variables(os.environ):
        logging.getLogger(__name__).warning("%s", sentence)
    with authorities.left_out():
        from device import app
    from device.clock import SystemClock

    asyncio.run(app.run(settings, SystemClock(), say))
    return 0


def add_profiles(name: str, commands: Commands) -> None:
    add_command(
        name,
        commands,
        _profiles,
        "list what the device can claim to be",
        "A profile of your own is a TOML file: wsd-scanner run --profile ./mine.toml\n"
        "wsd-scanner check ./mine.toml tells what is wrong with it.",
    )


def _profiles(parsed: argparse.Namespace) -> int:
    from device import profile
    from device.imaging.spec import SUPPORTED

    for name in profile.shipped():
        say(f"{name:<20} {profile.load(name, SUPPORTED).summary}")
    return 0


def add_check(name: str, commands: Commands) -> None:
    parser = add_command(
        name,
        commands,
        _check,
        "check a configuration, a profile or a scan process",
        "A TOML file with a [scanner] table is read as a profile, any other TOML file as a\n"
        "configuration, and an XML file as a scan process.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")


def _check(parsed: argparse.Namespace) -> int:
    from device import checking

    say(f"{parsed.file}: {checking.check(parsed.file)}")
    return 0
