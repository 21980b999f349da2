"""Datagrams as clients write them, and as nobody should."""

import pytest
from wsdiscovery import QName, Scope
from wsdiscovery.actions import constructProbe, constructResolve
from wsdiscovery.message import createSOAPMessage

from device.discovery.messages import Probe, Resolve
from device.discovery.wire import decode
from device.errors import (
    ActionNotSupported,
    HeaderRequired,
    InvalidHeader,
    MalformedMessage,
    MustUnderstand,
    RequestError,
    VersionMismatch,
)
from device.soap.namespaces import WSCN, WSD, WSDP

URN = "urn:uuid:5a3d9b1c-0000-4000-8000-000000000001"
NAMESPACES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    f'xmlns:d="{WSD}" xmlns:wsdp="{WSDP}" xmlns:wscn="{WSCN}"'
)
TO = "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
DEVICE = (WSDP, "Device")
SCANNER = (WSCN, "ScanDeviceType")


def message(
    body: str, action: str = "Probe", *, to: str = TO, headers: str = "", id: str = "urn:uuid:1"
) -> bytes:
    return (
        f"<s:Envelope {NAMESPACES}><s:Header><a:Action>{WSD}/{action}</a:Action>"
        f"<a:MessageID>{id}</a:MessageID>{to}{headers}</s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def probe(types: str, **options: str) -> bytes:
    return message(f"<d:Probe>{types}</d:Probe>", **options)


@pytest.mark.parametrize(
    ("types", "meant"),
    [
        ("", ()),
        ("<d:Types/>", ()),
        ("<d:Types> \n </d:Types>", ()),
        ("<d:Types>wsdp:Device</d:Types>", (DEVICE,)),
        ("<d:Types>\n  wsdp:Device\n\twscn:ScanDeviceType\n</d:Types>", (DEVICE, SCANNER)),
        (f'<d:Types xmlns:devprof="{WSDP}">devprof:Device</d:Types>', (DEVICE,)),
        (f'<d:Types xmlns="{WSDP}">Device</d:Types>', (DEVICE,)),
        (f'<d:Types xmlns:gerät="{WSDP}">gerät:Device</d:Types>', (DEVICE,)),
        ("<d:Types>wsdp:<!-- why not -->Device</d:Types>", (DEVICE,)),
        ("<d:Types><!-- why not -->wsdp:Device</d:Types>", (DEVICE,)),
        ("<d:Types><![CDATA[wsdp:Device]]></d:Types>", (DEVICE,)),
        ("<d:Types>wsdp:De<![CDATA[vi]]>ce</d:Types>", (DEVICE,)),
        ("<d:Types>nobody:Device</d:Types>", (("", "Device"),)),
        ("<d:Types>Device</d:Types>", (("", "Device"),)),
        ('<x:Types xmlns:x="urn:x">wscn:X</x:Types><d:Types>wsdp:Device</d:Types>', (DEVICE,)),
        ('<x:E xmlns:x="urn:x"><d:Types>wscn:X</d:Types></x:E>', ()),
        (
            '<d:Types xmlns:wscn="http://schemas.microsoft.com/windows/2006/01/wdp/scan">'
            "wscn:ScanDeviceType</d:Types>",
            (SCANNER,),
        ),
    ],
)
def test_types_in_every_spelling(types, meant):
    assert decode(probe(types)) == Probe("urn:uuid:1", types=meant)


def test_scopes_with_their_rule():
    scopes = f'<d:Scopes MatchBy=" {WSD}/strcmp0 ">http://a/%20b\n urn:c </d:Scopes>'
    assert decode(probe(scopes)) == Probe(
        "urn:uuid:1", scopes=("http://a/%20b", "urn:c"), match_by=f"{WSD}/strcmp0"
    )


def test_a_rule_counts_without_scopes_too():
    assert decode(probe('<d:Scopes MatchBy="urn:x"/>')) == Probe("urn:uuid:1", match_by="urn:x")


def test_a_probe_in_default_namespaces():
    data = (
        '<Envelope xmlns="http://www.w3.org/2003/05/soap-envelope"><Header>'
        '<Action xmlns="http://schemas.xmlsoap.org/ws/2004/08/addressing">'
        f'{WSD}/Probe</Action><MessageID xmlns="http://schemas.xmlsoap.org/ws/2004/08/addressing">'
        f'urn:uuid:1</MessageID></Header><Body><Probe xmlns="{WSD}"><Types xmlns:q="{WSCN}">'
        "q:ScanDeviceType</Types></Probe></Body></Envelope>"
    ).encode()
    assert decode(data) == Probe("urn:uuid:1", types=(SCANNER,))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_with_a_byte_order_mark(encoding):
    text = probe("<d:Types>wsdp:Device</d:Types>").decode()
    assert decode(text.encode(encoding)) == Probe("urn:uuid:1", types=(DEVICE,))


@pytest.mark.parametrize("types", [None, [QName(*DEVICE)], [QName(*DEVICE), QName(*SCANNER)]])
@pytest.mark.parametrize("scopes", [None, [Scope("http://a b/c"), Scope("urn:x")]])
def test_what_the_library_s_client_sends(types, scopes):
    sent = constructProbe(types, scopes)
    read = decode(createSOAPMessage(sent).encode())
    assert read == Probe(
        sent.getMessageId(),
        types=tuple((q.getNamespace(), q.getLocalname()) for q in types or ()),
        scopes=("http://a%20b/c", "urn:x") if scopes else (),
    )
    resolve = constructResolve(URN)
    assert decode(createSOAPMessage(resolve).encode()) == Resolve(resolve.getMessageId(), URN)


@pytest.mark.parametrize(
    "headers",
    [
        # nmap
        '<d:AppSequence InstanceId="1" MessageNumber="x"/>',
        # kdsoap: the 2005/08 anonymous address in a 2004/08 header
        "<a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>",
        "<a:ReplyTo>\n <a:Address>\n  http://192.0.2.9/reflect</a:Address></a:ReplyTo>",
        "<a:ReplyTo><a:Address>urn:uuid:other</a:Address></a:ReplyTo><a:FaultTo/><a:From/>",
        '<d:Security><d:Sig Scheme="urn:x" Refs="u1" Sig="AAAA"/></d:Security>',
        '<x:Y xmlns:x="urn:x" s:mustUnderstand="0"/>',
        '<x:Y xmlns:x="urn:x" s:mustUnderstand="1" s:role="urn:someone:else"/>',
    ],
)
def test_headers_that_change_nothing(headers):
    assert decode(probe("", headers=headers)) == Probe("urn:uuid:1")
    reference = f"<a:EndpointReference><a:Address>{URN}</a:Address></a:EndpointReference>"
    body = f"<d:Resolve>{reference}</d:Resolve>"
    assert decode(message(body, "Resolve", headers=headers)) == Resolve("urn:uuid:1", URN)


def test_a_missing_to_is_no_obstacle():
    assert decode(probe("", to="")) == Probe("urn:uuid:1")


def test_the_address_to_resolve_is_the_one_in_the_body_s_reference():
    body = (
        "<d:Resolve><x:Before xmlns:x='urn:x'><a:Address>urn:wrong</a:Address></x:Before>"
        "<a:EndpointReference><a:ReferenceParameters><a:Address>urn:wrong</a:Address>"
        f"</a:ReferenceParameters><a:Address><!-- c -->{URN}</a:Address>"
        "</a:EndpointReference></d:Resolve>"
    )
    assert decode(message(body, "Resolve")) == Resolve("urn:uuid:1", URN)


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefg", "bcdefgh", strict=True))
    + "]>"
)
HELLO = (
    f"<d:Hello><a:EndpointReference><a:Address>{URN}</a:Address></a:EndpointReference></d:Hello>"
)
MALFORMED = {
    "nothing": (b"", MalformedMessage),
    "no XML": (b"M-SEARCH * HTTP/1.1\r\n\r\n", MalformedMessage),
    "zeros": (bytes(100), MalformedMessage),
    "cut off": (probe("")[:-5], MalformedMessage),
    "two documents": (probe("") * 2, MalformedMessage),
    "too long": (probe(" " * 33_000), MalformedMessage),
    "deep": (probe("<x>" * 200 + "</x>" * 200), MalformedMessage),
    "document type": (b"<!DOCTYPE x>" + probe(""), MalformedMessage),
    "entities": (BOMB.encode() + probe("<d:Types>&h;</d:Types>"), MalformedMessage),
    "entities in UTF-16": (
        (BOMB + probe("<d:Types>&h;</d:Types>").decode()).encode("utf-16"),
        MalformedMessage,
    ),
    "processing instruction": (probe("<?x y?>"), MalformedMessage),
    "another document": (b"<a/>", MalformedMessage),
    "SOAP 1.1": (
        probe("").replace(b"www.w3.org/2003/05", b"schemas.xmlsoap.org/soap"),
        VersionMismatch,
    ),
    "no body": (probe("").replace(b"s:Body", b"s:Bodice"), MalformedMessage),
    "empty body": (message(""), MalformedMessage),
    "two in the body": (message("<d:Probe/><d:Probe/>"), MalformedMessage),
    "the wrong body": (message("<d:Probe/>", "Resolve"), MalformedMessage),
    "no action": (probe("").replace(b"a:Action>", b"a:Auction>"), ActionNotSupported),
    "an unknown action": (message("<d:Probe/>", "Prove"), ActionNotSupported),
    "2009/01": (
        probe("").replace(
            b"http://schemas.xmlsoap.org/ws/2005/04/discovery",
            b"http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01",
        ),
        ActionNotSupported,
    ),
    "a Hello": (message(HELLO, "Hello"), ActionNotSupported),
    "a Hello with InstanceId x": (
        message(HELLO, "Hello", headers='<d:AppSequence InstanceId="x" MessageNumber="1"/>'),
        ActionNotSupported,
    ),
    "no message id": (probe("", id=""), HeaderRequired),
    "an endless message id": (probe("", id="x" * 2_049), InvalidHeader),
    "two actions": (probe("", headers=f"<a:Action>{WSD}/Probe</a:Action>"), InvalidHeader),
    "a header to understand": (
        probe("", headers='<x:Y xmlns:x="urn:x" s:mustUnderstand="true"/>'),
        MustUnderstand,
    ),
    "Resolve of nothing": (message("<d:Resolve/>", "Resolve"), MalformedMessage),
    "Resolve of an empty address": (
        message(
            "<d:Resolve><a:EndpointReference><a:Address/></a:EndpointReference></d:Resolve>",
            "Resolve",
        ),
        MalformedMessage,
    ),
    "an element among the types": (probe("<d:Types><d:Types/></d:Types>"), MalformedMessage),
    "two prefixes": (probe("<d:Types>wsdp:Device:x</d:Types>"), MalformedMessage),
}


@pytest.mark.parametrize(("data", "error"), MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_question_to_us_is_refused_by_name(data, error):
    with pytest.raises(RequestError) as caught:
        decode(data)
    assert type(caught.value) is error
