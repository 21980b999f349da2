"""Which of our addresses is for whom."""

from ipaddress import ip_address, ip_interface

import pytest

from device import netlink
from device.discovery import interfaces
from device.discovery.interfaces import check_names, usable_links
from device.discovery.links import BOTH, Family, Link, url_host
from device.errors import ConfigError
from device.netlink import KernelAddress, KernelLink

UP = netlink.UP | netlink.RUNNING | netlink.MULTICAST
LO = KernelLink(1, "lo", netlink.UP | netlink.RUNNING | netlink.LOOPBACK)
ETH = KernelLink(2, "eth0", UP)
NO_CABLE = KernelLink(3, "eth1", UP & ~netlink.RUNNING)
TUNNEL = KernelLink(4, "tun0", UP | netlink.POINT_TO_POINT)


@pytest.fixture
def kernel(monkeypatch):
    """Puts links and addresses in the place of the kernel's."""

    def put(links, addresses):
        listed = [KernelAddress(index, ip_interface(a), flags) for index, a, flags in addresses]
        monkeypatch.setattr(netlink, "links", lambda: links)
        monkeypatch.setattr(netlink, "addresses", lambda: listed)

    interfaces._mention_public.cache_clear()
    return put


def names(links):
    return [link.name for link in links]


def shown(links):
    return [str(own.ip) for link in links for own in link.addresses]


def link(*addresses: str) -> Link:
    return Link(2, "eth0", tuple(map(ip_interface, addresses)))


def test_by_default_neither_loopback_nor_tunnels_nor_unplugged_cables(kernel):
    own = [(1, "127.0.0.1/8", 0), (2, "10.0.0.1/8", 0), (3, "10.1.0.1/8", 0), (4, "10.2.0.1/8", 0)]
    kernel([LO, ETH, NO_CABLE, TUNNEL], own)
    assert names(usable_links(None, BOTH)) == ["eth0"]
    assert names(usable_links(["lo", "tun0", "eth1"], BOTH)) == ["lo", "tun0"]
    assert usable_links(["lo"], BOTH)[0].is_loopback


def test_excluded_by_a_pattern_even_if_it_is_named(kernel):
    bridges = [KernelLink(index, f"docker{index}", UP) for index in (5, 6)]
    kernel([ETH, *bridges], [(index, f"10.{index}.0.1/16", 0) for index in (2, 5, 6)])
    assert names(usable_links(None, BOTH, ["docker*", "br-*"])) == ["eth0"]
    assert names(usable_links(["eth0", "docker5"], BOTH, ["docker5"])) == ["eth0"]
    assert names(usable_links(None, BOTH, ["docker"])) == ["eth0", "docker5", "docker6"]


def test_addresses_that_do_not_last_are_left_out(kernel):
    kernel(
        [ETH],
        [
            (2, "fe80::1/64", netlink.TENTATIVE),
            (2, "2001:db8::1/64", netlink.TEMPORARY),
            (2, "2001:db8::2/64", netlink.DEPRECATED),
            (2, "2001:db8::3/64", 0),
            (2, "10.0.0.1/8", netlink.TEMPORARY),  # "secondary", for IPv4
        ],
    )
    assert shown(usable_links(None, BOTH)) == ["2001:db8::3", "10.0.0.1"]


def test_families_can_be_left_out(kernel):
    kernel([ETH], [(2, "10.0.0.1/8", 0), (2, "fe80::1/64", 0)])
    assert shown(usable_links(None, [Family.IPV4])) == ["10.0.0.1"]
    assert shown(usable_links(None, [Family.IPV6])) == ["fe80::1"]
    assert usable_links(None, []) == []


def test_public_ipv4_addresses_need_the_interface_to_be_named(kernel, caplog):
    kernel([ETH], [(2, "8.8.8.8/24", 0), (2, "2a00::1/64", 0)])
    for _ in range(2):
        assert shown(usable_links(None, BOTH)) == ["2a00::1"]
    assert len(caplog.records) == 1
    assert shown(usable_links(["eth0"], BOTH)) == ["8.8.8.8", "2a00::1"]


def test_an_unknown_name_is_refused_with_those_there_are(kernel):
    kernel([ETH, LO], [])
    check_names(None)
    check_names(["lo"])
    with pytest.raises(ConfigError, match=r"no network interface 'eht0' here; there is eth0, lo\."):
        check_names(["eth0", "eht0"])


@pytest.mark.parametrize(
    ("peer", "own"),
    [
        ("10.0.0.9", "10.0.0.1"),
        ("192.168.7.9", "192.168.7.1"),
        ("172.16.0.1", "10.0.0.1"),
        ("fe80::9", "fe80::1"),
        ("2001:db8:b::9", "2001:db8:b::1"),
        ("2001:db8:c::9", "2001:db8:a::1"),
    ],
)
def test_a_peer_gets_the_address_of_its_subnet(peer, own):
    several = link(
        "10.0.0.1/24", "192.168.7.1/24", "fe80::1/64", "2001:db8:a::1/64", "2001:db8:b::1/128"
    )
    assert several.toward(ip_address(peer)) == ip_address(own)


def test_a_global_peer_gets_a_link_local_address_only_for_want_of_another():
    assert link("fe80::1/64").toward(ip_address("2001:db8::9")) == ip_address("fe80::1")
    assert link("2001:db8::1/64").toward(ip_address("fe80::9")) == ip_address("2001:db8::1")
    assert link("10.0.0.1/24").toward(ip_address("fe80::9")) is None


def test_an_address_by_dhcpv6_is_on_its_64():
    assert link("2001:db8::1/128").reaches(ip_address("2001:db8::9"))
    assert not link("2001:db8::1/128").reaches(ip_address("2001:db8:1::9"))


def test_hello_is_for_each_ipv4_subnet_and_once_for_ipv6():
    several = link("10.0.0.1/24", "10.0.0.2/24", "10.0.1.1/24", "2001:db8::1/64", "fe80::1/64")
    assert [str(a) for a in several.announced(Family.IPV4)] == ["10.0.0.1", "10.0.1.1"]
    assert [str(a) for a in several.announced(Family.IPV6)] == ["fe80::1"]


@pytest.mark.parametrize(
    ("address", "host"),
    [("10.0.0.1", "10.0.0.1"), ("fe80::1%eth0", "[fe80::1]"), ("2001:db8::1", "[2001:db8::1]")],
)
def test_hosts_in_urls(address, host):
    assert url_host(ip_address(address)) == host


def test_the_kernel_tells_at_least_its_loopback():
    (loopback,) = [link for link in netlink.links() if link.name == "lo"]
    assert loopback.flags & netlink.LOOPBACK
    own = {str(a.interface) for a in netlink.addresses() if a.link == loopback.index}
    assert "127.0.0.1/8" in own
