"""ThisModel, ThisDevice and Relationship → XML.

Source: dpws section 5; the PnP-X words that make Windows install its scan driver are in 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from device.soap import namespaces as ns
from device.soap.addressing import endpoint_reference
from device.soap.write import attribute, element, leaf

PREFIXES = ("mex", "wsdp", "wscn", "dsd", "pnpx", "df")

HOST_RELATION = f"{ns.WSDP}/host"


@dataclass(frozen=True, slots=True)
class Hosted:
    """A hosted service: its path below our address, and what Windows matches drivers by."""

    path: str
    types: str
    service_id: str
    compatible_ids: tuple[str, ...] = ()
    hardware_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceMetadata:
    """Everything that a WS-Transfer Get tells, but for addresses."""

    manufacturer: str
    manufacturer_url: str
    model_name: str
    model_number: str
    model_url: str
    device_category: tuple[str, ...]
    df_device_category: tuple[str, ...]
    friendly_name: str
    firmware_version: str
    serial_number: str
    hosted: tuple[Hosted, ...]
    presentation_path: str = "/"
    language: str = "en"


def scan_service(path: str, uuid: str, hardware_ids: tuple[str, ...]) -> Hosted:
    """The WS-Scan service as a hosted service."""
    return Hosted(
        path=path,
        types="wscn:ScannerServiceType",
        service_id=f"uri:{uuid}/WSDScanner",
        compatible_ids=(f"{ns.WSCN}/ScannerServiceType",),
        hardware_ids=hardware_ids,
    )


def management_service(path: str, uuid: str, type_: str) -> Hosted:
    """The service for management consoles (WS-DSD) as a hosted service."""
    return Hosted(path=path, types=f"dsd:{type_}", service_id=f"uri:{uuid}/WSDManagement")


def write_metadata(metadata: DeviceMetadata, base_url: str) -> str:
    """The `mex:Metadata` body, with the addresses by which the asker reached us.

    Order and presence of the sections are what go-mfp, wsdd and Windows read; there is no Host,
    since with a function type in it Windows looks for the service at the wrong address.
    """
    return element(
        "mex:Metadata",
        _section("ThisDevice", _this_device(metadata)),
        _section("ThisModel", _this_model(metadata, base_url)),
        _section("Relationship", _relationship(metadata, base_url)),
    )


def _section(dialect: str, content: str) -> str:
    return element(
        "mex:MetadataSection", content, attributes=attribute("Dialect", f"{ns.WSDP}/{dialect}")
    )


def _this_device(metadata: DeviceMetadata) -> str:
    language = attribute("xml:lang", metadata.language)
    return element(
        "wsdp:ThisDevice",
        leaf("wsdp:FriendlyName", metadata.friendly_name, language),
        leaf("wsdp:FirmwareVersion", metadata.firmware_version),
        leaf("wsdp:SerialNumber", metadata.serial_number),
    )


def _this_model(metadata: DeviceMetadata, base_url: str) -> str:
    language = attribute("xml:lang", metadata.language)
    return element(
        "wsdp:ThisModel",
        leaf("wsdp:Manufacturer", metadata.manufacturer, language),
        leaf("wsdp:ManufacturerUrl", metadata.manufacturer_url)
        if metadata.manufacturer_url
        else "",
        leaf("wsdp:ModelName", metadata.model_name, language),
        leaf("wsdp:ModelNumber", metadata.model_number),
        leaf("wsdp:ModelUrl", metadata.model_url) if metadata.model_url else "",
        leaf("wsdp:PresentationUrl", f"{base_url}{metadata.presentation_path}"),
        leaf("pnpx:DeviceCategory", " ".join(metadata.device_category)),
        leaf("df:DeviceCategory", " ".join(metadata.df_device_category)),
    )


def _relationship(metadata: DeviceMetadata, base_url: str) -> str:
    hosted = (
        element(
            "wsdp:Hosted",
            endpoint_reference("wsa:EndpointReference", f"{base_url}{service.path}"),
            leaf("wsdp:Types", service.types),
            leaf("wsdp:ServiceId", service.service_id),
            leaf("pnpx:CompatibleId", " ".join(service.compatible_ids))
            if service.compatible_ids
            else "",
            leaf("pnpx:HardwareId", " ".join(service.hardware_ids)) if service.hardware_ids else "",
        )
        for service in metadata.hosted
    )
    return element("wsdp:Relationship", *hosted, attributes=attribute("Type", HOST_RELATION))
