"""Single values of a ticket, read and changed by path."""

import pytest

from device.errors import InvalidArgs
from device.model.ticket import DocumentParameters, Wish
from device.ticket.parameters import PARAMETERS, check_values, wishes, with_value

NOTHING = DocumentParameters()
VALUES = {
    "Format": "png",
    "InputSource": "ADF",
    "FilmScanMode": "NotApplicable",
    "ContentType": "Text",
    "Rotation": 90,
    "InputSize/DocumentSizeAutoDetect": True,
    "Exposure/AutoExposure": False,
}


@pytest.mark.parametrize("path", PARAMETERS)
def test_each_parameter_is_set_and_found_by_its_path(path):
    value = "RGB24" if path.endswith("ColorProcessing") else VALUES.get(path, 7)
    changed = with_value(NOTHING, path, value)
    assert wishes(changed) == {path: Wish(value)}
    check_values(changed)


@pytest.mark.parametrize(
    ("path", "value", "should"),
    [
        ("Format", "jpg", "jfif"),
        ("Format", 1, "jfif"),
        ("CompressionQualityFactor", 101, "from 0 to 100"),
        ("CompressionQualityFactor", True, "from 0 to 100"),
        ("CompressionQualityFactor", "80", "from 0 to 100"),
        ("Rotation", 45, "90"),
        ("Exposure/AutoExposure", 1, "true or false"),
        ("MediaSides/MediaFront", 1, "no ticket parameter"),
    ],
)
def test_what_a_parameter_cannot_be(path, value, should):
    with pytest.raises(InvalidArgs, match=should):
        with_value(NOTHING, path, value)


def test_a_vendors_keyword_is_a_value():
    found = with_value(NOTHING, "Format", "image/webp")
    assert wishes(with_value(found, "ContentType", "acme:Stamp")) == {
        "Format": Wish("image/webp"),
        "ContentType": Wish("acme:Stamp"),
    }


def test_must_honor_outlives_a_change():
    before = DocumentParameters(format=Wish("png", True))
    assert with_value(before, "Format", "jfif").format == Wish("jfif", True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("InputSize/DocumentSizeAutoDetect", "InputSize/InputMediaSize/Width"),
        ("Exposure/AutoExposure", "Exposure/ExposureSettings/Sharpness"),
    ],
)
def test_of_a_choice_only_the_member_that_was_set_last_stays(first, second):
    one = with_value(NOTHING, first, True)
    other = with_value(one, second, 8)
    assert wishes(other) == {second: Wish(8)}
    assert wishes(with_value(other, first, False)) == {first: Wish(False)}
