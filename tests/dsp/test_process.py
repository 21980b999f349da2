"""Scan process documents: what is read, and how a mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.dsp import filters, process
from device.errors import ConfigError, InvalidArgs, MalformedMessage
from device.model.ticket import Wish
from device.soap import namespaces as ns
from device.ticket.parameters import wishes

DOCUMENT = f"""<?xml version="1.0" encoding="utf-16"?>
<p:PostScanProcess xmlns:p="{ns.PSP}" xmlns:w="{ns.WSCN}" xmlns:x="{ns.SPX}">
  <p:ScanRepository>scan.example.org</p:ScanRepository>
  <p:ScanTicket>
    <w:JobDescription><w:JobName>Invoices</w:JobName>
      <w:JobOriginatingUserName>joe</w:JobOriginatingUserName></w:JobDescription>
    <w:DocumentParameters>
      <w:Format w:MustHonor="true">pdf-a</w:Format>
      <w:InputSource>ADFDuplex</w:InputSource>
      <w:MediaSides><w:MediaFront><w:ColorProcessing>RGB24</w:ColorProcessing>
        <w:Resolution w:MustHonor="1"><w:Width> 300 </w:Width><w:Height>300</w:Height>
        </w:Resolution></w:MediaFront></w:MediaSides>
      <v:Extra xmlns:v="urn:v">ignored</v:Extra>
    </w:DocumentParameters>
  </p:ScanTicket>
  <p:PostScanInstructions>
    <p:ContinueOnError>true</p:ContinueOnError>
    <p:DocumentRootName>Invoice  2026</p:DocumentRootName>
    <p:FiltersToProcess>
      <p:Filter><p:Dialect>{ns.FSH}</p:Dialect><p:Instructions>
        <f:FileShareConfig xmlns:f="{ns.FSH}"><f:FileShares><f:ShareUNC>\\\\h\\s</f:ShareUNC>
        </f:FileShares></f:FileShareConfig></p:Instructions></p:Filter>
      <p:Filter><p:Dialect>{ns.EML}</p:Dialect><p:Instructions>
        <e:EmailConfig xmlns:e="{ns.EML}"><e:SendToScanUser>1</e:SendToScanUser>
        <e:SendToAddresses e:CanAddAddresses="true"><e:EmailAddress>a@b.c</e:EmailAddress>
        </e:SendToAddresses></e:EmailConfig></p:Instructions></p:Filter>
      <p:Filter><p:Dialect>{ns.SHP}</p:Dialect><p:Instructions>
        <s:SharePointConfig xmlns:s="{ns.SHP}"><s:SaveToSharePointSites>
        <s:SaveToSharePointSiteURL>https://sp/lib</s:SaveToSharePointSiteURL>
        </s:SaveToSharePointSites></s:SharePointConfig></p:Instructions></p:Filter>
      <p:Filter><p:Dialect>urn:vendor</p:Dialect><p:Instructions><v:any xmlns:v="urn:vendor"
        a="1"><v:thing/></v:any></p:Instructions></p:Filter>
    </p:FiltersToProcess>
  </p:PostScanInstructions>
  <x:AllowDeviceFileNameChange>true</x:AllowDeviceFileNameChange>
