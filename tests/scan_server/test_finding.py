"""How a scan device finds the server: Probe, Resolve and Get over HTTP, and Probe over UDP."""

from __future__ import annotations

import asyncio
import socket
import ssl
import xml.etree.ElementTree as ET
from random import Random
from urllib.parse import urlsplit

import pytest
from clients.dsp_client import (
    DPWS,
    DSC,
    GET,
    SOAP,
    WSA,
    WSD,
    DspClient,
    Reply,
    envelope,
)
from support import dsp_rules
from support.clock import ManualClock
from support.wait import wait_until

from device.discovery.responder import Responder
from scan_server import udp_probe
from scan_server.metadata import Description

from .conftest import Running, Start

TO = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
WAIT_S = 5.0


@pytest.fixture
def server(start: Start) -> Running:
    return start()


@pytest.fixture
def client(server: Running) -> DspClient:
    return server.client


def text(element: ET.Element, *names: str) -> str:
    """The trimmed text of the one descendant; names without a namespace are WS-Discovery's."""
    path = "/".join(name if name[0] == "{" else f"{{{WSD}}}{name}" for name in names)
    found = element.findall(f".//{path}")
    assert len(found) == 1, (path, ET.tostring(element))
    return (found[0].text or "").strip()


def probe(types: str = "", scopes: str = "", match_by: str = "") -> str:
    rule = f' MatchBy="{match_by}"' if match_by else ""
    return (
        f'<w:Probe xmlns:d="{DPWS}" xmlns:c="{DSC}">'
        + (f"<w:Types>{types}</w:Types>" if types else "")
        + (f"<w:Scopes{rule}>{scopes}</w:Scopes>" if scopes or match_by else "")
        + "</w:Probe>"
    )


def resolve(address: str) -> str:
    reference = f"<a:EndpointReference><a:Address>{address}</a:Address></a:EndpointReference>"
    return f"<w:Resolve>{reference}</w:Resolve>"


def ask(client: DspClient, body: str) -> Reply:
    action = "Probe" if "Probe" in body else "Resolve"
    return client.post(client.url, envelope(f"{WSD}/{action}", body, TO))


def ask_udp(server: Running, message: bytes) -> ET.Element:
    """Send a datagram to the server's port; the first answer's envelope."""
    url = urlsplit(server.url)
    family = socket.AF_INET6 if ":" in (url.hostname or "") else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(WAIT_S)
        sock.sendto(message, (url.hostname, url.port))
        answer, peer = sock.recvfrom(65_536)
        assert peer[:2] == (url.hostname, url.port)
        dsp_rules.check(message, answer)
        return ET.fromstring(answer)


OURS = [
    probe(),
    probe("d:Device"),
    probe("\n d:Device \n"),
    probe("x:RepositoryProcessingServiceType"),
    probe("d:Device x:RepositoryProcessingServiceType"),
    probe("c:RepositoryConfigurationServiceType"),
    probe(scopes=f"{WSD}/adhoc"),
]
NOT_OURS = [
    probe("d:Printer"),
    probe("d:Device d:Printer"),
    probe("nobody:Device"),
    probe("d:Device", scopes="http://example.org/floor2"),
]


@pytest.mark.conformance("SL-02", "SL-04", "SL-08")
@pytest.mark.parametrize("body", OURS)
@pytest.mark.parametrize("way", ["http", "udp"])
def test_a_probe_that_means_us(server: Running, client: DspClient, way: str, body: str) -> None:
    if way == "http":
        found = ask(client, body).body
    else:
        message_id = "urn:uuid:11111111-2222-4333-8444-555555555555"
        answer = ask_udp(server, envelope(f"{WSD}/Probe", body, TO, message_id))
        header = answer.find(f"{{{SOAP}}}Header")
        assert text(header, f"{{{WSA}}}Action") == f"{WSD}/ProbeMatches"
        assert text(header, f"{{{WSA}}}RelatesTo") == message_id
        assert text(header, f"{{{WSA}}}To").endswith("/role/anonymous")
        found = answer.find(f"{{{SOAP}}}Body")[0]
    assert found.tag == f"{{{WSD}}}ProbeMatches"
    match = found.find(f"{{{WSD}}}ProbeMatch")
    assert text(match, f"{{{WSA}}}Address") == server.ready.split()[3]
    assert text(match, "XAddrs") == server.url
    assert int(text(match, "MetadataVersion")) >= 1
    assert text(match, "Types").endswith(":Device")


