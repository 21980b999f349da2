"""What SANE has now, and how an open device's options are used: for people to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from scanner_backends.base import Description, Found
from scanner_backends.errors import BackendError
from scanner_backends.sane import device_file, finding, identity
from scanner_backends.sane.backend import OPTIONS, PREFIX, SaneBackend
from scanner_backends.sane.library import LibSane
from scanner_backends.sane.options import ROLES, Role, is_deep, mode_of, source_of
from scanner_backends.sane.words import Cap, Library, Option, Range, SaneDevice, Unit

_SENSOR = "may be a button"
_UNITS = {Unit.PIXEL: " px", Unit.BIT: " bit", Unit.MM: " mm", Unit.DPI: " dpi", Unit.PERCENT: " %"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A scanner, who it is, and what it can do or why that cannot be told.

    `wanted`: it is one of those that `sane` without a name stands for.
    """

    device: SaneDevice
    key: str
    wanted: bool
    description: Description | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class UsedOption:
    """An option: its value and possible values as texts, and what it is used for, '' if it is not.

    `meanings` tells for the names of sources and modes what they are taken for.
    """

    name: str
    value: str
    possible: str
    use: str
    meanings: tuple[tuple[str, str], ...] = ()


def scanners(make: Callable[[], Library] = LibSane) -> Iterator[Listed]:
    """The scanners that can be a source, one after the other. Raises BackendError."""
    library = make()
    try:
        usable = [device for device in library.devices() if not finding.is_ours(device)]
    finally:
        library.exit()
    for device in usable:
        backend = SaneBackend(device.name, make)
        listed = Listed(device, identity.key_of(device.name)[0], finding.is_wanted(device))
        try:
            yield replace(listed, description=backend.describe())
        except BackendError as error:
            yield replace(listed, error=str(error))
        finally:
            backend.close()


def found(
    argument: str, make: Callable[[], Library] = LibSane, usb: Path = identity.USB_DEVICES
) -> list[Found]:
    """The scanners that `sane:ARGUMENT` could stand for; all that are wanted if it names none.

    One scanner that several drivers know is listed once, as the first of them calls it.

    Raises:
        SourceError: SANE is not there, or something in the options file is wrong.
        BackendError: it cannot tell.
    """
    name, marked, file = argument.partition(OPTIONS)
    if marked:
        device_file.read(Path(file).expanduser())  # each scanner would refuse it
    library = make()
    try:
        usable = [device for device in library.devices() if not finding.is_ours(device)]
    finally:
        library.exit()
    if not name.strip():
        usable = [device for device in usable if finding.is_wanted(device)]
    listed: dict[object, Found] = {}
    for device in usable:
        key, place = identity.key_of(device.name, usb)
        plugged = identity.usb_device(device.name, usb)
        scanner = device.name if plugged is None else plugged.bus_path
        source = f"{PREFIX}{device.name}{marked}{file}"
        maker = "" if finding.is_network(device.name) else device.vendor  # there it is the protocol
        model = _plain(device.model) or device.name
        listed.setdefault(scanner, Found(source, key, place, _plain(maker), model, device.name))
    return list(listed.values())


def _plain(text: str) -> str:
    """A driver's words, fit for people and for XML."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def options(argument: str, make: Callable[[], Library] = LibSane) -> list[UsedOption]:
    """The options of one scanner, named as in `sane:ARGUMENT`. Raises BackendError."""
    backend = SaneBackend(argument, make)
    try:
        controls = backend.opened().controls
        return [
            UsedOption(
                option.name,
                "" if not option.readable else _text(controls.value(option.name)),
                _possible(option),
                ROLES.get(option.name) or (_SENSOR if _is_sensor(option) else ""),
                _meanings(option),
            )
            for option in controls.all()
        ]
    finally:
        backend.close()


def _is_sensor(option: Option) -> bool:
    """Whether the scanner sets an option, and we can read it."""
    return option.readable and not option.cap & Cap.SOFT_SELECT


def _possible(option: Option) -> str:
    if not option.active:
        return "not now"
    unit = _UNITS.get(option.unit, "")
    if isinstance(option.constraint, Range):
        span = f"{option.constraint.low:g} to {option.constraint.high:g}{unit}"
        return span + (f" by {option.constraint.quant:g}" if option.constraint.quant else "")
    if option.constraint:
        return ", ".join(map(_text, option.constraint)) + unit
    return option.kind.name.lower()


def _meanings(option: Option) -> tuple[tuple[str, str], ...]:
    role = ROLES.get(option.name)
    natives = option.constraint if isinstance(option.constraint, tuple) else ()
    if role is Role.SOURCE:
        return tuple((str(native), source_of(str(native)) or "not used") for native in natives)
    if role is Role.MODE:
        return tuple((str(native), _mode(str(native))) for native in natives)
    return ()


def _mode(native: str) -> str:
    mode = mode_of(native)
    if mode is None:
        return "not used"
    return f"{mode}, 16 bit" if is_deep(native) else str(mode)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return f"{len(value)} numbers"
    return str(value)
