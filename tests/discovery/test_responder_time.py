"""When messages leave, how often, and under which numbers. All in virtual time."""

from dataclasses import replace
from ipaddress import ip_interface
from itertools import pairwise

import pytest
from discovery.virtual import ANNOUNCEMENT, ETH, URN, WLAN, Virtual, arrival

from device.discovery.messages import Probe, Resolve
from device.discovery.responder import (
    APP_MAX_DELAY_S,
    DUPLICATE_LIFETIME_S,
    DUPLICATE_LIMIT,
    SOURCES_LIMIT,
    WAITING_LIMIT,
)

IPV4_ONLY = replace(ETH, addresses=ETH.addresses[:1])
SEEDS = range(50)


def quiet(seed: int = 1, **options) -> Virtual:
    """One IPv4 link, its Hello said."""
    virtual = Virtual(seed=seed, **options)
    virtual.links(IPV4_ONLY)
    virtual.turn(60)
    virtual.sent.clear()
    return virtual


def test_a_probe_is_answered_within_half_a_second_and_twice():
    delays_s = []
    for seed in SEEDS:
        virtual = quiet(seed)
        asked_s = virtual.now_s
        virtual.ask()
        first, second = virtual.turn(10)
        assert first.message is second.message
        assert 0.05 <= second.at_s - first.at_s <= 0.25
        delays_s.append(first.at_s - asked_s)
    assert 0 <= min(delays_s) < 0.1
    assert 0.4 < max(delays_s) <= APP_MAX_DELAY_S


def test_a_resolve_is_answered_at_once_and_twice():
    virtual = quiet()
    virtual.ask(Resolve("1", URN))
    first, second = virtual.turn(10)
    assert first.at_s == virtual.now_s - 10
    assert first.message is second.message


def test_hello_is_said_four_times_with_growing_gaps():
    first_s = []
    for seed in SEEDS:
        virtual = Virtual(seed=seed)
        begun_s = virtual.now_s
        virtual.links(IPV4_ONLY)
        copies = virtual.turn(60)
        assert [sent.kind for sent in copies] == ["Hello"] * 4
        assert len({id(sent.message) for sent in copies}) == 1
        gaps_s = [b.at_s - a.at_s for a, b in pairwise(copies)]
        assert 0.05 <= gaps_s[0] <= 0.25
        for gap, following in pairwise(gaps_s):
            assert following == pytest.approx(min(2 * gap, 0.5))
        first_s.append(copies[0].at_s - begun_s)
    assert 0 <= min(first_s) < 0.1
    assert 0.4 < max(first_s) <= APP_MAX_DELAY_S


def test_bye_is_said_at_once_four_times_and_within_a_second():
    for seed in SEEDS:
        virtual = quiet(seed)
        virtual.ask()
        asked_s = virtual.now_s
        virtual.responder.farewell(virtual.now_s)
        copies = virtual.turn(60)
        assert [sent.kind for sent in copies] == ["Bye"] * 4
        assert copies[0].at_s == asked_s
        assert copies[-1].at_s - asked_s < 1
        assert copies[0].message.address == URN


def test_bye_goes_wherever_hello_went_and_nowhere_else():
    virtual = Virtual()
    virtual.links(ETH)
    virtual.turn(60)
    virtual.links(ETH, WLAN)  # its Hellos wait
    virtual.responder.farewell(virtual.now_s)
    sites = [(sent.datagram.site.link, sent.datagram.site.family.value) for sent in virtual.turn(0)]
    assert sorted(sites) == [(2, 4), (2, 6)]


def test_each_link_and_family_gets_a_hello_of_its_own():
    virtual = Virtual()
    virtual.links(ETH, WLAN)
    hellos = {sent.message.message_id: sent for sent in virtual.turn(60)}.values()
    told = sorted((sent.datagram.site.link, *sent.message.target.xaddrs) for sent in hellos)
    assert [(link, url.split(":5357")[0]) for link, url in told] == [
        (2, "http://192.168.1.10"),
        (2, "http://[fe80::10]"),
        (3, "http://10.0.0.5"),
        (3, "http://[fe80::5]"),
    ]
    assert all(sent.datagram.peer is None for sent in hellos)
    assert len({sent.number for sent in hellos}) == 4


def test_a_second_subnet_on_a_link_gets_a_hello_of_its_own():
    virtual = quiet()
    both = replace(IPV4_ONLY, addresses=(*IPV4_ONLY.addresses, ip_interface("172.16.0.1/16")))
    virtual.links(both)
    (hello,) = {sent.message for sent in virtual.turn(60)}
    assert hello.target.xaddrs[0].startswith("http://172.16.0.1:")


def test_hello_follows_an_address_that_changes():
    virtual = quiet()
    virtual.ask()
    moved = replace(IPV4_ONLY, addresses=(ip_interface("192.168.1.200/24"),))
    virtual.links(moved)
    sent = virtual.turn(60)
    assert {s.kind for s in sent} == {"Hello"}, "the answer's address is gone"
    assert {s.message.target.xaddrs[0] for s in sent} == {f"http://192.168.1.200:5357/{URN[9:]}"}
    virtual.ask(came=arrival(link=moved))
    assert "192.168.1.200" in virtual.first().target.xaddrs[0]


def test_hello_again_when_a_link_returns():
    virtual = quiet()
    virtual.links()
    assert virtual.turn(60) == []
    virtual.links(IPV4_ONLY)
    assert {sent.kind for sent in virtual.turn(60)} == {"Hello"}


