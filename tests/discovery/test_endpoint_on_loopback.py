"""The endpoint in this very process, on the loopback and a port of its own."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from ipaddress import ip_address
from random import Random

import pytest
from discovery.programs import probe
from discovery.virtual import ANNOUNCEMENT, URN, UUID
from wsdiscovery.message import parseSOAPMessage

from device import netlink
from device.clock import SystemClock
from device.discovery import endpoint as module
from device.discovery.endpoint import DiscoveryEndpoint
from device.discovery.links import Family
from device.discovery.responder import Responder
from device.discovery.state import DiscoveryState
from device.errors import ConfigError

GROUP = "239.255.255.250"


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 0))
        return sock.getsockname()[1]


@pytest.fixture
def responder() -> Responder:
    return Responder(ANNOUNCEMENT, instance_id=1, random=Random(1))


@contextlib.asynccontextmanager
async def running(
    responder: Responder, port: int, state: DiscoveryState | None = None, **options
) -> AsyncIterator[DiscoveryEndpoint]:
    options = {"interfaces": ["lo"], "families": [Family.IPV4], **options}
    endpoint = DiscoveryEndpoint(clock=SystemClock(), port=port, **options)
    await endpoint.add(responder, state)
    await endpoint.start()
    async with asyncio.TaskGroup() as group:
        group.create_task(endpoint.run())
        try:
            yield endpoint
        finally:
            await endpoint.stop()


@contextlib.contextmanager
def client(port: int = 0):
    """A socket that asks on the loopback; with a port, it hears the group, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own = socket.inet_aton("127.0.0.1")
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
        if port:
            request = socket.inet_aton(GROUP) + own
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        sock.bind((GROUP if port else "127.0.0.1", port))
        yield sock


async def heard(sock: socket.socket, timeout_s: float = 5):
    async with asyncio.timeout(timeout_s):
        data, peer = await asyncio.get_running_loop().sock_recvfrom(sock, 65_536)
    return parseSOAPMessage(data, peer[0]), peer


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nothing sets an event when that becomes true
            await asyncio.sleep(0.001)


async def test_it_is_found_and_says_where_it_is(responder, port):
    async with running(responder, port) as endpoint:
        assert endpoint.addresses() == [("lo", ip_address("127.0.0.1"))]
        assert endpoint.xaddrs(responder) == [f"http://127.0.0.1:5357/{UUID}"]
        with client() as sock:
            for host in (GROUP, "127.0.0.1"):
                sock.sendto(probe(), (host, port))
                answer, peer = await heard(sock)
                assert peer == ("127.0.0.1", port)
                (match,) = answer.getProbeResolveMatches()
                assert match.getXAddrs() == endpoint.xaddrs(responder)
                await heard(sock)
        assert endpoint.counts["answered"] == 2


async def test_an_error_of_ours_costs_one_datagram_only(responder, port, monkeypatch, caplog):
    async with running(responder, port) as endpoint:
        with client() as sock:
            with monkeypatch.context() as patched:
                patched.setattr(responder, "answer", lambda *_: 1 / 0)
                for _ in range(3):
                    sock.sendto(probe(), ("127.0.0.1", port))
                await until(lambda: endpoint.counts["dropped: our error"] == 3)
            sock.sendto(probe(), ("127.0.0.1", port))
            await heard(sock)
    assert [r.levelno for r in caplog.records].count(logging.ERROR) == 1, "once a minute"


async def test_datagrams_that_are_too_long_are_counted(responder, port):
    async with running(responder, port) as endpoint:
        with client() as sock:
            sock.sendto(probe() + b" " * 40_000, ("127.0.0.1", port))
            sock.sendto(probe(), ("127.0.0.1", port))
            await heard(sock)
        assert endpoint.counts["dropped: too long"] == 1


async def test_hello_new_metadata_and_bye(responder, port):
    with client(port) as sock:
        async with running(responder, port) as endpoint:
            hello, _ = await heard(sock)
            assert (hello.getEPR(), hello.getMetadataVersion()) == (URN, "3")
            endpoint.announce(responder, replace(ANNOUNCEMENT, metadata_version=4))
            while hello.getMetadataVersion() != "4":
                hello, _ = await heard(sock)
        kinds = [message.getAction().rpartition("/")[2] for message in waiting(sock)]
        assert kinds[-4:] == ["Bye"] * 4
        assert "Bye" not in kinds[:-4]


