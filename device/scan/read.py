"""WS-Scan requests → model. No decisions: what the device does not know is read all the same.

Child order, prefixes, padding, both members of a choice and foreign content are all accepted
(ws-scan section 6).
"""

from __future__ import annotations

from functools import lru_cache

from device.errors import InvalidArgs
from device.model.ticket import ScanTicket
from device.soap import xml
from device.soap.namespaces import WSCN
from device.soap.xml import Element
from device.ticket.read import MAX_TEXT, read_ticket

_NAME = f"{{{WSCN}}}Name"


ExpandedName = tuple[str, str]
"""Namespace and local name."""


def requested_names(body: Element) -> dict[ExpandedName, str]:
    """The sections that a Get…Elements request names, with the text that each was spelt by.

    A name without prefix is taken as a scan name, as the published example has one. A name that
    is there twice counts once, so that a request cannot multiply its answer.

    Raises:
        InvalidArgs: there is no RequestedElements, no Name in it, or an empty one.
    """
    found: dict[ExpandedName, str] = {}
    for name in xml.need(body, WSCN, "RequestedElements"):
        if name.tag != _NAME:
            continue
        known = None if len(name) else _of_scan(name.text, name.prefix)
        if known is not None:
            found.setdefault(*known)
            continue
        asked = xml.text(name)
        namespace, local = xml.resolve_qname(asked, name, WSCN)
        if not local:
            raise InvalidArgs("Name", "names nothing", asked[:80])
        found.setdefault((namespace, local), asked)
    if not found:
        raise InvalidArgs("Name", "is missing in RequestedElements")
    return found


@lru_cache(maxsize=256)
def _of_scan(text: str | None, prefix: str | None) -> tuple[ExpandedName, str] | None:
    """A name with the prefix that Name itself has, so that it means the same; None for others."""
    asked = " ".join((text or "").split())
    own, _, local = asked.partition(":")
    return ((WSCN, local), asked) if own == prefix and local else None


def job_id(body: Element) -> int | str:
    """The JobId; one that is out of range comes back as the text that it was.

    Raises:
        InvalidArgs: it is missing, or no number.
    """
    element = xml.need(body, WSCN, "JobId")
    value = xml.text(element)
    if value.removeprefix("-").removeprefix("+").isdigit() and len(value) > 18:
        return value
    return xml.integer(element)


def text_of(body: Element, local: str) -> str | None:
    """The text of an optional child; None when it is missing or empty.

    PyWSD sends an empty ScanIdentifier and DestinationToken for a scan that no button started.
    """
    element = xml.find(body, WSCN, local)
    return None if element is None else (xml.text(element) or None)


def document_name(body: Element) -> str:
    """The client's name for the image; empty when it gives none, as several clients do."""
    description = xml.find(body, WSCN, "DocumentDescription")
    name = None if description is None else xml.find(description, WSCN, "DocumentName")
    return "" if name is None else xml.raw_text(name)[:MAX_TEXT]


def ticket_of(body: Element) -> ScanTicket:
    """The ScanTicket inside a request.

    Raises:
        InvalidArgs: it is missing, or something in it has the wrong shape.
    """
    return read_ticket(xml.need(body, WSCN, "ScanTicket"))
