"""The five operations of WS-DSP: request → job → response.

Source: ws-dsp sections 4 and 5.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator

import aiohttp

from device.clock import Clock
from device.dsp import elements, messages
from device.dsp.messages import PREFIXES, SendImageRequest
from device.dsp.words import DocumentDescription, JobStateReason
from device.dsp.words import PostScanJobState as S
from device.errors import (
    DeviceError,
    InternalError,
    InvalidArgs,
    JobTokenNotFound,
    MalformedMessage,
    OperationFailed,
    PostScanJobCanceled,
    TemporaryError,
)
from device.soap.dispatch import Answer, Incoming, Part, Route
from device.soap.namespaces import DSP
from device.soap.xml import Element
from scan_server import post_scan_jobs
from scan_server.admission import Admission
from scan_server.identity import Users
from scan_server.jobs import Jobs
from scan_server.post_scan_jobs import Document, Given, I, NotInThisState, PostScanJob, step
from scan_server.storage import IncomingFile, Storage

log = logging.getLogger(__name__)

MAX_OPEN_JOBS = 1_000
PIECE_TIMEOUT_S = 60.0
"""Longest wait for the next piece of an image."""


class ProcessingService:
    """Answers the five operations."""

    def __init__(
        self, jobs: Jobs, storage: Storage, clock: Clock, admission: Admission, users: Users
    ) -> None:
        self._jobs = jobs
        self._storage = storage
        self._clock = clock
        self._admission = admission
        self._users = users

    def routes(self) -> list[Route]:
        """The operations. SendImage is repeatable by its DocumentId, and not remembered."""
        return [
            Route(messages.CREATE, self.create, DSP, ("CreatePostScanJobRequest",), once=True),
            Route(messages.SEND_IMAGE, self.send_image, DSP, ("SendImageRequest",)),
            Route(messages.END, self.end, DSP, ("EndPostScanJobRequest",), once=True),
            Route(messages.CANCEL, self.cancel, DSP, ("CancelPostScanJobRequest",), once=True),
            Route(
                messages.GET_ELEMENTS,
                self.get_elements,
                DSP,
                ("GetPostScanJobElementsRequest",),
            ),
        ]

    async def create(self, incoming: Incoming) -> Answer:
        """CreatePostScanJob. A job whose instructions will not do is recorded as aborted."""
        request = messages.read_create(_body(incoming))
        if await self._jobs.count_active() >= MAX_OPEN_JOBS:
            raise TemporaryError("Too many jobs are open.")
        admitted = await self._admission.admit(request, incoming)
        job = post_scan_jobs.create(
            token=str(uuid.uuid4()),
            user=request.user_identifier,
            psp_identifier=request.psp_identifier,
            instructions=request.instructions,
            owner=admitted.owner,
            user_name=admitted.user_name,
            user_mail=admitted.user_mail,
            display_name=admitted.display_name,
            now=self._clock.monotonic(),
            at=self._clock.now(),
            idle_s=self._jobs.idle_s,
        )
        if admitted.objection is not None:
            await self._refuse(job, JobStateReason.NO_VALID_INSTRUCTIONS)
            raise admitted.objection
        try:
            self._storage.begin(job.token)
        except InternalError:
            await self._refuse(job, JobStateReason.CREATE_FAILED)
            raise
        await self._jobs.add(job)
        log.info("job %s created for %s", job.token, job.user)
        return Answer(messages.write_created(job.token), PREFIXES)

    async def _refuse(self, job: PostScanJob, reason: JobStateReason) -> None:
        """Record a job that has ended before it began."""
        given = Given(I.REFUSED, reason=reason)
        ended, _ = step(job, given, self._clock.monotonic(), self._clock.now())
        await self._jobs.add(ended)

    async def send_image(self, incoming: Incoming) -> Answer:
        """SendImage: answered when the whole message is read and the document on the disk."""
        request = messages.read_send_image(_body(incoming))
        job = await self._find(request.job_token, incoming)
        _check(job, I.STORED)
        document_id = request.document.document_id
        with (
            self._jobs.receiving(job.token),
            self._storage.receiving(job.token, document_id) as file,
        ):
            try:
                await _receive(request, incoming.parts, file)
            except InternalError:
                await self._fail(job.token)
                raise
            if not file.size:
                raise InvalidArgs("ImageData", "is empty")
            current = await self._jobs.get(job.token)
            _check(current or job, I.STORED)  # it may have ended meanwhile
            await self._storage.keep(file, job.token, document_id)
            document = Document(document_id, request.document.format, file.size)
            await self._apply(job, Given(I.STORED, document=document))
        return Answer(messages.write_empty(messages.SEND_IMAGE), PREFIXES)

    async def _fail(self, token: str) -> None:
        """A document could not be stored, and the next would fare no better."""
        with contextlib.suppress(NotInThisState, JobTokenNotFound):
            await self._jobs.apply(token, Given(I.FAILED))

    async def end(self, incoming: Incoming) -> Answer:
        """EndPostScanJob: answered when the disk has every document."""
        job = await self._find(messages.read_lone_token(_body(incoming)), incoming)
        _check(job, I.END)
        documents = [document.document_id for document in job.documents]
        await asyncio.to_thread(self._storage.sync, job.token, documents)
        await self._apply(job, Given(I.END))
        return Answer(messages.write_empty(messages.END), PREFIXES)

    async def cancel(self, incoming: Incoming) -> Answer:
        """CancelPostScanJob. What is delivered already stays."""
        job = await self._find(messages.read_lone_token(_body(incoming)), incoming)
        try:
            await self._jobs.apply(job.token, Given(I.CANCEL))
        except NotInThisState:
            raise JobTokenNotFound(job.token) from None
        return Answer(messages.write_empty(messages.CANCEL), PREFIXES)

    async def get_elements(self, incoming: Incoming) -> Answer:
        """GetPostScanJobElements: one answer for each name, in the order of the request."""
        request = messages.read_get_elements(_body(incoming))
        job = await self._find(request.job_token, incoming)
        known = {
            elements.JOB_STATUS: lambda: elements.write_status(job.status),
            elements.JOB_DESCRIPTION: lambda: elements.write_description(job.description),
            elements.DOCUMENTS: lambda: elements.write_documents(
                DocumentDescription(one.document_id, one.format) for one in job.documents
            ),
        }
        found = [(name, known[name]() if name in known else None) for name in request.names]
        return Answer(elements.write_elements(found), PREFIXES)

    async def _apply(self, job: PostScanJob, given: Given) -> None:
        try:
            await self._jobs.apply(job.token, given)
        except NotInThisState as error:
            raise _refusal(error.job) from None

    async def _find(self, token: str, incoming: Incoming) -> PostScanJob:
        """The job, if it is the caller's. Whoever came without a certificate needs the token only.

        Source: ws-dsp section 4.5, A35.
        """
        job = await self._jobs.get(token)
        if job is None or (job.owner and job.owner != self._users.owner_of(incoming)):
            raise JobTokenNotFound(token)
        return job


def _body(incoming: Incoming) -> Element:
    body = incoming.envelope.body
    if body is None:
        raise InvalidArgs("Body", "is empty")
    return body


def _check(job: PostScanJob, kind: I) -> None:
    """Refuse what the job's state rules out, as the wire says it."""
    try:
        post_scan_jobs.check(job, kind)
    except NotInThisState:
        raise _refusal(job) from None


