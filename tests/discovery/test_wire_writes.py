"""What we write, read by wsdiscovery's own parser; and both ways under hypothesis."""

import contextlib
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from wsdiscovery import QName, Scope, udp
from wsdiscovery.actions import constructProbe, constructResolve
from wsdiscovery.message import createSOAPMessage, parseSOAPMessage

from device.discovery.messages import (
    Announcement,
    AppSequence,
    Bye,
    Hello,
    Message,
    Probe,
    ProbeMatches,
    Resolve,
    ResolveMatches,
    Target,
)
from device.discovery.responder import MULTICAST, UNICAST
from device.discovery.wire import decode, encode
from device.errors import ConfigError, RequestError
from device.soap.namespaces import ANONYMOUS, BYE, DISCOVERY_URN, HELLO, WSA, WSCN, WSD, WSDP

URN = "urn:uuid:5a3d9b1c-0000-4000-8000-000000000001"
OTHER = "urn:uuid:0b7e0f9a-0000-4000-8000-000000000002"
TYPES = ((WSDP, "Device"), (WSCN, "ScanDeviceType"))
XADDR = f"http://[2001:db8:1234:5678:9abc:def0:1234:5678]:5357/{URN[9:]}"
TARGET = Target(URN, TYPES, (), (XADDR,), 2**32 - 1)
SEQUENCE = AppSequence(2**32 - 1, 2**32 - 1)
MATCHES = ProbeMatches("urn:uuid:" + "1" * 36, OTHER, SEQUENCE, TARGET)

tokens = st.text(
    st.characters(exclude_categories=["Z", "C"], exclude_characters="%"), min_size=1, max_size=40
).filter(lambda text: text.isprintable() and len(text.split()) == 1)
numbers = st.integers(0, 2**32 - 1)
targets = st.builds(
    Target,
    tokens,
    st.sampled_from([(), TYPES, TYPES[:1]]),
    st.lists(tokens, max_size=3).map(tuple),
    st.lists(tokens, min_size=1, max_size=2).map(tuple),
    numbers,
)
sequences = st.builds(AppSequence, numbers, numbers)
messages = st.one_of(
    st.builds(Hello, tokens, sequences, targets),
    st.builds(Bye, tokens, sequences, tokens),
    st.builds(ProbeMatches, tokens, tokens, sequences, targets),
    st.builds(ResolveMatches, tokens, tokens, sequences, targets),
)


def described(match) -> tuple:
    return (
        match.getEPR(),
        tuple((name.getNamespace(), name.getLocalname()) for name in match.getTypes()),
        tuple(scope.getValue() for scope in match.getScopes()),
        tuple(match.getXAddrs()),
        match.getMetadataVersion(),
    )


def expected(target: Target) -> tuple:
    return (
        target.address,
        target.types,
        target.scopes,
        target.xaddrs,
        str(target.metadata_version),
    )


@settings(deadline=None)
@given(messages)
def test_the_library_reads_what_we_write(message: Message):
    read = parseSOAPMessage(encode(message), "")
    assert read.getMessageId() == message.message_id
    assert read.getInstanceId() == str(message.sequence.instance_id)
    assert read.getMessageNumber() == str(message.sequence.message_number)
    assert read.getSequenceId() == ""
    if isinstance(message, Bye):
        assert (read.getAction(), read.getTo()) == (BYE, DISCOVERY_URN)
        assert read.getEPR() == message.address
    elif isinstance(message, Hello):
        assert (read.getAction(), read.getTo()) == (HELLO, DISCOVERY_URN)
        assert described(read) == expected(message.target)
    else:
        assert read.getAction() == f"{WSD}/{type(message).__name__}"
        assert read.getTo() == ANONYMOUS
        assert read.getRelatesTo() == message.relates_to
        (match,) = read.getProbeResolveMatches()
        assert described(match) == expected(message.target)