@pytest.mark.conformance("SL-03")
@pytest.mark.parametrize("body", NOT_OURS)
def test_a_probe_that_means_somebody_else(server: Running, client: DspClient, body: str) -> None:
    answer = ask_udp(server, envelope(f"{WSD}/Probe", body, TO))
    for found in (ask(client, body).body, answer.find(f"{{{SOAP}}}Body")[0]):
        assert (found.tag, len(found)) == (f"{{{WSD}}}ProbeMatches", 0)


@pytest.mark.conformance("SL-04")
def test_an_unknown_rule_for_scopes(server: Running, client: DspClient) -> None:
    body = probe(scopes="http://a/", match_by="http://a/rule")
    reply = ask(client, body)
    assert (reply.subcode, reply.code) == ("MatchingRuleNotSupported", "Sender")
    answer = ask_udp(server, envelope(f"{WSD}/Probe", body, TO))
    assert len(answer.find(f"{{{SOAP}}}Body")[0]) == 0


@pytest.mark.conformance("SL-09")
@pytest.mark.parametrize("way", ["http", "udp"])
def test_a_resolve(server: Running, client: DspClient, way: str) -> None:
    body = resolve(server.ready.split()[3].upper())
    if way == "http":
        found = ask(client, body).body
    else:
        found = ask_udp(server, envelope(f"{WSD}/Resolve", body, TO)).find(f"{{{SOAP}}}Body")[0]
    assert found.tag == f"{{{WSD}}}ResolveMatches"
    assert text(found, "XAddrs") == server.url


@pytest.mark.conformance("SL-09")
def test_a_resolve_of_somebody_else(client: DspClient) -> None:
    assert len(ask(client, resolve("urn:uuid:00000000-0000-4000-8000-000000000000")).body) == 0


@pytest.mark.conformance("SL-10")
def test_what_is_no_question_gets_no_datagram(server: Running) -> None:
    """The next question is answered all the same, and nothing came before that."""
    url = urlsplit(server.url)
    question = envelope(f"{WSD}/Probe", probe(), TO, "urn:uuid:last")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(WAIT_S)
        for data in (
            b"",
            b"\0" * 1400,
            b"<" * 40_000,
            envelope(GET, "", TO),
            envelope(f"{WSD}/Hello", "<w:Hello/>", TO),
            envelope(f"{WSD}/Resolve", resolve("urn:uuid:other"), TO),
            envelope(f"{WSD}/Probe", "<w:Resolve/>", TO),
            b'<!DOCTYPE a [<!ENTITY b "c">]>' + question,
            question,
        ):
            sock.sendto(data, (url.hostname, url.port))
        answer, _ = sock.recvfrom(65_536)
    assert text(ET.fromstring(answer)[0], f"{{{WSA}}}RelatesTo") == "urn:uuid:last"


