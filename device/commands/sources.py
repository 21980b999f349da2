"""sources: where pages can come from, and how a scanner's options are used."""

from __future__ import annotations

import argparse

from device.commands.parser import Commands, add_command, say
from device.errors import ConfigError
from device.model.capabilities import ScannerConfiguration, SideCapabilities
from scanner_backends.errors import BackendError, SourceError

EPILOG = """\
Scanners that SANE finds are listed with what the device would announce of them; SANE_CONFIG_DIR
tells where SANE's configuration is. By its identity a scanner is known again, and has the same UUID
on the network, wherever it is plugged in. --options shows what each option of a scanner is used
for. A file that sets, fixes or hides options is given as sane:NAME?options=FILE.

examples:
  --source chart
  --source chart:sheets=5
  --source images:~/pages
  --source images:report.pdf
  --source sane              every scanner that is there, or will be: each a device of its own
  --source sane:epson2       the one with this in its name
  wsd-scanner sources --options test:0
"""


def add_sources(name: str, commands: Commands) -> None:
    parser = add_command(name, commands, _sources, "list where pages can come from", EPILOG)
    parser.add_argument("--options", metavar="NAME", help="the options of one of SANE's scanners")


def _sources(parsed: argparse.Namespace) -> int:
    if parsed.options is not None:
        _say_options(parsed.options.removeprefix("sane:"))
        return 0
    from scanner_backends import registry

    for name, help_ in registry.names():
        say(f"{name:<10} {help_}")
    _say_scanners()
    return 0


def _say_scanners() -> None:
    from device import profile
    from device.imaging.spec import SUPPORTED
    from device.jobs.fitting import fitted
    from scanner_backends.sane import listing

    claimed = profile.load("generic", SUPPORTED).configuration
    none = True
    try:
        for found in listing.scanners():
            none = False
            say(f"\nsane:{found.device.name}  {found.device.vendor} {found.device.model}".rstrip())
            say(f"  {'identity':<10} {found.key}")
            if not found.wanted:
                say("  only if it is named: --source sane does without it")
            if found.description is None:
                say(f"  {found.error}")
                continue
            try:
                _say_sides(fitted(claimed, found.description))
            except SourceError as error:
                say(f"  {error}")
    except BackendError as error:
        say(f"\n{error}")
    else:
        if none:
            say("\nSANE finds no scanner.")


def _say_sides(configuration: ScannerConfiguration) -> None:
    for source in configuration.sources:
        side = configuration.side(source)
        size = f"{_mm(side.maximum.width_mil)} x {_mm(side.maximum.height_mil)} mm"
        say(f"  {source:<10} {size}, {_dpi(side)} dpi, {' '.join(side.colors)}")


def _dpi(side: SideCapabilities) -> str:
    widths = " ".join(map(str, side.widths))
    return (
        widths if side.heights == side.widths else f"{widths} by {' '.join(map(str, side.heights))}"
    )


def _mm(mil: int) -> str:
    return f"{mil * 0.0254:.1f}"


def _say_options(argument: str) -> None:
    """Each option with its value, what it can be, and what it is used for."""
    from scanner_backends.sane import listing

    try:
        used = listing.options(argument)
    except BackendError as error:
        raise ConfigError(str(error)) from None
    width = max((len(option.name) for option in used), default=0)
    for option in used:
        value = f" = {option.value}" if option.value else ""
        use = f"  -> {option.use}" if option.use else ""
        say(f"{option.name:<{width}}{value} ({option.possible}){use}")
        for native, meaning in option.meanings:
            say(f"{'':<{width}}   {native}: {meaning}")
