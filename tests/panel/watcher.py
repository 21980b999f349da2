"""A reader of server-sent events, written from the standard: standard library only."""

import json
import socket
from typing import Any, NamedTuple


class Event(NamedTuple):
    kind: str
    data: Any


class Watcher:
    """Watches the panel at a port: `next()` gives one event after the other."""

    def __init__(self, port: int, path: str = "/api/v1/events", **headers: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        lines = [f"GET {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            self.headers[name.lower()] = value.strip()
        self._text = b""

    def next(self) -> Event:
        """The next event. Raises EOFError at the end of the stream."""
        while b"\n\n" not in self._text:
            length = int(self._file.readline().strip() or b"0", 16)
            if not length:
                raise EOFError
            self._text += self._file.read(length)
            self._file.readline()
        block, _, self._text = self._text.partition(b"\n\n")
        kind, data = "message", ""
        for line in block.decode().split("\n"):
            field, _, value = line.partition(": ")
            if field == "event":
                kind = value
            elif field == "data":
                data += value
        return Event(kind, json.loads(data))

    def until(self, section: str, condition: Any = lambda value: True) -> Any:
        """The first value of a section that fulfils `condition`."""
        while True:
            event = self.next()
            if section in event.data and condition(event.data[section]):
                return event.data[section]

    def close(self) -> None:
        self._file.close()
        self._socket.close()
