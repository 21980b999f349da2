"""One place for each operation's action, request body and response body."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from device.errors import ConflictingRequiredParameters, InvalidArgs
from device.jobs.machine import Job
from device.jobs.transfer import ImageTransfer
from device.model.job import JobRecord
from device.scan import write_job
from device.scan.read import ExpandedName
from device.scan.validation import Verdict
from device.soap import xml
from device.soap.dispatch import Answer, Handler, Incoming, Route
from device.soap.multipart import IMAGE_ID
from device.soap.namespaces import PREFIXES, WSCN
from device.soap.write import attribute, element, leaf
from device.soap.xml import Element
from device.ticket import write as write_ticket

_SCAN = ("wscn",)
MAX_LISTED = 28_000
"""Octets of a job list: the whole envelope must stay below 32,767."""
_FRAME = 100
"""Octets of an ElementData around its content, at most, beside its Name."""


def action(name: str) -> str:
    """The request action of an operation."""
    return f"{WSCN}/{name}"


def routes(
    *,
    create_scan_job: Handler,
    retrieve_image: Handler,
    cancel_job: Handler,
    validate_scan_ticket: Handler,
    get_scanner_elements: Handler,
    get_job_elements: Handler,
    get_active_jobs: Handler,
    get_job_history: Handler,
) -> tuple[Route, ...]:
    """The eight operations with their handlers.

    A request's body element is the operation's name with `Request` behind it. The published
    GetJobElements request has it without, and PyWSD copies that.
    """

    def route(
        name: str, handler: Handler, *bodies: str, once: bool = False, streams: bool = False
    ) -> Route:
        bodies = (f"{name}Request", *bodies)
        return Route(action(name), handler, WSCN, bodies, once=once, streams=streams)

    return (
        route("CreateScanJob", create_scan_job, once=True),
        route("RetrieveImage", retrieve_image, streams=True),
        route("CancelJob", cancel_job, once=True),
        route("ValidateScanTicket", validate_scan_ticket),
        route("GetScannerElements", get_scanner_elements),
        route("GetJobElements", get_job_elements, "GetJobElements"),
        route("GetActiveJobs", get_active_jobs),
        route("GetJobHistory", get_job_history),
    )


def body_of(incoming: Incoming) -> Element:
    """The body element; the dispatcher has checked that it is there."""
    body = incoming.envelope.body
    assert body is not None
    return body


def job_token(body: Element) -> str:
    """The JobToken of a RetrieveImage request.

    Raises:
        InvalidArgs: it is missing.
    """
    return xml.text(xml.need(body, WSCN, "JobToken"))


def job_created(job: Job) -> Answer:
    """CreateScanJobResponse."""
    return Answer(
        element(
            "wscn:CreateScanJobResponse",
            leaf("wscn:JobId", job.job_id),
            leaf("wscn:JobToken", job.token),
            write_ticket.image_information(job.images),
            write_ticket.final_parameters(job.parameters),
        ),
        _SCAN,
    )


def image(transfer: ImageTransfer) -> Answer:
    """RetrieveImageResponse, with the image as the second MIME part."""
    include = f"<xop:Include{attribute('href', f'cid:{IMAGE_ID}')}/>"
    return Answer(
        element("wscn:RetrieveImageResponse", element("wscn:ScanData", include)),
        (*_SCAN, "xop"),
        attachment=transfer,
    )


def job_cancelled() -> Answer:
    """CancelJobResponse: empty."""
    return Answer(element("wscn:CancelJobResponse"), _SCAN)


def validated(verdict: Verdict) -> Answer:
    """ValidateScanTicketResponse: a repaired ticket where the given one is not valid.

    Raises:
        ConflictingRequiredParameters: which of two settings should give way is for the client.
    """
    if isinstance(verdict.error, ConflictingRequiredParameters):
        raise verdict.error
    repaired = "" if verdict.valid else write_ticket.ticket("ValidScanTicket", verdict.repaired)
    return Answer(
        element(
            "wscn:ValidateScanTicketResponse",
            element(
                "wscn:ValidationInfo",
                leaf("wscn:ValidTicket", verdict.valid),
                write_ticket.image_information(verdict.images),
                repaired,
            ),
        ),
        _SCAN,
    )


def element_data(name: ExpandedName, asked: str, content: str | None) -> bytes:
    """An ElementData with a section's XML, for a name that was spelt as `asked`.

    A name without content is no fault: it is echoed with `Valid="false"`.
    """
    marks = f'{_echo(name, asked)} Valid="{"false" if content is None else "true"}"'
    return element("wscn:ElementData", content or "", attributes=marks).encode()


def scanner_elements(entries: Sequence[bytes]) -> Answer:
    """GetScannerElementsResponse: an ElementData for each name, in the order asked for."""
    return _elements("GetScannerElementsResponse", "ScannerElements", entries)


def job_elements(
    names: Mapping[ExpandedName, str], section: Callable[[ExpandedName, int], str | None]
) -> Answer:
    """GetJobElementsResponse.

    `section` is told how many octets are left; it is asked for Documents last.
    """
    found: dict[ExpandedName, bytes] = {}
    room = MAX_LISTED
    for name in sorted(names, key=lambda one: one == (WSCN, "Documents")):
        asked = names[name]
        content = section(name, room - len(_echo(name, asked).encode()) - _FRAME)
        found[name] = element_data(name, asked, content)
        room -= len(found[name])
    return _elements("GetJobElementsResponse", "JobElements", [found[name] for name in names])


def _elements(response: str, container: str, entries: Sequence[bytes]) -> Answer:
    """
    Raises:
        InvalidArgs: the names alone would overflow the answer.
    """
    if sum(map(len, entries)) > MAX_LISTED:
        raise InvalidArgs("RequestedElements", "asks for more than one answer may hold")
    begin, end = _around(response, container)
    return Answer((begin, *entries, end), _SCAN)


@cache
def _around(response: str, container: str) -> tuple[bytes, bytes]:
    return (
        f"<wscn:{response}><wscn:{container}>".encode(),
        f"</wscn:{container}></wscn:{response}>".encode(),
    )


def _echo(name: ExpandedName, asked: str) -> str:
    """The Name attribute, with the prefix of a vendor's section declared again."""
    namespace, local = name
    if namespace == WSCN:
        return attribute("Name", f"wscn:{local}")
    if not namespace:
        return attribute("Name", local)
    prefix = asked.partition(":")[0]
    if prefix in PREFIXES or not prefix.isidentifier():
        prefix = "ext"
    return attribute(f"xmlns:{prefix}", namespace) + attribute("Name", f"{prefix}:{local}")


def active_jobs(records: Iterable[JobRecord]) -> Answer:
    """GetActiveJobsResponse."""
    return _job_list("wscn:GetActiveJobsResponse", "wscn:ActiveJobs", records)


def job_history(records: Iterable[JobRecord]) -> Answer:
    """GetJobHistoryResponse."""
    return _job_list("wscn:GetJobHistoryResponse", "wscn:JobHistory", records)


def _job_list(response: str, container: str, records: Iterable[JobRecord]) -> Answer:
    """Summaries, as many from the front as one envelope may hold."""
    summaries: list[str] = []
    size = 0
    for record in records:
        summary = write_job.job_summary(record)
        size += len(summary.encode())
        if size > MAX_LISTED:
            break
        summaries.append(summary)
    return Answer(element(response, element(container, *summaries)), _SCAN)
