"""POST → dispatch → reply or fault; limits; streaming."""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from itertools import count

from device import faults
from device.clock import Clock
from device.errors import DeviceError, EndpointUnavailable, InternalError, MalformedMessage
from device.http import mime_request, web
from device.http.addresses import PRODUCT, base_url, peer_address
from device.http.delivery import Delivery
from device.http.memory import AnswerMemory, Written
from device.http.peer import client_certificate, read_body, unless_gone
from device.http.quiet import PEERS_DOING, one_line, quiet_aiohttp
from device.http.reply import SoapReply
from device.soap import addressing, multipart
from device.soap import namespaces as ns
from device.soap.dispatch import (
    OK,
    Answer,
    Attachment,
    Dispatcher,
    Exchange,
    Incoming,
    Route,
    check_body,
)
from device.soap.envelope import Envelope, pieces, read
from device.soap.xml import MAX_ENVELOPE
from scanner_backends.errors import BackendError

log = logging.getLogger(__name__)
traffic = logging.getLogger("device.traffic.http")

SOAP_MEDIA_TYPE = "application/soap+xml"
BROKEN = "broken off"
REPEATED = "repeated"
"""Outcomes of exchanges; the second is a request with a known MessageID, answered as before."""
_NOTHING = Written(202, (), 0)


_STEM = uuid.uuid4().urn[:-12]
_tails = count(random.getrandbits(47))


def new_message_id() -> str:
    """A fresh `urn:uuid:`. It need not be secret: only the tail differs, and is counted."""
    return f"{_STEM}{next(_tails):012x}"


