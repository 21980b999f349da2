"""`send` and `send --resume`: pages into the spool, and from there to the scan server.

Pages are spooled as they come while earlier ones are on their way. A page leaves the spool when
the server's job has ended well, and not before: until then the server may still lose it.

A scan may break off: its sender is killed, or the scanner jams. Its pages are delivered by `resume`
all the same, and leave the spool as others do, so that nothing is sent twice. What is missing is
said once, at that delivery's end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from device.clock import Clock
from device.dsp import process, spool, trust, wording
from device.dsp.client import ScanServer, check_url
from device.dsp.messages import is_sid
from device.dsp.post_scan_job import PAUSES_S, POLL_S, Delivery, S
from device.dsp.runner import Runner, ScannedPage
from device.dsp.spool import JobSpool, Journal
from device.errors import ConfigError, DeliveryError
from device.model.operator import NOBODY


@dataclass(frozen=True, slots=True)
class SendOptions:
    """What `send` and `send --resume` are told; a resumed delivery remembers its own server.

    `process` is a scan process document; without it the pages go to the server's own store, under
    names that begin with `root_name`. `again` lets `resume` send once more what a job that the
    server has forgotten may have delivered. `resume_command` is what to tell people who want to try
    later what failed now.
    """

    server: str
    state_dir: Path
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    process: Path | None = None
    user: str = NOBODY
    root_name: str = "scan"
    again: bool = False
    resume_command: str = "wsd-scanner send --resume"
    pauses_s: tuple[float, ...] = PAUSES_S
    poll_s: float = POLL_S


class Outcome(StrEnum):
    """How a delivery ended."""

    DELIVERED = "delivered"
    BROKEN_OFF = "broken-off"
    """Every page that there is was delivered, but the scan had broken off before its end."""
    CANCELED = "canceled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of the pages; page numbers are DocumentIds and count from 1.

    `received` pages were acknowledged by a server whose job is still open; they are among the
    `undelivered` all the same. `kept` is the folder in the spool that holds the undelivered.
    After `resume`, `parts` are the single deliveries.
    """

    outcome: Outcome
    scanned: int = 0
    delivered: int = 0
    undelivered: tuple[int, ...] = ()
    received: tuple[int, ...] = ()
    job_token: str = ""
    kept: Path | None = None
    why: str = ""
    summary: str = ""
    parts: tuple[SendResult, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when every page was scanned and delivered, 3 otherwise."""
        return 0 if self.outcome is Outcome.DELIVERED else 3


async def send(
    pages: AsyncIterator[ScannedPage],
    options: SendOptions,
    *,
    clock: Clock,
    random: Random,
    stop: asyncio.Event,
) -> SendResult:
    """Deliver `pages`; `stop` cancels the scan and the server's job.

    A DeviceError or OSError out of `pages` ends the scan; what was scanned stays in the spool.

    Raises:
        ConfigError: a setting is wrong.
    """
    journal = _journal(options)
    _check_trust(journal)
    job = spool.new_spool(options.state_dir, clock.now().strftime("%Y%m%dT%H%M%S.%fZ"))
    try:
        await job.save(journal)
        return await _deliver(job, options, pages, clock=clock, random=random, stop=stop)
    finally:
        job.close()


async def resume(
    options: SendOptions, *, clock: Clock, random: Random, stop: asyncio.Event
) -> SendResult:
    """Deliver everything that is left in the spool, one delivery after the other.

    Certificates come from `options` where given, else from the interrupted `send`; so does the
    server, for deliveries that have no job yet. `stop` interrupts, and keeps what is left.

    Raises:
        ConfigError: a setting is wrong, or the spool cannot be read.
    """
    results: list[SendResult] = []
    for job in spool.left_over(options.state_dir):
        try:
            if stop.is_set():
                break
            await job.save(_with_options(job.journal, options))
            _check_trust(job.journal)
            results.append(
                await _deliver(job, options, None, clock=clock, random=random, stop=stop)
            )
        except DeliveryError as error:
            results.append(
                SendResult(Outcome.FAILED, kept=job.folder, why=str(error), summary=str(error))
            )
        finally:
            job.close()
    return _together(results)


def discard(state_dir: Path) -> list[str]:
    """Throw away what is left in the spool, read or not; a sentence for each delivery.

    Nobody is asked and no server is told: a job that is still open there ends by itself.

    Raises:
        ConfigError: the spool cannot be read, or a delivery cannot be removed.
    """
    told = []
    for job in spool.left_over(state_dir):
        try:
            host = urlsplit(job.journal.server).netloc
        except DeliveryError:
            host = ""
        pages = len(job.pages())
        try:
            job.remove()
        except OSError as error:
            raise ConfigError(
                f"{job.folder}: cannot be removed: {os.strerror(error.errno or 0)}."
            ) from None
        finally:
            job.close()
        told.append(wording.discarded(pages, host, job.folder))
    return told


def _journal(options: SendOptions) -> Journal:
    check_url(options.server)
    if not is_sid(options.user):
        raise ConfigError(f"--user {options.user}: this is no SID, such as S-1-5-21-1-2-3-1000.")
    if options.process:
        document = process.load(options.process)
        instructions, psp = document.instructions, document.psp_identifier
    else:
        instructions, psp = process.to_own_store(options.root_name), process.NO_PROCESS
    plain = Journal(
        server=options.server,
        user=options.user,
        psp_identifier=psp,
        instructions=process.write_alone(instructions),
    )
    return _with_files(plain, options)


def _with_files(journal: Journal, options: SendOptions) -> Journal:
    return replace(
        journal,
        ca=str(options.ca.resolve()) if options.ca else journal.ca,
        cert=str(options.cert.resolve()) if options.cert else journal.cert,
        key=str(options.key.resolve()) if options.key else journal.key,
    )


def _with_options(journal: Journal, options: SendOptions) -> Journal:
    if options.server and not journal.token:
        journal = replace(journal, server=check_url(options.server))
    return _with_files(journal, options)


def _is_secure(journal: Journal) -> bool:
    return urlsplit(journal.server).scheme == "https"


def _check_trust(journal: Journal) -> None:
    if _is_secure(journal):
        trust.client_context(*_files(journal))


def _files(journal: Journal) -> tuple[Path | None, Path | None, Path | None]:
    ca, cert, key = (Path(p) if p else None for p in (journal.ca, journal.cert, journal.key))
    return ca, cert, key


async def _deliver(
    job: JobSpool,
    options: SendOptions,
    pages: AsyncIterator[ScannedPage] | None,
    *,
    clock: Clock,
    random: Random,
    stop: asyncio.Event,
) -> SendResult:
    journal = job.journal
    context = trust.client_context(*_files(journal)) if _is_secure(journal) else None
    start = Delivery(
        token=journal.token,
        pages=len(job.pages()),
        scan_over=pages is None,
        stored=frozenset(journal.stored),
        ends=journal.ends,
        filters=journal.filters,
        cancel=journal.cancel,
        again=options.again,
        pauses_s=options.pauses_s,
        poll_s=options.poll_s,
    )
    async with ScanServer(
        journal.server, context=context, random=random, shows_certificate=bool(journal.cert)
    ) as server:
        end = await Runner(job, server, clock).run(start, pages, stop)
    return _result(job, end, options.resume_command)


def _result(job: JobSpool, end: Delivery, resume_command: str) -> SendResult:
    scanned = len(job.pages())
    numbers = tuple(range(1, scanned + 1))
    host = urlsplit(job.journal.server).netloc
    if end.state is S.FAILED and scanned:
        received = tuple(n for n in numbers if n in end.stored) if end.token else ()
        return SendResult(
            Outcome.FAILED,
            scanned,
            undelivered=numbers,
            received=received,
            job_token=end.token,
            kept=job.folder,
            why=end.why,
            summary=wording.failed(
                end.why,
                scanned,
                received,
                job.folder,
                resume_command=resume_command,
                scan_complete=job.journal.scan_complete,
            ),
        )
    job.remove()
    match end.state:
        case S.DELIVERED if not job.journal.scan_complete:
            done = wording.broken_off(scanned, host)
            return SendResult(
                Outcome.BROKEN_OFF, scanned, scanned, job_token=end.token, summary=done
            )
        case S.DELIVERED:
            done = wording.delivered(scanned, host)
            return SendResult(
                Outcome.DELIVERED, scanned, scanned, job_token=end.token, summary=done
            )
        case S.CANCELED:
            done = wording.canceled(scanned, end.token)
            return SendResult(Outcome.CANCELED, scanned, undelivered=numbers, summary=done)
    return SendResult(Outcome.FAILED, why=end.why, summary=wording.nothing_scanned(end.why))


def _together(parts: Sequence[SendResult]) -> SendResult:
    """Several deliveries as one result; a single one stands for itself."""
    if len(parts) == 1:
        return replace(parts[0], parts=tuple(parts))
    well = [part for part in parts if part.outcome is Outcome.DELIVERED]
    return SendResult(
        Outcome.DELIVERED if len(well) == len(parts) else Outcome.FAILED,
        scanned=sum(part.scanned for part in parts),
        delivered=sum(part.delivered for part in parts),
        why="; ".join(part.why for part in parts if part.why),
        summary=wording.resumed(len(well), len(parts), [part.summary for part in parts]),
        parts=tuple(parts),
    )
