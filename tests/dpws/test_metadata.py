"""What a WS-Transfer Get tells: the fields that clients need, each with its product."""

from __future__ import annotations

from lxml import etree

from device.dpws.metadata import PREFIXES, DeviceMetadata, scan_service, write_metadata
from device.soap.namespaces import PREFIXES as URIS
from device.soap.write import declarations

IDENTITY = "5a3d0d9e-1c1a-4f6e-8a2b-0c1d2e3f4a5b"
METADATA = DeviceMetadata(
    manufacturer="Ex & Sons",
    manufacturer_url="http://www.example.com/",
    model_name="Model <One>",
    model_number="1",
    model_url="",
    device_category=("Scanners",),
    df_device_category=("Imaging.Scanner",),
    friendly_name="Scanner on the second floor",
    firmware_version="1.0",
    serial_number="000001",
    hosted=(scan_service("/scan", IDENTITY, ("VEN_0001&DEV_0001",)),),
)


def parsed(base_url: str = "http://192.0.2.7:5357") -> etree._Element:
    text = f"<r{declarations(('wsa', *PREFIXES))}>{write_metadata(METADATA, base_url)}</r>"
    return etree.fromstring(text)[0]


def values(path: str) -> list[str]:
    return [str(found) for found in parsed().xpath(path, namespaces=URIS)]


def test_each_section_stands_under_its_exact_dialect() -> None:
    assert values("//mex:MetadataSection/@Dialect") == [
        "http://schemas.xmlsoap.org/ws/2006/02/devprof/ThisDevice",
        "http://schemas.xmlsoap.org/ws/2006/02/devprof/ThisModel",
        "http://schemas.xmlsoap.org/ws/2006/02/devprof/Relationship",
    ]
    assert parsed().tag == f"{{{URIS['mex']}}}Metadata"


def test_the_six_fields_that_go_mfp_requires_are_there() -> None:
    for field in (
        "ThisDevice/wsdp:FriendlyName",
        "ThisDevice/wsdp:FirmwareVersion",
        "ThisDevice/wsdp:SerialNumber",
        "ThisModel/wsdp:Manufacturer",
        "ThisModel/wsdp:ModelName",
        "ThisModel/wsdp:ModelNumber",
    ):
        assert values(f"//wsdp:{field}/text()"), field


def test_windows_finds_category_and_both_ids() -> None:
    assert values("//wsdp:ThisModel/pnpx:DeviceCategory/text()") == ["Scanners"]
    assert values("//wsdp:ThisModel/df:DeviceCategory/text()") == ["Imaging.Scanner"]
    assert values("//wsdp:Hosted/pnpx:CompatibleId/text()") == [
        "http://schemas.microsoft.com/windows/2006/08/wdp/scan/ScannerServiceType"
    ]
    assert values("//wsdp:Hosted/pnpx:HardwareId/text()") == ["VEN_0001&DEV_0001"]


def test_small_clients_find_the_type_by_its_text() -> None:
    assert values("//wsdp:Hosted/wsdp:Types/text()") == ["wscn:ScannerServiceType"]


def test_addresses_are_those_that_the_asker_used() -> None:
    for base in ("http://192.0.2.7:5357", "http://[fe80::1]:5357"):
        root = parsed(base)
        (address,) = root.xpath("//wsdp:Hosted//wsa:Address/text()", namespaces=URIS)
        (page,) = root.xpath("//wsdp:PresentationUrl/text()", namespaces=URIS)
        assert address == f"{base}/scan"
        assert page == f"{base}/"


def test_an_empty_url_is_left_out_and_text_is_escaped() -> None:
    assert values("//wsdp:ModelUrl") == []
    assert values("//wsdp:ModelName/text()") == ["Model <One>"]
    assert values("//wsdp:Manufacturer/text()") == ["Ex & Sons"]


def test_there_is_no_host_that_windows_could_misread() -> None:
    assert values("//wsdp:Host") == []
    assert values("//wsdp:Relationship/@Type") == [
        "http://schemas.xmlsoap.org/ws/2006/02/devprof/host"
    ]
