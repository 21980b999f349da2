"""Probe and Resolve over HTTP."""

from dataclasses import replace
from random import Random

import pytest
from discovery.test_wire_reads import message
from discovery.virtual import ANNOUNCEMENT, URN, UUID, Virtual
from wsdiscovery.message import parseSOAPMessage

from device import faults
from device.discovery.directed import routes
from device.discovery.matching import RULES
from device.discovery.responder import Responder
from device.errors import DeviceError, MalformedMessage, MatchingRuleNotSupported
from device.soap import envelope
from device.soap.dispatch import Answer, Dispatcher, Incoming, check_body
from device.soap.namespaces import PROBE, RESOLVE, WSD

BASE = "http://192.168.1.10:5357"
RESOLVE_BODY = (
    "<d:Resolve><a:EndpointReference><a:Address>{}</a:Address></a:EndpointReference></d:Resolve>"
)


async def post(
    data: bytes,
    base_url: str = BASE,
    virtual: Virtual | None = None,
    others: tuple[Responder, ...] = (),
) -> Answer:
    virtual = virtual or Virtual()
    dispatcher = Dispatcher()
    dispatcher.add(*routes(lambda: (virtual.responder, *others)))
    asked = envelope.read(data)
    route = dispatcher.route(asked)
    check_body(route, asked)
    return await route.handler(Incoming(asked, "192.168.1.77", lambda: base_url))


def as_read(answer: Answer):
    """The answer as wsdiscovery reads it, in the envelope that the HTTP side puts around it."""
    return parseSOAPMessage(
        b"".join(
            envelope.pieces(
                answer.action,
                answer.body,
                message_id="urn:uuid:2",
                relates_to="urn:uuid:1",
                prefixes=answer.prefixes,
                headers=answer.headers,
            )
        ),
        "",
    )


async def test_a_probe_is_answered_with_the_address_that_was_reached():
    read = as_read(await post(message("<d:Probe><d:Types>wsdp:Device</d:Types></d:Probe>")))
    assert read.getAction() == f"{PROBE}Matches"
    assert read.getInstanceId() == "1000"
    (match,) = read.getProbeResolveMatches()
    assert match.getEPR() == URN
    assert match.getXAddrs() == [f"{BASE}/{UUID}"]
    assert match.getMetadataVersion() == "3"
    types = tuple((name.getNamespace(), name.getLocalname()) for name in match.getTypes())
    assert types == ANNOUNCEMENT.types


async def test_a_resolve_is_answered_likewise():
    read = as_read(await post(message(RESOLVE_BODY.format(URN.upper()), "Resolve")))
    assert read.getAction() == f"{RESOLVE}Matches"
    (match,) = read.getProbeResolveMatches()
    assert match.getXAddrs() == [f"{BASE}/{UUID}"]


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ("<d:Probe><d:Types>nobody:Device</d:Types></d:Probe>", "Probe"),
        (RESOLVE_BODY.format("urn:uuid:other"), "Resolve"),
    ],
)
async def test_no_match_is_an_empty_answer(body, action):
    answer = await post(message(body, action))
    assert answer.body == f"<wsd:{action}Matches/>"
    assert as_read(answer).getProbeResolveMatches() == []


async def test_an_unknown_rule_is_a_fault_that_names_the_known_ones():
    body = f'<d:Probe><d:Scopes MatchBy="{WSD}/ldap">ldap:///x</d:Scopes></d:Probe>'
    with pytest.raises(MatchingRuleNotSupported) as caught:
        await post(message(body))
    assert caught.value.rule == f"{WSD}/ldap"
    assert caught.value.supported == tuple(RULES)


async def test_an_unreadable_question_is_a_fault():
    with pytest.raises(MalformedMessage):
        await post(message("<d:Resolve/>", "Resolve"))


async def test_scopes_are_told_escaped():
    device = replace(ANNOUNCEMENT, scopes=("http://a?b&c", "urn:d"))
    read = as_read(await post(message("<d:Probe/>"), virtual=Virtual(device)))
    (match,) = read.getProbeResolveMatches()
    assert [scope.getValue() for scope in match.getScopes()] == ["http://a?b&c", "urn:d"]


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("http://[fe80::1%eth0]:5357", "[fe80::1]"),
        ("http://[fe80::1%25eth0]:5357/", "[fe80::1]"),
        ("http://[2001:db8::1]:5357", "[2001:db8::1]"),
    ],
)
async def test_a_zone_never_leaves_the_machine(base_url, host):
    read = as_read(await post(message("<d:Probe/>"), base_url))
    (match,) = read.getProbeResolveMatches()
    assert match.getXAddrs() == [f"http://{host}:5357/{UUID}"]


async def test_numbers_are_those_of_the_datagrams():
    virtual = Virtual()
    numbers = [
        as_read(await post(message("<d:Probe/>"), virtual=virtual)).getMessageNumber()
        for _ in range(3)
    ]
    assert numbers == ["1", "2", "3"]
    assert virtual.responder.next_sequence().message_number == 4


@pytest.mark.parametrize(
    "body", ["", "<d:Resolve/>", "<d:Probe><d:Types>a:b:c</d:Types></d:Probe>"]
)
async def test_a_body_that_is_no_probe_is_a_fault_without_an_invented_name(body):
    with pytest.raises(DeviceError) as refused:
        await post(message(body))
    fault = faults.fault_for(refused.value, WSD)
    assert (fault.code, fault.subcode, fault.detail, fault.status) == ("Sender", "", "", 400)
    written = faults.write_fault(fault, message_id="urn:uuid:2", relates_to="", service=WSD)
    assert b"Subcode" not in written
    assert b"InvalidArgs" not in written


SECOND = replace(ANNOUNCEMENT, uuid_urn="urn:uuid:second", path="/second", types=())


async def test_every_device_behind_the_address_is_told():
    second = Responder(SECOND, instance_id=7, random=Random(1))
    read = as_read(await post(message("<d:Probe/>"), others=(second,)))
    assert [match.getEPR() for match in read.getProbeResolveMatches()] == [URN, "urn:uuid:second"]
    assert [match.getXAddrs() for match in read.getProbeResolveMatches()] == [
        [f"{BASE}/{UUID}"],
        [f"{BASE}/second"],
    ]
    typed = message("<d:Probe><d:Types>wsdp:Device</d:Types></d:Probe>")
    (match,) = as_read(await post(typed, others=(second,))).getProbeResolveMatches()
    assert match.getEPR() == URN


async def test_each_device_behind_the_address_can_be_resolved():
    second = Responder(SECOND, instance_id=7, random=Random(1))
    asked = message(RESOLVE_BODY.format(SECOND.uuid_urn), "Resolve")
    (match,) = as_read(await post(asked, others=(second,))).getProbeResolveMatches()
    assert match.getXAddrs() == [f"{BASE}/second"]
