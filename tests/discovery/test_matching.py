"""Which Probes mean us."""

from dataclasses import replace

import pytest
from discovery.virtual import ANNOUNCEMENT

from device.discovery.matching import ADHOC, RFC2396, STRCMP0, UUID, matches
from device.discovery.messages import Probe
from device.soap.namespaces import WSCN, WSD, WSDP

DEVICE = (WSDP, "Device")
SCANNER = (WSCN, "ScanDeviceType")
SERVICE = (WSCN, "ScannerServiceType")
PRINTER = ("http://schemas.microsoft.com/windows/2006/08/wdp/print", "PrintDeviceType")


@pytest.mark.parametrize(
    ("types", "meant"),
    [
        ((), True),
        ((DEVICE,), True),
        ((SCANNER,), True),
        ((SCANNER, DEVICE), True),
        ((SCANNER, SERVICE), True),
        ((SERVICE,), True),
        ((PRINTER,), False),
        ((DEVICE, PRINTER), False),
        (((WSDP, "device"),), False),
        ((("", "Device"),), False),
        ((("http://docs.oasis-open.org/ws-dd/ns/dpws/2009/01", "Device"),), False),
    ],
)
def test_every_type_that_is_asked_for_must_be_ours(types, meant):
    assert matches(Probe("id", types=types), ANNOUNCEMENT) is meant


@pytest.mark.parametrize(
    ("rule", "wanted", "scope", "meant"),
    [
        (RFC2396, "http://a/b", "http://a/b", True),
        (RFC2396, "http://a/b", "http://a/b/c", True),
        (RFC2396, "http://a/b", "http://a/bc", False),
        (RFC2396, "http://a/b/c", "http://a/b", False),
        (RFC2396, "http://a", "http://a/b", True),
        (RFC2396, "http://a/", "http://a", True),
        (RFC2396, "http://a/b/", "http://a/b/c", True),
        (RFC2396, "http://a/b", "http://a/b/", True),
        (RFC2396, "HTTP://A/b", "http://a/b", True),
        (RFC2396, "http://a/B", "http://a/b", False),
        (RFC2396, "https://a/b", "http://a/b", False),
        (RFC2396, "http://a:80/b", "http://a/b", False),
        (RFC2396, "http://a/b?x#y", "http://a/b?z", True),
        (RFC2396, "http://a/./b", "http://a/./b", False),
        (RFC2396, "http://a/x/../b", "http://a/b", False),
        (RFC2396, "http://a/b", "http://a/b/..", False),
        (RFC2396, "http://a/%62", "http://a/b", True),
        (RFC2396, "http://a/b%2Fc", "http://a/b/c", False),
        (RFC2396, "http:", "http://a/b", False),
        (RFC2396, "http:", "http:", True),
        (RFC2396, "testdevice", "testdevice", True),
        (RFC2396, "testDEVICE", "testdevice", False),
        (RFC2396, "urn:x", "urn:x", True),
        (RFC2396, "urn:x", "urn:xy", False),
        (STRCMP0, "http://a/b", "http://a/b", True),
        (STRCMP0, "http://a/b", "http://a/b/c", False),
        (STRCMP0, "HTTP://a/b", "http://a/b", False),
        (UUID, "urn:uuid:ABC-1", "uuid:abc-1", True),
        (UUID, "uuid:abc-1", "urn:uuid:abc-2", False),
        (UUID, "http://a", "http://a", False),
    ],
)
def test_scopes_by_each_rule(rule, wanted, scope, meant):
    device = replace(ANNOUNCEMENT, scopes=("http://elsewhere/x", scope))
    assert matches(Probe("id", scopes=(wanted,), match_by=rule), device) is meant


def test_without_a_rule_scopes_are_compared_by_segments():
    device = replace(ANNOUNCEMENT, scopes=("http://a/b/c",))
    assert matches(Probe("id", scopes=("http://a/b",)), device)


def test_every_scope_that_is_asked_for_must_be_ours():
    device = replace(ANNOUNCEMENT, scopes=("http://a", "http://b"))
    assert matches(Probe("id", scopes=("http://b", "http://a")), device)
    assert not matches(Probe("id", scopes=("http://a", "http://c")), device)


def test_types_and_scopes_must_both_match():
    device = replace(ANNOUNCEMENT, scopes=("http://a",))
    assert not matches(Probe("id", types=(PRINTER,), scopes=("http://a",)), device)
    assert not matches(Probe("id", types=(DEVICE,), scopes=("http://b",)), device)


@pytest.mark.parametrize("rule", ["", RFC2396, STRCMP0])
def test_a_device_without_scopes_is_in_the_ad_hoc_scope(rule):
    probe = Probe("id", scopes=(ADHOC,), match_by=rule)
    assert matches(probe, ANNOUNCEMENT)
    assert not matches(probe, replace(ANNOUNCEMENT, scopes=("http://a",)))


@pytest.mark.parametrize("rule", [f"{WSD}/ldap", f"{WSD}/none", "x"])
def test_an_unknown_rule_is_told_from_a_mismatch(rule):
    assert matches(Probe("id", scopes=(ADHOC,), match_by=rule), ANNOUNCEMENT) is None
