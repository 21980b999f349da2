"""What the device says it can do."""

from dataclasses import replace

import pytest
from clients.wsscan import SCAN, child, text

from device.model.capabilities import LocalText, ScannerDescription

conformance = pytest.mark.conformance
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@pytest.fixture
def told(client):
    return client.get_scanner_elements("ScannerConfiguration")["ScannerConfiguration"]


def values(parent, path):
    return [entry.text for entry in child(parent, path)]


def pair(parent, path):
    return tuple(int(text(parent, f"{path}/{name}")) for name in ("Width", "Height"))


@conformance("EL-01")
def test_the_scanner_is_described_in_as_many_languages_as_it_knows(make_device):
    device = make_device()
    told = device.client.get_scanner_elements("ScannerDescription")["ScannerDescription"]
    assert [(e.tag.rpartition("}")[2], e.text, e.get(XML_LANG)) for e in told] == [
        ("ScannerName", "Virtual Scanner", "en"),
        ("ScannerInfo", "A scanner in software", "en"),
    ]


@conformance("EL-01")
def test_each_language_has_an_element_of_its_own():
    from lxml import etree

    from device.scan.write_scanner import description
    from device.soap.namespaces import WSCN

    both = (LocalText("Empfang", "de"), LocalText("Reception", "en-GB"), LocalText("☎"))
    written = description(ScannerDescription(both, (), both[:1]))
    tree = etree.fromstring(written.replace(">", f' xmlns:wscn="{WSCN}">', 1))
    assert [(e.tag.rpartition("}")[2], e.text, e.get(XML_LANG)) for e in tree] == [
        ("ScannerName", "Empfang", "de"),
        ("ScannerName", "Reception", "en-GB"),
        ("ScannerName", "☎", None),
        ("ScannerLocation", "Empfang", "de"),
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(
            "FormatsSupported",
            {"png", "jfif", "exif", "tiff-single-uncompressed", "dib"},
            marks=conformance("EL-02"),
        ),
        pytest.param(
            "ContentTypesSupported",
            {"Auto", "Text", "Photo", "Mixed", "Halftone"},
            marks=conformance("EL-04"),
        ),
        pytest.param("RotationsSupported", {"0", "90", "180", "270"}, marks=conformance("EL-10")),
    ],
)
def test_the_lists_of_the_device_settings(told, path, expected):
    found = values(told, f"DeviceSettings/{path}")
    assert len(found) == len(set(found))
    assert expected <= set(found)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("CompressionQualityFactorSupported", ("0", "100"), marks=conformance("EL-03")),
        pytest.param(
            "ScalingRangeSupported/ScalingWidth", ("25", "400"), marks=conformance("EL-09")
        ),
        pytest.param(
            "ScalingRangeSupported/ScalingHeight", ("25", "400"), marks=conformance("EL-09")
        ),
    ],
)
def test_the_ranges_of_the_device_settings(told, path, expected):
    found = tuple(text(told, f"DeviceSettings/{path}/{end}Value") for end in ("Min", "Max"))
    assert found == expected


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        pytest.param(
            "DocumentSizeAutoDetectSupported",
            "document_size_auto_detect",
            marks=conformance("EL-05"),
        ),
        pytest.param("AutoExposureSupported", "auto_exposure", marks=conformance("EL-06")),
        pytest.param("BrightnessSupported", "brightness", marks=conformance("EL-07")),
        pytest.param("ContrastSupported", "contrast", marks=conformance("EL-08")),
    ],
)
def test_the_switches_of_the_device_settings(make_device, name, setting):
    for value in (True, False):

        def switched(found, value=value):
            return replace(found, settings=replace(found.settings, **{setting: value}))

        client = make_device(configuration=switched).client
        told = client.get_scanner_elements("ScannerConfiguration")["ScannerConfiguration"]
        assert text(told, f"DeviceSettings/{name}") == str(value).lower()


