"""The controllers of a domain, asked of a DNS server of our own."""

import socket
import struct
import threading
from collections.abc import Iterator
from random import Random

import dns.resolver
import pytest

from device.directory.controllers import Service, find_controllers, in_order
from device.errors import DirectoryUnavailable


class Dns:
    """Answers every question with the same SRV records, or with a refusal."""

    def __init__(self, records: list[Service], code: int = 0) -> None:
        self._records = records
        self._code = code
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()
        self.resolver = dns.resolver.Resolver(configure=False)
        self.resolver.nameservers = ["127.0.0.1"]
        self.resolver.port = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _answer(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            end = data.index(b"\0", 12)
            labels, at = [], 12
            while at < end:
                labels.append(data[at + 1 : at + 1 + data[at]].decode())
                at += 1 + data[at]
            self.asked.append(".".join(labels))
            question = data[12 : end + 5]
            answers = b"".join(map(self._record, self._records))
            head = struct.pack("!HHHHH", 0x8400 | self._code, 1, len(self._records), 0, 0)
            self._socket.sendto(data[:2] + head + question + answers, peer)

    @staticmethod
    def _record(one: Service) -> bytes:
        host = b"".join(bytes([len(label)]) + label.encode() for label in one.host.split("."))
        value = struct.pack("!HHH", one.priority, one.weight, one.port) + host + b"\0"
        return b"\xc0\x0c" + struct.pack("!HHIH", 33, 1, 60, len(value)) + value


@pytest.fixture
def serve() -> Iterator[type]:
    started: list[Dns] = []

    def make(*records: Service, code: int = 0) -> Dns:
        started.append(Dns(list(records), code))
        return started[-1]

    yield make
    for one in started:
        one.close()


@pytest.mark.conformance("DD-01")
def test_the_controllers_come_in_the_order_of_their_priority(serve):
    dns_ = serve(
        Service(20, 0, "spare.example.org", 389),
        Service(0, 100, "dc1.example.org", 389),
        Service(10, 5, "dc2.example.org", 3268),
    )
    found = find_controllers("example.org", Random(1), dns_.resolver)
    assert found == [
        ("dc1.example.org", 389),
        ("dc2.example.org", 3268),
        ("spare.example.org", 389),
    ]
    assert dns_.asked == ["_ldap._tcp.dc._msdcs.example.org"]


@pytest.mark.conformance("DD-01")
def test_among_equals_the_weight_decides():
    heavy, light, never = (Service(0, weight, f"dc{weight}", 389) for weight in (90, 10, 0))
    firsts = [in_order([never, heavy, light], Random(n))[0] for n in range(1000)]
    assert 850 < firsts.count(heavy) < 950
    assert firsts.count(never) < 5
    assert sorted(in_order([never, heavy, light], Random(1))) == sorted([never, heavy, light])


@pytest.mark.parametrize("code", [3, 5])
def test_a_domain_without_controllers_is_named(serve, code):
    with pytest.raises(DirectoryUnavailable, match=r"example\.org.*controllers"):
        find_controllers("example.org", Random(1), serve(code=code).resolver)
