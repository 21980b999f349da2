"""Subscribe … SubscriptionEnd ↔ XML. No decisions but which spellings mean the same.

Children are found wherever they stand, and what is not of WS-Eventing is left to others.

Source: dpws section 6, clients.md section 1, points 20 and 21.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from lxml import etree

from device.errors import (
    DeliveryModeUnavailable,
    FilterActionNotSupported,
    FilterDialectUnavailable,
    InvalidArgs,
    InvalidExpirationTime,
)
from device.soap import xml
from device.soap.addressing import endpoint_reference, reference_blocks, uuid_of
from device.soap.datatypes import (
    format_datetime,
    format_duration,
    parse_datetime,
    parse_duration,
)
from device.soap.dispatch import Answer
from device.soap.envelope import Envelope
from device.soap.namespaces import SOAP, SOAP11, WSA, WSA2005, WSDP, WSE, canonical
from device.soap.write import element, leaf
from device.soap.xml import Element

PUSH: Final = f"{WSE}/DeliveryModes/Push"
ACTION_DIALECT: Final = f"{WSDP}/Action"
SUBSCRIPTION_END: Final = f"{WSE}/SubscriptionEnd"
MAX_PARAMETERS = 4_096
"""Octets of an endpoint's reference parameters, which we keep and send with every event."""
MAX_ADDRESS = 2_048

_WSE = ("wse",)
_FORGING = frozenset({SOAP, SOAP11, WSA, WSA2005})
_SECURITY = (
    "http://docs.oasis-open.org/wss/",
    "http://schemas.xmlsoap.org/ws/2002/",
    "http://schemas.xmlsoap.org/ws/2003/06/secext",
)
_FOREVER_S = 1e9


