"""A profile says all that the device claims, and a wrong one is refused with the reason."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from device import profile
from device.appearance import metadata
from device.errors import ConfigError
from device.imaging.spec import SUPPORTED
from device.scan.validation import resolve
from device.settings import parse_toml

GENERIC = resources.files("profiles").joinpath("generic.toml").read_text()


def read(text: str) -> profile.Profile:
    return profile.read(parse_toml(text, "mine.toml"), SUPPORTED)


@pytest.mark.parametrize("name", profile.shipped())
def test_every_shipped_profile_is_valid_and_named_as_its_file(name: str) -> None:
    assert profile.load(name, SUPPORTED).name == name


@pytest.mark.parametrize("name", profile.shipped())
def test_a_default_ticket_is_taken_as_it_stands(name: str) -> None:
    shape = profile.load(name, SUPPORTED)
    verdict = resolve(
        shape.default_ticket, shape.configuration, shape.default_ticket, feeder_loaded=False
    )
    assert verdict.valid
    assert verdict.error is None


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "generic"', 'nam = "generic"', "name is missing, and must be a text."),
        ("duplex = true", "duplx = true", "scanner.adf.duplx is not known; did you mean 'duplex'?"),
        ('"png", "jfif"', '"pgn", "jfif"', "scanner.formats holds 'pgn'; did you mean 'png'?"),
        ("scaling = [25, 400]", "scaling = [200, 400]", "scanner.scaling must include 100."),
        ("rotations = [0, 90", "rotations = [45, 90", "scanner.rotations must hold 0"),
        ("quality = 80", "quality = 101", "default_ticket.quality is 101"),
        ("resolution = 300", "resolution = 310", "default_ticket.resolution is 310"),
        ("[8268, 11693]", "[9000, 11693]", "default_ticket.media_size is larger than"),
        ('source = "Platen"', 'source = "Plate"', "did you mean 'Platen'?"),
        ('color = "RGB24"', 'color = "BlackAndWhite1"', "default_ticket.color is"),
        ("maximum_size = [8500, 14000]", "maximum_size = [8500]", "must hold two numbers"),
        ("minimum_size = [500, 500]", "minimum_size = [9500, 500]", "is larger than maximum_size"),
        ('device_category = ["Scanners"]', 'device_category = ["A B"]', "words without blanks"),
        ('manufacturer = "WSD', 'manufacturer = "\\u0007WSD', "holds a control character"),
        ('model_number = "1"', f'model_number = "{"9" * 300}"', "has 300 characters"),
        ("auto_exposure = true", "auto_exposure = 1", "must be true or false"),
        ('model_name = "Virtual Scanner"', 'model_name = " "', "model.model_name is empty."),
        ('friendly_name = "Virtual Scanner"', 'friendly_name = ""', "friendly_name is empty."),
        ('language = "en"', 'language = "en_US"', "must be one such as en or de-CH."),
    ],
)
def test_a_wrong_profile_names_the_key_and_what_would_be_right(
    old: str, new: str, sentence: str
) -> None:
    assert old in GENERIC
    with pytest.raises(ConfigError) as caught:
        read(GENERIC.replace(old, new, 1))
    assert str(caught.value).startswith("mine.toml: ")
    assert sentence in str(caught.value)


def test_metadata_and_scan_service_name_the_language_of_the_profile() -> None:
    shape = read(GENERIC.replace('language = "en"', 'language = "de-CH"'))
    assert [name.language for name in shape.description.names] == ["de-CH"]
    assert metadata(shape, "", "/scan").language == "de-CH"


def test_a_profile_without_any_source_is_refused() -> None:
    text = re.sub(r"\[scanner\.platen\].*?(?=\[default_ticket\])", "", GENERIC, flags=re.S)
    with pytest.raises(ConfigError, match="a scanner needs one of them"):
        read(text)


def test_a_colour_that_no_format_can_hold_is_refused() -> None:
    start = GENERIC.index("formats = [")
    formats = GENERIC[start : GENERIC.index("]", start) + 1]
    with pytest.raises(ConfigError, match="has none that can hold BlackAndWhite1"):
        read(GENERIC.replace(formats, 'formats = ["jfif", "exif"]'))


def test_a_source_needs_a_colour_that_every_page_has() -> None:
    start = GENERIC.index("colors = [")
    colors = GENERIC[start : GENERIC.index("]", start) + 1]
    with pytest.raises(ConfigError, match=r"scanner\.platen\.colors must hold one without alpha"):
        read(GENERIC.replace(colors, 'colors = ["RGBa32", "RGBa64"]', 1))


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'generic'"):
        profile.load("genric", SUPPORTED)
