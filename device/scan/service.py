"""Operation → engine → response. No XML of its own, no sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from device.errors import InvalidDestinationToken, InvalidScanIdentifier
from device.jobs.machine import Job
from device.jobs.page_size import size_of
from device.jobs.transfer import ImageTransfer
from device.jobs.tray import Tray
from device.model.capabilities import ScannerConfiguration, ScannerDescription
from device.model.job import JobRecord
from device.model.status import ScannerStatus
from device.model.ticket import DocumentFinalParameters, ImageInformation, ScanTicket
from device.scan import operations, read, write_job, write_scanner
from device.scan.read import ExpandedName
from device.scan.validation import Verdict, resolve
from device.soap.dispatch import Answer, Incoming, Route
from device.soap.namespaces import WSCN
from device.ticket import write as write_ticket


class Jobs(Protocol):
    """The job engine, as far as the service uses it."""

    tray: Tray

    def active(self) -> tuple[JobRecord, ...]: ...

    def history(self) -> tuple[JobRecord, ...]: ...

    def record(self, job_id: int | str) -> JobRecord: ...

    def status(self) -> ScannerStatus: ...

    def check_accepting(self) -> None: ...

    def create(
        self,
        ticket: ScanTicket,
        parameters: DocumentFinalParameters,
        images: ImageInformation,
        *,
        overridden: bool,
    ) -> Job: ...

    async def retrieve(
        self, job_id: int | str, token: str, document_name: str, message_id: str
    ) -> ImageTransfer: ...

    def cancel(self, job_id: int | str, *, at_device: bool = False) -> None: ...


_SECOND = timedelta(seconds=1)
StartedHere = Callable[[str | None, str | None], Callable[[Job], None] | None]


class ScanService:
    """The eight operations of WS-Scan.

    Args:
        now: the wall clock, for ScannerCurrentTime.
        started: holds a job against the scans that were started at the device: takes its
            ScanIdentifier and DestinationToken, gives what wants to know the job.
        vendor_sections: (namespace, name) of a section of the vendor's own → its XML.
    """

    def __init__(
        self,
        jobs: Jobs,
        *,
        description: ScannerDescription,
        configuration: ScannerConfiguration,
        default_ticket: ScanTicket,
        now: Callable[[], datetime],
        started: StartedHere | None = None,
        vendor_sections: Mapping[ExpandedName, str] | None = None,
    ) -> None:
        self._jobs = jobs
        self._now = now
        self._started = started or _nothing_started
        self._vendor_sections = dict(vendor_sections or {})
        self._description = description
        self._wished_ticket = default_ticket
        self.reconfigure(configuration)

    def reconfigure(self, configuration: ScannerConfiguration) -> None:
        """Claim `configuration` from now on, with the default ticket that fits it."""
        self.configuration = configuration
        self.default_ticket = _usable(self._wished_ticket, configuration)
        # These seldom change while we run; writing them once makes the common answers cheap.
        ticket = write_ticket.ticket("DefaultScanTicket", self.default_ticket)
        self._sections = {
            name: operations.element_data(name, name[1], xml)
            for name, xml in (
                ((WSCN, "ScannerDescription"), write_scanner.description(self._description)),
                ((WSCN, "ScannerConfiguration"), write_scanner.configuration(configuration)),
                ((WSCN, "DefaultScanTicket"), ticket),
            )
        }
        self._told_status: ScannerStatus | None = None
        self._told_second = datetime.min.replace(tzinfo=UTC)

    def routes(self) -> tuple[Route, ...]:
        """All operations, for the dispatcher."""
        return operations.routes(
            create_scan_job=self.create_scan_job,
            retrieve_image=self.retrieve_image,
            cancel_job=self.cancel_job,
            validate_scan_ticket=self.validate_scan_ticket,
            get_scanner_elements=self.get_scanner_elements,
            get_job_elements=self.get_job_elements,
            get_active_jobs=self.get_active_jobs,
            get_job_history=self.get_job_history,
        )

    async def create_scan_job(self, incoming: Incoming) -> Answer:
        """Take a job into the queue (ws-scan section 7.1, its steps in order)."""
        body = operations.body_of(incoming)
        ticket = read.ticket_of(body)
        created = self._started(
            read.text_of(body, "ScanIdentifier"), read.text_of(body, "DestinationToken")
        )
        self._jobs.check_accepting()
        verdict = self._resolve(ticket)
        if verdict.error is not None:
            raise verdict.error
        job = self._jobs.create(
            ticket, verdict.parameters, verdict.images, overridden=bool(verdict.changed)
        )
        if created is not None:
            created(job)
        return operations.job_created(job)

    async def retrieve_image(self, incoming: Incoming) -> Answer:
        """Send the next image of a job (ws-scan section 7.2)."""
        body = operations.body_of(incoming)
        transfer = await self._jobs.retrieve(
            read.job_id(body),
            operations.job_token(body),
            read.document_name(body),
            incoming.envelope.message_id,
        )
        return operations.image(transfer)

    async def cancel_job(self, incoming: Incoming) -> Answer:
        """Cancel a job (ws-scan section 7.3)."""
        self._jobs.cancel(read.job_id(operations.body_of(incoming)))
        return operations.job_cancelled()

    async def validate_scan_ticket(self, incoming: Incoming) -> Answer:
        """Say what would become of a ticket, and change nothing (ws-scan section 7.4)."""
        verdict = self._resolve(read.ticket_of(operations.body_of(incoming)))
        return operations.validated(verdict)

    async def get_scanner_elements(self, incoming: Incoming) -> Answer:
        """Tell the sections that were asked for (ws-scan section 7.5)."""
        names = read.requested_names(operations.body_of(incoming))
        self._tell_status()
        return operations.scanner_elements(
            [
                self._sections.get(name)
                or operations.element_data(name, asked, self._vendor_sections.get(name))
                for name, asked in names.items()
            ]
        )

    def _tell_status(self) -> None:
        """Write ScannerStatus anew if it is another one, or another second."""
        status, now = self._jobs.status(), self._now()
        if status is self._told_status and self._told_second <= now < self._told_second + _SECOND:
            return
        self._told_status, self._told_second = status, now.replace(microsecond=0)
        name = (WSCN, "ScannerStatus")
        xml = write_scanner.status(status, now)
        self._sections[name] = operations.element_data(name, name[1], xml)

    async def get_job_elements(self, incoming: Incoming) -> Answer:
        """Tell sections of one job, live or finished (ws-scan section 7.6)."""
        body = operations.body_of(incoming)
        names = read.requested_names(body)
        record = self._jobs.record(read.job_id(body))

        def section(name: ExpandedName, room: int) -> str | None:
            match name[1] if name[0] == WSCN else None:
                case "JobStatus":
                    return write_job.job_status(record.status)
                case "ScanTicket":
                    return write_ticket.ticket("ScanTicket", record.ticket)
                case "Documents":
                    return write_job.documents(record, room)
                case _:
                    return None

        return operations.job_elements(names, section)

    async def get_active_jobs(self, incoming: Incoming) -> Answer:
        """List the jobs not yet finished (ws-scan section 7.7)."""
        return operations.active_jobs(self._jobs.active())

    async def get_job_history(self, incoming: Incoming) -> Answer:
        """List the finished jobs that are remembered, newest first (ws-scan section 7.8)."""
        return operations.job_history(self._jobs.history())

    def _resolve(self, ticket: ScanTicket) -> Verdict:
        tray = self._jobs.tray
        return resolve(
            ticket,
            self.configuration,
            self.default_ticket,
            feeder_loaded=tray.virtual and not tray.feeder_empty,
            page_size=lambda source: size_of(tray.next_of(source)),
        )


def _nothing_started(identifier: str | None, token: str | None) -> None:
    """No scan was started here, so no identifier is valid. One alone misses the other."""
    if identifier and not token:
        raise InvalidDestinationToken
    if identifier or token:
        raise InvalidScanIdentifier


def _usable(default: ScanTicket, configuration: ScannerConfiguration) -> ScanTicket:
    """The default ticket, mended where the device has less than it claims.

    A source without pages is not offered, and then must not be the default either: the ticket
    shall be acceptable as it stands (ws-scan section 10.4).
    """
    verdict = resolve(default, configuration, default, feeder_loaded=False)
    return default if verdict.valid else verdict.repaired
