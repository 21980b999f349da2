"""The announcer and the agents as child processes in a lab's namespaces."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from support.lab import Side
from wsdiscovery import QName
from wsdiscovery.actions import constructProbe
from wsdiscovery.message import createSOAPMessage, parseSOAPMessage

HERE = Path(__file__).parent
GROUP4, GROUP6 = "239.255.255.250", "ff02::c"
ANSWER_WITHIN_S = 1.5


class Program:
    """A child that answers each line with a line of JSON."""

    def __init__(self, side: Side, script: str, *args: str | Path, log: Path | None = None) -> None:
        self.side = side
        self.log = log
        with (log or Path("/dev/null")).open("wb") as errors:
            self.process = side.popen(
                [sys.executable, HERE / script, *args],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def read(self) -> Any:
        line = self.process.stdout.readline()
        assert line, self.log.read_text() if self.log else "it has ended"
        return json.loads(line)

    def write(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """Let it end by itself."""
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        self.process.kill()
        self.process.wait(timeout=10)
        self.process.stdin.close()
        self.process.stdout.close()


class Announcer(Program):
    """A running device."""

    def __init__(self, side: Side, folder: Path, uuid: str, *args: str) -> None:
        self.uuid = uuid
        folder.mkdir(exist_ok=True)
        super().__init__(
            side, "announcer.py", uuid, folder / "state", *args, log=folder / f"log-{uuid}"
        )

    def started(self) -> "Announcer":
        assert self.read() == {"event": "started"}
        return self

    @property
    def urn(self) -> str:
        return f"urn:uuid:{self.uuid}"

    def xaddr(self, host: str) -> str:
        return f"http://{host}:5357/{self.uuid}"

    def counts(self) -> dict[str, int]:
        self.write("counts")
        return self.read()["counts"]

    def addresses(self) -> list[str]:
        self.write("addresses")
        return [address for _, address in self.read()["addresses"]]

    def stop(self) -> float:
        """End it as an init system does; how many seconds that took."""
        asked_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=10) == 0
        return time.monotonic() - asked_s


@dataclass(frozen=True)
class Heard:
    """A datagram that an agent received."""

    data: bytes
    host: str
    port: int
    at_s: float

    @cached_property
    def message(self) -> Any:
        return parseSOAPMessage(self.data, self.host)

    @property
    def kind(self) -> str:
        return self.message.getAction().rpartition("/")[2]

    @property
    def xaddrs(self) -> list[str]:
        matches = self.message.getProbeResolveMatches() or [self.message]
        return [xaddr for match in matches for xaddr in match.getXAddrs()]

    @property
    def endpoint(self) -> str:
        (match,) = self.message.getProbeResolveMatches() or [self.message]
        return match.getEPR()

    @property
    def numbers(self) -> tuple[int, int]:
        return int(self.message.getInstanceId()), int(self.message.getMessageNumber())


class Agent(Program):
    """Sockets in a namespace."""

    def __init__(self, side: Side) -> None:
        super().__init__(side, "agent.py")

    def _do(self, **command: Any) -> list[Heard]:
        self.write(json.dumps(command))
        return [Heard(bytes.fromhex(data), *rest) for data, *rest in self.read()]

    def ask(
        self,
        *datagrams: bytes,
        to: str,
        interface: str = "lab0",
        want: int | None = 1,
        wait_s: float = ANSWER_WITHIN_S,
        **more: Any,
    ) -> list[Heard]:
        """Send, and wait until `want` answers are there, or for `wait_s`."""
        return self._do(
            do="ask",
            datagrams=[data.hex() for data in datagrams],
            to=[to, 3702],
            interface=interface,
            want=want,
            wait_s=wait_s,
            **more,
        )

    def listen(self, family: int, *interfaces: str) -> None:
        self._do(do="listen", family=family, interfaces=interfaces)

    def heard(self, wait_s: float, want: int | None = None) -> list[Heard]:
        return self._do(do="heard", wait_s=wait_s, want=want)

    def hear(self, kind: str, wait_s: float, xaddr: str | None = None) -> Heard:
        """The next message of that kind, and with that address when one is given.

        The copies of an earlier Hello come up to half a second late.
        """
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0:
            for one in self.heard(left_s, want=1):
                if one.kind == kind and xaddr in (None, *one.xaddrs):
                    return one
        raise AssertionError(f"no {kind} within {wait_s:g} s")

    def forge(self, data: bytes, source: tuple[str, int], to: str = GROUP4) -> None:
        """Send with another's source address."""
        self._do(do="forge", data=data.hex(), **{"from": source}, to=[to, 3702], interface="lab0")


def probe(*types: tuple[str, str]) -> bytes:
    """A new Probe, as wsdiscovery writes it."""
    names = [QName(namespace, local, f"p{n}") for n, (namespace, local) in enumerate(types)]
    return createSOAPMessage(constructProbe(names, None)).encode()
