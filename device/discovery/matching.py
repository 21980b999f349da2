"""Does a Probe mean us? Types by expanded name, scopes by one of the known rules.

Source: dpws section 4.5; WS-Discovery 2005/04, section 5.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from device.discovery.messages import Announcement, Probe
from device.soap.addressing import uuid_of
from device.soap.namespaces import WSD

RFC2396: Final = f"{WSD}/rfc2396"
STRCMP0: Final = f"{WSD}/strcmp0"
UUID: Final = f"{WSD}/uuid"
ADHOC: Final = f"{WSD}/adhoc"
"""The scope of a device that has none."""

# RFC 2396, appendix B.
_URI = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)")


def matches(probe: Probe, announcement: Announcement) -> bool | None:
    """Whether `probe` means us; None when its rule for scopes is none of ours."""
    rule = RULES.get(probe.match_by or RFC2396)
    if rule is None:
        return None
    ours = {*announcement.types, *announcement.quiet_types}
    scopes = announcement.scopes or (ADHOC,)
    return all(wanted in ours for wanted in probe.types) and all(
        any(rule(wanted, scope) for scope in scopes) for wanted in probe.scopes
    )


def _by_segments(wanted: str, scope: str) -> bool:
    wanted_root, wanted_path = _split(wanted)
    root, path = _split(scope)
    if {".", ".."} & {*wanted_path, *path}:
        return False
    return wanted_root == root and path[: len(wanted_path)] == wanted_path


def _split(uri: str) -> tuple[tuple[str, str], list[str]]:
    """Scheme and authority, which know no case, and the path's segments, which do."""
    found = _URI.match(uri)
    assert found is not None  # every part may be empty
    scheme, authority, path = found.groups()
    segments = [unquote(segment) for segment in path.split("/")]
    while segments and segments[-1] == "":  # a slash at the end names the same place
        segments.pop()
    return ((scheme or "").lower(), (authority or "").lower()), segments


def _by_text(wanted: str, scope: str) -> bool:
    return wanted == scope


def _by_uuid(wanted: str, scope: str) -> bool:
    return _is_uuid(wanted) and _is_uuid(scope) and uuid_of(wanted) == uuid_of(scope)


def _is_uuid(uri: str) -> bool:
    return uri.strip().lower().startswith(("uuid:", "urn:uuid:"))


RULES: Final[dict[str, Callable[[str, str], bool]]] = {
    RFC2396: _by_segments,
    STRCMP0: _by_text,
    UUID: _by_uuid,
}
