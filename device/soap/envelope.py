"""Bytes ↔ Envelope."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from device.errors import MalformedMessage, VersionMismatch
from device.soap import xml
from device.soap.namespaces import ANONYMOUS, SOAP, SOAP11, WSA, canonical
from device.soap.write import declarations, leaf
from device.soap.xml import Element

DECLARATION = '<?xml version="1.0"?>'
"""Without an encoding: PyWSD decodes first, and lxml then refuses a declared encoding."""

_ACTION, _MESSAGEID, _TO, _RELATESTO = tuple(
    f"{{{WSA}}}{local}" for local in ("Action", "MessageID", "To", "RelatesTo")
)
_ADDRESSING = frozenset({_ACTION, _MESSAGEID, _TO, _RELATESTO})
_ENVELOPE, _HEADER, _BODY = (f"{{{SOAP}}}{local}" for local in ("Envelope", "Header", "Body"))


_TO_ANONYMOUS = leaf("wsa:To", ANONYMOUS)

Body = str | tuple[bytes, ...]
"""What stands in a body, as XML: text, or pieces of UTF-8 that were written before."""


class Envelope(NamedTuple):
    """A message as it came in. A header that is missing is an empty string.

    `headers` holds every header block, `body` the first element of the body, if any.
    """

    action: str
    message_id: str
    to: str
    relates_to: str
    headers: Sequence[Element]
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
    header = body = None
    for child in root[:]:
        tag = child.tag
        if tag == _BODY:
            body = child if body is None else body
        elif tag == _HEADER:
            header = child if header is None else header
    if body is None:
        raise MalformedMessage("the envelope has no body")
    blocks = [] if header is None else header[:]

    values: dict[str, str] = {}
    for block in blocks:
        tag = block.tag
        if tag in _ADDRESSING and tag not in values:
            values[tag] = xml.text(block)
    return Envelope(
        canonical(values.get(_ACTION, "")),
        values.get(_MESSAGEID, ""),
        values.get(_TO, ""),
        values.get(_RELATESTO, ""),
        blocks,
        body[0] if len(body) else None,
    )


def pieces(
    action: str,
    body: Body,
    *,
    message_id: str,
    relates_to: str = "",
    to: str = ANONYMOUS,
    prefixes: tuple[str, ...] = (),
    headers: str = "",
) -> tuple[bytes, ...]:
    """Write a SOAP 1.2 envelope in UTF-8, in pieces; those of the body are the very ones it has.

    `body` and `headers` are XML already; `prefixes` are the house prefixes that they use beside
    `soap` and `wsa`.
    """
    relates = leaf("wsa:RelatesTo", relates_to) if relates_to else ""
    head = (
        f"{_head(action, prefixes)}{leaf('wsa:MessageID', message_id)}{relates}"
        f"{_TO_ANONYMOUS if to is ANONYMOUS else leaf('wsa:To', to)}{headers}"
        "</soap:Header><soap:Body>"
    )
    inner = (body.encode(),) if isinstance(body, str) else body
    return (head.encode(), *inner, b"</soap:Body></soap:Envelope>")


@lru_cache(maxsize=256)
def _head(action: str, prefixes: tuple[str, ...]) -> str:
    """What all messages with this action begin with."""
    declared = declarations(dict.fromkeys(("soap", "wsa", *prefixes)))
    return f"{DECLARATION}<soap:Envelope{declared}><soap:Header>{leaf('wsa:Action', action)}"