def _refusal(job: PostScanJob) -> DeviceError:
    """What is wrong with asking that of a job in its state."""
    canceled = job.state in (S.CANCELED, S.TERMINATING)
    return PostScanJobCanceled() if canceled else OperationFailed()


async def _receive(
    request: SendImageRequest, parts: AsyncIterator[Part] | None, file: IncomingFile
) -> None:
    """Write the image to `file` and read the message to its very end.

    Raises:
        InvalidArgs: not exactly one part has the Content-ID that was named.
        MalformedMessage: the connection or the message broke off.
    """
    if request.data is not None:
        file.write(request.data)
    try:
        found = await _receive_parts(request.content_id, parts, file) if parts else 0
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        log.info("SendImage broke off after %d octets", file.size)
        raise MalformedMessage("the connection broke off") from error
    if request.data is None and found != 1:
        why = f"{'no part has' if not found else 'several parts have'} the Content-ID it names"
        raise InvalidArgs("ImageData", why, f"cid:{request.content_id}")


async def _receive_parts(content_id: str, parts: AsyncIterator[Part], file: IncomingFile) -> int:
    """Write the part of that Content-ID, pass over the others; how many had it."""
    found = 0
    now = asyncio.get_running_loop().time
    async with asyncio.timeout(PIECE_TIMEOUT_S) as patience:
        async for part in parts:
            wanted = bool(content_id) and part.content_id == content_id
            found += wanted
            async for chunk in part.chunks:
                patience.reschedule(now() + PIECE_TIMEOUT_S)
                if wanted and found == 1:
                    file.write(chunk)
    return found