@pytest.mark.parametrize(
    ("family", "prefix", "minimum"),
    [
        pytest.param("Platen", "Platen", (500, 500), marks=conformance("EL-11")),
        pytest.param("ADF/ADFFront", "ADF", (3000, 3000), marks=conformance("EL-12")),
        pytest.param("ADF/ADFBack", "ADF", (3000, 3000), marks=conformance("EL-13")),
    ],
)
@conformance("EL-15")
def test_each_source_is_described_in_full(told, family, prefix, minimum):
    source = child(told, family)
    assert pair(source, f"{prefix}OpticalResolution") == (600, 600)
    steps = ["75", "100", "150", "200", "300", "400", "600"]
    assert values(source, f"{prefix}Resolutions/Widths") == steps
    assert values(source, f"{prefix}Resolutions/Heights") == steps
    colors = values(source, f"{prefix}Color")
    assert {"BlackAndWhite1", "Grayscale8", "RGB24"} <= set(colors)
    assert pair(source, f"{prefix}MinimumSize") == minimum
    assert pair(source, f"{prefix}MaximumSize") == (8500, 14000)


@conformance("EL-12", "EL-13")
def test_a_feeder_that_is_not_duplex_has_no_back(make_device):
    device = make_device(configuration=lambda c: replace(c, adf_duplex=False, adf_back=None))
    adf = child(
        device.client.get_scanner_elements("ScannerConfiguration")["ScannerConfiguration"], "ADF"
    )
    assert text(adf, "ADFSupportsDuplex") == "false"
    assert adf.find(f"{{{SCAN}}}ADFBack") is None


@conformance("EL-11", "EL-12")
@pytest.mark.parametrize(("gone", "name"), [("platen", "Platen"), ("adf_front", "ADF")])
def test_a_source_that_is_not_there_is_left_out(make_device, gone, name):
    client = make_device(configuration=lambda c: replace(c, **{gone: None})).client
    told = client.get_scanner_elements("ScannerConfiguration")["ScannerConfiguration"]
    assert told.find(f"{{{SCAN}}}{name}") is None


@conformance("EL-15")
def test_widths_and_heights_are_told_apart(make_device):
    def odd(found):
        side = replace(found.platen, heights=(100, 1200), optical_height=1200)
        return replace(found, platen=side)

    client = make_device(configuration=odd).client
    told = client.get_scanner_elements("ScannerConfiguration")["ScannerConfiguration"]
    assert pair(told, "Platen/PlatenOpticalResolution") == (600, 1200)
    assert values(told, "Platen/PlatenResolutions/Heights") == ["100", "1200"]


@conformance("WL-20")
def test_the_scan_service_is_found_by_type_and_ids(start_device):
    """Types in the answer to a Probe, and what Windows looks for in the metadata."""
    from clients.wsscan import DPWS, Client

    device = start_device()
    metadata = device.client.get(device.endpoint)
    pnpx = "http://schemas.microsoft.com/windows/pnpx/2005/10"
    (hosted,) = metadata.iter(f"{{{DPWS}}}Hosted")
    assert hosted.findtext(f"{{{DPWS}}}Types").split() == ["wscn:ScannerServiceType"]
    assert f"{SCAN}/ScannerServiceType" in hosted.findtext(f"{{{pnpx}}}CompatibleId")
    assert hosted.findtext(f"{{{pnpx}}}HardwareId")
    (category,) = metadata.iter(f"{{{pnpx}}}DeviceCategory")
    assert "Scanners" in category.text.split()
    discovery = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
    path = "/StableWSDiscoveryEndpoint/schemas-xmlsoap-org_ws_2005_04_discovery"
    client = Client(device.url.rpartition("/")[0] + path)
    reply = client.call(
        f"{discovery}/Probe",
        f'<d:Probe xmlns:d="{discovery}"/>',
        to="urn:schemas-xmlsoap-org:ws:2005:04:discovery",
    )
    types = next(reply.require().iter(f"{{{discovery}}}Types"))
    assert types.text.split() == ["wsdp:Device", "wscn:ScanDeviceType"]
