"""One table: error → SOAP fault. Not who raised it.

A subcode in the namespace `SERVICE` takes the namespace of the service that was asked, since
WS-Scan, WS-DSP and WS-DSC share those names; WS-Eventing has names of its own for the same. A test
walks the tree of `errors` and fails on a class without a row.
"""

from __future__ import annotations

from dataclasses import dataclass

from device import errors as e
from device.soap import namespaces as ns
from device.soap.envelope import pieces
from device.soap.write import attribute, declarations, element, leaf

SERVICE = ""
_NAMELESS = frozenset({ns.WSD})
"""Services that have no names for what every service may have to say."""


@dataclass(frozen=True, slots=True)
class Row:
    """`code` is Sender, Receiver, or one of SOAP's own; those have no subcode."""

    code: str
    namespace: str = SERVICE
    subcode: str = ""
    action: str = ns.WSA_FAULT


_SENDER, _RECEIVER = "Sender", "Receiver"

TABLE: dict[type[e.DeviceError], Row] = {
    e.MalformedMessage: Row(_SENDER, SERVICE, "InvalidArgs"),
    e.VersionMismatch: Row("VersionMismatch"),
    e.MustUnderstand: Row("MustUnderstand"),
    e.ActionNotSupported: Row(_SENDER, ns.WSA, "ActionNotSupported"),
    e.DestinationUnreachable: Row(_SENDER, ns.WSA, "DestinationUnreachable"),
    e.HeaderRequired: Row(_SENDER, ns.WSA, "MessageInformationHeaderRequired"),
    e.InvalidHeader: Row(_SENDER, ns.WSA, "InvalidMessageInformationHeader"),
    e.EndpointUnavailable: Row(_RECEIVER, ns.WSA, "EndpointUnavailable"),
    e.MatchingRuleNotSupported: Row(_SENDER, ns.WSD, "MatchingRuleNotSupported", ns.WSD_FAULT),
    e.InvalidArgs: Row(_SENDER, SERVICE, "InvalidArgs"),
    e.OperationFailed: Row(_RECEIVER, SERVICE, "OperationFailed"),
    e.TemporaryError: Row(_RECEIVER, SERVICE, "ServerErrorTemporaryError"),
    e.InternalError: Row(_RECEIVER, SERVICE, "ServerErrorInternalError"),
    e.NotAcceptingJobs: Row(_RECEIVER, ns.WSCN, "ServerErrorNotAcceptingJobs"),
    e.FormatNotSupported: Row(_SENDER, ns.WSCN, "ClientErrorFormatNotSupported"),
    e.ConflictingRequiredParameters: Row(
        _SENDER, ns.WSCN, "ClientErrorConflictingRequiredParameters"
    ),
    e.InvalidScanIdentifier: Row(_SENDER, ns.WSCN, "ClientErrorInvalidScanIdentifier"),
    e.InvalidDestinationToken: Row(_SENDER, ns.WSCN, "ClientErrorInvalidDestinationToken"),
    e.NoImagesAvailable: Row(_SENDER, ns.WSCN, "ClientErrorNoImagesAvailable"),
    e.JobIdNotFound: Row(_SENDER, ns.WSCN, "ClientErrorJobIdNotFound"),
    e.InvalidJobToken: Row(_SENDER, ns.WSCN, "ClientErrorInvalidJobToken"),
    e.JobCancelled: Row(_SENDER, ns.WSCN, "ClientErrorJobCancelled"),
    e.DeliveryModeUnavailable: Row(
        _SENDER, ns.WSE, "DeliveryModeRequestedUnavailable", ns.WSE_FAULT
    ),
    e.FilterDialectUnavailable: Row(_SENDER, ns.WSE, "FilteringRequestedUnavailable", ns.WSE_FAULT),
    e.FilterActionNotSupported: Row(_SENDER, ns.WSDP, "FilterActionNotSupported", ns.WSDP_FAULT),
    e.InvalidExpirationTime: Row(_SENDER, ns.WSE, "InvalidExpirationTime", ns.WSE_FAULT),
    e.UnableToProcess: Row(_RECEIVER, ns.WSE, "EventSourceUnableToProcess", ns.WSE_FAULT),
    e.UnableToRenew: Row(_RECEIVER, ns.WSE, "UnableToRenew", ns.WSE_FAULT),
    e.JobTokenNotFound: Row(_SENDER, SERVICE, "ClientErrorJobTokenNotFound"),
    e.PostScanJobCanceled: Row(_RECEIVER, SERVICE, "ServerErrorPostScanJobCanceled"),
    e.NotScanAdmin: Row(_SENDER, ns.DSC, "ClientErrorCurrentUserNotScanAdmin"),
}

_EVENTING = {
    "InvalidArgs": Row(_SENDER, ns.WSE, "InvalidMessage", ns.WSE_FAULT),
    "OperationFailed": TABLE[e.UnableToProcess],
    "ServerErrorTemporaryError": TABLE[e.UnableToProcess],
    "ServerErrorInternalError": TABLE[e.UnableToProcess],
}
"""What WS-Eventing calls the faults that every service has."""

