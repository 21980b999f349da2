"""The `wsdiscovery` package's own client as a program: an independent finder.

It prints one JSON object per line: `{"event": "listening"}` once it hears, then a line per Hello
and Bye, and the answer to each command read from stdin:

    {"find": [[namespace, name], ...]}                  a Probe; an empty list asks for anything
    {"resolve": "urn:uuid:...", "from": "10.77.0.2"}    a Resolve, from that address

Run it in the client's namespace; on loopback the package hears nothing.
"""

import json
import socket
import sys
from typing import Any

from wsdiscovery import QName
from wsdiscovery.actions import constructResolve
from wsdiscovery.discovery import ThreadedWSDiscovery
from wsdiscovery.message import createSOAPMessage, parseSOAPMessage

GROUP = ("239.255.255.250", 3702)


def say(**message: Any) -> None:
    # In one piece: several threads talk.
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def described(service: Any) -> dict[str, Any]:
    return {
        "endpoint": service.getEPR(),
        "types": [[t.getNamespace(), t.getLocalname()] for t in service.getTypes()],
        "xaddrs": service.getXAddrs(),
    }


def resolve(endpoint: str, source: str) -> dict[str, Any]:
    """Ask by multicast, take the first answer, read it with the package's parser."""
    question = constructResolve(endpoint)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
        sock.sendto(createSOAPMessage(question).encode(), GROUP)
        data, (host, port) = sock.recvfrom(65536)
    answer = parseSOAPMessage(data, host)
    (match,) = answer.getProbeResolveMatches()
    return {
        **described(match),
        "metadata_version": int(match.getMetadataVersion()),
        "relates": answer.getRelatesTo() == question.getMessageId(),
        "from_port": port,
    }


def main() -> None:
    finder = ThreadedWSDiscovery()
    finder.setRemoteServiceHelloCallback(lambda service: say(event="hello", **described(service)))
    finder.setRemoteServiceByeCallback(lambda endpoint: say(event="bye", endpoint=str(endpoint)))
    finder.start()
    say(event="listening")
    for line in sys.stdin:
        command = json.loads(line)
        if "resolve" in command:
            say(event="resolved", **resolve(command["resolve"], command["from"]))
        else:
            finder.clearRemoteServices()
            types = [QName(namespace, name) for namespace, name in command["find"]]
            found = finder.searchServices(types=types or None, timeout=2)
            say(event="found", services=[described(service) for service in found])
    finder.stop()


if __name__ == "__main__":
    main()
