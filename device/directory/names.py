"""How a directory spells things: identifiers, security identifiers, search filters, logon names.

Source: ws-dsp sections 9.1 to 9.3; RFC 4515 for the escaping.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from device.errors import ConfigError

_SID_HEAD = 8
"""Octets of a SID before its sub-authorities: revision, their number, and 48 bits of authority."""


def guid_text(octets: bytes) -> str:
    """An identifier as text, in upper case and without braces.

    16 octets in Microsoft's order, or else text of 36 or 38 characters.

    Raises:
        ValueError: it is neither.
    """
    if len(octets) == 16:
        return str(uuid.UUID(bytes_le=octets)).upper()
    text = octets.decode("ascii")
    if not re.fullmatch(r"\{[0-9A-Fa-f-]{36}\}|[0-9A-Fa-f-]{36}", text):
        raise ValueError(f"{text!r} is no identifier")
    return str(uuid.UUID(text)).upper()


def guid_octets(text: str) -> bytes:
    """An identifier as a directory keeps it.

    Raises:
        ValueError: it is none.
    """
    return uuid.UUID(text).bytes_le


def sid_text(octets: bytes) -> str:
    """A security identifier (objectSid) as text: `S-1-5-21-…`.

    Raises:
        ValueError: it is none.
    """
    if len(octets) < _SID_HEAD or octets[0] != 1 or len(octets) != _SID_HEAD + 4 * octets[1]:
        raise ValueError("the octets are no security identifier")
    authority = int.from_bytes(octets[2:8], "big")
    parts = [
        int.from_bytes(octets[at : at + 4], "little") for at in range(_SID_HEAD, len(octets), 4)
    ]
    head = f"0x{authority:012X}" if authority >= 2**32 else str(authority)
    return "-".join(["S-1", head, *map(str, parts)])


def sid_octets(text: str) -> bytes:
    """A security identifier as a directory keeps it.

    Raises:
        ValueError: it is none.
    """
    head, revision, authority, *parts = text.upper().split("-")
    if (head, revision) != ("S", "1") or len(parts) > 15:
        raise ValueError(f"{text!r} is no security identifier")
    try:
        return (
            bytes([1, len(parts)])
            + int(authority, 0).to_bytes(6, "big")
            + b"".join(int(part).to_bytes(4, "little") for part in parts)
        )
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no security identifier") from None


def escaped(value: str) -> str:
    """`value` for a search filter: nothing in it means anything but itself."""
    return re.sub(r"[\\*()\x00]", lambda found: f"\\{ord(found.group()):02x}", value)


def escaped_octets(octets: bytes) -> str:
    """Octets for a search filter."""
    return "".join(f"\\{octet:02x}" for octet in octets)


@dataclass(frozen=True, slots=True)
class LogonName:
    """Who logs on: `joe`, `DOMAIN\\joe` or `joe@example.org`."""

    user: str
    domain: str = ""
    principal: bool = False
    """Whether it was given as user@domain."""

    @property
    def filter(self) -> str:
        """The search filter that finds this user and nobody else."""
        if self.principal:
            whole = escaped(f"{self.user}@{self.domain}")
            return f"(&(objectClass=user)(userPrincipalName={whole}))"
        return f"(&(objectClass=user)(sAMAccountName={escaped(self.user)}))"


def logon_name(text: str) -> LogonName:
    """Read what somebody typed as their name.

    Raises:
        ValueError: it is empty.
    """
    text = text.strip()
    if "\\" in text:
        domain, _, user = text.partition("\\")
        found = LogonName(user.strip(), domain.strip())
    elif "@" in text:
        user, _, domain = text.rpartition("@")
        found = LogonName(user, domain, principal=True)
    else:
        found = LogonName(text)
    if not found.user or (found.principal and not found.domain):
        raise ValueError("the name is empty")
    return found


def domain_of(base: str) -> str:
    """The DNS name of a domain by its naming context: `DC=example,DC=org` is `example.org`.

    Raises:
        ConfigError: it has no DC.
    """
    parts = re.findall(r"(?:^|,)\s*dc=([^,]+)", base, re.IGNORECASE)
    if not parts:
        raise ConfigError(f"{base!r} is no naming context of a domain, such as DC=example,DC=org.")
    return ".".join(parts).lower()