class SoapEndpoint:
    """An aiohttp handler around one dispatcher.

    Args:
        dispatcher: the operations.
        uuid_urn: our endpoint reference, which `To` may name.
        paths: the URL paths that `To` may name.
        service: namespace of the faults that no operation stands behind.
        base: scheme, host and port for the URLs in the answer to a request.
        message_id: makes the MessageID of each reply.
        max_early_parts: how many MIME parts may stand before the one with the envelope. They wait
            on disk, unchecked.
        noted: told of every request that came whole.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        uuid_urn: str,
        paths: Collection[str],
        clock: Clock,
        service: str = ns.WSCN,
        base: Callable[[web.BaseRequest], str] = base_url,
        message_id: Callable[[], str] = new_message_id,
        max_early_parts: int = 0,
        noted: Callable[[Exchange], None] = lambda exchange: None,
    ) -> None:
        self._dispatcher = dispatcher
        self._uuid_urn = uuid_urn
        self._paths = frozenset(map(addressing.plain_path, paths))
        self._service = service
        self._base = base
        self._message_id = message_id
        self._max_early_parts = max_early_parts
        self._noted = noted
        self._clock = clock
        self._memory = AnswerMemory(clock)
        quiet_aiohttp()
        self.closing = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one POST."""
        try:
            headers = request.headers
            if "Origin" in headers:  # only browsers send it, with every POST
                return _plain(403, "Web pages may not use this service.")
            encoding = headers.get("Content-Encoding", "").strip().lower()
            if encoding not in ("", "identity"):
                return _plain(415, "The body must have no content encoding.")
            media_type, parameters = multipart.parameters(headers.get("Content-Type", ""))
            if media_type == "multipart/related":
                return await self._handle_mime(request, parameters)
            if media_type != SOAP_MEDIA_TYPE:
                return _plain(415, f"The content type must be {SOAP_MEDIA_TYPE}.")
            try:
                body = await read_body(request)
            except TimeoutError:
                return _plain(408, "The request stopped in the middle.", close=True)
            if body is None:
                sentence = f"A request may have at most {MAX_ENVELOPE} octets."
                return _plain(413, sentence, close=True)
            return await self._answer(request, body, None)
        except PEERS_DOING as error:
            log.info("%s sent no whole request: %s", request.remote, one_line(error))
            return _plain(400, "The request breaks off, or is no HTTP.", close=True)
        except Exception:
            log.exception("a request failed")
            return _plain(500, "The request failed here.", close=True)

    async def _handle_mime(
        self, request: web.BaseRequest, parameters: Mapping[str, str]
    ) -> web.StreamResponse:
        """A request whose envelope is the root part of an MTOM message."""
        try:
            async with mime_request.opened(
                request.content, parameters, self._max_early_parts
            ) as message:
                return await self._answer(request, message.root, message)
        except MalformedMessage as error:
            return SoapReply(self._written_fault(error, None, self._service))

    async def _answer(
        self, request: web.BaseRequest, body: bytes, message: mime_request.Message | None
    ) -> web.StreamResponse:
        if traffic.isEnabledFor(logging.DEBUG):
            traffic.debug("%s > %r", request.remote, body)
        began = self._clock.monotonic()
        envelope: Envelope | None = None
        peer, service = peer_address(request), self._service

        def note(written: Written, attachment_octets: int = 0) -> None:
            action = envelope.action if envelope else ""
            seconds = self._clock.monotonic() - began
            _, reply, octets, outcome = written
            noted = Exchange(peer, action, outcome, seconds, body, reply, octets, attachment_octets)
            self._noted(noted)

        try:
            envelope = read(body)
            addressing.check_request(envelope)
            route = self._dispatcher.route(envelope)
            service = route.service
            addressing.check_destination(envelope.to, uuid_urn=self._uuid_urn, paths=self._paths)
            check_body(route, envelope)
            if self.closing:
                raise EndpointUnavailable
        except DeviceError as error:
            written = self._written_fault(error, envelope, service)
            note(written)
            return SoapReply(written)
        incoming = Incoming(
            envelope,
            peer,
            partial(self._base, request),
            body,
            message.parts() if message else None,
            client_certificate(request) if request.secure else None,
        )
        if route.streams:
            return await self._streamed(request, route, incoming, note)
        if route.once:
            written = await self._once(route, incoming)
        else:
            written = await self._written(route, incoming)
        note(written)
        if route.one_way and written.outcome == OK:
            return web.Response(status=202, headers={"Server": PRODUCT})
        return SoapReply(written)

    async def _once(self, route: Route, incoming: Incoming) -> Written:
        """Run an operation that a repeated request does not start again."""
        is_first = False

        def make() -> Awaitable[Written]:
            nonlocal is_first
            is_first = True
            return self._written(route, incoming)

        written = await self._memory.once(
            incoming.peer, incoming.envelope.message_id, incoming.raw, make
        )
        return written if is_first else written._replace(outcome=REPEATED)

    async def _written(self, route: Route, incoming: Incoming) -> Written:
        """Run an operation that has no attachment."""
        try:
            answer = await route.handler(incoming)
        except Exception as error:  # noqa: BLE001 - `_failure` logs what nobody foresaw
            return self._failure(error, route, incoming)
        return _NOTHING if route.one_way else self._write(answer, route, incoming)

    async def _streamed(
        self,
        request: web.BaseRequest,
        route: Route,
        incoming: Incoming,
        note: Callable[[Written, int], None],
    ) -> web.StreamResponse:
        """Run an operation whose answer may carry an attachment."""
        try:
            answer = await unless_gone(request, route.handler(incoming))
        except Exception as error:  # noqa: BLE001 - `_failure` logs what nobody foresaw
            written = self._failure(error, route, incoming)
            note(written, 0)
            return SoapReply(written)
        if answer is None:
            note(_NOTHING._replace(outcome=BROKEN), 0)
            return _plain(500, "The peer is gone.")
        written = self._write(answer, route, incoming)
        if answer.attachment is None:
            note(written, 0)
            return SoapReply(written)
        return await self._send_attachment(request, written, answer.attachment, note)

    def _failure(self, error: Exception, route: Route, incoming: Incoming) -> Written:
        """The fault for an operation that failed."""
        if not isinstance(error, DeviceError) or type(error) not in faults.TABLE:
            log.error("%s failed", route.action, exc_info=error)
            error = InternalError()
        return self._written_fault(error, incoming.envelope, route.service)

    async def _send_attachment(
        self,
        request: web.BaseRequest,
        written: Written,
        attachment: Attachment,
        note: Callable[[Written, int], None],
    ) -> web.StreamResponse:
        """Send envelope and attachment as one multipart message.

        When the attachment breaks, the connection is cut without the closing delimiter: a
        truncated reply must not look whole.
        """
        boundary = uuid.uuid4().hex
        response = web.StreamResponse(
            headers={
                "Content-Type": multipart.content_type(boundary),
                "MIME-Version": "1.0",
                "Server": PRODUCT,
            }
        )
        envelope = b"".join(written.envelope)
        delivery = Delivery(request, self._clock, attachment.resting)
        delivered, octets = False, 0

        async def send() -> bool:
            nonlocal octets
            await response.prepare(request)
            await response.write(multipart.head(boundary, envelope, attachment.media_type))
            async for chunk in attachment.chunks():
                octets += len(chunk)
                await response.write(chunk)
            await response.write(multipart.tail(boundary))
            await response.write_eof()
            return True

        try:
            # An attachment may rest for long, and writing alone would not notice a lost peer then.
            sent = await unless_gone(request, send(), delivery.stalled)
            delivered = bool(sent) and await delivery.complete()
        except ConnectionError:
            log.info("%s hung up during a transfer", request.remote)
        except BackendError as error:
            log.info("an image broke off: %s", error)
        except Exception:
            log.exception("an attachment broke off")
        finally:
            if not delivered and delivery.stalled():
                log.warning("%s takes no more bytes of its image", request.remote)
            delivery.close()
            if not delivered and request.transport is not None:
                request.transport.abort()
            try:
                await attachment.finished(delivered=delivered)
            finally:
                note(written if delivered else written._replace(outcome=BROKEN), octets)
        return response

    def _write(self, answer: Answer, route: Route, incoming: Incoming) -> Written:
        envelope = pieces(
            answer.action or route.reply,
            answer.body,
            message_id=self._message_id(),
            relates_to=incoming.envelope.message_id,
            prefixes=answer.prefixes,
            headers=answer.headers,
        )
        octets = sum(map(len, envelope))
        if octets > MAX_ENVELOPE:
            log.error("an answer to %s has %d octets", route.action, octets)
        if traffic.isEnabledFor(logging.DEBUG):
            traffic.debug("< %r", b"".join(envelope))
        return Written(200, envelope, octets)

    def _written_fault(
        self, error: DeviceError, envelope: Envelope | None, service: str
    ) -> Written:
        fault = faults.fault_for(error, service)
        log.info("%s: %s", fault.subcode or fault.code, error)
        body = faults.write_fault(
            fault,
            message_id=self._message_id(),
            relates_to=envelope.message_id if envelope else "",
            service=service,
        )
        traffic.debug("< %r", body)
        return Written(fault.status, (body,), len(body), fault.subcode or fault.code)


def _plain(status: int, sentence: str, *, close: bool = False) -> web.Response:
    """An answer to what is no SOAP message."""
    response = web.Response(status=status, text=f"{sentence}\n", headers={"Server": PRODUCT})
    if close:
        response.force_close()
    return response