class EndStatus(StrEnum):
    """Why a subscription ends before its time."""

    DELIVERY_FAILURE = f"{WSE}/DeliveryFailure"
    SHUTTING_DOWN = f"{WSE}/SourceShuttingDown"
    CANCELING = f"{WSE}/SourceCanceling"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint reference as a subscriber gives it.

    `parameters` are its reference parameters and properties as XML, each with the namespace
    declarations that were in scope.
    """

    address: str
    parameters: str = ""


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long a subscription is wanted for. `as_time` tells that the peer thinks in dateTimes."""

    seconds: float
    as_time: bool = False


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A Subscribe request. `actions` are those of the source's events that it wants.

    An `expires` of None is as long as possible.
    """

    notify_to: Endpoint
    end_to: Endpoint | None
    expires: Expiry | None
    actions: frozenset[str]


def read_subscribe(body: Element, offered: frozenset[str], now: datetime) -> Subscribe:
    """A Subscribe.

    Args:
        offered: the actions of all events that there are.

    Raises:
        DeliveryModeUnavailable, FilterDialectUnavailable, FilterActionNotSupported,
        InvalidExpirationTime, InvalidArgs: as WS-Eventing has them.
    """
    delivery = xml.need(body, WSE, "Delivery")
    mode = canonical((delivery.get("Mode") or PUSH).strip())
    if mode != PUSH:
        raise DeliveryModeUnavailable(mode, PUSH)
    targets = xml.children(delivery, WSE, "NotifyTo")
    if len(targets) != 1:
        raise InvalidArgs("NotifyTo", "must be there once")
    end_to = xml.find(body, WSE, "EndTo")
    return Subscribe(
        notify_to=_endpoint(targets[0]),
        end_to=None if end_to is None else _endpoint(end_to),
        expires=read_expires(body, now),
        actions=_wanted(xml.find(body, WSE, "Filter"), offered),
    )


def _endpoint(reference: Element) -> Endpoint:
    address = xml.find(reference, WSA, "Address")
    value = "" if address is None else xml.text(address)
    if not value or len(value) > MAX_ADDRESS:
        raise InvalidArgs(xml.local_name(reference), "has no usable address")
    blocks = reference_blocks(reference)
    for block in blocks:
        uri = canonical(xml.namespace_of(block))
        if uri in _FORGING or uri.startswith(_SECURITY):
            raise InvalidArgs("ReferenceParameters", "hold what would forge a header")
    # lxml writes all declarations in scope, so that QNames in text keep their meaning.
    parameters = "".join(
        etree.tostring(block, encoding="unicode", with_tail=False) for block in blocks
    )
    if len(parameters.encode()) > MAX_PARAMETERS:
        raise InvalidArgs("ReferenceParameters", f"are longer than {MAX_PARAMETERS} octets")
    return Endpoint(value, parameters)


def _wanted(filter_: Element | None, offered: frozenset[str]) -> frozenset[str]:
    """The offered actions that a filter lets pass; without a filter, all.

    Without a dialect a filter is XPath by the letter, but clients mean actions; so one that names
    known actions is read as such. The published example has the bare name of an event.
    """
    if filter_ is None:
        return offered
    dialect = canonical((filter_.get("Dialect") or "").strip())
    if dialect not in ("", ACTION_DIALECT):
        raise FilterDialectUnavailable(dialect, ACTION_DIALECT)
    entries = [canonical(entry).rstrip("/") for entry in xml.text(filter_).split()]
    found = frozenset(action for action in offered if any(_passes(one, action) for one in entries))
    if found:
        return found
    if not dialect:
        raise FilterDialectUnavailable(dialect, ACTION_DIALECT)
    raise FilterActionNotSupported


def _passes(entry: str, action: str) -> bool:
    """Whether `entry` is the action, its first segments, or its bare name."""
    if "/" not in entry:
        return action.rpartition("/")[2] == entry
    return action == entry or action.startswith(f"{entry}/")


def read_expires(body: Element, now: datetime) -> Expiry | None:
    """The Expires of a Subscribe or a Renew; None if there is none.

    Raises:
        InvalidExpirationTime: zero, negative, past, or neither a duration nor a dateTime.
    """
    expires = xml.find(body, WSE, "Expires")
    value = "" if expires is None else xml.text(expires)
    if not value:
        return None
    try:
        if value.lstrip("-").startswith("P"):
            found = Expiry(parse_duration(value))
        else:
            # Python's years have four digits, those of xs:dateTime may have more.
            near = re.sub(r"^[1-9][0-9]{4,}(?=-)", "9998", value)
            left = parse_datetime(near).timestamp() - now.timestamp()
            found = Expiry(min(left, _FOREVER_S), as_time=True)
    except (ValueError, OverflowError):
        raise InvalidExpirationTime(value[:80]) from None
    if found.seconds <= 0:
        raise InvalidExpirationTime(value[:80])
    return found


def identifiers(envelope: Envelope) -> tuple[str, ...]:
    """The Identifier headers of a request to the subscription manager, as they are compared.

    Raises:
        InvalidArgs: there is none.
    """
    found = tuple(
        uuid_of(xml.text(block))
        for block in envelope.headers
        if block.tag == f"{{{WSE}}}Identifier"
    )
    if not any(found):
        raise InvalidArgs("Identifier", "is missing among the headers")
    return found


def manager(address: str, identifier: str) -> str:
    """The SubscriptionManager of a subscription, as XML. `identifier` is a bare UUID."""
    return endpoint_reference(
        "wse:SubscriptionManager", address, leaf("wse:Identifier", f"urn:uuid:{identifier}")
    )


def expires(granted: Expiry, now: datetime) -> str:
    """Expires, in the kind that the peer used. What is left of a second counts as one."""
    if granted.as_time:
        moment = datetime.fromtimestamp(now.timestamp() + granted.seconds, now.tzinfo)
        return leaf("wse:Expires", format_datetime(moment))
    return leaf("wse:Expires", format_duration(math.ceil(granted.seconds)))


def subscribed(manager_xml: str, expires_xml: str, more: str, prefixes: tuple[str, ...]) -> Answer:
    """SubscribeResponse; `more` follows what WS-Eventing has."""
    return Answer(
        element("wse:SubscribeResponse", manager_xml, expires_xml, more), (*_WSE, *prefixes)
    )


def renewed(expires_xml: str) -> Answer:
    """RenewResponse."""
    return Answer(element("wse:RenewResponse", expires_xml), _WSE)


def status(expires_xml: str) -> Answer:
    """GetStatusResponse."""
    return Answer(element("wse:GetStatusResponse", expires_xml), _WSE)


def unsubscribed() -> Answer:
    """UnsubscribeResponse: as empty as a body can be."""
    return Answer("")


def subscription_end(manager_xml: str, why: EndStatus, reason: str) -> str:
    """The body of SubscriptionEnd."""
    return element(
        "wse:SubscriptionEnd",
        manager_xml,
        leaf("wse:Status", why),
        leaf("wse:Reason", reason, ' xml:lang="en"'),
    )
