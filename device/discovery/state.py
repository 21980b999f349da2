"""What must survive a restart: InstanceId, MetadataVersion, the last addresses.

Source: dpws section 4.3.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from device.clock import Clock
from device.discovery.links import BOTH, Family, Link
from device.soap.addressing import uuid_of

logger = logging.getLogger(__name__)

HIGHEST: Final = 2**32 - 1
ADDRESSES_LIMIT: Final = 64


@dataclass(slots=True)
class _Kept:
    instance_id: int = 0
    metadata_version: int = 1
    metadata_sha256: str = ""
    addresses: dict[str, str] = field(default_factory=dict)


class DiscoveryState:
    """The numbers of one device, in a small file of its own in `directory`.

    Opening it is a start: the InstanceId rises and is stored at once, before anything is said.
    Without a file that can be written, the clock alone makes it rise.

    Args:
        metadata: all that clients may cache, without the addresses of our links; when it differs
            from what it was at the last start, the MetadataVersion rises.
    """

    def __init__(self, directory: Path, uuid_urn: str, *, metadata: bytes, clock: Clock) -> None:
        self._path = directory / f"discovery-{_file_name(uuid_of(uuid_urn))}.json"
        unix_time = int(clock.now().timestamp())
        self._kept = self._load(unix_time)
        self._kept.instance_id = min(max(self._kept.instance_id + 1, unix_time), HIGHEST)
        self._note(metadata)
        self._store()

    @property
    def instance_id(self) -> int:
        """Higher than at every start before."""
        return self._kept.instance_id

    @property
    def metadata_version(self) -> int:
        """Never falls, and rises only with the metadata or an address."""
        return self._kept.metadata_version

    def metadata_changed(self, metadata: bytes) -> int:
        """Note the metadata as they are now; the version they have."""
        if self._note(metadata):
            self._store()
        return self.metadata_version

    def advertised(self, links: Sequence[Link]) -> int:
        """Note the addresses that are in use now; the version of the metadata with them.

        An address that takes another's place raises it. One that is new beside the others, or
        missing, does not: that happens at every start.
        """
        before = dict(self._kept.addresses)
        replaced = False
        for key, addresses in _places(links).items():
            old = before.get(key)
            if old in addresses:
                continue
            replaced = replaced or old is not None
            self._kept.addresses.pop(key, None)
            self._kept.addresses[key] = addresses[0]
        while len(self._kept.addresses) > ADDRESSES_LIMIT:
            self._kept.addresses.pop(next(iter(self._kept.addresses)))
        if replaced:
            self._kept.metadata_version = min(self._kept.metadata_version + 1, HIGHEST)
        if self._kept.addresses != before:
            self._store()
        return self.metadata_version

    def _note(self, metadata: bytes) -> bool:
        digest = hashlib.sha256(metadata).hexdigest()
        if digest == self._kept.metadata_sha256:
            return False
        if self._kept.metadata_sha256:
            self._kept.metadata_version = min(self._kept.metadata_version + 1, HIGHEST)
        self._kept.metadata_sha256 = digest
        return True

    def _load(self, unix_time: int) -> _Kept:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return _Kept()
        except (OSError, UnicodeDecodeError) as error:
            logger.warning("%s cannot be read: %s", self._path, error)
            return _Kept(metadata_version=unix_time)
        try:
            return _checked(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError):
            # Nobody knows what was told before; the time is higher than any count.
            logger.warning("%s is damaged and begun anew", self._path)
            return _Kept(metadata_version=unix_time)

    def _store(self) -> None:
        try:
            _write(self._path, json.dumps(asdict(self._kept), indent=1).encode())
        except OSError as error:
            logger.warning(
                "%s cannot be written (%s): the clock alone makes the InstanceId rise",
                self._path,
                error.strerror,
            )


def _file_name(uuid: str) -> str:
    return "".join(c if c.isalnum() or c == "-" else "_" for c in uuid)


def _checked(data: dict[str, object]) -> _Kept:
    kept = _Kept(
        instance_id=_number(data["instance_id"]),
        metadata_version=_number(data["metadata_version"]),
        metadata_sha256=str(data["metadata_sha256"]),
    )
    addresses = data["addresses"]
    if not isinstance(addresses, dict):
        raise TypeError
    kept.addresses = {str(key): str(value) for key, value in addresses.items()}
    return kept


def _number(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < HIGHEST:
        raise ValueError
    return value


def _places(links: Sequence[Link]) -> dict[str, list[str]]:
    """For each link, family and scope, the addresses that stand there."""
    places: dict[str, list[str]] = {}
    for link in links:
        for family in BOTH:
            for own in link.of(family):
                local = family is Family.IPV6 and own.ip.is_link_local
                key = f"{link.name} IPv{family.value}{' link-local' if local else ''}"
                places.setdefault(key, []).append(str(own.ip))
    return places


def _write(path: Path, data: bytes) -> None:
    """Replace `path` as a whole, or not at all; readable for us alone."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