async def test_devices_come_and_go_by_themselves(responder, port):
    second = Responder(
        replace(ANNOUNCEMENT, uuid_urn="urn:uuid:second", path="/second"),
        instance_id=1,
        random=Random(2),
    )
    with client(port) as ear, client() as sock:
        async with running(responder, port) as endpoint:
            while (await heard(ear))[0].getEPR() != URN:
                pass
            await endpoint.add(second)
            hello = (await heard(ear))[0]
            while hello.getEPR() != "urn:uuid:second":
                hello = (await heard(ear))[0]
            assert hello.getXAddrs() == ["http://127.0.0.1:5357/second"]
            sock.sendto(probe(), ("127.0.0.1", port))
            assert await answering(sock, 2) == {URN, "urn:uuid:second"}
            endpoint.remove(second)
            while hello.getAction().rpartition("/")[2] != "Bye":
                hello = (await heard(ear))[0]
            assert hello.getEPR() == "urn:uuid:second"
            waiting(sock)
            sock.sendto(probe(), ("127.0.0.1", port))
            assert await answering(sock, 1) == {URN}
        byes = [m.getEPR() for m in waiting(ear) if m.getAction().endswith("/Bye")]
        assert sorted(byes) == [URN] * 4 + ["urn:uuid:second"] * 3, "one was read before"


async def answering(sock: socket.socket, many: int) -> set[str]:
    """The devices that answer: each says everything twice."""
    found = [(await heard(sock))[0].getProbeResolveMatches()[0].getEPR() for _ in range(2 * many)]
    return set(found)


def waiting(sock: socket.socket) -> list:
    """Everything that has arrived."""
    messages = []
    with contextlib.suppress(BlockingIOError):
        while True:
            messages.append(parseSOAPMessage(sock.recv(65_536), ""))
    return messages


async def test_where_the_kernel_tells_of_no_changes_it_is_asked(
    responder, port, monkeypatch, tmp_path
):
    """And an address that takes another's place raises the version."""

    def refuse() -> socket.socket:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(netlink, "subscribe", refuse)
    monkeypatch.setattr(module, "REMIND_S", 0.01)
    state = DiscoveryState(tmp_path, URN, metadata=b"m", clock=SystemClock())
    listed = netlink.addresses()
    async with running(responder, port, state=state) as endpoint:
        moved = [
            replace(a, interface=type(a.interface)("127.0.0.2/8"))
            for a in listed
            if str(a.interface) == "127.0.0.1/8"
        ]
        monkeypatch.setattr(netlink, "addresses", lambda: moved)
        await until(lambda: endpoint.xaddrs(responder) == [f"http://127.0.0.2:5357/{UUID}"])
        assert responder.announcement.metadata_version == state.metadata_version == 2


async def test_interfaces_that_cannot_be_listed_are_a_warning(responder, port, monkeypatch, caplog):
    def refuse() -> list:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(netlink, "addresses", refuse)
    async with running(responder, port) as endpoint:
        assert endpoint.addresses() == []
    assert "interfaces not read" in caplog.text


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(97, "Address family not supported"), "cannot be opened .IPv6: Address family"),
        (ConfigError("The port is held."), "The port is held"),
    ],
)
async def test_a_port_that_cannot_be_had_is_one_sentence(
    responder, port, monkeypatch, error, sentence
):
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "FamilySocket", refuse)
    with pytest.raises(ConfigError, match=sentence):
        async with running(responder, port, families=[Family.IPV6]):
            pass


async def test_a_family_that_is_missing_here_is_done_without(responder, port, monkeypatch):
    real = module.FamilySocket

    def ipv4_only(family: Family, port: int):
        if family is Family.IPV6:
            raise OSError(97, "Address family not supported")
        return real(family, port)

    monkeypatch.setattr(module, "FamilySocket", ipv4_only)
    async with running(responder, port, families=list(Family)) as endpoint:
        assert [str(address) for _, address in endpoint.addresses()] == ["127.0.0.1"]
