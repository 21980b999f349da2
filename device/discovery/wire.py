"""Datagram ↔ message: the only runtime file that imports wsdiscovery.

The library's codecs stand behind a guard. It finds elements by name anywhere in the document, so
it is given a document of ours that holds nothing but what it may find.

Source: wsdiscovery.md, sections 3.3 and 5.2.
"""

from __future__ import annotations

from lxml import etree
from wsdiscovery.actions.probematch import ProbeResolveMatch
from wsdiscovery.envelope import SoapEnvelope
from wsdiscovery.message import createSOAPMessage, parseSOAPMessage
from wsdiscovery.qname import QName as LibraryQName
from wsdiscovery.scope import Scope as LibraryScope

from device.discovery.messages import (
    Bye,
    Hello,
    Message,
    Probe,
    ProbeMatches,
    QName,
    Request,
    Resolve,
    Target,
)
from device.errors import ActionNotSupported, MalformedMessage
from device.soap import addressing, envelope, xml
from device.soap.envelope import Envelope
from device.soap.namespaces import (
    ANONYMOUS,
    BYE,
    DISCOVERY_URN,
    HELLO,
    PREFIX_OF,
    PROBE,
    PROBE_MATCHES,
    RESOLVE,
    RESOLVE_MATCHES,
    WSA,
    WSD,
    canonical,
)
from device.soap.xml import Element

_BODIES = {PROBE: f"{{{WSD}}}Probe", RESOLVE: f"{{{WSD}}}Resolve"}
_ANSWER_BLOCKS = frozenset(f"{{{WSA}}}{name}" for name in ("ReplyTo", "FaultTo", "From"))
_PARSER = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True)


def decode(data: bytes) -> Request:
    """Read a datagram.

    Raises:
        RequestError: it is no Probe and no Resolve of ours to answer; any of its kinds.

    Source: dpws section 4.7.
    """
    message = envelope.read(data)
    if message.action not in _BODIES:
        raise ActionNotSupported(message.action)
    addressing.check_request(
        message._replace(
            to=message.to or DISCOVERY_URN,
            # An answer goes to the datagram's source, whatever these say (R1018).
            headers=tuple(block for block in message.headers if block.tag not in _ANSWER_BLOCKS),
        )
    )
    if message.body is not None and message.body.getnext() is not None:
        raise MalformedMessage("the body has more than one child")
    return from_envelope(message)


def from_envelope(message: Envelope) -> Request:
    """Read a Probe or a Resolve whose headers are checked already; over HTTP, too.

    Raises:
        ActionNotSupported: neither of the two.
        MalformedMessage: one of the two, and unreadable.
    """
    if message.action not in _BODIES:
        raise ActionNotSupported(message.action)
    body = message.body
    if body is None or body.tag != _BODIES[message.action]:
        raise MalformedMessage("the body does not belong to the action")
    types = xml.find(body, WSD, "Types")
    if types is not None and any(name.count(":") > 1 for name in xml.text(types).split()):
        raise MalformedMessage("a type has two prefixes")
    clean = b"".join(
        envelope.pieces(
            message.action,
            _pruned(body),
            message_id=message.message_id,
            to=DISCOVERY_URN,
        )
    )
    try:
        read: SoapEnvelope = parseSOAPMessage(clean, "")
        return _request(read, body)
    except (AttributeError, IndexError, KeyError, ValueError):
        raise MalformedMessage("a part of it is missing or empty") from None


def _pruned(body: Element) -> str:
    """`body` with nothing in it that the library could take for something else."""
    # In ASCII, which is the default, a prefix with other letters would not be one any more.
    copy = etree.fromstring(etree.tostring(body, encoding="utf-8", with_tail=False))
    kept = {f"{{{WSD}}}Types", f"{{{WSD}}}Scopes", f"{{{WSA}}}EndpointReference"}
    for child in list(copy):
        if child.tag not in kept:
            copy.remove(child)
    for reference in copy.iterfind(f"{{{WSA}}}EndpointReference"):
        for part in list(reference):
            if part.tag != f"{{{WSA}}}Address":
                reference.remove(part)
    return etree.tostring(copy, encoding="unicode")


def _request(read: SoapEnvelope, body: Element) -> Request:
    if read.getAction() == RESOLVE:
        return Resolve(message_id=read.getMessageId(), address=read.getEPR())
    # The library keeps the rule with each scope, so that it loses that of an empty list.
    scopes = xml.find(body, WSD, "Scopes")
    rule = "" if scopes is None else scopes.get("MatchBy", "")
    return Probe(
        message_id=read.getMessageId(),
        types=tuple(
            (canonical(name.getNamespace()), name.getLocalname()) for name in read.getTypes()
        ),
        # The library turns %20 into a blank when it reads, and back when it writes.
        scopes=tuple(scope.getQuotedValue() for scope in read.getScopes()),
        match_by=canonical(rule.strip()),
    )


def encode(message: Message) -> bytes:
    """Write a datagram: UTF-8, no blanks between elements, a prefix on each of them."""
    filled = SoapEnvelope()
    filled.setMessageId(message.message_id)
    filled.setInstanceId(str(message.sequence.instance_id))
    filled.setMessageNumber(str(message.sequence.message_number))
    if isinstance(message, Hello):
        _fill_hello(filled, message)
    elif isinstance(message, Bye):
        filled.setAction(BYE)
        filled.setTo(DISCOVERY_URN)
        filled.setEPR(message.address)
    else:
        matches = isinstance(message, ProbeMatches)
        filled.setAction(PROBE_MATCHES if matches else RESOLVE_MATCHES)
        filled.setTo(ANONYMOUS)
        filled.setRelatesTo(message.relates_to)
        if message.target is not None:
            filled.getProbeResolveMatches().append(_match(message.target))
    return _compact(createSOAPMessage(filled))


def _fill_hello(filled: SoapEnvelope, message: Hello) -> None:
    target = message.target
    filled.setAction(HELLO)
    filled.setTo(DISCOVERY_URN)
    filled.setEPR(target.address)
    filled.setTypes(_types(target.types))
    filled.setScopes([LibraryScope(scope) for scope in target.scopes])
    filled.setXAddrs(list(target.xaddrs))
    filled.setMetadataVersion(str(target.metadata_version))


def _match(target: Target) -> ProbeResolveMatch:
    return ProbeResolveMatch(
        target.address,
        _types(target.types),
        [LibraryScope(scope) for scope in target.scopes],
        list(target.xaddrs),
        str(target.metadata_version),
    )


def _types(types: tuple[QName, ...]) -> list[LibraryQName]:
    """House prefixes: without any, the library makes up ten letters per message."""
    return [LibraryQName(namespace, local, PREFIX_OF[namespace]) for namespace, local in types]


def _compact(written: str) -> bytes:
    """The library indents; a datagram should not. Prefixes used in text only stay declared."""
    root = etree.fromstring(written.encode(), _PARSER)
    for element in root.iter(etree.Element):
        if element.text:
            element.text = element.text.strip()
    return etree.tostring(root, encoding="UTF-8", xml_declaration=False)
