"""Which scanners are there, and who each of them is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.roster import free_name, identities, news
from scanner_backends.base import Found

EPSON = Found(
    "sane:epson2:libusb:001:004", "usb:04b8:013a:A1", "1-1", "Epson", "V", "libusb:001:004"
)
TWIN = replace(EPSON, source="sane:epson2:libusb:001:005", place="1-2", name="libusb:001:005")


def nobody(who: str) -> bool:
    return False


def test_a_scanner_is_who_its_key_says():
    assert identities([EPSON], {}, nobody) == {EPSON.key: EPSON}


def test_of_two_with_one_key_the_one_that_was_there_keeps_it():
    for order in ([EPSON, TWIN], [TWIN, EPSON]):
        for known in (EPSON, TWIN):
            found = identities(order, {known.key: known}, nobody)
            assert found[EPSON.key] == known
            other = TWIN if known == EPSON else EPSON
            assert found[f"{EPSON.key}@{other.place}"] == other


def test_one_that_had_an_identity_of_its_own_gets_it_again():
    remembered = {f"{TWIN.key}@{TWIN.place}"}.__contains__
    assert list(identities([TWIN], {}, remembered)) == [f"{TWIN.key}@1-2"]
    assert identities([TWIN, EPSON], {}, remembered) == {
        EPSON.key: EPSON,
        f"{TWIN.key}@1-2": TWIN,
    }


SCANNERS = st.lists(
    st.builds(
        lambda key, place: Found(f"sane:{key}:{place}", key, place, "a", "b", f"{key}:{place}"),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["1", "2", "3"]),
    ),
    unique=True,
)


@given(st.lists(SCANNERS, max_size=8))
def test_whatever_comes_and_goes_nobody_is_taken_for_another(walk):
    """Every scanner that was ever there keeps one identity, in whatever order they are plugged."""
    known: dict[str, Found] = {}
    owners: dict[str, Found] = {}
    for found in walk:
        there = identities(found, known, owners.__contains__)
        assert sorted(map(str, there.values())) == sorted(map(str, found)), "all have one, once"
        told = news(known, there, nobody)
        for who in told.gone:
            del known[who]
        for who, one in (told.come | told.moved).items():
            known[who] = one
        assert known == there
        for who, one in there.items():
            if "@" in who:
                assert owners.setdefault(who, one) == one
            owners.setdefault(who, one)


def test_what_is_new_gone_or_called_otherwise():
    moved = replace(EPSON, source="sane:epson2:libusb:001:009", name="libusb:001:009")
    told = news({"a": EPSON, "b": TWIN}, {"a": moved, "c": TWIN}, nobody)
    assert told.come == {"c": TWIN}
    assert told.moved == {"a": moved}
    assert told.gone == ("b",)


def test_a_scanner_that_is_plugged_in_is_not_gone_though_nobody_lists_it():
    told = news({"a": EPSON, "b": TWIN}, {}, {EPSON.name}.__contains__)
    assert told.gone == ("b",)


@pytest.mark.parametrize(
    ("wished", "label", "remembered", "taken", "name"),
    [
        ("", "Epson", "", (), "Epson"),
        ("", "Epson", "", ("Epson",), "Epson 2"),
        ("", "Epson", "", ("Epson", "Epson 2"), "Epson 3"),
        ("", "Epson", "Epson 3", ("Epson",), "Epson 3"),
        ("", "Epson", "Epson", ("Epson",), "Epson 2"),
        ("", "Epson", "Attic", (), "Epson"),
        ("Attic", "Epson", "", (), "Attic"),
        ("Attic", "Epson", "Attic (Epson)", (), "Attic (Epson)"),
        ("Attic", "Epson", "", ("Attic",), "Attic (Epson)"),
        ("Attic", "Epson", "", ("Attic", "Attic (Epson)"), "Attic (Epson) 2"),
    ],
)
def test_no_two_have_one_name(wished, label, remembered, taken, name):
    assert free_name(wished, label, remembered, taken) == name
