"""What the scan server tells of itself: ProbeMatches and device metadata, over HTTP.

Source: ws-dsp sections 2.3, 3.2 and 3.3; dpws sections 3.2 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from device.errors import InvalidArgs
from device.soap import namespaces as ns
from device.soap import xml
from device.soap.addressing import endpoint_reference
from device.soap.dispatch import Answer, Incoming, Route
from device.soap.write import attribute, element, leaf

PATH = "/ScanServer"
_LANGUAGE = ' xml:lang="en"'


@dataclass(frozen=True, slots=True)
class Description:
    """Who we are. `service_type` is the unpublished local name of the processing port type."""

    name: str
    uuid_urn: str
    service_path: str
    service_type: str
    version: str
    metadata_version: int
    instance_id: int


class MetadataService:
    """Answers Probe and Get."""

    def __init__(self, description: Description) -> None:
        self._is = description
        self._numbers = count(1)

    def routes(self) -> list[Route]:
        return [
            Route(ns.PROBE, self.probe, ns.WSD, ("Probe",)),
            Route(ns.GET, self.get, ns.DSP),
        ]

    async def probe(self, incoming: Incoming) -> Answer:
        """ProbeMatches; empty for a Probe that does not mean us."""
        body = incoming.envelope.body
        if body is None:
            raise InvalidArgs("Probe", "is missing in the body")
        number = next(self._numbers)
        return Answer(
            element("wsd:ProbeMatches", self._match(incoming) if _means_us(body) else ""),
            ("wsd", "wsdp"),
            headers=element(
                "wsd:AppSequence",
                attributes=attribute("InstanceId", str(self._is.instance_id))
                + attribute("MessageNumber", str(number)),
            ),
        )

    def _match(self, incoming: Incoming) -> str:
        return element(
            "wsd:ProbeMatch",
            endpoint_reference("wsa:EndpointReference", self._is.uuid_urn),
            leaf("wsd:Types", "wsdp:Device"),
            leaf("wsd:XAddrs", incoming.base_url + PATH),
            leaf("wsd:MetadataVersion", self._is.metadata_version),
        )

    async def get(self, incoming: Incoming) -> Answer:
        """GetResponse with ThisModel, ThisDevice and Relationship."""
        model = element(
            "wsdp:ThisModel",
            leaf("wsdp:Manufacturer", "wsd-scanner", _LANGUAGE),
            leaf("wsdp:ModelName", "Scan server", _LANGUAGE),
        )
        device = element(
            "wsdp:ThisDevice",
            leaf("wsdp:FriendlyName", self._is.name, _LANGUAGE),
            leaf("wsdp:FirmwareVersion", self._is.version),
        )
        sections = (
            _section("ThisModel", model),
            _section("ThisDevice", device),
            _section("Relationship", self._relationship(incoming)),
        )
        return Answer(element("mex:Metadata", *sections), ("mex", "wsdp", "dsp"))

    def _relationship(self, incoming: Incoming) -> str:
        host = element(
            "wsdp:Host",
            endpoint_reference("wsa:EndpointReference", self._is.uuid_urn),
            leaf("wsdp:Types", "wsdp:Device"),
            leaf("wsdp:ServiceId", "urn:wsd-scanner:scan-server"),
        )
        hosted = element(
            "wsdp:Hosted",
            endpoint_reference("wsa:EndpointReference", incoming.base_url + self._is.service_path),
            leaf("wsdp:Types", f"dsp:{self._is.service_type}"),
            leaf("wsdp:ServiceId", "urn:wsd-scanner:processing"),
        )
        kind = attribute("Type", f"{ns.WSDP}/host")
        return element("wsdp:Relationship", host, hosted, attributes=kind)


def _section(dialect: str, content: str) -> str:
    return element(
        "mex:MetadataSection", content, attributes=attribute("Dialect", f"{ns.WSDP}/{dialect}")
    )


def _means_us(probe: xml.Element) -> bool:
    """Whether all types of the Probe are ours; we have no scopes."""
    scopes = xml.find(probe, ns.WSD, "Scopes")
    if scopes is not None and xml.text(scopes):
        return False
    types = xml.find(probe, ns.WSD, "Types")
    if types is None:
        return True
    names = {xml.resolve_qname(name, types) for name in xml.text(types).split()}
    return names <= {(ns.WSDP, "Device")}