def test_no_hello_when_nothing_came_up():
    virtual = Virtual()
    virtual.links(ETH, WLAN)
    virtual.turn(60)
    virtual.links(ETH)
    virtual.links(replace(ETH, addresses=ETH.addresses[:2]))
    assert virtual.turn(60) == []


def test_a_link_that_goes_takes_what_waits_for_it_along():
    virtual = Virtual()
    virtual.links(ETH)
    virtual.links()
    assert virtual.turn(60) == []
    virtual.responder.farewell(virtual.now_s)
    assert virtual.turn(60) == []


def test_new_metadata_are_announced_everywhere():
    virtual = Virtual()
    virtual.links(ETH, WLAN)
    virtual.turn(60)
    virtual.responder.announce(ANNOUNCEMENT.with_version(4), virtual.now_s)
    hellos = {sent.message for sent in virtual.turn(60)}
    assert len(hellos) == 4
    assert {hello.target.metadata_version for hello in hellos} == {4}
    virtual.ask()
    assert virtual.first().target.metadata_version == 4


def test_numbers_grow_in_the_order_of_first_copies():
    """An answer to a later Resolve overtakes the delayed answer to an earlier Probe."""
    for seed in SEEDS:
        virtual = Virtual(seed=seed)
        virtual.links(ETH, WLAN)
        for n in range(10):
            virtual.ask()
            virtual.ask(Resolve(f"r{n}", URN), arrival("192.168.1.78"))
            virtual.turn(0.05)
        virtual.turn(60)
        virtual.responder.farewell(virtual.now_s)
        virtual.turn(60)
        first_copies = {}
        for sent in virtual.sent:
            first_copies.setdefault(sent.message.message_id, sent)
        numbers = [sent.number for sent in first_copies.values()]
        assert numbers == list(range(1, len(numbers) + 1))
        assert {sent.message.sequence.instance_id for sent in virtual.sent} == {1_000}


def test_a_repeated_message_is_answered_once_for_ten_minutes():
    virtual = quiet()
    assert virtual.ask(Probe("same"))
    assert not virtual.ask(Probe("same"))
    virtual.turn(DUPLICATE_LIFETIME_S - 1)
    assert not virtual.ask(Probe("same"))
    virtual.turn(2)
    assert virtual.ask(Probe("same"))


def test_the_same_id_from_two_families_is_answered_twice():
    virtual = Virtual()
    virtual.links(ETH)
    virtual.turn(60)
    assert virtual.ask(Probe("same"))
    assert virtual.ask(Probe("same"), arrival("fe80::77"))
    assert not virtual.ask(Probe("same"), arrival("fe80::77", port=40_001))


def test_only_what_was_answered_is_remembered():
    virtual = quiet()
    for _ in range(20):
        virtual.ask()
    assert not virtual.ask(Probe("late")), "this source has used up its answers"
    virtual.turn(10)
    assert virtual.ask(Probe("late"))


def test_the_memory_of_duplicates_is_bounded():
    virtual = quiet()
    for n in range(3 * DUPLICATE_LIMIT):
        virtual.ask(Probe(f"p{n}"))
        virtual.turn(1)
    assert len(virtual.responder._answered) <= DUPLICATE_LIMIT


def test_one_source_gets_ten_answers_a_second_after_a_burst():
    virtual = quiet()
    answered = 0
    for _ in range(1_000):  # ten seconds
        answered += virtual.ask()
        virtual.turn(0.01)
    assert 20 + 95 <= answered <= 20 + 101


def test_all_sources_together_get_a_hundred_answers_a_second():
    virtual = quiet(allow_off_link=True)
    answered = 0
    for n in range(10_000):  # ten seconds
        answered += virtual.ask(Resolve(f"r{n}", URN), arrival(f"10.{n % 250}.{n // 250}.1"))
        virtual.turn(0.001)
    assert 500 <= answered <= 100 + 1_001
    assert len(virtual.responder._per_source) <= SOURCES_LIMIT


def test_answers_that_wait_are_limited():
    virtual = quiet(allow_off_link=True)
    answered = sum(virtual.ask(came=arrival(f"10.0.{n}.1")) for n in range(200))
    assert answered == WAITING_LIMIT
    virtual.turn(2)
    assert virtual.ask(came=arrival("10.0.201.1"))


def test_sane_airscan_s_fifteen_probes_are_all_answered_in_time():
    virtual = quiet()
    for _ in range(15):
        asked_s = virtual.now_s
        assert virtual.ask()
        virtual.turn(0.17)
    last = virtual.turn(10)[-1]
    assert last.at_s - asked_s < 1


def test_a_week_of_ordinary_life():
    """Probes now and then, links that flap: nothing piles up, every number is used once."""
    virtual = Virtual()
    asked = 0
    for n in range(7 * 24 * 12):
        virtual.links(*((ETH, WLAN) if n % 97 else (ETH,)))
        asked += virtual.ask()
        virtual.turn(5 * 60)
        assert virtual.responder.next_deadline() is None
    numbers = list(dict.fromkeys(sent.number for sent in virtual.sent))
    assert numbers == list(range(1, len(numbers) + 1))
    kinds = {sent.message.message_id: sent.kind for sent in virtual.sent}
    assert list(kinds.values()).count("ProbeMatches") == asked == 7 * 24 * 12


def test_after_a_long_sleep_copies_still_leave_one_by_one():
    virtual = Virtual()
    virtual.links(IPV4_ONLY)
    virtual.now_s += 3_600
    assert len(virtual.responder.due(virtual.now_s)) == 1
    assert virtual.responder.next_deadline() > virtual.now_s
