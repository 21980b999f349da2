"""The words of WS-Discovery, as far as a device hears and says them. No XML here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from device.errors import ConfigError
from device.soap.namespaces import PREFIX_OF, WSCN

QName = tuple[str, str]
"""(namespace, local name)"""

SERVICE_TYPE: Final[QName] = (WSCN, "ScannerServiceType")
"""A quiet type of a scanner: one receiver asks for it and for the device's own type in one Probe
(dpws section 4.5)."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What we are and where our metadata are served, without the address: that is each link's own.

    `uuid_urn` is `urn:uuid:…`, `path` the device's path on the HTTP port, with its slash.
    `quiet_types` are never announced, and count as ours when a Probe asks for them.

    Raises:
        ConfigError: something in it could not be written into a message.
    """

    uuid_urn: str
    types: tuple[QName, ...]
    scopes: tuple[str, ...]
    path: str
    port: int
    scheme: str
    metadata_version: int
    quiet_types: tuple[QName, ...] = (SERVICE_TYPE,)

    def __post_init__(self) -> None:
        for namespace, local in self.types:
            if namespace not in PREFIX_OF:
                raise ConfigError(
                    f"The type {local} cannot be announced: its namespace {namespace!r} is unknown."
                )
        for value in (self.uuid_urn, self.path, *self.scopes):
            if not value or not value.isprintable() or " " in value:
                raise ConfigError(
                    f"{value!r} cannot be announced: it must be a URI without blanks and "
                    f"control characters."
                )
        if self.scheme not in ("http", "https"):
            raise ConfigError(f"The scheme {self.scheme!r} must be http or https.")

    def url(self, host: str) -> str:
        """The metadata address on `host`, which has its brackets already if it needs any."""
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    def with_version(self, metadata_version: int) -> Announcement:
        """The same, with another MetadataVersion."""
        return replace(self, metadata_version=metadata_version)


@dataclass(frozen=True, slots=True)
class Probe:
    """Who is there? `match_by` is empty when the message names no rule."""

    message_id: str
    types: tuple[QName, ...] = ()
    scopes: tuple[str, ...] = ()
    match_by: str = ""


@dataclass(frozen=True, slots=True)
class Resolve:
    """Where is `address`?"""

    message_id: str
    address: str


Request = Probe | Resolve


@dataclass(frozen=True, slots=True)
class AppSequence:
    """Both grow: the first with every start, the second with every message."""

    instance_id: int
    message_number: int


@dataclass(frozen=True, slots=True)
class Target:
    """One device, as Hello, ProbeMatch and ResolveMatch describe it."""

    address: str
    types: tuple[QName, ...]
    scopes: tuple[str, ...]
    xaddrs: tuple[str, ...]
    metadata_version: int


@dataclass(frozen=True, slots=True)
class Hello:
    message_id: str
    sequence: AppSequence
    target: Target


@dataclass(frozen=True, slots=True)
class Bye:
    message_id: str
    sequence: AppSequence
    address: str


@dataclass(frozen=True, slots=True)
class ProbeMatches:
    """Without a target it says that nobody here was meant."""

    message_id: str
    relates_to: str
    sequence: AppSequence
    target: Target | None


@dataclass(frozen=True, slots=True)
class ResolveMatches:
    message_id: str
    relates_to: str
    sequence: AppSequence
    target: Target


Message = Hello | Bye | ProbeMatches | ResolveMatches
