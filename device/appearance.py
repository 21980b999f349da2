"""What the device shows of itself: the profile with the user's name for it, as others read it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace

from device.config import Config
from device.dpws.metadata import DeviceMetadata, Hosted, scan_service
from device.jobs.engine import Engine
from device.jobs.fitting import fitted, with_alpha_where_it_is
from device.model.capabilities import LocalText, ScannerConfiguration
from device.profile import Profile
from scanner_backends.base import Description


def personal(shape: Profile, config: Config) -> Profile:
    """The profile with the name and place that the user gives it."""
    description = shape.description
    if config.name:
        shape = replace(shape, friendly_name=config.name)
        description = replace(description, names=(LocalText(config.name, "en"),))
    if config.location:
        description = replace(description, locations=(LocalText(config.location, "en"),))
    return replace(shape, description=description)


def possible(claimed: ScannerConfiguration, has: Description) -> ScannerConfiguration:
    """The claimed sources that there are pages for; what real media can do. Raises SourceError."""
    claimed = with_alpha_where_it_is(claimed, has)
    if not has.virtual:
        return fitted(claimed, has)
    return replace(
        claimed,
        platen=claimed.platen if has.platen else None,
        adf_front=claimed.adf_front if has.feeder else None,
    )


def metadata(
    shape: Profile, identity: str, scan_path: str, *, managed: Hosted | None = None
) -> DeviceMetadata:
    """What a WS-Transfer Get tells; `identity` is the device's UUID.

    The scan service comes first: small clients take the first one, or know no namespace.
    """
    model = shape.model
    return DeviceMetadata(
        manufacturer=model.manufacturer,
        manufacturer_url=model.manufacturer_url,
        model_name=model.model_name,
        model_number=model.model_number,
        model_url=model.model_url,
        device_category=model.device_category,
        df_device_category=model.df_device_category,
        friendly_name=shape.friendly_name,
        firmware_version=shape.firmware_version,
        serial_number=shape.serial_number,
        hosted=(
            scan_service(scan_path, identity, model.hardware_ids),
            *(() if managed is None else (managed,)),
        ),
        language=shape.description.names[0].language or "en",
    )


def facts(shape: Profile, identity: str, engine: Engine) -> str:
    """What a browser is told of a device, as HTML."""
    told = (
        ("Model", f"{shape.model.manufacturer} {shape.model.model_name}"),
        ("Serial number", shape.serial_number),
        ("Identity", f"urn:uuid:{identity}"),
        ("State", engine.status().state),
        ("Jobs", str(len(engine.active()))),
        ("Sheets in the feeder", str(len(engine.tray.feeder))),
    )
    rows = "".join(f"<dt>{key}<dd>{html.escape(value)}" for key, value in told)
    return f"<h1>{html.escape(shape.friendly_name)}</h1><dl>{rows}</dl>"


def page(title: str, devices: Sequence[str]) -> str:
    """The page that a browser gets, with the facts of some devices, as HTML."""
    advice = "A WSD scanner: add it in your computer's scanner settings."
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"{''.join(devices)}<p>{advice if devices else 'No scanner is here now.'}</p></html>"
    )
