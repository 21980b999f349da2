"""What becomes of each setting of a ticket: used, replaced, defaulted, or refused."""

import pytest
from clients.wsscan import SCAN, FaultAnswer, child, scan_ticket, text

conformance = pytest.mark.conformance
FRONT = "MediaSides/MediaFront"
BACK = "MediaSides/MediaBack"


def final_of(client, **wishes):
    answer = client.create_scan_job(scan_ticket(**wishes)).reply.require()
    return child(answer, "DocumentFinalParameters")


def leaf(final, path):
    """Value and mark of a setting."""
    found = child(final, path)
    (mark,) = [name.rpartition("}")[2] for name in found.attrib] or [""]
    return (found.text, mark)


def refusal(client, **wishes):
    with pytest.raises(FaultAnswer) as refused:
        client.create_scan_job(scan_ticket(**wishes))
    detail = refused.value.fault.detail
    return refused.value.name, None if detail is None else detail[0].tag.rpartition("}")[2]


def case(rows, path, value, *, mark="", carrier=None, **wishes):
    """One setting: the wishes, the leaf they show in, and what can carry its MustHonor."""
    return pytest.param(wishes, path, (value, mark), carrier, marks=conformance(*rows.split()))


# All on a scanner that has png, jfif, exif, tiff and dib, 75 to 600 dpi, three colours, and
# scaling from 25 to 400 percent.
LEAVES = [
    case("EL-23", "CompressionQualityFactor", "70", quality=70, format="jfif"),
    case(
        "EL-23",
        "CompressionQualityFactor",
        "100",
        mark="Override",
        carrier="CompressionQualityFactor",
        quality=101,
        format="jfif",
    ),
    case(
        "EL-23",
        "CompressionQualityFactor",
        "100",
        mark="Override",
        carrier="CompressionQualityFactor",
        quality=50,
        format="png",
    ),
    case("EL-23", "CompressionQualityFactor", "100", quality=100, format="png"),
    case(
        "EL-23", "CompressionQualityFactor", "100", mark="UsedDefault", quality=None, format="png"
    ),
    case(
        "EL-23", "CompressionQualityFactor", "80", mark="UsedDefault", quality=None, format="jfif"
    ),
    case("EL-22", "Format", "tiff-single-uncompressed", format="tiff-single-uncompressed"),
    case("EL-22", "Format", "jfif", mark="UsedDefault", format=None),
    case("EL-24", "ImagesToTransfer", "5", images=5, source="ADF"),
    case("EL-24", "ImagesToTransfer", "0", mark="UsedDefault", images=None),
    case(
        "EL-24",
        "ImagesToTransfer",
        "1",
        mark="Override",
        carrier="ImagesToTransfer",
        images=5,
        source="Platen",
    ),
    case("EL-25 KW-018", "InputSource", "ADFDuplex", source="ADFDuplex"),
    case("EL-25 KW-017", "InputSource", "ADF", source="ADF"),
    case("EL-25 KW-020", "InputSource", "Platen", source="Platen"),
    case("EL-25", "InputSource", "Platen", mark="UsedDefault", source=None),
    case(
        "EL-25", "InputSource", "Platen", mark="Override", carrier="InputSource", source="Toaster"
    ),
    case("EL-27", "ContentType", "Auto", mark="UsedDefault", content_type=None),
    case(
        "EL-27",
        "ContentType",
        "Auto",
        mark="Override",
        carrier="ContentType",
        content_type="acme:Receipt",
    ),
    case("EL-27 KW-029", "ContentType", "Auto", content_type="Auto"),
    case("EL-27 KW-030", "ContentType", "Text", content_type="Text"),
    case("EL-27 KW-031", "ContentType", "Photo", content_type="Photo"),
    case("EL-27 KW-032", "ContentType", "Halftone", content_type="Halftone"),
    case("EL-27 KW-033", "ContentType", "Mixed", content_type="Mixed"),
    case("EL-28", "InputSize/InputMediaSize/Width", "5000", size=(5000, 7000)),
    case("EL-28", "InputSize/InputMediaSize/Height", "7000", size=(5000, 7000)),
    case(
        "EL-28",
        "InputSize/InputMediaSize/Width",
        "8500",
        mark="Override",
        carrier="InputSize",
        size=(9000, 7000),
    ),
    case("EL-28", "InputSize/InputMediaSize/Height", "11693", mark="UsedDefault", size=None),
    case(
        "EL-29",
        "InputSize/InputMediaSize/Height",
        "11693",
        mark="Override",
        carrier="InputSize",
        auto_size=True,
    ),
    case("EL-29", "InputSize/InputMediaSize/Width", "5000", auto_size=False, size=(5000, 7000)),
    case(
        "EL-30", "Exposure/ExposureSettings/Contrast", "0", mark="UsedDefault", auto_exposure=True
    ),
    case(
        "EL-30",
        "Exposure/ExposureSettings/Contrast",
        "0",
        mark="Override",
        auto_exposure=True,
        exposure=(9, 9, 9),
    ),
    case(
        "EL-30", "Exposure/ExposureSettings/Contrast", "9", auto_exposure=False, exposure=(9, 9, 9)
    ),
    case("EL-31", "Exposure/ExposureSettings/Contrast", "-1000", exposure=(-1000, 1000, -100)),
    case("EL-31", "Exposure/ExposureSettings/Brightness", "1000", exposure=(-1000, 1000, -100)),
    case("EL-31", "Exposure/ExposureSettings/Sharpness", "-100", exposure=(-1000, 1000, -100)),
    case(
        "EL-31",
        "Exposure/ExposureSettings/Contrast",
        "1000",
        mark="Override",
        carrier="Exposure",
        exposure=(1001, 0, 0),
    ),
    case(
        "EL-31",
        "Exposure/ExposureSettings/Brightness",
        "-1000",
        mark="Override",
        carrier="Exposure",
        exposure=(0, -1001, 0),
    ),
    case(
        "EL-31",
        "Exposure/ExposureSettings/Sharpness",
        "100",
        mark="Override",
        carrier="Exposure",
        exposure=(0, 0, 101),
    ),
    case("EL-31", "Exposure/ExposureSettings/Brightness", "0", mark="UsedDefault", exposure=None),
    case("EL-32", "Scaling/ScalingHeight", "200", scaling=(50, 200)),
    case(
        "EL-32",
        "Scaling/ScalingHeight",
        "400",
        mark="Override",
        carrier="Scaling",
        scaling=(50, 1000),
    ),
    case(
        "EL-32", "Scaling/ScalingWidth", "25", mark="Override", carrier="Scaling", scaling=(1, 100)
    ),
    case("EL-32", "Scaling/ScalingWidth", "100", mark="UsedDefault", scaling=None),
    case("EL-33 KW-041", "Rotation", "270", rotation=270),
    case("EL-33 KW-040", "Rotation", "180", rotation=180),
    case("EL-33 KW-039", "Rotation", "90", rotation=90),
    case("EL-33 KW-038", "Rotation", "0", rotation=0),
    case("EL-33", "Rotation", "0", mark="Override", carrier="Rotation", rotation=45),
    case("EL-33", "Rotation", "0", mark="UsedDefault", rotation=None),
    case("EL-34 EL-37 KW-023", f"{FRONT}/ColorProcessing", "Grayscale8", color="Grayscale8"),
    case(
        "EL-37",
        f"{FRONT}/ColorProcessing",
        "Grayscale8",
        mark="Override",
        carrier="ColorProcessing",
        color="Grayscale4",
    ),
    case(
        "EL-37",
        f"{FRONT}/ColorProcessing",
        "RGB24",
        mark="Override",
        carrier="ColorProcessing",
        color="RGBa32",
    ),
    case("EL-37", f"{FRONT}/ColorProcessing", "RGB24", mark="UsedDefault", color=None),
    case(
        "EL-37",
        f"{FRONT}/ColorProcessing",
        "Grayscale8",
        mark="Override",
        color="BlackAndWhite1",
        format="jfif",
    ),
    case(
        "EL-37", f"{FRONT}/ColorProcessing", "BlackAndWhite1", color="BlackAndWhite1", format=None
    ),
    case("EL-38", f"{FRONT}/Resolution/Width", "200", dpi=(200, 400)),
    case("EL-38", f"{FRONT}/Resolution/Height", "400", dpi=(200, 400)),
    case(
        "EL-38", f"{FRONT}/Resolution/Width", "300", mark="Override", carrier="Resolution", dpi=340
    ),
    case("EL-38", f"{FRONT}/Resolution/Width", "300", mark="UsedDefault", dpi=None),
    case("EL-36", f"{FRONT}/ScanRegion/ScanRegionYOffset", "20", region=(10, 20, 3000, 4000)),
    case(
        "EL-36",
        f"{FRONT}/ScanRegion/ScanRegionHeight",
        "6000",
        mark="UsedDefault",
        region=None,
        size=(5000, 6000),
    ),
    case(
        "EL-36",
        f"{FRONT}/ScanRegion/ScanRegionWidth",
        "500",
        mark="Override",
        carrier="ScanRegionWidth",
        region=(8000, 0, 1000, 1000),
    ),
    case(
        "EL-36",
        f"{FRONT}/ScanRegion/ScanRegionHeight",
        "1000",
        mark="Override",
        carrier="ScanRegionHeight",
        region=(0, 13000, 1000, 5000),
    ),
    case(
        "EL-36",
        f"{FRONT}/ScanRegion/ScanRegionXOffset",
        "0",
        mark="Override",
        carrier="ScanRegionXOffset",
        region=(-10, 0, 1000, 1000),
    ),
    case(
        "EL-36",
        f"{FRONT}/ScanRegion/ScanRegionHeight",
        "11693",
        mark="Override",
        carrier="ScanRegionHeight",
        region=(0, 0, 1000, 0),
    ),
    case(
        "EL-36",
        f"{FRONT}/ScanRegion/ScanRegionHeight",
        "900",
        mark="Override",
        carrier="ScanRegionYOffset",
        region=(0, -100, 1000, 1000),
    ),
]
IMPOSSIBLE = [
    pytest.param(entry.values[0], entry.values[3], marks=entry.marks)
    for entry in LEAVES
    if entry.values[3] is not None
]


