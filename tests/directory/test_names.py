"""Identifiers, SIDs, filters and logon names as a directory spells them."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.directory.names import (
    domain_of,
    escaped,
    escaped_octets,
    guid_octets,
    guid_text,
    logon_name,
    sid_octets,
    sid_text,
)
from device.errors import ConfigError

TEXT = "C4F199C7-6876-4549-A86E-A85035952448"
OCTETS = bytes.fromhex("c799f1c476684945a86ea85035952448")


@pytest.mark.conformance("DD-05")
@pytest.mark.parametrize(
    "kept", [OCTETS, TEXT.encode(), TEXT.lower().encode(), f"{{{TEXT}}}".encode()]
)
def test_an_identifier_is_read_however_it_is_kept(kept):
    assert guid_text(kept) == TEXT


def test_an_identifier_is_looked_for_in_microsofts_order():
    assert guid_octets(TEXT.lower()) == OCTETS
    assert escaped_octets(OCTETS) == (r"\c7\99\f1\c4\76\68\49\45\a8\6e\a8\50\35\95\24\48")


@given(st.uuids())
def test_an_identifier_survives_both_ways(value: uuid.UUID):
    assert guid_text(guid_octets(str(value))) == str(value).upper()


@pytest.mark.parametrize("kept", [b"", b"x" * 15, b"not an identifier at all", b"\xff" * 36])
def test_what_is_no_identifier(kept):
    with pytest.raises(ValueError):
        guid_text(kept)


@pytest.mark.conformance("DD-03")
@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("010500000000000515000000010000000200000003000000e8030000", "S-1-5-21-1-2-3-1000"),
        ("010100000000000512000000", "S-1-5-18"),
        ("0100000000000000", "S-1-0"),
        ("0101ffffffffffff07000000", "S-1-0xFFFFFFFFFFFF-7"),
        (
            "01050000000000051500000015cd5b07ffffffff7b000000f4010000",
            "S-1-5-21-123456789-4294967295-123-500",
        ),
    ],
)
def test_a_sid_is_text_and_octets(octets, text):
    assert sid_octets(text) == bytes.fromhex(octets)
    assert sid_text(bytes.fromhex(octets)) == text


@pytest.mark.parametrize(
    "octets", ["", "01", "0101000000000005", "010100000000000512000000ff", "0200000000000000"]
)
def test_what_is_no_sid(octets):
    with pytest.raises(ValueError):
        sid_text(bytes.fromhex(octets))


@pytest.mark.conformance("DD-03")
def test_a_filter_takes_nothing_for_its_own():
    assert escaped("a*(b)\\c\0") == r"a\2a\28b\29\5cc\00"


@pytest.mark.parametrize(
    ("typed", "filter_"),
    [
        ("joe", "(&(objectClass=user)(sAMAccountName=joe))"),
        (" EXAMPLE\\joe ", "(&(objectClass=user)(sAMAccountName=joe))"),
        ("joe@example.org", "(&(objectClass=user)(userPrincipalName=joe@example.org))"),
        ("*)(cn=*", r"(&(objectClass=user)(sAMAccountName=\2a\29\28cn=\2a))"),
    ],
)
def test_each_way_of_writing_a_name_finds_its_user(typed, filter_):
    assert logon_name(typed).filter == filter_


@pytest.mark.parametrize("typed", ["", "  ", "EXAMPLE\\", "@example.org", "joe@"])
def test_a_name_needs_a_user(typed):
    with pytest.raises(ValueError):
        logon_name(typed)


def test_a_naming_context_names_its_domain():
    assert domain_of("OU=x,DC=Example, dc=org") == "example.org"
    with pytest.raises(ConfigError):
        domain_of("O=Example")
