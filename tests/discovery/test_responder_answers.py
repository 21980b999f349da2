"""What is answered, with what, from where."""

from dataclasses import replace

import pytest
from discovery.virtual import ANNOUNCEMENT, ETH, LOOPBACK, PEER, URN, UUID, WLAN, Virtual, arrival

from device.discovery.messages import Probe, ProbeMatches, Resolve, ResolveMatches
from device.soap.namespaces import WSD


@pytest.fixture
def virtual() -> Virtual:
    started = Virtual()
    started.links(ETH, WLAN)
    started.turn(60)  # the Hellos are out
    return started


def test_a_probe_match_tells_who_we_are(virtual):
    assert virtual.ask(Probe("urn:uuid:1"))
    said = virtual.first()
    assert isinstance(said, ProbeMatches)
    assert said.relates_to == "urn:uuid:1"
    assert said.target.address == URN
    assert said.target.types == ANNOUNCEMENT.types
    assert said.target.metadata_version == 3
    assert said.target.xaddrs == (f"http://192.168.1.10:5357/{UUID}",)


def test_a_probe_that_does_not_mean_us_gets_silence(virtual):
    assert not virtual.ask(Probe("1", types=(("urn:print", "PrintDeviceType"),)))
    assert not virtual.ask(Probe("2", scopes=("http://a",)))
    assert not virtual.ask(Probe("3", scopes=(URN,), match_by=f"{WSD}/ldap"))
    assert virtual.turn(60) == []


@pytest.mark.parametrize("address", [URN, URN.upper(), f"uuid:{UUID}", f"  {URN} "])
def test_a_resolve_of_ours_is_answered_in_any_spelling(virtual, address):
    assert virtual.ask(Resolve("urn:uuid:1", address))
    said = virtual.first()
    assert isinstance(said, ResolveMatches)
    assert said.target.xaddrs == (f"http://192.168.1.10:5357/{UUID}",)


def test_a_resolve_of_another_gets_silence(virtual):
    assert not virtual.ask(Resolve("1", "urn:uuid:5a3d9b1c-0000-4000-8000-000000000002"))
    assert virtual.turn(60) == []


def test_answers_go_to_the_source_and_leave_from_its_link(virtual):
    virtual.ask(came=arrival("10.1.2.3", port=50_123, link=WLAN))
    for sent in virtual.turn(2):
        assert sent.datagram.site.link == WLAN.index
        assert str(sent.datagram.source) == "10.0.0.5"
        assert [str(part) for part in sent.datagram.peer] == ["10.1.2.3", "50123"]
        assert sent.message.target.xaddrs == (f"http://10.0.0.5:5357/{UUID}",)


def test_the_address_that_was_asked_answers(virtual):
    second = replace(ETH, addresses=(*ETH.addresses, *WLAN.addresses))
    virtual.links(second)
    virtual.turn(60)
    virtual.ask(came=arrival("10.1.2.3", link=second, destination="192.168.1.10"))
    (sent, _) = virtual.turn(2)
    assert str(sent.datagram.source) == "192.168.1.10"
    assert sent.message.target.xaddrs == (f"http://10.0.0.5:5357/{UUID}",)


@pytest.mark.parametrize(
    ("source", "xaddr"),
    [
        ("fe80::77", f"http://[fe80::10]:5357/{UUID}"),
        ("2001:db8:1::77", f"http://[2001:db8:1::10]:5357/{UUID}"),
    ],
)
def test_an_ipv6_peer_gets_an_address_of_its_own_kind(virtual, source, xaddr):
    assert virtual.ask(came=arrival(source))
    assert virtual.first().target.xaddrs == (xaddr,)


def test_the_host_to_advertise_replaces_every_address():
    for advertise, host in (
        ("scanner.example", "scanner.example"),
        ("2001:db8::1", "[2001:db8::1]"),
    ):
        virtual = Virtual(advertise=advertise)
        virtual.links(ETH)
        virtual.turn(60)
        virtual.ask()
        virtual.ask(came=arrival("fe80::77"))
        said = {sent.message.target.xaddrs for sent in virtual.sent}
        assert said == {(f"http://{host}:5357/{UUID}",)}


@pytest.mark.parametrize(
    ("source", "port"),
    [
        (PEER, 0),
        ("0.0.0.0", 40_000),
        ("224.0.0.1", 40_000),
        ("239.255.255.250", 3702),
        ("255.255.255.255", 40_000),
        ("240.0.0.1", 40_000),
        ("192.168.1.255", 40_000),
        ("127.0.0.1", 40_000),
        ("192.168.2.1", 40_000),
        ("8.8.8.8", 40_000),
        ("::", 40_000),
        ("::1", 40_000),
        ("ff02::1", 40_000),
        ("2001:db8:2::77", 40_000),
    ],
)
def test_odd_sources_are_dropped(virtual, source, port):
    assert not virtual.ask(came=arrival(source, port))
    assert virtual.turn(60) == []


@pytest.mark.parametrize("source", ["192.168.1.10", "2001:db8:1::10", "fe80::10"])
def test_a_program_on_this_machine_is_answered(virtual, source):
    assert virtual.ask(came=arrival(source))


@pytest.mark.parametrize(
    ("source", "host"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("192.168.1.10", "127.0.0.1")],
)
def test_the_loopback_is_a_link_like_others_when_it_is_used(source, host):
    virtual = Virtual()
    virtual.links(LOOPBACK)
    virtual.turn(60)
    assert virtual.ask(came=arrival(source, link=LOOPBACK))
    assert virtual.first().target.xaddrs == (f"http://{host}:5357/{UUID}",)


def test_off_link_sources_are_answered_when_that_is_allowed():
    virtual = Virtual(allow_off_link=True)
    virtual.links(ETH)
    virtual.turn(60)
    assert virtual.ask(came=arrival("172.16.0.9"))
    assert virtual.first().target.xaddrs == (f"http://192.168.1.10:5357/{UUID}",)


def test_a_peer_of_a_family_without_address_gets_silence(virtual):
    only_v4 = replace(WLAN, addresses=WLAN.addresses[:1])
    virtual.links(only_v4)
    assert not virtual.ask(came=arrival("fe80::77", link=only_v4))