@conformance("EL-42")
@pytest.mark.parametrize(("wishes", "path", "used", "carrier"), LEAVES)
def test_a_setting_is_used_replaced_or_defaulted_and_marked_so(
    device, client, wishes, path, used, carrier
):
    assert leaf(final_of(client, **wishes), path) == used


@conformance("EL-41")
@pytest.mark.parametrize(("wishes", "carrier"), IMPOSSIBLE)
def test_a_setting_that_cannot_be_and_must_be_honored_is_refused(device, client, wishes, carrier):
    name, argument = refusal(client, **wishes, must_honor={carrier})
    assert name == "InvalidArgs"
    assert argument is not None
    info = client.validate_scan_ticket(scan_ticket(**wishes, must_honor={carrier}))
    assert text(info, "ValidTicket") == "false"


@conformance("EL-41")
@pytest.mark.parametrize(
    ("wishes", "carrier"),
    [
        ({"format": "jfif"}, "Format"),
        ({"quality": 1, "format": "jfif"}, "CompressionQualityFactor"),
        ({"images": 2, "source": "ADF"}, "ImagesToTransfer"), ({"source": "ADF"}, "InputSource"),
        ({"content_type": "Text"}, "ContentType"), ({"size": (5000, 5000)}, "InputSize"),
        ({"auto_exposure": True}, "Exposure"), ({"exposure": (1, 2, 3)}, "Exposure"),
        ({"scaling": (50, 50)}, "Scaling"), ({"rotation": 90}, "Rotation"), ({}, "MediaSides"),
        ({"color": "Grayscale8"}, "ColorProcessing"), ({"dpi": 200}, "Resolution"),
        ({"region": (1, 2, 3000, 4000)}, "ScanRegionXOffset"),
        ({"region": (1, 2, 3000, 4000)}, "ScanRegionYOffset"),
        ({"region": (1, 2, 3000, 4000)}, "ScanRegionWidth"),
        ({"region": (1, 2, 3000, 4000)}, "ScanRegionHeight"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_can_be_honored_is(device, client, wishes, carrier):
    job = client.create_scan_job(scan_ticket(**wishes, must_honor={carrier}))
    told = client.get_job_elements(job.id, "ScanTicket")["ScanTicket"]
    if not carrier.startswith("Media"):
        found = next(e for e in told.iter() if e.tag == f"{{{SCAN}}}{carrier}")
        assert found.attrib == {f"{{{SCAN}}}MustHonor": "true"}
    final = child(job.reply.require(), "DocumentFinalParameters")
    assert not [e for e in final.iter() if f"{{{SCAN}}}Override" in e.attrib]
