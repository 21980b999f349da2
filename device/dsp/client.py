"""Carries out what the delivery's table asks for: one HTTP request, one input for the table.

Pages are streamed from the spool, never held.

Source: ws-dsp sections 3 and 4.
"""

from __future__ import annotations

import logging
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit

from lxml import etree

from device.dsp import elements, finding, messages
from device.dsp.exchange import Exchange, Reader
from device.dsp.post_scan_job import Given, I
from device.dsp.process import PostScanInstructions
from device.dsp.spool import SpooledPage
from device.dsp.verdict import as_given
from device.dsp.words import DocumentDescription, JobStatus
from device.errors import ConfigError, InvalidArgs
from device.imaging.spec import MEDIA_TYPES
from device.soap import envelope, multipart, xml
from device.soap import namespaces as ns
from device.soap.addressing import endpoint_reference, reference_blocks
from device.soap.datatypes import parse_duration
from device.soap.namespaces import WSA, WSE
from device.soap.xml import Element

log = logging.getLogger(__name__)
traffic = logging.getLogger("device.traffic.dsp")

SUBSCRIBE, RENEW, UNSUBSCRIBE = (f"{WSE}/{name}" for name in ("Subscribe", "Renew", "Unsubscribe"))

PIECE = 256 * 1024
SOAP_TYPE = "application/soap+xml; charset=utf-8"


Known = dict[str, str]
"""Address of a scan server → that of its processing service."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription to a scan server's events. `parameters` are XML that goes to the manager;
    `renew_at` is monotonic."""

    manager: str
    parameters: str
    renew_at: float


