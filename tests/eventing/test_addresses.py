"""Where events may go. The machine's interfaces are given, and nothing is connected to."""

from ipaddress import ip_interface

import pytest

from device.errors import ConfigError, DestinationUnreachable
from device.eventing.addresses import AddressPolicy, Link, own_links


def link(name: str, *faces: str) -> Link:
    found = [ip_interface(face) for face in faces]
    return Link(name, tuple(f.ip for f in found), tuple(f.network for f in found))


LINKS = (
    link("lo", "127.0.0.1/8", "::1/128"),
    link("eth0", "192.168.1.2/24", "2001:db8:1::2/64", "fe80::2/64"),
    link("eth1", "10.0.0.2/8", "fe80::3/64"),
)


async def checked(url: str, peer: str, *allowed: str) -> str | None:
    try:
        return await AddressPolicy(allowed, lambda: LINKS).check(url, peer)
    except DestinationUnreachable:
        return None


@pytest.mark.parametrize(
    ("url", "peer", "address"),
    [
        ("http://192.168.1.9:5357/x", "192.168.1.9", "192.168.1.9"),
        ("HTTPS://192.168.1.9/x", "192.168.1.9", "192.168.1.9"),
        ("http://[::ffff:192.168.1.9]/", "192.168.1.9", "192.168.1.9"),
        ("http://[2001:db8:1::9]:5357/x", "2001:db8:1::9", "2001:db8:1::9"),
        ("http://[2001:0db8:1:0::9]:5357/x", "2001:db8:1::9", "2001:db8:1::9"),
        ("http://[fe80::9]:5357/x", "fe80::9%eth0", "fe80::9%eth0"),
        ("http://[fe80::9%25eth1]:5357/x", "fe80::9%eth0", "fe80::9%eth0"),
        ("http://127.0.0.1/", "127.0.0.1", "127.0.0.1"),
        ("http://[::1]/", "127.0.0.1", "::1"),
        ("http://localhost/", "127.0.0.1", "127.0.0.1"),
        ("http://192.168.1.2/", "192.168.1.2", "192.168.1.2"),
        ("http://127.0.0.1/", "192.168.1.2", "127.0.0.1"),
        ("http://8.8.8.8/", "8.8.8.8", "8.8.8.8"),
    ],
)
async def test_the_subscriber_itself_is_fine(url, peer, address):
    assert await checked(url, peer) in (address, "::1" if "localhost" in url else None)


@pytest.mark.parametrize(
    ("url", "peer"),
    [
        ("http://192.168.1.10/", "192.168.1.9"),
        ("http://127.0.0.1/", "192.168.1.9"),
        ("http://localhost/", "192.168.1.9"),
        ("http://[::1]/", "fe80::9%eth0"),
        ("http://192.168.1.2/", "192.168.1.9"),
        ("http://[fe80::2]/", "fe80::9%eth0"),
        ("http://192.168.1.9/", "127.0.0.1"),
        ("http://169.254.169.254/", "169.254.169.254"),
        ("http://0.0.0.0/", "0.0.0.0"),
        ("http://239.1.1.1/", "239.1.1.1"),
        ("http://255.255.255.255/", "255.255.255.255"),
        ("http://[ff02::c]/", "fe80::9%eth0"),
        ("http://2130706433/", "192.168.1.9"),
        ("http://0x7f.1/", "192.168.1.9"),
        ("http://user@192.168.1.9/", "192.168.1.9"),
        ("http://192.168.1.9/#x", "192.168.1.9"),
        ("http://192.168.1.9:0/", "192.168.1.9"),
        ("http://192.168.1.9:x/", "192.168.1.9"),
        ("http://[192.168.1.9/", "192.168.1.9"),
        ("http:///x", "192.168.1.9"),
        ("file:///etc/passwd", "192.168.1.9"),
        ("http://192.168.1.9/ü", "192.168.1.9"),
        ("http://192.168.1.9/a b", "192.168.1.9"),
        ("http://192.168.1.9/a\nb", "192.168.1.9"),
        ("http://192.168.1.9/a\x7f", "192.168.1.9"),
        ("", "192.168.1.9"),
        ("http://192.168.1.9/", ""),
    ],
)
async def test_everything_else_is_refused(url, peer):
    assert await checked(url, peer) is None


@pytest.mark.parametrize(
    ("url", "peer", "allowed", "fine"),
    [
        ("http://192.168.1.10/", "192.168.1.9", "192.168.1.0/24", True),
        ("http://192.168.1.10/", "8.8.8.8", "192.168.1.10", True),
        ("http://192.168.1.10/", "192.168.1.9", "10.0.0.0/8", False),
        ("http://192.168.1.10/", "192.168.1.9", "link", True),
        ("http://[2001:db8:1::9]/", "192.168.1.9", "link", True),
        ("http://[fe80::9]/", "192.168.1.9", "link", True),
        ("http://[2001:db8:1::9]/", "fe80::9%eth0", "link", True),
        ("http://[2001:db8:1::9]/", "fe80::9%eth1", "link", False),
        ("http://10.1.1.1/", "192.168.1.9", "link", False),
        ("http://192.168.1.2/", "192.168.1.9", "link", False),
        ("http://8.8.8.8/", "1.1.1.1", "link", False),
        ("http://127.0.0.1/", "192.168.1.9", "127.0.0.0/8", True),
        ("http://169.254.169.254/", "192.168.1.9", "169.254.0.0/16", False),
    ],
)
async def test_more_can_be_allowed(url, peer, allowed, fine):
    assert (await checked(url, peer, allowed) is not None) == fine


async def test_a_link_local_sink_gets_the_zone_of_its_link():
    assert await checked("http://[fe80::9]/", "192.168.1.9", "link") == "fe80::9%eth0"


def test_what_is_no_network_is_said_so():
    with pytest.raises(ConfigError, match=r"192\.168\.1\.0/24"):
        AddressPolicy(["the-office"])


def test_our_interfaces_are_known():
    assert any(address.is_loopback for link in own_links() for address in link.addresses)
