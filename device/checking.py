"""What `wsd-scanner check` does: reads a file as what it seems to be."""

from __future__ import annotations

from pathlib import Path

from device import config, profile
from device.dsp import process
from device.errors import ConfigError
from device.imaging.spec import SUPPORTED
from device.processes.badges import Badges
from device.processes.sources import directory_of, sources_of
from device.settings import read_toml
from scanner_backends import registry
from scanner_backends.errors import SourceError


def check(path: Path) -> str:
    """Read `path`; one phrase that says what it is.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name a file.")
    if path.suffix.lower() == ".xml":
        scan_process = process.load(path)
        return f"a scan process for {scan_process.scan_repository}"
    document = read_toml(path)
    if "scanner" in document or "model" in document:
        found = profile.read(document, SUPPORTED)
        return f"a profile, {found.model.manufacturer} {found.model.model_name}"
    settings = config.check_file(document)
    profile.load(settings.profile, SUPPORTED)
    try:
        registry.check(settings.source)
    except SourceError as error:
        raise ConfigError(f"{path}: {error}") from None
    sources_of(settings.workflow)
    directory = directory_of(settings.workflow)
    if settings.workflow.badges is not None:
        Badges.load(settings.workflow.badges, directory=directory is not None)
    return "a configuration"
