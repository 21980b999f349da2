"""Finding the processing service of a scan server, and subscribing to it: the client's side.

Source: ws-dsp sections 2.3, 3.2 and 3.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from device.errors import InvalidArgs
from device.soap import xml
from device.soap.datatypes import format_duration
from device.soap.namespaces import DSP, MEX, WSA, WSD, WSDP, WSE
from device.soap.write import attribute, element, leaf
from device.soap.xml import Element

PROBE_PREFIXES = ("wsd", "wsdp")


def write_probe() -> str:
    """A Probe for any device: no other type is documented."""
    return element("wsd:Probe", leaf("wsd:Types", "wsdp:Device"))


def write_subscribe(notify_to: str, actions: Iterable[str], seconds: float) -> str:
    """A Subscribe to the events of these actions."""
    return element(
        "wse:Subscribe",
        element(
            "wse:Delivery",
            element("wse:NotifyTo", leaf("wsa:Address", notify_to)),
            attributes=attribute("Mode", f"{WSE}/DeliveryModes/Push"),
        ),
        leaf("wse:Expires", format_duration(round(seconds))),
        leaf("wse:Filter", " ".join(actions), attribute("Dialect", f"{WSDP}/Action")),
    )


def write_renew(seconds: float) -> str:
    """A Renew."""
    return element("wse:Renew", leaf("wse:Expires", format_duration(round(seconds))))


UNSUBSCRIBE = element("wse:Unsubscribe")


def read_probe_matches(body: Element) -> tuple[str, ...]:
    """All transport addresses in a ProbeMatches, in their order."""
    found: list[str] = []
    for match in xml.children(body, WSD, "ProbeMatch"):
        addresses = xml.find(match, WSD, "XAddrs")
        if addresses is not None:
            found += xml.text(addresses).split()
    return tuple(found)


def choose_address(asked: str, offered: Sequence[str]) -> str:
    """The address to go on with: of the scheme asked for, best with the very host asked for.

    Empty when none will do. An https server never leads us to http.
    """
    scheme, host = urlsplit(asked).scheme, urlsplit(asked).hostname
    offered = [url for url in offered if _host(url)]
    usable = [url for url in offered if _scheme(url) == scheme]
    if scheme == "http":
        usable += [url for url in offered if _scheme(url) == "https"]
    same = [url for url in usable if _host(url) == host]
    return (same or usable or [""])[0]


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def read_processing_service(body: Element, asked: str) -> str:
    """The address of the hosted service whose type is in dsp's namespace.

    Its local name is not published: any will do, one that ends in `ServiceType` before others.

    Raises:
        InvalidArgs: the metadata have no such service.
    """
    candidates: list[tuple[bool, list[str]]] = []
    for hosted in body.iter(f"{{{WSDP}}}Hosted"):
        types = xml.find(hosted, WSDP, "Types")
        names = [] if types is None else xml.text(types).split()
        locals_ = [
            local
            for namespace, local in (xml.resolve_qname(name, types) for name in names)  # type: ignore[arg-type]
            if namespace == DSP
        ]
        if locals_:
            addresses = [
                xml.text(address)
                for reference in xml.children(hosted, WSA, "EndpointReference")
                for address in xml.children(reference, WSA, "Address")
            ]
            candidates.append((any(name.endswith("ServiceType") for name in locals_), addresses))
    candidates.sort(key=lambda candidate: not candidate[0])
    for _, addresses in candidates:
        if chosen := choose_address(asked, addresses):
            return chosen
    raise InvalidArgs(xml.local_name(body), "names no usable processing service")


def read_metadata(body: Element, asked: str) -> str:
    """As `read_processing_service`, for the mex:Metadata of a GetResponse.

    Raises:
        InvalidArgs: it is no metadata, or has no such service.
    """
    if body.tag != f"{{{MEX}}}Metadata":
        raise InvalidArgs(xml.local_name(body), "is no metadata")
    return read_processing_service(body, asked)
