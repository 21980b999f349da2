"""Faults as the client reads them: liberally, under any HTTP status.

Source: ws-dsp section 5; section 4.6 for EndpointUnavailable.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from device.soap import xml
from device.soap.namespaces import SOAP
from device.soap.xml import Element


class Kind(Enum):
    """What a fault means to the job."""

    TEMPORARY = auto()
    ARGUMENT = auto()
    OPERATION = auto()
    TOKEN_NOT_FOUND = auto()
    JOB_CANCELED = auto()
    UNAVAILABLE = auto()


_KINDS = {
    "ServerErrorTemporaryError": Kind.TEMPORARY,
    "InvalidArgs": Kind.ARGUMENT,
    "ActionNotSupported": Kind.ARGUMENT,
    "OperationFailed": Kind.OPERATION,
    "ServerErrorInternalError": Kind.OPERATION,
    "ClientErrorJobTokenNotFound": Kind.TOKEN_NOT_FOUND,
    # A server that shuts down; Windows Server 2008 R2 also says it of a token that is no GUID.
    "EndpointUnavailable": Kind.UNAVAILABLE,
    "ServerErrorPostScanJobCanceled": Kind.JOB_CANCELED,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A fault: `subcode` is the most specific name, `reason` the server's own words."""

    kind: Kind
    subcode: str
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        said = self.reason or self.subcode
        about = f" ({self.detail})" if self.detail and self.detail not in said else ""
        return f"the server answered {self.subcode}: {said.rstrip('.')}{about}"


def read_refusal(body: Element) -> Refusal | None:
    """The fault in `body`, or None when it is no fault.

    An unknown subcode under Sender is read like InvalidArgs, under anything else like
    OperationFailed. Subcodes are matched by local name: a published example has a stale namespace.
    """
    if body.tag != f"{{{SOAP}}}Fault":
        return None
    names: list[str] = []
    node = xml.find(body, SOAP, "Code")
    while node is not None:
        value = xml.find(node, SOAP, "Value")
        if value is not None:
            names.append(xml.text(value).rpartition(":")[2])
        node = xml.find(node, SOAP, "Subcode")
    known = [name for name in names if name in _KINDS]
    sender = bool(names) and names[0] == "Sender"
    subcode = known[-1] if known else (names[-1] if names else "a fault")
    return Refusal(
        kind=_KINDS.get(subcode, Kind.ARGUMENT if sender else Kind.OPERATION),
        subcode=subcode,
        reason=_text(body, "Reason"),
        detail=_text(body, "Detail")[:200],
    )


def _text(body: Element, local: str) -> str:
    found = xml.find(body, SOAP, local)
    return "" if found is None else xml.text(found)
