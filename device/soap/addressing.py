"""WS-Addressing 2004/08: what a request's headers must be, and endpoint references."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from device.errors import (
    DestinationUnreachable,
    HeaderRequired,
    InvalidHeader,
    MustUnderstand,
)
from device.soap import xml
from device.soap.envelope import Envelope
from device.soap.namespaces import (
    ANONYMOUS_SPELLINGS,
    DISCOVERY_URN,
    SOAP,
    WSA,
    WSD,
    WSE,
)
from device.soap.write import element, leaf
from device.soap.xml import Element

MAX_MESSAGE_ID = 2_048
_UNDERSTOOD = frozenset({WSA, WSD, WSE})
_SINGLE = frozenset(
    f"{{{WSA}}}{local}" for local in ("Action", "MessageID", "To", "ReplyTo", "FaultTo")
)
_REPLIES = frozenset({f"{{{WSA}}}ReplyTo", f"{{{WSA}}}FaultTo"})
_OUR_ROLES = frozenset(
    {
        "",
        f"{SOAP}/role/next",
        f"{SOAP}/role/ultimateReceiver",
    }
)


def check_request(envelope: Envelope) -> None:
    """Refuse a request whose headers cannot be accepted.

    Raises:
        HeaderRequired: no Action, MessageID or To.
        InvalidHeader: a block twice, an endless id, or an answer wanted anywhere but in the
            response to this very request (Devices Profile R0031, R0041).
        MustUnderstand: a header of a namespace that means nothing here.

    Source: dpws sections 2.1 and 2.2.
    """
    if not envelope.action:
        raise HeaderRequired("Action")
    if not envelope.message_id:
        raise HeaderRequired("MessageID")
    if not envelope.to:
        raise HeaderRequired("To")
    if len(envelope.message_id) > MAX_MESSAGE_ID:
        raise InvalidHeader("MessageID", "", f"it is longer than {MAX_MESSAGE_ID} octets")
    seen: set[str] = set()
    for block in envelope.headers:
        tag = block.tag
        if tag in _SINGLE:
            if tag in seen:
                raise InvalidHeader(xml.local_name(block), xml.text(block), "it is there twice")
            seen.add(tag)
            if tag in _REPLIES:
                _check_anonymous(block, xml.local_name(block))
        elif xml.namespace_of(block) not in _UNDERSTOOD and _must_understand(block):
            raise MustUnderstand(xml.namespace_of(block), xml.local_name(block))


def _check_anonymous(block: Element, local: str) -> None:
    # PyWSD and its fork put bare text into ReplyTo; what names no address asks for nothing.
    address = xml.find(block, WSA, "Address")
    value = "" if address is None else xml.text(address)
    if value and value not in ANONYMOUS_SPELLINGS:
        raise InvalidHeader(local, value, "answers go back on the same connection only")


def _must_understand(block: Element) -> bool:
    flag = xml.boolean_text(block.get(f"{{{SOAP}}}mustUnderstand", "false"))
    return bool(flag) and block.get(f"{{{SOAP}}}role", "").strip() in _OUR_ROLES


def check_destination(to: str, *, uuid_urn: str, paths: Collection[str]) -> None:
    """Refuse a `To` that names nobody here; host and port of a URL are not compared.

    `paths` are in lower case and without a slash at the end.

    Raises:
        DestinationUnreachable: neither our UUID, nor a URL with one of `paths`, nor anonymous,
            nor the discovery URN.

    Source: dpws section 2.3.
    """
    lowered = to.lower()
    if to in ANONYMOUS_SPELLINGS or to == DISCOVERY_URN:
        return
    if lowered.startswith(("urn:uuid:", "uuid:")):
        if uuid_of(lowered) == uuid_of(uuid_urn):
            return
    elif lowered.startswith(("http://", "https://")) and _path_of(lowered) in paths:
        return
    raise DestinationUnreachable(to)


@lru_cache(maxsize=256)
def _path_of(url: str) -> str | None:
    """The path of a URL as it is compared, None if it is no URL."""
    try:
        return plain_path(unquote(urlsplit(url).path))
    except ValueError:
        return None


def plain_path(path: str) -> str:
    """A URL path as it is compared: in lower case, without a slash at the end."""
    return path.rstrip("/").lower() or "/"


def uuid_of(urn: str) -> str:
    """The bare UUID of `urn:uuid:…` or `uuid:…`, in lower case."""
    return urn.strip().lower().removeprefix("urn:").removeprefix("uuid:")


def reference_blocks(reference: Element) -> list[Element]:
    """The reference parameters and properties of an endpoint reference, which go back to it."""
    return [
        child
        for name in ("ReferenceProperties", "ReferenceParameters")
        for container in xml.children(reference, WSA, name)
        for child in container
    ]


def endpoint_reference(name: str, address: str, parameters: str = "") -> str:
    """An endpoint reference as XML; `parameters` is XML already."""
    inside = element("wsa:ReferenceParameters", parameters) if parameters else ""
    return element(name, leaf("wsa:Address", address), inside)