@pytest.mark.conformance("SL-10")
async def test_a_flood_is_answered_in_part() -> None:
    """Twenty at once, and ten a second, for each that asks."""
    clock = ManualClock()
    sockets = udp_probe.open_sockets("127.0.0.1", 0)
    about = Description("A server", "urn:uuid:1", "/p", "/c", "ServiceType", "1")
    told = about.announcement(scheme="http", port=1, metadata_version=1)
    responder = Responder(told, instance_id=1, random=Random(1))
    running = udp_probe.UdpProbe(sockets, responder, names=[], clock=clock)
    running.start()
    port = sockets[0].port

    async def heard(count: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(50):
                sock.sendto(envelope(f"{WSD}/Probe", probe(), TO), ("127.0.0.1", port))
        whole = lambda: running.counts.total() >= count  # noqa: E731
        await asyncio.to_thread(wait_until, whole, WAIT_S, "all datagrams")

    await heard(50)
    assert running.counts["answered"] == 20
    clock.advance(1)
    await heard(100)
    assert running.counts["answered"] == 30
    running.stop()


@pytest.mark.conformance("SL-08")
def test_behind_ipv6(start: Start) -> None:
    server = start(host="::1")
    answer = ask_udp(server, envelope(f"{WSD}/Probe", probe(), TO))
    assert text(answer, "XAddrs") == server.url
    assert ask(server.client, probe()).body[0] is not None


@pytest.mark.conformance("SL-01")
def test_over_tls(start: Start) -> None:
    """Names that the certificate holds come first: by an address, it would not be trusted."""
    server = start(http=False, generate_cert=True)
    answer = ask_udp(server, envelope(f"{WSD}/Probe", probe(), TO))
    *names, address = text(answer, "XAddrs").split()
    assert address == server.url
    assert all(name.startswith("https://") for name in names)
    trust = ssl.create_default_context(cafile=str(server.state_dir / "server.pem"))
    assert text(ask(DspClient(server.url, trust), probe()).body, "XAddrs") == server.url


class TestMetadata:
    @pytest.mark.conformance("SL-05")
    def test_the_hosted_services(self, client: DspClient) -> None:
        assert client.get().headers["Action"].strip() == f"{GET}Response"
        found = client.hosted()
        assert list(found) == [
            "RepositoryProcessingServiceType",
            "RepositoryConfigurationServiceType",
        ]
        assert all(address.startswith(f"{client.url}/") for address in found.values())
        assert len(set(found.values())) == 2

    @pytest.mark.conformance("SL-05")
    def test_dialects_are_those_of_the_profile(self, client: DspClient) -> None:
        dialects = [section.get("Dialect") for section in client.get().body]
        assert dialects == [
            f"{DPWS}/{name}" for name in ("ThisModel", "ThisDevice", "Relationship")
        ]

    @pytest.mark.conformance("SL-07")
    def test_the_version_rises_with_the_metadata_and_only_then(self, start: Start) -> None:
        versions = []
        for name in ("Scan server", "Scan server", "Another", "Another"):
            server = start(name=name)
            versions.append(int(text(ask(server.client, probe()).body, "MetadataVersion")))
            server.stop()
        assert versions == [versions[0], versions[0], versions[0] + 1, versions[0] + 1]

    @pytest.mark.conformance("SL-11")
    def test_the_type_s_local_name_may_be_set(self, start: Start) -> None:
        client = start(service_type="ScanServiceType").client
        assert "ScanServiceType" in client.hosted()
        assert len(ask(client, probe("x:ScanServiceType")).body) == 1


class TestHeaders:
    """What a request's headers must be, at each of our addresses."""

    def fault(self, client: DspClient, message: bytes) -> str:
        reply = client.post(client.url, message)
        assert reply.name == "Fault"
        return reply.subcode

    @pytest.mark.conformance("SW-01", "SW-04")
    def test_a_message_id_of_any_form(self, client: DspClient) -> None:
        for number, value in enumerate(("uuid:1", "urn:uuid:2", "http://a/b", "plain")):
            message = envelope(GET, "", client.url, value)
            reply = client.post(client.url, message)
            assert reply.headers["RelatesTo"] == value, number
            assert reply.headers["To"].endswith("/role/anonymous")

    @pytest.mark.conformance("SW-02")
    def test_what_is_missing(self, client: DspClient) -> None:
        message = envelope(GET, "", client.url)
        for name in (b"MessageID", b"To", b"Action"):
            start, end = message.index(b"<a:" + name), message.index(b"</a:" + name)
            without = message[:start] + message[end + len(name) + 5 :]
            assert self.fault(client, without) == "MessageInformationHeaderRequired"

    @pytest.mark.conformance("SW-02")
    @pytest.mark.parametrize("to", ["urn:uuid:1", "http://127.0.0.1/other", "/ScanServer"])
    def test_a_to_that_is_nobody_here(self, client: DspClient, to: str) -> None:
        assert self.fault(client, envelope(GET, "", to)) == "DestinationUnreachable"

    @pytest.mark.conformance("SW-02")
    def test_a_to_that_is_ours(self, server: Running, client: DspClient) -> None:
        for to in (
            server.ready.split()[3],
            "http://any.other.name/ScanServer",
            f"{client.url}/",
            client.service,
            f"{WSA}/role/anonymous",
            TO,
        ):
            assert client.post(client.url, envelope(GET, "", to)).name == "Metadata", to

    @pytest.mark.conformance("SW-03")
    def test_an_answer_wanted_elsewhere(self, client: DspClient) -> None:
        reply_to = "<a:ReplyTo><a:Address>http://192.0.2.1/</a:Address></a:ReplyTo>"
        message = envelope(GET, "", client.url, headers=reply_to)
        assert self.fault(client, message) == "InvalidMessageInformationHeader"