class ScanServer:
    """A scan server as this client sees it. Use it as a context manager.

    Args:
        url: the address to begin at, `https://HOST:5362/ScanServer`.
        context: TLS, for https.
        random: makes the message ids.
        shows_certificate: whether `context` holds a client certificate.
        known: what earlier deliveries have found out, and this one will.
        told: hears each status of a job.
    """

    def __init__(
        self,
        url: str,
        *,
        context: ssl.SSLContext | None,
        random: Random,
        shows_certificate: bool = False,
        known: Known | None = None,
        told: Callable[[JobStatus], None] | None = None,
    ) -> None:
        self.url = check_url(url)
        self._known = {} if known is None else known
        self._told = told
        self._exchange = Exchange(urlsplit(url).netloc, context, shows_certificate)
        self._random = random
        self._metadata = ""
        self._service = self._known.get(url, "")
        self.found_before = bool(self._service)
        """Whether the address of the service was known, so that nobody has to ask for it first."""

    async def __aenter__(self) -> ScanServer:
        await self._exchange.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._exchange.__aexit__(kind, error, traceback)

    async def probe(self) -> Given:
        """Ask for the address of the server's metadata."""
        probe = finding.write_probe()

        def read(body: Element) -> Given:
            offered = finding.read_probe_matches(body)
            self._metadata = finding.choose_address(self.url, offered)
            if not self._metadata:
                what = f"only {' '.join(offered)}" if offered else "nothing"
                return Given(I.HOPELESS, f"{self.url} is no scan server: its Probe found {what}")
            return Given(I.FOUND)

        return await self._ask(
            self.url, ns.PROBE, probe, read, to=ns.DISCOVERY_URN, prefixes=finding.PROBE_PREFIXES
        )

    async def get_metadata(self) -> Given:
        """Ask where the processing service lives."""

        def read(body: Element) -> Given:
            try:
                self._service = finding.read_metadata(body, self.url)
            except InvalidArgs:
                return Given(I.HOPELESS, f"{self.url} offers no processing service (WS-DSP)")
            self._known[self.url] = self._service
            return Given(I.FOUND)

        return await self._ask(self._metadata, ns.GET, "", read)

    async def create(
        self, user: str, psp_identifier: str, instructions: PostScanInstructions
    ) -> Given:
        """CreatePostScanJob."""
        request = messages.CreatePostScanJobRequest(user, psp_identifier, instructions)

        def read(body: Element) -> Given:
            return Given(I.DONE, token=messages.read_token(body))

        found = await self._operation(
            messages.CREATE, messages.write_create(request), read, prefixes=("dsp", "psp")
        )
        if self.found_before and found.kind is not I.DONE:
            # The service may have moved since: it is looked for again, and then asked again.
            self.found_before = False
            self._known.pop(self.url, None)
            if found.kind is I.REFUSED:
                return replace(found, kind=I.BROKEN)
        return found

    async def send_image(self, token: str, page: SpooledPage) -> Given:
        """SendImage: an MTOM message with the page streamed behind its root part."""
        boundary = f"wsd-scanner-{uuid.UUID(int=self._random.getrandbits(128)).hex}"
        document = DocumentDescription(page.document_id, page.format)
        request = messages.SendImageRequest(token, document, content_id=multipart.IMAGE_ID)
        root = self._envelope(
            self._service,
            messages.SEND_IMAGE,
            messages.write_send_image(request),
            prefixes=("dsp", "xop"),
        )
        media_type = MEDIA_TYPES.get(page.format, "application/octet-stream")
        head = multipart.head(boundary, root, media_type)
        tail = multipart.tail(boundary)

        async def pieces(alive: Callable[[], None]) -> AsyncIterator[bytes]:
            with _opened(page.path) as file:
                yield head
                while piece := file.read(PIECE):
                    alive()
                    yield piece
            alive()
            yield tail

        headers = {
            "Content-Type": multipart.content_type(boundary),
            "Content-Length": str(len(head) + page.size + len(tail)),
            "MIME-Version": "1.0",
        }
        return await self._exchange.post(
            self._service, pieces, headers, _acknowledged(messages.SEND_IMAGE), token
        )

    async def end(self, token: str) -> Given:
        """EndPostScanJob."""
        return await self._operation(
            messages.END, messages.write_end(token), _acknowledged(messages.END), token=token
        )

    async def cancel(self, token: str) -> Given:
        """CancelPostScanJob."""
        return await self._operation(
            messages.CANCEL,
            messages.write_cancel(token),
            _acknowledged(messages.CANCEL),
            token=token,
        )

    async def ask_status(self, token: str, *, documents: bool) -> Given:
        """GetPostScanJobElements: the status, and when wanted the documents that are there."""
        names = ("JobStatus", "Documents") if documents else ("JobStatus",)

        def read(body: Element) -> Given:
            found = elements.read_elements(body)
            if found.status is None:
                return Given(I.REFUSED, "the server does not tell the job's status")
            if self._told is not None:
                self._told(found.status)
            return as_given(found.status, found.documents)

        return await self._operation(
            messages.GET_ELEMENTS, messages.write_get_elements(token, names), read, token=token
        )

    # ---- events

    async def subscribe(
        self, notify_to: str, actions: Iterable[str], seconds: float, now: float
    ) -> Subscription | None:
        """Subscribe to these events; None when the server has none, or none for us."""
        found: list[Subscription] = []

        def read(body: Element) -> Given:
            manager = xml.need(body, WSE, "SubscriptionManager")
            address = xml.text(xml.need(manager, WSA, "Address"))
            if finding.choose_address(self.url, [address]) != address:
                return Given(I.REFUSED, f"its subscriptions are managed at {address}")
            blocks = reference_blocks(manager)
            parameters = "".join(
                etree.tostring(one, encoding="unicode", with_tail=False) for one in blocks
            )
            found.append(Subscription(address, parameters, now + _half_of(body, seconds)))
            return Given(I.DONE)

        body = finding.write_subscribe(notify_to, actions, seconds)
        given = await self._ask(self._service, SUBSCRIBE, body, read, prefixes=("wse",))
        if not found:
            log.info("no events of %s, it is asked instead: %s", self.url, given.why)
        return found[0] if found else None

    async def renew(self, held: Subscription, seconds: float, now: float) -> Subscription | None:
        """Renew; None when the subscription is lost."""
        found: list[Subscription] = []

        def read(body: Element) -> Given:
            found.append(replace(held, renew_at=now + _half_of(body, seconds)))
            return Given(I.DONE)

        await self._ask(
            held.manager,
            RENEW,
            finding.write_renew(seconds),
            read,
            prefixes=("wse",),
            headers=held.parameters,
        )
        return found[0] if found else None

    async def unsubscribe(self, held: Subscription) -> None:
        """Give a subscription back; a server that does not answer lets it lapse."""
        await self._ask(
            held.manager,
            UNSUBSCRIBE,
            finding.UNSUBSCRIBE,
            lambda body: Given(I.DONE),
            prefixes=("wse",),
            headers=held.parameters,
        )

    # ---- inside

    async def _operation(
        self,
        action: str,
        body: str,
        read: Reader,
        *,
        prefixes: tuple[str, ...] = messages.PREFIXES,
        token: str = "",
    ) -> Given:
        return await self._ask(self._service, action, body, read, prefixes=prefixes, token=token)

    async def _ask(
        self,
        url: str,
        action: str,
        body: str,
        read: Reader,
        *,
        to: str = "",
        prefixes: tuple[str, ...] = (),
        token: str = "",
        headers: str = "",
    ) -> Given:
        data = self._envelope(to or url, action, body, prefixes=prefixes, headers=headers)

        async def pieces(alive: Callable[[], None]) -> AsyncIterator[bytes]:
            alive()
            yield data

        fields = {"Content-Type": SOAP_TYPE, "Content-Length": str(len(data))}
        return await self._exchange.post(url, pieces, fields, read, token)

    def _envelope(
        self, to: str, action: str, body: str, *, prefixes: tuple[str, ...], headers: str = ""
    ) -> bytes:
        data = b"".join(
            envelope.pieces(
                action,
                body,
                message_id=uuid.UUID(int=self._random.getrandbits(128), version=4).urn,
                to=to,
                prefixes=prefixes,
                headers=endpoint_reference("wsa:ReplyTo", ns.ANONYMOUS) + headers,
            )
        )
        traffic.debug("> %s %r", to, data)
        return data


def _acknowledged(action: str) -> Reader:
    """Reads the empty response of this operation, and takes no other message for it."""
    wanted = f"{action.rpartition('/')[2]}Response"

    def read(body: Element) -> Given:
        if xml.local_name(body) != wanted:
            raise InvalidArgs(xml.local_name(body), f"stands where {wanted} should")
        return Given(I.DONE)

    return read


def _half_of(body: Element, asked: float) -> float:
    """Half of the time that a subscription was granted for."""
    expires = xml.find(body, WSE, "Expires")
    try:
        return parse_duration("" if expires is None else xml.text(expires)) / 2
    except ValueError:
        return asked / 2  # a point in time by a clock that need not be ours


def check_url(url: str) -> str:
    """`url`, if it can be that of a scan server.

    Raises:
        ConfigError: it cannot; the sentence says what would have been right.
    """
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("https", "http") and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise ConfigError(
            f"--server {url}: this is no address of a scan server, such as "
            f"https://HOST:5362/ScanServer."
        )
    return url


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")