@settings(deadline=None)
@given(st.lists(tokens, max_size=3), st.lists(tokens, max_size=3), tokens)
def test_we_read_what_the_library_writes(types, scopes, address):
    types = [name.replace(":", ".") for name in types]
    sent = constructProbe([QName("urn:x", name, "p") for name in types], list(map(Scope, scopes)))
    assert decode(createSOAPMessage(sent).encode()) == Probe(
        sent.getMessageId(), tuple(("urn:x", name) for name in types), tuple(scopes)
    )
    resolve = constructResolve(address)
    assert decode(createSOAPMessage(resolve).encode()) == Resolve(resolve.getMessageId(), address)


QUESTIONS = [
    createSOAPMessage(constructProbe([QName(*TYPES[0], "p")], [Scope("urn:x", "urn:rule")])),
    createSOAPMessage(constructResolve(URN)),
]
PIECES = [b"<", b">", b"&", b'"', b"xmlns", b"<!--", b"]]>", b"\0", b"\xff", b"a:Address", b""]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(QUESTIONS),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 60), st.sampled_from(PIECES) | st.binary()),
        min_size=1,
        max_size=4,
    ),
)
def test_no_mutation_raises_anything_but_our_errors(question, changes):
    data = question.encode()
    for where, length, piece in changes:
        at = int(where * len(data))
        data = data[:at] + piece + data[at + length :]
    with contextlib.suppress(RequestError):
        assert isinstance(decode(data), Probe | Resolve)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_garbage_raises_anything_but_our_errors(data):
    with contextlib.suppress(RequestError):
        decode(data)


@pytest.mark.parametrize("kind", [ProbeMatches, ResolveMatches])
def test_an_answer_stays_below_1100_octets(kind):
    """1,150 with the longest of all addresses and numbers; far below any MTU."""
    longest_id = "urn:uuid:" + "f" * 36
    assert len(encode(kind(longest_id, longest_id, SEQUENCE, TARGET))) < 1_150
    usual = replace(TARGET, xaddrs=(f"http://192.168.100.100:5357/{URN[9:]}",), metadata_version=9)
    assert len(encode(kind(longest_id, longest_id, AppSequence(2**31, 999), usual))) < 1_100


def test_every_element_has_a_prefix_and_types_have_the_customary_ones():
    for message in (MATCHES, Hello("urn:1", SEQUENCE, TARGET), Bye("urn:1", SEQUENCE, URN)):
        root = etree.fromstring(encode(message))
        assert all(element.prefix for element in root.iter())
        assert all(element.nsmap[element.prefix] for element in root.iter())
    text = encode(MATCHES).decode()
    assert ">wsdp:Device wscn:ScanDeviceType<" in text
    assert re.search(r">\s|\s<", text) is None, "padding costs octets"


def test_copies_of_one_message_are_the_same_bytes():
    assert encode(MATCHES) == encode(replace(MATCHES))


def test_a_hostile_message_id_comes_back_as_text():
    hostile = "</a:RelatesTo><x y=\"&amp;\">''</x>"
    root = etree.fromstring(encode(replace(MATCHES, relates_to=hostile)))
    assert root.findtext(f".//{{{WSA}}}RelatesTo") == hostile


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": ("http://a b",)},
        {"scopes": ("http://a\x01",)},
        {"scopes": ("",)},
        {"path": "/a\nb"},
        {"scheme": "ftp"},
        {"types": (("urn:unknown", "Type"),)},
    ],
)
def test_what_cannot_be_written_cannot_be_announced(wrong):
    right = Announcement(URN, TYPES, (), "/x", 5357, "http", 1)
    with pytest.raises(ConfigError):
        replace(right, **wrong)


def test_our_repeats_are_the_library_s():
    assert (MULTICAST.count, UNICAST.count) == (udp.MULTICAST_UDP_REPEAT, udp.UNICAST_UDP_REPEAT)
    gaps_ms = (
        udp.MULTICAST_UDP_MIN_DELAY,
        udp.MULTICAST_UDP_MAX_DELAY,
        udp.MULTICAST_UDP_UPPER_DELAY,
    )
    assert [1000 * s for s in (*MULTICAST.first_gap_s, MULTICAST.longest_gap_s)] == list(gaps_ms)
