"""Carries out what the delivery's table asks for: one HTTP request, one input for the table.

Pages are streamed from the spool, never held. Redirects are not followed, no proxy is read from
the environment, and an answer is a fault under any HTTP status.

Source: ws-dsp sections 3 to 5; performance.md section 4 for the way a page is sent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit

import aiohttp

from device.dsp import elements, finding, messages, trust
from device.dsp.post_scan_job import Given, I
from device.dsp.process import PostScanInstructions
from device.dsp.refusals import Kind, read_refusal
from device.dsp.spool import SpooledPage
from device.dsp.verdict import as_given
from device.dsp.words import DocumentDescription
from device.errors import ConfigError, InvalidArgs, MalformedMessage, VersionMismatch
from device.imaging.spec import MEDIA_TYPES
from device.soap import envelope, multipart
from device.soap import namespaces as ns
from device.soap.addressing import endpoint_reference
from device.soap.xml import Element

log = logging.getLogger(__name__)
traffic = logging.getLogger("device.traffic.dsp")

PIECE = 256 * 1024
MAX_ANSWER = 1 << 20
CONNECT_S = 10.0
ANSWER_S = 60.0
"""Longest wait for an answer, and for the server to take the next piece of a page."""
SOAP_TYPE = "application/soap+xml; charset=utf-8"
_RETRY_STATUS = frozenset({502, 503, 504})


Pieces = Callable[[Callable[[], None]], AsyncIterator[bytes]]
"""Makes a request's body; it calls its argument whenever the server has taken a piece."""
Reader = Callable[[Element], Given]


class ScanServer:
    """A scan server as this client sees it. Use it as a context manager.

    Args:
        url: the address to begin at, `https://HOST:5362/ScanServer`.
        context: TLS, for https.
        random: makes the message ids.
    """

    def __init__(self, url: str, *, context: ssl.SSLContext | None, random: Random) -> None:
        self.url = check_url(url)
        self.host = urlsplit(url).netloc
        self._context = context
        self._random = random
        self._metadata = ""
        self._service = ""
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ScanServer:
        if self._context:
            connector = aiohttp.TCPConnector(ssl=self._context, limit=2)
        else:
            connector = aiohttp.TCPConnector(limit=2)
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session:
            await self._session.close()

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
            return Given(I.FOUND)

        return await self._ask(self._metadata, ns.GET, "", read)

    async def create(
        self, user: str, psp_identifier: str, instructions: PostScanInstructions
    ) -> Given:
        """CreatePostScanJob."""
        request = messages.CreatePostScanJobRequest(user, psp_identifier, instructions)

        def read(body: Element) -> Given:
            return Given(I.DONE, token=messages.read_token(body))

        return await self._operation(
            messages.CREATE, messages.write_create(request), read, prefixes=("dsp", "psp")
        )

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
        return await self._post(self._service, pieces, headers, lambda _: Given(I.DONE))

    async def end(self, token: str) -> Given:
        """EndPostScanJob."""
        return await self._operation(messages.END, messages.write_end(token))

    async def cancel(self, token: str) -> Given:
        """CancelPostScanJob."""
        return await self._operation(messages.CANCEL, messages.write_cancel(token))

    async def ask_status(self, token: str, *, documents: bool) -> Given:
        """GetPostScanJobElements: the status, and when wanted the documents that are there."""
        names = ("JobStatus", "Documents") if documents else ("JobStatus",)

        def read(body: Element) -> Given:
            found = elements.read_elements(body)
            if found.status is None:
                return Given(I.REFUSED, "the server does not tell the job's status")
            return as_given(found.status, found.documents)

        return await self._operation(
            messages.GET_ELEMENTS, messages.write_get_elements(token, names), read
        )

    async def _operation(
        self,
        action: str,
        body: str,
        read: Reader = lambda _: Given(I.DONE),
        prefixes: tuple[str, ...] = messages.PREFIXES,
    ) -> Given:
        return await self._ask(self._service, action, body, read, prefixes=prefixes)

    async def _ask(
        self,
        url: str,
        action: str,
        body: str,
        read: Reader,
        *,
        to: str = "",
        prefixes: tuple[str, ...] = (),
    ) -> Given:
        data = self._envelope(to or url, action, body, prefixes=prefixes)

        async def pieces(alive: Callable[[], None]) -> AsyncIterator[bytes]:
            alive()
            yield data

        headers = {"Content-Type": SOAP_TYPE, "Content-Length": str(len(data))}
        return await self._post(url, pieces, headers, read)

    def _envelope(self, to: str, action: str, body: str, *, prefixes: tuple[str, ...]) -> bytes:
        data = envelope.write(
            action,
            body,
            message_id=uuid.UUID(int=self._random.getrandbits(128), version=4).urn,
            to=to,
            prefixes=prefixes,
            headers=endpoint_reference("wsa:ReplyTo", ns.ANONYMOUS),
        )
        traffic.debug("> %s %r", to, data)
        return data

    async def _post(self, url: str, pieces: Pieces, headers: dict[str, str], read: Reader) -> Given:
        """Post, and make an input for the table of whatever comes back."""
        assert self._session is not None
        loop = asyncio.get_running_loop()
        deadline = asyncio.timeout(ANSWER_S)

        def alive() -> None:
            deadline.reschedule(loop.time() + ANSWER_S)

        try:
            async with (
                deadline,
                self._session.post(
                    url, data=pieces(alive), headers=headers, allow_redirects=False
                ) as response,
            ):
                return self._understand(response.status, await _whole(response), read)
        except TimeoutError:
            return Given(I.BROKEN, f"{self.host} did not answer within {ANSWER_S:g} s")
        except (aiohttp.ClientError, OSError) as error:
            if (tls := trust.tls_error(error)) is not None:
                return Given(I.HOPELESS, trust.in_words(tls, self.host))
            return Given(I.BROKEN, f"no connection to {self.host}: {_short(error)}")

    def _understand(self, status: int, answer: bytes, read: Reader) -> Given:
        traffic.debug("< %d %r", status, answer)
        try:
            found = envelope.read(answer, limit=MAX_ANSWER)
        except (MalformedMessage, VersionMismatch) as error:
            if status in _RETRY_STATUS:
                return Given(I.BROKEN, f"{self.host} answered with HTTP status {status}")
            if 200 <= status < 300:
                return Given(I.REFUSED, f"{self.host} answered with no SOAP message: {error}")
            return Given(I.REFUSED, f"{self.host} answered with HTTP status {status}")
        if found.body is None:
            return Given(I.REFUSED, f"{self.host} answered with an empty SOAP message")
        refusal = read_refusal(found.body)
        if refusal is not None:
            return Given(_KINDS[refusal.kind], str(refusal))
        try:
            return read(found.body)
        except InvalidArgs as error:
            return Given(I.REFUSED, f"{self.host} answered with something else: {error}")


_KINDS = {
    Kind.TEMPORARY: I.TEMPORARY,
    Kind.ARGUMENT: I.REFUSED,
    Kind.OPERATION: I.REFUSED,
    Kind.TOKEN_NOT_FOUND: I.GONE,
    Kind.JOB_CANCELED: I.GONE,
}


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


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body; what is longer than an answer can be is cut, and so not understood."""
    answer = b""
    async for piece in response.content.iter_any():
        answer += piece
        if len(answer) > MAX_ANSWER:
            response.close()
            break
    return answer


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def _short(error: BaseException) -> str:
    """What went wrong, in few words and without addresses that are in the sentence already."""
    number = getattr(error, "errno", None)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "it hung up"
    if isinstance(number, int) and number > 0:
        return os.strerror(number)
    return str(error) or type(error).__name__
