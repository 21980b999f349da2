"""Which device is meant, when it is open, and what when it is gone."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.fake_sane import FakeHandle, FakeLibrary, geometry, grey_sheet, option

from scanner_backends import errors
from scanner_backends.base import Mode, ScanRequest, Source
from scanner_backends.sane import device_file, finding
from scanner_backends.sane.backend import SaneBackend
from scanner_backends.sane.words import Kind, Range, SaneDevice

REQUEST = ScanRequest(Source.FLATBED, Mode.GRAY, 8, 300, 300, 0, 0, 100, 50)
SHEET = grey_sheet(10, 10, bytes(100))
OPTIONS = [
    option("source", ("Flatbed", "ADF")),
    option("resolution", Range(50, 600, 1)),
    *geometry(210, 297),
]
EPSON = SaneDevice("epson2:libusb:001:004", "Epson", "GT-1500", "flatbed scanner")
HERE = SaneDevice("airscan:w0:Attic", "WSD", "Attic", "ip=127.0.0.1")
THERE = SaneDevice("airscan:w1:Office", "WSD", "Office", "ip=192.0.2.7")


def scanner(sheets=(), name: str = EPSON.name, options=OPTIONS) -> FakeHandle:
    return FakeHandle(list(options), sheets, name)


def backend_of(library: FakeLibrary, argument: str = "") -> SaneBackend:
    return SaneBackend(argument, lambda: library)


def test_our_own_scanners_are_never_taken():
    assert finding.is_ours(HERE)
    assert finding.is_ours(replace(HERE, type="ip=::1"))
    assert finding.is_ours(replace(HERE, type="eSCL network scanner"))
    assert finding.is_ours(SaneDevice("escl:http://127.0.0.1:8080", "x", "y"))
    assert not finding.is_ours(THERE)
    assert not finding.is_ours(SaneDevice("escl:https://192.0.2.7:443", "x", "y"))
    assert not finding.is_ours(EPSON)
    assert finding.choose("", [HERE, EPSON]) == EPSON
    with pytest.raises(errors.SourceError, match="no scanner 'Attic'"):
        finding.choose("Attic", [HERE, EPSON])


def test_our_own_scanner_is_not_opened_by_its_name_either():
    library = FakeLibrary([scanner(name=HERE.name)], [HERE])
    with pytest.raises(errors.SourceError, match="finds no scanner"):
        backend_of(library, HERE.name).describe()
    assert library.opened == []


@pytest.mark.parametrize("wanted", ["", EPSON.name, "epson", "GT-15", "gt.*00", "libusb:001"])
def test_name_part_pattern_or_nothing(wanted: str):
    assert finding.choose(wanted, [EPSON, HERE]) == EPSON


def test_a_pattern_that_is_none_is_a_text():
    with pytest.raises(errors.SourceError, match="no scanner"):
        finding.choose("(", [EPSON])


def test_a_full_name_is_opened_without_a_search():
    library = FakeLibrary([scanner()], [SaneDevice("other:0")])
    assert backend_of(library, EPSON.name).describe().name == EPSON.name


def test_a_device_without_sources_needs_the_list_for_its_type():
    sheetfed = replace(EPSON, type="sheetfed scanner")
    handle = scanner(options=OPTIONS[1:])
    description = backend_of(FakeLibrary([handle], [sheetfed]), EPSON.name).describe()
    assert [ability.source for ability in description.sources] == [Source.ADF]


def test_the_device_is_let_go_between_jobs():
    handle = scanner([SHEET, SHEET])
    library = FakeLibrary([handle], [EPSON])
    backend = backend_of(library)
    backend.describe()
    assert handle.calls[-1] == "close"
    list(backend.scan(REQUEST, None).bands)
    assert "close" not in handle.calls[handle.calls.index("start") :]
    backend.end_run()
    assert handle.calls[-1] == "close"
    list(backend.scan(REQUEST, None).bands)
    backend.close()
    assert library.ended == 1


def test_a_scanner_in_use_elsewhere_is_busy_and_not_gone():
    library = FakeLibrary([scanner([SHEET])], [EPSON], [errors.DeviceBusy("In use.")])
    backend = backend_of(library)
    with pytest.raises(errors.DeviceBusy):
        backend.scan(REQUEST, None)
    assert len(list(backend.scan(REQUEST, None).bands)) == 1


def test_a_scanner_plugged_in_anew_is_found_under_its_new_name():
    lost = replace(SHEET, data=b"", error=errors.IoError("The scanner does not answer."))
    before = scanner([lost])
    after = scanner([SHEET], "epson2:libusb:001:009")
    library = FakeLibrary([before, after], [EPSON])
    backend = backend_of(library, "epson")
    with pytest.raises(errors.IoError):
        list(backend.scan(REQUEST, None).bands)
    library.listed = [replace(EPSON, name=after.name)]
    assert len(list(backend.scan(REQUEST, None).bands)) == 1
    assert library.opened == [EPSON.name, after.name]
    assert library.ended == 1


def test_a_vanished_scanner_is_an_io_error_until_it_is_back():
    lost = replace(SHEET, data=b"", error=errors.IoError("The scanner does not answer."))
    library = FakeLibrary([scanner([lost, SHEET])], [EPSON])
    backend = backend_of(library)
    with pytest.raises(errors.IoError):
        list(backend.scan(REQUEST, None).bands)
    library.listed = [SaneDevice("airscan:w0:x", type="ip=127.0.0.1")]
    with pytest.raises(errors.IoError, match="not there any more"):
        backend.scan(REQUEST, None)
    library.listed = [EPSON]
    assert len(list(backend.scan(REQUEST, None).bands)) == 1


def test_a_driver_that_refuses_its_own_device_is_a_source_error():
    library = FakeLibrary([scanner()], [EPSON], [errors.Inval("no")])
    with pytest.raises(errors.SourceError, match="cannot open"):
        backend_of(library).describe()


# ---- the options file


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "options.toml"
        path.write_text(text)
        return path

    return write


def test_entries_are_chosen_by_the_whole_name_and_later_ones_win(written):
    file = device_file.read(
        written(
            '[[device]]\nname = "epson2:.*"\nhide = ["lamp"]\nset = {depth = 8, gamma = 2.2}\n'
            '[[device]]\nname = ".*"\nset.depth = 16\nfix.source = "ADF"\n'
            '[[device]]\nname = "epson"\nhide = ["mode"]\n'
        )
    )
    wishes = file.wishes(EPSON.name)
    assert wishes.set == {"depth": 16, "gamma": 2.2}
    assert wishes.fix == {"source": "ADF"}
    assert wishes.hide == {"lamp"}
    assert file.wishes("other:0").hide == frozenset()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"must hold \[\[device\]\]"),
        ("x = 1", r"must hold \[\[device\]\]"),
        ("device = 1", r"must hold \[\[device\]\]"),
        ("[[device]]\n", "must have a name"),
        ('[[device]]\nname = "("\n', "no regular expression"),
        ('[[device]]\nname = "x"\nhid = []\n', "hid is not known"),
        ('[[device]]\nname = "x"\nhide = "y"\n', "list of option names"),
        ('[[device]]\nname = "x"\nset = 1\n', "set must be a table"),
        ('[[device]]\nname = "x"\nfix.a = [1]\n', "fix.a must be a text"),
        ("not toml", "no TOML file"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(written, text: str, sentence: str):
    with pytest.raises(errors.SourceError, match=sentence):
        backend_of(FakeLibrary([]), f"x?options={written(text)}")


ODD = (
    option("mode", ("Gray", "Color")),
    option("depth", (8, 16), kind=Kind.INT),
    option("resolution", Range(50, 600, 1)),
    option("lamp", kind=Kind.BOOL),
    option("wait", kind=Kind.INT),
    option("note", kind=Kind.STRING),
    option("geometry", kind=Kind.GROUP),
    replace(option("gamma-table", Range(0, 255, 1)), size=1024),
)


@pytest.mark.parametrize(
    ("wish", "takes"),
    [
        ('mode = "Purple"', "Gray, Color"),
        ("mode = 5", "Gray, Color"),
        ("depth = 12", "8, 16"),
        ('resolution = "300"', "a number from 50 to 600"),
        ("resolution = 5000", "a number from 50 to 600"),
        ("resolution = inf", "a number from 50 to 600"),
        ("resolution = nan", "a number from 50 to 600"),
        ("resolution = true", "a number from 50 to 600"),
        ('lamp = "no"', "true or false"),
        ("lamp = 1", "true or false"),
        ("wait = 9_999_999_999", "a number from -2.14748e"),
        ("note = 1", "a text"),
        ("geometry = 1", "no value"),
        ("gamma-table = 1", "many numbers at once"),
    ],
)
@pytest.mark.parametrize("table", ["set", "fix"])
def test_a_value_that_an_option_cannot_have_is_refused(written, table: str, wish: str, takes: str):
    handle = FakeHandle([*ODD], name=EPSON.name)
    path = written(f'[[device]]\nname = ".*"\n{table}.{wish}\n')
    backend = backend_of(FakeLibrary([handle]), f"{EPSON.name}?options={path}")
    name = wish.partition(" ")[0]
    sentence = re.escape(f"The option {name} of {EPSON.name} takes {takes}")
    with pytest.raises(errors.SourceError, match=sentence):
        backend.describe()
    assert not any(call.startswith(name) for call in handle.calls)


@pytest.mark.parametrize("wish", ["br-x = 215.9", "contrast = 0.1"])
@pytest.mark.parametrize("table", ["set", "fix"])
def test_what_a_driver_rounds_down_can_be_wished_for(written, table: str, wish: str):
    """SANE_FIX cuts off: neither number is one of 16 bits behind the point."""
    told = {number: int(number * 65_536) / 65_536 for number in (215.9, 0.1)}
    options = [
        option("br-x", Range(0, told[215.9], 0), kind=Kind.FIXED),
        option("contrast", (told[0.1], 1.0), kind=Kind.FIXED),
    ]
    handle = FakeHandle([*OPTIONS[:2], *options], name=EPSON.name)
    path = written(f'[[device]]\nname = ".*"\n{table}.{wish}\n')
    backend_of(FakeLibrary([handle]), f"{EPSON.name}?options={path}").describe()
    name, _, value = wish.partition(" = ")
    assert handle.values[name] == pytest.approx(float(value), abs=1 / 65_536)


def test_a_folder_is_no_options_file(tmp_path: Path):
    with pytest.raises(errors.SourceError, match=r"cannot be read: Is a directory\.$"):
        backend_of(FakeLibrary([]), f"x?options={tmp_path}")


def test_a_file_that_is_not_there_is_said():
    with pytest.raises(errors.SourceError, match=r"/nowhere/x\.toml: there is no such file"):
        backend_of(FakeLibrary([]), "x?options=/nowhere/x.toml")
