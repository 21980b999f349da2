"""What the scan server tells of itself: to a Probe, and in its metadata.

Source: ws-dsp sections 2.3, 3.2 and 3.3; dpws sections 3.2 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass

from device.discovery.messages import Announcement
from device.soap import namespaces as ns
from device.soap.addressing import endpoint_reference
from device.soap.dispatch import Answer, Incoming, Route
from device.soap.write import attribute, element, leaf

PATH = "/ScanServer"
CONFIGURATION_TYPE = "RepositoryConfigurationServiceType"
_LANGUAGE = ' xml:lang="en"'


@dataclass(frozen=True, slots=True)
class Description:
    """Who we are. `service_type` is the unpublished local name of the processing port type.

    The paths are those of the processing service and of the configuration service.
    """

    name: str
    uuid_urn: str
    service_path: str
    configuration_path: str
    service_type: str
    version: str

    def announcement(self, *, scheme: str, port: int, metadata_version: int) -> Announcement:
        """Us, as a Probe finds us. A device may also ask for the services that we host."""
        return Announcement(
            uuid_urn=self.uuid_urn,
            types=((ns.WSDP, "Device"),),
            scopes=(),
            path=PATH,
            port=port,
            scheme=scheme,
            metadata_version=metadata_version,
            quiet_types=((ns.DSP, self.service_type), (ns.DSC, CONFIGURATION_TYPE)),
        )


class MetadataService:
    """Answers Get."""

    def __init__(self, description: Description) -> None:
        self._is = description

    def routes(self) -> list[Route]:
        return [Route(ns.GET, self.get, ns.DSP)]

    async def get(self, incoming: Incoming) -> Answer:
        """GetResponse."""
        return Answer(self.written(incoming.base_url()), ("mex", "wsdp", "dsp", "dsc"))

    def written(self, base_url: str) -> str:
        """ThisModel, ThisDevice and Relationship, for those who reach us at `base_url`."""
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
            _section("Relationship", self._relationship(base_url)),
        )
        return element("mex:Metadata", *sections)

    def _relationship(self, base_url: str) -> str:
        host = element(
            "wsdp:Host",
            endpoint_reference("wsa:EndpointReference", self._is.uuid_urn),
            leaf("wsdp:Types", "wsdp:Device"),
            leaf("wsdp:ServiceId", "urn:wsd-scanner:scan-server"),
        )
        kind = attribute("Type", f"{ns.WSDP}/host")
        return element(
            "wsdp:Relationship",
            host,
            _hosted(base_url + self._is.service_path, f"dsp:{self._is.service_type}", "processing"),
            _hosted(
                base_url + self._is.configuration_path,
                f"dsc:{CONFIGURATION_TYPE}",
                "configuration",
            ),
            attributes=kind,
        )


def _hosted(address: str, types: str, name: str) -> str:
    return element(
        "wsdp:Hosted",
        endpoint_reference("wsa:EndpointReference", address),
        leaf("wsdp:Types", types),
        leaf("wsdp:ServiceId", f"urn:wsd-scanner:{name}"),
    )


def _section(dialect: str, content: str) -> str:
    return element(
        "mex:MetadataSection", content, attributes=attribute("Dialect", f"{ns.WSDP}/{dialect}")
    )
