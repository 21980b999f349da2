"""Bytes ↔ Envelope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from device.errors import MalformedMessage, VersionMismatch
from device.soap import xml
from device.soap.namespaces import ANONYMOUS, SOAP, SOAP11, WSA, canonical
from device.soap.write import declarations, leaf
from device.soap.xml import Element

DECLARATION = '<?xml version="1.0"?>'
"""Without an encoding: PyWSD decodes first, and lxml then refuses a declared encoding."""

_ACTION, _MESSAGEID, _TO, _RELATESTO = _ADDRESSING = tuple(
    f"{{{WSA}}}{local}" for local in ("Action", "MessageID", "To", "RelatesTo")
)
_ENVELOPE, _HEADER, _BODY = (f"{{{SOAP}}}{local}" for local in ("Envelope", "Header", "Body"))


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message as it came in. A header that is missing is an empty string.

    `headers` holds every header block, `body` the first element of the body, if any.
    """

    action: str
    message_id: str
    to: str
    relates_to: str
    headers: tuple[Element, ...]
    body: Element | None


def read(data: bytes, limit: int = xml.MAX_ENVELOPE) -> Envelope:
    """Read a SOAP 1.2 envelope.

    Raises:
        MalformedMessage: not well-formed, not allowed, or not an envelope.
        VersionMismatch: an envelope of another SOAP version.
    """
    root = xml.parse(data, limit)
    if root.tag != _ENVELOPE:
        if root.tag == f"{{{SOAP11}}}Envelope" or xml.local_name(root) == "Envelope":
            raise VersionMismatch
        raise MalformedMessage("it is no SOAP envelope")
    body = next(root.iterchildren(_BODY), None)
    if body is None:
        raise MalformedMessage("the envelope has no body")
    header = next(root.iterchildren(_HEADER), None)
    blocks = () if header is None else tuple(header)

    values: dict[str, str] = {}
    for block in blocks:
        if block.tag in _ADDRESSING and block.tag not in values:
            values[block.tag] = xml.text(block)
    return Envelope(
        action=canonical(values.get(_ACTION, "")),
        message_id=values.get(_MESSAGEID, ""),
        to=values.get(_TO, ""),
        relates_to=values.get(_RELATESTO, ""),
        headers=blocks,
        body=body[0] if len(body) else None,
    )


def write(
    action: str,
    body: str,
    *,
    message_id: str,
    relates_to: str = "",
    to: str = ANONYMOUS,
    prefixes: Iterable[str] = (),
    headers: str = "",
) -> bytes:
    """Write a SOAP 1.2 envelope in UTF-8.

    `body` and `headers` are XML already; `prefixes` are the house prefixes that they use beside
    `soap` and `wsa`.
    """
    declared = declarations(dict.fromkeys(("soap", "wsa", *prefixes)))
    relates = leaf("wsa:RelatesTo", relates_to) if relates_to else ""
    return (
        f"{DECLARATION}<soap:Envelope{declared}><soap:Header>"
        f"{leaf('wsa:Action', action)}{leaf('wsa:MessageID', message_id)}{relates}"
        f"{leaf('wsa:To', to)}{headers}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
    ).encode()
