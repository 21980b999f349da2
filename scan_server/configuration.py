"""The five operations of WS-DSC, for those who administer the scan server.

Source: ws-dsp section 12.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from device.dsp import elements, messages
from device.dsp.words import DocumentDescription
from device.errors import InvalidArgs, JobTokenNotFound
from device.soap.dispatch import Answer, Handler, Incoming, Route
from device.soap.namespaces import DSC
from device.soap.xml import MAX_ENVELOPE, Element
from scan_server import configuration_messages as words
from scan_server.configuration_messages import PREFIX, PREFIXES, Repository
from scan_server.identity import Administrators
from scan_server.jobs import Jobs
from scan_server.post_scan_jobs import Given, I, NotInThisState, PostScanJob

log = logging.getLogger(__name__)

_ROOM = MAX_ENVELOPE - 2_048
"""Octets for the jobs of a list: what remains is for the envelope around them."""


class ConfigurationService:
    """Answers the five operations, to administrators only."""

    def __init__(
        self, jobs: Jobs, administrators: Administrators, repository: Callable[[], Repository]
    ) -> None:
        self._jobs = jobs
        self._administrators = administrators
        self._repository = repository

    def routes(self) -> list[Route]:
        """The operations. One published example misnames GetJobHistoryRequest."""

        def route(
            name: str,
            handler: Handler,
            *also: str,
            once: bool = False,
        ) -> Route:
            async def handle(incoming: Incoming) -> Answer:
                self._administrators.check(incoming)
                return await handler(incoming)

            return Route(f"{DSC}/{name}", handle, DSC, (f"{name}Request", *also), once=once)

        return [
            route("GetRepositoryElements", self.get_repository_elements),
            route("GetActiveJobs", self.get_active_jobs),
            route("GetJobHistory", self.get_job_history, "GetJobsHistoryRequest"),
            route("GetPostScanJobElements", self.get_job_elements),
            route("CancelPostScanJob", self.cancel, once=True),
        ]

    async def get_repository_elements(self, incoming: Incoming) -> Answer:
        """GetRepositoryElements: one answer for each name, in the order of the request."""
        repository = self._repository()
        known = {
            words.REPOSITORY_CONFIGURATION: lambda: words.write_configuration(repository),
            words.REPOSITORY_STATUS: lambda: words.write_status(repository),
        }
        names = messages.read_requested(_body(incoming), DSC)
        found = ((name, known[name]() if name in known else None) for name in names)
        return Answer(words.write_elements(found), PREFIXES)

    async def get_active_jobs(self, incoming: Incoming) -> Answer:
        """GetActiveJobs: what has not ended."""
        return _list("GetActiveJobs", "ActiveJobs", await self._jobs.active())

    async def get_job_history(self, incoming: Incoming) -> Answer:
        """GetJobHistory: what has ended."""
        return _list("GetJobHistory", "JobHistory", await self._jobs.ended())

    async def get_job_elements(self, incoming: Incoming) -> Answer:
        """GetPostScanJobElements: as in WS-DSP, of anybody's job."""
        request = messages.read_get_elements(_body(incoming), DSC)
        job = await self._find(request.job_token)
        known = {
            (DSC, "JobStatus"): lambda: elements.write_status(job.status, PREFIX),
            (DSC, "JobDescription"): lambda: elements.write_description(job.description, PREFIX),
            (DSC, "Documents"): lambda: elements.write_documents(
                (DocumentDescription(one.document_id, one.format) for one in job.documents), PREFIX
            ),
        }
        found = ((name, known[name]() if name in known else None) for name in request.names)
        return Answer(elements.write_elements(found, PREFIX), PREFIXES)

    async def cancel(self, incoming: Incoming) -> Answer:
        """CancelPostScanJob: anybody's, as long as it has not ended."""
        job = await self._find(messages.read_lone_token(_body(incoming), DSC))
        try:
            await self._jobs.apply(job.token, Given(I.CANCEL))
        except NotInThisState:
            raise JobTokenNotFound(job.token) from None
        log.info("job %s canceled by %s", job.token, incoming.peer)
        return Answer(messages.write_empty(f"{DSC}/CancelPostScanJob"), PREFIXES)

    async def _find(self, token: str) -> PostScanJob:
        job = await self._jobs.get(token)
        if job is None:
            raise JobTokenNotFound(token)
        return job


def _body(incoming: Incoming) -> Element:
    body = incoming.envelope.body
    if body is None:
        raise InvalidArgs("Body", "is empty")
    return body


def _list(operation: str, holder: str, jobs: Iterable[PostScanJob]) -> Answer:
    """The newest jobs that fit into one envelope, in the order of their creation."""
    summaries: list[str] = []
    left = _ROOM
    for summary in map(words.write_summary, reversed(list(jobs))):
        left -= len(summary.encode())
        if left < 0:
            log.info("%s: only the newest %d jobs fit", operation, len(summaries))
            break
        summaries.append(summary)
    return Answer(words.write_jobs(operation, holder, reversed(summaries)), PREFIXES)
