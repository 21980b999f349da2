"""A device that can be found and does nothing else, as a program.

    announcer.py UUID STATE_DIR [--interface NAME]... [--exclude PATTERN]... [--family 4|6]...
        [--advertise HOST]

It prints one JSON object per line: `{"event": "started"}`, then the answer to each line on stdin:
`counts`, `addresses` or `usage`. SIGTERM or the end of stdin make it say Bye and leave.
"""

import argparse
import asyncio
import json
import logging
import os
import resource
import signal
import sys
from pathlib import Path
from random import Random

from device.clock import SystemClock
from device.discovery.endpoint import DiscoveryEndpoint
from device.discovery.links import BOTH, Family
from device.discovery.messages import Announcement
from device.discovery.responder import Responder
from device.discovery.state import DiscoveryState
from device.errors import ConfigError
from device.soap.namespaces import WSCN, WSDP

PORT = 5357


def say(**message: object) -> None:
    print(json.dumps(message), flush=True)


def usage() -> dict[str, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu_s": used.ru_utime + used.ru_stime,
        "switches": used.ru_nvcsw + used.ru_nivcsw,
    }


def answer(endpoint: DiscoveryEndpoint, command: str) -> None:
    if command == "counts":
        say(event="counts", counts=endpoint.counts)
    elif command == "addresses":
        said = [[name, str(address)] for name, address in endpoint.addresses()]
        say(event="addresses", addresses=said)
    elif command == "usage":
        say(event="usage", **usage())


async def announce(options: argparse.Namespace) -> None:
    clock = SystemClock()
    uuid_urn = f"urn:uuid:{options.uuid}"
    state = DiscoveryState(options.state_dir, uuid_urn, metadata=b"metadata", clock=clock)
    responder = Responder(
        Announcement(
            uuid_urn=uuid_urn,
            types=((WSDP, "Device"), (WSCN, "ScanDeviceType")),
            scopes=(),
            path=f"/{options.uuid}",
            port=PORT,
            scheme="http",
            metadata_version=state.metadata_version,
        ),
        instance_id=state.instance_id,
        random=Random(),
        advertise=options.advertise,
    )
    endpoint = DiscoveryEndpoint(
        clock=clock,
        interfaces=options.interface,
        excluded=options.exclude,
        families=[Family(int(n)) for n in options.family] or BOTH,
    )
    await endpoint.add(responder, state)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    def on_stdin() -> None:
        lines = os.read(sys.stdin.fileno(), 4096).decode()
        for line in lines.splitlines():
            answer(endpoint, line)
        if not lines:
            loop.remove_reader(sys.stdin)
            ended.set()

    await endpoint.start()
    loop.add_reader(sys.stdin, on_stdin)
    say(event="started")
    async with asyncio.TaskGroup() as group:
        group.create_task(endpoint.run())
        await ended.wait()
        await endpoint.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("uuid")
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("--interface", action="append")
    parser.add_argument("--exclude", action="append", default=[])
    parser.add_argument("--family", action="append", default=[])
    parser.add_argument("--advertise")
    logging.basicConfig(level=logging.DEBUG)
    logging.getLogger("device.traffic").setLevel(logging.INFO)
    try:
        asyncio.run(announce(parser.parse_args()))
    except ConfigError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
