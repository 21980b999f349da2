"""`send` and `send --resume`: pages into the spool, and from there to the scan server.

Pages are spooled as they come while earlier ones are on their way.

A scan may break off: its sender is killed, or the scanner jams. Its pages are delivered by `resume`
all the same, and leave the spool as others do, so that nothing is sent twice. What is missing is
said once, at that delivery's end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from device.clock import Clock
from device.dsp import process, spool, wording
from device.dsp.client import check_url
from device.dsp.deliver import Manner, Outcome, SendResult, check_trust, deliver
from device.dsp.messages import is_sid
from device.dsp.post_scan_job import PAUSES_S, POLL_S
from device.dsp.runner import Pace, ScannedPage
from device.dsp.spool import Journal
from device.errors import ConfigError, DeliveryError
from device.model.operator import NOBODY


@dataclass(frozen=True, slots=True)
class SendOptions:
    """What `send` and `send --resume` are told; a resumed delivery remembers its own server.

    `process` is a scan process document; without it the pages go to the server's own store, under
    names that begin with `root_name`. `again` lets `resume` send once more what a job that the
    server has forgotten may have delivered. `resume_command` is what to tell people who want to try
    later what failed now. `insecure` trusts any server, this time.
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
    insecure: bool = False

    @property
    def manner(self) -> Manner:
        """How the deliveries are made."""
        return Manner(
            again=self.again,
            resume_command=self.resume_command,
            pauses_s=self.pauses_s,
            pace=Pace(waiting_s=self.poll_s),
            insecure=self.insecure,
        )


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
    check_trust(journal)
    job = spool.new_spool(options.state_dir, clock.now().strftime("%Y%m%dT%H%M%S.%fZ"))
    try:
        await job.save(journal)
        return await deliver(job, options.manner, pages, clock=clock, random=random, stop=stop)
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
            check_trust(job.journal)
            results.append(
                await deliver(job, options.manner, None, clock=clock, random=random, stop=stop)
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
        pages = job.pages()
        try:
            job.remove()
        except OSError as error:
            raise ConfigError(
                f"{job.folder}: cannot be removed: {os.strerror(error.errno or 0)}."
            ) from None
        finally:
            job.close()
        noun = wording.noun_of(page.format for page in pages)
        told.append(wording.discarded(len(pages), host, job.folder, noun))
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
