"""WS-DSD: WS-Scan for a management console, in a namespace of its own.

The console may look, and check tickets; it starts and fetches nothing. What there is to say is what
WS-Scan says: the message's element and the one below it have another namespace, all else has not.

Source: ws-dsp sections 2.2 and 11; A7, A10 and A11 for where the published pages disagree.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from device.errors import InvalidArgs
from device.scan.events import ACTIONS as SCAN_ACTIONS
from device.scan.events import PREFIXES, SCAN_AVAILABLE, ScanEvent
from device.scan.service import ScanService
from device.soap import xml
from device.soap.dispatch import Answer, Handler, Incoming, Route
from device.soap.namespaces import DSD, WSCN
from device.soap.xml import Element

ACTIONS: Final = frozenset(action.replace(WSCN, DSD) for action in SCAN_ACTIONS - {SCAN_AVAILABLE})
SPELLINGS: Final = {action.replace(DSD, WSCN): action for action in ACTIONS}
"""The actions as the published examples have them; a filter may name these as well."""
_INNER = re.compile(r"<wscn:(\w+)((?: [^<>]*?)?)(?:/>|>(.*)</wscn:\1>)", re.DOTALL)


def routes(service: ScanService) -> tuple[Route, ...]:
    """The five operations, for the dispatcher."""
    handlers: dict[str, Handler] = {
        "GetScannerElements": service.get_scanner_elements,
        "GetJobElements": service.get_job_elements,
        "GetActiveJobs": service.get_active_jobs,
        "GetJobHistory": service.get_job_history,
        "ValidateScanTicket": service.validate_scan_ticket,
    }
    # Faults are those of WS-Scan, in its namespace.
    return tuple(
        Route(f"{DSD}/{name}", _wrapped(f"{name}Request", handler), WSCN)
        for name, handler in handlers.items()
    )


def _wrapped(request: str, handler: Handler) -> Handler:
    async def handle(incoming: Incoming) -> Answer:
        body = incoming.envelope.body
        if body is None:
            raise InvalidArgs(request, "is missing in the body")
        if xml.namespace_of(body) not in (DSD, WSCN) or xml.local_name(body) != request:
            raise InvalidArgs(xml.local_name(body), "does not belong to this action")
        _as_scan(body)
        answer = await handler(incoming)
        told = answer.body
        text = told if isinstance(told, str) else b"".join(told).decode()
        return answer._replace(body=_as_managed(text), prefixes=(*answer.prefixes, "dsd"))

    return handle


def _as_scan(body: Element) -> None:
    """Read every element of WS-DSD as the one of WS-Scan that has its name."""
    for element in body.iter(f"{{{DSD}}}*"):
        element.tag = f"{{{WSCN}}}{xml.local_name(element)}"


def _as_managed(message: str) -> str:
    """A message of ours with its element, and the one that this holds, in WS-DSD's namespace."""
    return _outermost(message, lambda content: _outermost(content, lambda inner: inner))


def _outermost(text: str, inside: Callable[[str], str]) -> str:
    found = _INNER.fullmatch(text)
    if found is None:
        return text
    name, attributes, content = found.groups()
    attributes = attributes.replace(" Id=", " wscn:Id=")  # DeviceCondition's own (A10)
    if content is None:
        return f"<dsd:{name}{attributes}/>"
    return f"<dsd:{name}{attributes}>{inside(content)}</dsd:{name}>"


def managed(event: ScanEvent) -> ScanEvent | None:
    """The event as a console gets it; None for one that is not for consoles."""
    action = event.action.replace(WSCN, DSD)
    if action not in ACTIONS:
        return None
    return ScanEvent(action, _as_managed(event.body))


EVENT_PREFIXES: Final = (*PREFIXES, "dsd")