</p:PostScanProcess>"""


@pytest.mark.conformance("DP-01")
def test_a_whole_document() -> None:
    found = process.parse("\ufeff" + DOCUMENT)
    names = found.ticket.description
    assert (found.scan_repository, names.job_name, names.job_originating_user_name) == (
        "scan.example.org",
        "Invoices",
        "joe",
    )
    assert found.ticket.parameters is not None
    assert wishes(found.ticket.parameters) == {
        "Format": Wish("pdf-a", True),
        "InputSource": Wish("ADFDuplex"),
        "MediaSides/MediaFront/ColorProcessing": Wish("RGB24"),
        "MediaSides/MediaFront/Resolution/Width": Wish(300, True),
        "MediaSides/MediaFront/Resolution/Height": Wish(300, True),
    }
    assert (found.may_change_file_name, found.may_change_file_path) == (True, False)
    told = found.instructions
    assert (told.document_root_name, told.continue_on_error) == ("Invoice  2026", True)
    configs = [filters.read(f.dialect, f.instructions) for f in told.filters[:3]]
    assert configs == [
        filters.FileShareConfig((r"\\h\s",)),
        filters.EmailConfig(True, ("a@b.c",), True),
        filters.SharePointConfig(False, ("https://sp/lib",)),
    ]


@pytest.mark.conformance("DP-02")
def test_an_unknown_dialect_is_passed_on_as_it_is() -> None:
    vendor = process.parse(DOCUMENT).instructions.filters[3]
    assert vendor.instructions == ('<v:any xmlns:v="urn:vendor" a="1"><v:thing></v:thing></v:any>')


@pytest.mark.conformance("DP-02")
def test_writers_and_readers_of_the_known_filters_agree() -> None:
    email = filters.EmailConfig(True, ("a@b.c", "d@e.f"), True)
    site = filters.SharePointConfig(True, ("https://sp/lib",))
    assert filters.read(filters.EMAIL, filters.write_email(email)) == email
    assert filters.read(filters.SHARE_POINT, filters.write_share_point(site)) == site


MISTAKES = [
    ("<p:ScanRepository>scan.example.org</p:ScanRepository>", "", "ScanRepository"),
    ("<w:JobName>Invoices</w:JobName>", "", "JobName"),
    ("pdf-a</w:Format>", "jpg</w:Format>", "Format"),
    ("ADFDuplex", "Feeder", "InputSource"),
    (" 300 ", "many", "Width"),
    (" 300 ", "0", "Width"),
    ("<w:InputSource>", "<w:Rotation>45</w:Rotation><w:InputSource>", "Rotation"),
    (
        "<w:InputSource>",
        "<w:Exposure><w:AutoExposure>1</w:AutoExposure><w:ExposureSettings><w:Contrast>1"
        "</w:Contrast></w:ExposureSettings></w:Exposure><w:InputSource>",
        "Exposure",
    ),
    ("<w:DocumentParameters>", "<w:Format>png</w:Format><w:DocumentParameters>", "Format"),
    ('MustHonor="1"', 'MustHonor="yes"', "Resolution"),
    ("<w:InputSource>", "<w:Nonsense>1</w:Nonsense><w:InputSource>", "Nonsense"),
    ("<w:InputSource>", "<w:InputSource>ADF</w:InputSource><w:InputSource>", "InputSource"),
    ("<p:ContinueOnError>true", "<p:ContinueOnError>maybe", "ContinueOnError"),
    ("Invoice  2026", "x" * 256, "DocumentRootName"),
    ("Invoice  2026", " ", "DocumentRootName"),
    (r"\\h\s", "/mnt/s", "ShareUNC"),
    (r"\\h\s", r"\\h", "ShareUNC"),
    (r"\\h\s", r"\\h\s\..\t", "ShareUNC"),
    ("a@b.c", "a.b.c", "EmailAddress"),
    ("a@b.c", "Joe &lt;a@b.c&gt;", "EmailAddress"),
    ("https://sp/lib", "https:///lib", "SaveToSharePointSiteURL"),
    ("scan.example.org", "https://scan.example.org/", "ScanRepository"),
    ("scan.example.org", "scan example", "ScanRepository"),
    ("scan.example.org", "10.0.0", "ScanRepository"),
    ("Invoice  2026", "../Invoice", "DocumentRootName"),
    ("Invoice  2026", "com1", "DocumentRootName"),
    ("Invoice  2026", "..", "DocumentRootName"),
    ("<p:Dialect>urn:vendor<", "<p:Dialect>urn:of another<", "Dialect"),
    ("<p:Dialect>urn:vendor<", "<p:Dialect>urn:other<", "Instructions"),
    ("https://sp/lib", "file:///etc", "SaveToSharePointSiteURL"),
    ("<p:Dialect>urn:vendor</p:Dialect>", "", "Dialect"),
    (f'<e:EmailConfig xmlns:e="{ns.EML}">', '<e:EmailConfig xmlns:e="urn:e">', "Instructions"),
    ('CanAddAddresses="true"', 'CanAddAddresses="perhaps"', "SendToAddresses"),
    ("FileNameChange>true", "FileNameChange>so", "AllowDeviceFileNameChange"),
]


@pytest.mark.conformance("DP-01")
@pytest.mark.parametrize(("right", "wrong", "named"), MISTAKES)
def test_a_mistake_names_its_element(right: str, wrong: str, named: str, tmp_path: Path) -> None:
    assert right in DOCUMENT
    broken = DOCUMENT.replace(right, wrong, 1)
    with pytest.raises(InvalidArgs) as caught:
        process.parse(broken)
    assert caught.value.argument == named
    file = tmp_path / "process.xml"
    file.write_text(broken.replace('encoding="utf-16"', ""))
    with pytest.raises(ConfigError, match=f"process.xml: {named}: "):
        process.load(file)


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<a>",
        "",
        f"<a>{'x' * 524_288}</a>",
    ],
)
def test_what_is_no_such_document_at_all(text: str) -> None:
    with pytest.raises(MalformedMessage):
        process.parse(text)


def test_another_root() -> None:
    with pytest.raises(InvalidArgs, match="PostScanProcess"):
        process.parse(f'<p:ScanTicket xmlns:p="{ns.PSP}"/>')


def test_a_file_in_utf_16_and_its_guid(tmp_path: Path) -> None:
    file = tmp_path / "{c4f199c7-6876-4549-a86e-a85035952448}.xml"
    file.write_bytes(DOCUMENT.encode("utf-16"))
    assert process.load(file).psp_identifier == "C4F199C7-6876-4549-A86E-A85035952448"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        process.load(tmp_path / "none.xml")


def test_the_built_in_instructions_are_valid() -> None:
    told = process.to_own_store("a")
    assert process.read_alone(process.write_alone(told)) == told
    config = filters.read(told.filters[0].dialect, told.filters[0].instructions)
    assert config == filters.FileShareConfig((r"\\.\store",))
