"""One delivery: what is in its spool goes to the scan server that its journal names.

A page leaves the spool when the server's job has ended well, and not before: until then the server
may still lose it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from device.clock import Clock
from device.dsp import trust, wording
from device.dsp.client import Known, ScanServer
from device.dsp.events import Events
from device.dsp.post_scan_job import PAUSES_S, Delivery, S
from device.dsp.runner import Observer, Pace, Runner, ScannedPage
from device.dsp.spool import JobSpool, Journal
from device.dsp.trust import Trust

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Manner:
    """How deliveries are made.

    `again` lets a resumed delivery send once more what a job that the server has forgotten may
    have delivered. `resume_command` is what to tell people who want to try later what failed now.
    `known` holds what was found out about scan servers. `insecure` trusts any of them.
    `pace` is how often they are asked, and `events` hears what they tell by themselves.
    """

    again: bool = False
    resume_command: str = "wsd-scanner send --resume"
    pauses_s: tuple[float, ...] = PAUSES_S
    pace: Pace = field(default_factory=Pace)
    known: Known = field(default_factory=dict)
    insecure: bool = False
    events: Events | None = None


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


def check_trust(journal: Journal) -> None:
    """Raises ConfigError when a file of certificates cannot be used."""
    if _is_secure(journal):
        trust.client_context(trust_of(journal))


def trust_of(journal: Journal, *, insecure: bool = False) -> Trust:
    """Whom this delivery trusts. That it trusts anybody is never remembered."""
    ca, cert, key = (Path(p) if p else None for p in (journal.ca, journal.cert, journal.key))
    return Trust(
        ca,
        cert,
        key,
        authorities=journal.authorities,
        digest=journal.digest,
        algorithm=journal.algorithm,
        insecure=insecure,
    )


def _is_secure(journal: Journal) -> bool:
    return urlsplit(journal.server).scheme == "https"


async def deliver(
    job: JobSpool,
    manner: Manner,
    pages: AsyncIterator[ScannedPage] | None,
    *,
    clock: Clock,
    random: Random,
    stop: asyncio.Event,
    cancel: asyncio.Event | None = None,
    observer: Observer | None = None,
) -> SendResult:
    """Deliver what is in the spool, and what of `pages` still comes.

    `stop` cancels a delivery with pages; one without, a resumed one, it only interrupts. `cancel`
    cancels either. What was delivered, or cancelled, is gone from the disk afterwards.

    Raises:
        ConfigError: a file of certificates cannot be used.
    """
    journal = job.journal
    context = None
    if _is_secure(journal):
        context = trust.client_context(trust_of(journal, insecure=manner.insecure))
        if manner.insecure:
            log.warning("INSECURE: nobody checks who %s is", urlsplit(journal.server).netloc)
    start = Delivery(
        token=journal.token,
        pages=len(job.pages()),
        scan_over=pages is None,
        stored=frozenset(journal.stored),
        ends=journal.ends,
        filters=journal.filters,
        cancel=journal.cancel,
        again=manner.again,
        pauses_s=manner.pauses_s,
    )
    events = manner.events
    async with ScanServer(
        journal.server,
        context=context,
        random=random,
        shows_certificate=bool(journal.cert),
        known=manner.known,
        told=observer.told if observer else None,
    ) as server:
        runner = Runner(job, server, clock, observer, events, manner.pace)
        if events is None:
            end = await runner.run(start, pages, stop, cancel)
        else:
            with events.attending(server.url):
                end = await runner.run(start, pages, stop, cancel)
                await events.finished(server)
    return _result(job, end, manner.resume_command)


def _result(job: JobSpool, end: Delivery, resume_command: str) -> SendResult:
    scanned = len(job.pages())
    noun = wording.noun_of(page.format for page in job.pages())
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
                noun=noun,
            ),
        )
    job.remove()
    match end.state:
        case S.DELIVERED if not job.journal.scan_complete:
            done = wording.broken_off(scanned, host, noun)
            return SendResult(
                Outcome.BROKEN_OFF, scanned, scanned, job_token=end.token, summary=done
            )
        case S.DELIVERED:
            done = wording.delivered(scanned, host, noun)
            return SendResult(
                Outcome.DELIVERED, scanned, scanned, job_token=end.token, summary=done
            )
        case S.CANCELED:
            done = wording.canceled(scanned, end.token, noun)
            return SendResult(Outcome.CANCELED, scanned, undelivered=numbers, summary=done)
    return SendResult(Outcome.FAILED, why=end.why, summary=wording.nothing_scanned(end.why))
