"""The HTTP hook: one POST of a job's documents, as a form, to an address of the settings.

The form's first part is the job in JSON. With a secret, the request is signed in the way of
Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`. The id is the same at
each try: a receiver that was told twice can see it.

Source: RFC 7578, and the specification of Standard Webhooks 1.0.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from device.clock import Clock, SystemClock
from device.dsp.words import FilterStateReason as R
from device.settings import Table
from scan_server.filters import http_peer, reading
from scan_server.filters.base import Failure, Kind, Work
from scan_server.filters.http_peer import Server
from scan_server.filters.named import Named, as_json, read_named


@dataclass(frozen=True, slots=True)
class Hook:
    """One address. `secret` signs; empty for no signature."""

    name: str
    server: Server
    path: str
    secret: bytes = field(default=b"", repr=False)
    clock: Clock = field(default_factory=SystemClock)

    def deliver(self, work: Work, key: str) -> None:
        identifier = f"{work.job.token}.{key}"
        if work.done(key, f"hook:{self.name} {identifier}"):
            return
        form = _Form(work, uuid.uuid4().hex)
        headers = {
            "Content-Type": f"multipart/form-data; boundary={form.boundary}",
            "Content-Length": str(sum(len(piece) for piece in form.pieces())),
            "webhook-id": identifier,
            "webhook-timestamp": str(int(self.clock.now().timestamp())),
        }
        if self.secret:
            headers["webhook-signature"] = f"v1,{self._signature(headers, form)}"
        with self.server.connected(work) as peer:
            answer = peer.ask("POST", self.path, headers, form.pieces())
        if not answer.good:
            kind = Kind.PASSING if http_peer.passes(answer.status) else Kind.FINAL
            raise Failure(R.UNKNOWN_ERROR, f"it answered {answer.status}", kind)
        work.records.placed(work.job.token, key)

    def _signature(self, headers: dict[str, str], form: _Form) -> str:
        start = f"{headers['webhook-id']}.{headers['webhook-timestamp']}."
        digest = hmac.new(self.secret, start.encode(), "sha256")
        for piece in form.pieces():
            digest.update(piece)
        return base64.b64encode(digest.digest()).decode()


@dataclass(frozen=True, slots=True)
class _Form:
    """The body, as often as it is wanted: to count, to sign, to send."""

    work: Work
    boundary: str

    def pieces(self) -> Iterator[bytes]:
        yield self._part('name="job"', "application/json")
        yield as_json(self.work)
        for document in self.work.documents:
            disposition = f'name="document"; filename="{document.name()}"'
            yield b"\r\n" + self._part(disposition, document.media_type)
            yield from document.pieces()
        yield f"\r\n--{self.boundary}--\r\n".encode()

    def _part(self, disposition: str, media_type: str) -> bytes:
        return (
            f"--{self.boundary}\r\nContent-Disposition: form-data; {disposition}\r\n"
            f"Content-Type: {media_type}\r\n\r\n"
        ).encode()


def read(table: Table) -> Named:
    """
    Raises:
        ConfigError: something in it is wrong.
    """
    return read_named(table, "hook", _read_hook)


def _read_hook(table: Table, name: str) -> Hook:
    url = reading.url(table, "url")
    server = http_peer.read_server(table, url)
    secret = reading.secret(table, "secret")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise table.wrong("url", "has a secret that is not in base64, as whsec_… is") from None
    return Hook(name, server, quote(url.path, safe="/%:@!$&'()*+,;=~") or "/", key)
