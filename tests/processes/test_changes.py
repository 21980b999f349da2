"""What a user may change of a scan process, and that nothing else of it ever changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from processes.documents import EML, FSH, document, email, filter_of, share, switch

from device.dsp import filters, process
from device.errors import ChangeNotAllowed, InvalidArgs
from device.model.ticket import Wish
from device.processes.changes import Changes, Permissions, changed, is_locked, permissions
from device.ticket.parameters import wishes

PARAMETERS = (
    '<w:Format w:MustHonor="true">pdf-a</w:Format><w:InputSource>ADF</w:InputSource>'
    '<w:Exposure w:MustHonor="true"><w:ExposureSettings><w:Contrast>5</w:Contrast>'
    "</w:ExposureSettings></w:Exposure>"
    '<w:MediaSides w:MustHonor="true"><w:MediaFront>'
    "<w:ColorProcessing>RGB24</w:ColorProcessing></w:MediaFront></w:MediaSides>"
)
VENDOR = filter_of("urn:vendor", '<v:a xmlns:v="urn:vendor" b="1"/>')
FOREIGN = '<v:note xmlns:v="urn:vendor">keep me</v:note>'
OPEN = process.parse(
    document(
        email("a@b.c", can_add=True, more=FOREIGN),
        share(r"\\h\s", r"\\h\t", more=FOREIGN),
        VENDOR,
        email("boss@b.c"),
        parameters=PARAMETERS,
        switches=switch("FileName") + switch("FilePath"),
    )
)
CLOSED = process.parse(document(email("a@b.c"), share(r"\\h\s"), parameters=PARAMETERS))


def addresses(found: process.ScanProcess) -> list[tuple[str, ...]]:
    configs = [
        filters.read(f.dialect, f.instructions)
        for f in found.instructions.filters
        if f.dialect == EML
    ]
    return [config.addresses for config in configs]


def test_nothing_changed_is_the_very_process():
    assert changed(OPEN, Changes()) == OPEN
    assert changed(CLOSED, Changes()) == CLOSED


def test_what_is_permitted():
    assert permissions(OPEN) == Permissions(emails=True, file_name=True, shares=True)
    assert permissions(CLOSED) == Permissions(emails=False, file_name=False, shares=False)


def test_a_setting_that_is_not_locked_is_changed():
    found = changed(CLOSED, Changes({"InputSource": "Platen", "Rotation": 90}))
    values = wishes(found.ticket.parameters)
    assert (values["InputSource"], values["Rotation"]) == (Wish("Platen"), Wish(90))
    assert found.instructions == CLOSED.instructions


@pytest.mark.conformance("DP-03")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Format", "jfif"),
        ("Exposure/ExposureSettings/Contrast", 6),
        ("Exposure/AutoExposure", True),
        ("MediaSides/MediaFront/ColorProcessing", "Grayscale8"),
    ],
)
def test_a_locked_setting_stays(path: str, value: object):
    with pytest.raises(ChangeNotAllowed, match="wants this very value"):
        changed(OPEN, Changes({path: value}))


def test_a_locked_setting_may_be_asked_for_as_it_is():
    assert changed(OPEN, Changes({"Format": "pdf-a"})) == OPEN
    assert is_locked(OPEN.ticket.parameters, "Format")
    assert not is_locked(OPEN.ticket.parameters, "InputSource")


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [("Rotation", 45, "90"), ("Nonsense", 1, "no ticket parameter"), ("InputSource", 7, "ADF")],
)
def test_a_value_must_be_one(path: str, value: object, named: str):
    with pytest.raises(InvalidArgs, match=named):
        changed(OPEN, Changes({path: value}))


def test_addresses_are_added_where_they_may_be():
    found = changed(OPEN, Changes(emails=("new@b.c", "a@b.c", "new@b.c")))
    assert addresses(found) == [("a@b.c", "new@b.c"), ("boss@b.c",)]
    assert "keep me" in found.instructions.filters[0].instructions
    assert found.instructions.filters[1:] == OPEN.instructions.filters[1:]


@pytest.mark.parametrize("address", ["", "no address", "a@b.c,d@e.f", "Joe <a@b.c>", "x\ud800@b.c"])
def test_an_address_must_be_one(address: str):
    with pytest.raises(InvalidArgs, match="EmailAddress"):
        changed(OPEN, Changes(emails=(address,)))


def test_file_name_and_path_are_changed_where_they_may_be():
    found = changed(OPEN, Changes(file_name="Rechnung ä", shares=(r"\\h\new",)))
    assert found.instructions.document_root_name == "Rechnung ä"
    told = found.instructions.filters[1]
    assert filters.read(FSH, told.instructions).share_uncs == (r"\\h\new",)
    assert "keep me" in told.instructions


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (Changes(file_name="../x"), "DocumentRootName"),
        (Changes(file_name=""), "DocumentRootName"),
        (Changes(shares=("/tmp",)), "ShareUNC"),
        (Changes(shares=()), "FileShares"),
    ],
)
def test_a_name_and_a_path_must_be_possible(wanted: Changes, named: str):
    with pytest.raises(InvalidArgs, match=named):
        changed(OPEN, wanted)


@pytest.mark.conformance("DP-03")
@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (Changes(emails=("new@b.c",)), "e-mail"),
        (Changes(file_name="x"), "file name"),
        (Changes(shares=(r"\\h\new",)), "file path"),
    ],
)
def test_what_is_not_permitted_is_refused(wanted: Changes, named: str):
    with pytest.raises(ChangeNotAllowed, match=named):
        changed(CLOSED, wanted)


def test_a_share_filter_without_shares_takes_some():
    found = process.parse(document(share(), switches=switch("FilePath")))
    told = changed(found, Changes(shares=(r"\\h\s",))).instructions.filters[0]
    assert filters.read(FSH, told.instructions).share_uncs == (r"\\h\s",)


NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)


@pytest.mark.conformance("DP-03")
@given(
    st.lists(NAMES.map("{}@example.org".format), max_size=3),
    st.none() | NAMES,
    st.none() | st.lists(NAMES.map(r"\\files\{}".format), min_size=1, max_size=3),
)
def test_instructions_differ_only_in_what_may_differ(emails, file_name, shares):
    """Rule P4, by the canonical form of both documents with the permitted parts taken out."""
    wanted = Changes({}, tuple(emails), file_name, None if shares is None else tuple(shares))
    before = rest_of(process.write_alone(OPEN.instructions))
    assert rest_of(process.write_alone(changed(OPEN, wanted).instructions)) == before


def rest_of(instructions: str) -> bytes:
    root = etree.fromstring(instructions)
    permitted = {"{*}DocumentRootName", f"{{{FSH}}}ShareUNC"}
    for name in permitted:
        for element in root.findall(f".//{name}"):
            element.getparent().remove(element)
    for element in root.findall(f".//{{{EML}}}EmailAddress"):
        if element.text.endswith("@example.org"):
            element.getparent().remove(element)
    return etree.tostring(root, method="c14n")
