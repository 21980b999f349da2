"""Buttons of a scanner: which are watched, when one counts as pressed, and for whom."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.fake_sane import FakeHandle, FakeLibrary, geometry, grey_sheet, option

from scanner_backends.base import Mode, Pressed, ScanRequest, Source
from scanner_backends.errors import DeviceBusy, SourceError
from scanner_backends.sane import device_file, listing
from scanner_backends.sane.backend import SaneBackend
from scanner_backends.sane.words import Cap, Kind, Range

SENSOR = Cap.HARD_SELECT | Cap.SOFT_DETECT
NAME = "fake:0"


@pytest.fixture
def scanner() -> FakeHandle:
    return FakeHandle(
        [
            option("source", ("Flatbed", "ADF")),
            option("resolution", Range(50, 600, 1)),
            *geometry(210, 297),
            option("scan", kind=Kind.BOOL, cap=SENSOR),
            option("number", kind=Kind.INT, cap=SENSOR),
            option("email", kind=Kind.BOOL, cap=SENSOR | Cap.INACTIVE),
        ],
        [grey_sheet(10, 10, bytes(100))],
        NAME,
    )


@pytest.fixture
def backend(scanner: FakeHandle, tmp_path: Path) -> Callable[..., SaneBackend]:
    def make(buttons: str, *errors: Exception) -> SaneBackend:
        path = tmp_path / "options.toml"
        path.write_text(f'[[device]]\nname = ".*"\n{buttons}\n')
        library = FakeLibrary([scanner], errors=list(errors))
        return SaneBackend(f"{NAME}?options={path}", lambda: library)

    return make


def test_a_press_is_what_was_not_there_before(scanner, backend):
    opened = backend('buttons.scan = "Desk"\nbuttons.number = {to = "first", source = "ADF"}')
    scanner.values["scan"] = True
    assert opened.pressed() == (), "nobody has pressed it just now"
    assert opened.pressed() == ()
    scanner.values["scan"] = False
    assert opened.pressed() == ()
    scanner.values["scan"] = True
    assert opened.pressed() == (Pressed("scan", "Desk"),)
    assert opened.pressed() == (), "it is still held down"
    for number, pressed in ((2, True), (2, False), (3, True), (0, False)):
        scanner.values["number"] = number
        assert opened.pressed() == ((Pressed("number", "first", Source.ADF),) if pressed else ())


def test_only_what_is_configured_and_there_is_watched(scanner, backend):
    opened = backend('buttons = {scan = "Desk", email = "Desk", nothing = "Desk"}')
    assert opened.describe().buttons == ("scan",)
    scanner.values["number"] = 1
    assert opened.pressed() == opened.pressed() == ()
    assert backend("").describe().buttons == ()


def test_the_device_stays_open_while_its_buttons_are_watched(scanner, backend):
    opened = backend('buttons.scan = "Desk"')
    opened.describe()
    request = ScanRequest(Source.FLATBED, Mode.GRAY, 8, 300, 300, 0, 0, 100, 50)
    assert list(opened.scan(request, None).bands)
    opened.end_run()
    opened.pressed()
    assert "close" not in scanner.calls
    opened.close()
    assert scanner.calls[-1] == "close"


def test_a_scanner_that_another_program_has_is_asked_again(scanner, backend):
    opened = backend('buttons.scan = "Desk"', DeviceBusy("In use."))
    with pytest.raises(DeviceBusy):
        opened.pressed()
    assert opened.pressed() == ()
    scanner.values["scan"] = True
    assert opened.pressed() == (Pressed("scan", "Desk"),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("buttons = 1", "buttons must be a table"),
        ("buttons.scan = 1", "buttons.scan must be the name of a computer"),
        ('buttons.scan = {source = "ADF"}', "buttons.scan must be the name of a computer"),
        ('buttons.scan = {to = "x", at = "y"}', "buttons.scan must be the name of a computer"),
        ('buttons.scan = {to = " "}', "buttons.scan.to must be"),
        ('buttons.scan = {to = "x", source = "Platen"}', "must be one of Flatbed, ADF, "),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, sentence: str):
    path = tmp_path / "options.toml"
    path.write_text(f'[[device]]\nname = "x"\n{text}\n')
    with pytest.raises(SourceError, match=sentence):
        device_file.read(path)


def test_what_may_be_a_button_is_shown(scanner):
    used = {one.name: one.use for one in listing.options(NAME, lambda: FakeLibrary([scanner]))}
    assert used["scan"] == used["number"] == "may be a button"
    assert used["source"] == "source"
    assert used["email"] == ""