_DISTRIBUTED = frozenset({ns.DSP, ns.DSC})
"""The services of distributed scanning, whose reason texts are constants (ws-dsp section 5)."""
_DSP_REASONS: dict[type[e.DeviceError], str] = {
    e.InvalidArgs: "At least one input argument is invalid.",
    e.MalformedMessage: "At least one input argument is invalid.",
    e.OperationFailed: "The service cannot perform the requested operation.",
    e.TemporaryError: "The service had an unexpected error.",
    e.JobTokenNotFound: "No job for that token.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A SOAP fault, ready to be written. `subcode` carries its house prefix."""

    code: str
    subcode: str
    reason: str
    action: str
    detail: str
    prefix: str
    headers: str = ""

    @property
    def status(self) -> int:
        """The HTTP status by the SOAP 1.2 binding: 400 for Sender, 500 for the rest."""
        return 400 if self.code == _SENDER else 500


def fault_for(error: e.DeviceError, service: str = ns.WSCN) -> Fault:
    """The fault that tells a peer of `error`, as the service in namespace `service` says it."""
    row = TABLE[type(error)]
    if service == ns.WSE and row.namespace == SERVICE:
        row = _EVENTING.get(row.subcode, row)
    if service in _NAMELESS and row.namespace == SERVICE:
        row = Row(row.code)
    namespace = row.namespace or service
    prefix = ns.PREFIX_OF[namespace] if row.subcode else "soap"
    constant = _DSP_REASONS.get(type(error)) if service in _DISTRIBUTED else None
    return Fault(
        code=row.code,
        subcode=f"{prefix}:{row.subcode}" if row.subcode else "",
        reason=constant or str(error),
        action=row.action,
        detail=_detail(error, ns.PREFIX_OF[service]) if row.subcode else "",
        prefix=prefix,
        headers=_headers(error),
    )


def _detail(error: e.DeviceError, prefix: str) -> str:
    """What the tables of ws-scan section 8 and dpws section 2.4 put into Detail."""
    match error:
        case e.ActionNotSupported():
            return leaf("wsa:Action", error.action)
        case e.HeaderRequired():
            return leaf("wsa:ProblemHeaderQName", f"wsa:{error.name}")
        case e.InvalidHeader():
            if error.name in ("ReplyTo", "FaultTo"):
                return element(f"wsa:{error.name}", leaf("wsa:Address", error.value))
            return leaf(f"wsa:{error.name}", error.value)
        case e.InvalidArgs() if error.argument.isidentifier():
            own = ns.PREFIX_OF.get(error.namespace, prefix)
            declared = "" if own == prefix else declarations([own])
            return leaf(f"{own}:{error.argument}", error.value, declared)
        case e.InvalidArgs() if error.argument.startswith("{"):  # a vendor's
            namespace, _, local = error.argument[1:].partition("}")
            return leaf(f"vendor:{local}", "", attribute("xmlns:vendor", namespace))
        case e.DeliveryModeUnavailable():
            return leaf("wse:SupportedDeliveryMode", error.supported)
        case e.FilterDialectUnavailable():
            return leaf("wse:SupportedDialect", error.supported)
        case e.MatchingRuleNotSupported():
            rules = " ".join(error.supported)
            return leaf("wsd:SupportedMatchingRules", rules, declarations(["wsd"]))
        case e.FormatNotSupported():
            values = (leaf("wscn:FormatValue", value) for value in error.supported)
            return element("wscn:FormatsSupported", *values)
        case e.JobIdNotFound():
            return leaf("wscn:JobId", error.job_id)
        case e.JobTokenNotFound():
            return leaf(f"{prefix}:JobToken", error.token)
        case _:
            return ""


def _headers(error: e.DeviceError) -> str:
    if isinstance(error, e.VersionMismatch):  # SOAP 1.2, section 5.4.7
        return '<soap:Upgrade><soap:SupportedEnvelope qname="soap:Envelope"/></soap:Upgrade>'
    if isinstance(error, e.MustUnderstand):
        name = attribute("qname", f"unknown:{error.local}")
        return f"<soap:NotUnderstood{name}{attribute('xmlns:unknown', error.namespace)}/>"
    return ""


def write_fault(fault: Fault, *, message_id: str, relates_to: str, service: str) -> bytes:
    """The fault as a whole envelope."""
    subcode = element("soap:Subcode", leaf("soap:Value", fault.subcode)) if fault.subcode else ""
    body = element(
        "soap:Fault",
        element("soap:Code", leaf("soap:Value", f"soap:{fault.code}"), subcode),
        element("soap:Reason", leaf("soap:Text", fault.reason, ' xml:lang="en"')),
        element("soap:Detail", fault.detail) if fault.detail else "",
    )
    return b"".join(
        pieces(
            fault.action,
            body,
            message_id=message_id,
            relates_to=relates_to,
            prefixes=(fault.prefix, ns.PREFIX_OF[service]),
            headers=fault.headers,
        )
    )
