"""What a user does at the panel: log on, choose a scan process, start it, see what comes of it."""

from __future__ import annotations

import asyncio
import logging
import ssl
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from device.clock import Clock
from device.directory.client import Logon
from device.dsp import process
from device.dsp.deliver import Manner
from device.dsp.events import Events
from device.dsp.process import ScanProcess
from device.dsp.room import Room
from device.dsp.spool import Journal
from device.model.capabilities import ScannerConfiguration
from device.model.operator import ListedProcess
from device.model.ticket import ScanTicket
from device.processes.badges import Badges
from device.processes.changes import Changes, changed
from device.processes.deliveries import Deliveries, Engine
from device.processes.fitting import fit
from device.processes.sessions import Session, Sessions
from device.processes.source import Offer
from device.processes.sources import directory_of, sources_of
from device.processes.under_way import Shown
from device.scan.validation import Verdict
from device.soap.dispatch import Route
from device.workflow_settings import WorkflowConfig

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the device can do now."""

    configuration: ScannerConfiguration
    default_ticket: ScanTicket
    feeder_loaded: bool


class Workflow:
    """Distributed Scan Management at one device.

    Args:
        changed: rung whenever a delivery stands otherwise.
        notify_to: where scan servers shall send events, from the address by which one sees us;
            without it they are only asked.

    Raises:
        ConfigError: one of its settings is wrong.
    """

    def __init__(
        self,
        config: WorkflowConfig,
        engine: Engine,
        state_dir: Path,
        *,
        abilities: Callable[[], Abilities],
        clock: Clock,
        random: Random,
        changed: Callable[[], None],
        notify_to: Callable[[str], str] | None = None,
        manner: Manner | None = None,
    ) -> None:
        self._config = config
        self._abilities = abilities
        self._clock = clock
        self._sources = sources_of(config)
        directory = directory_of(config)
        badges = None
        if config.badges is not None:
            badges = Badges.load(config.badges, directory=directory is not None)
        self.sessions = Sessions(
            directory,
            badges,
            clock=clock,
            idle_s=config.idle_logoff_s,
            token=lambda: str(uuid.uuid4()),
        )
        self.events = Events(notify_to, clock=clock) if notify_to else None
        self._watching: asyncio.Task[None] | None = None
        self.insecure = config.insecure
        if config.insecure:
            log.warning("INSECURE: scan servers are not checked; others may read every page")
        self.deliveries = Deliveries(
            engine,
            state_dir,
            manner=replace(manner or Manner(), insecure=config.insecure, events=self.events),
            room=Room(config.delivery_limit_mb * 1_000_000),
            clock=clock,
            random=random,
            changed=changed,
            at_panel=self.sessions.at_panel,
        )

    def routes(self) -> tuple[Route, ...]:
        """The events that scan servers send us, for the dispatcher."""
        return self.events.routes() if self.events else ()

    def open(self, group: asyncio.TaskGroup) -> None:
        """Begin to work, and go on with what is in the spool.

        Raises:
            ConfigError: the spool cannot be read.
        """
        self.deliveries.open(group, resume=self._config.offers_anything)
        self._watching = group.create_task(self.sessions.run())

    async def close(self) -> None:
        """Interrupt the deliveries, and log everybody off."""
        if self._watching is not None:
            self._watching.cancel()
        await self.deliveries.close()
        await self.sessions.close()

    # ---- for a session

    async def listed(self, session: Session) -> list[ListedProcess]:
        """The scan processes that its user may use. Raises OperatorError."""
        return await self._sources.listed(session.visitor)

    async def offer(self, session: Session, identifier: str) -> tuple[Offer, Verdict]:
        """One of them, and what the device would make of its ticket. Raises OperatorError."""
        offer = await self._sources.load(identifier, session.visitor)
        return offer, self._fit(offer.name, offer.process)

    async def start(self, session: Session, identifier: str, wanted: Changes) -> Shown:
        """Scan, and deliver as the process says, with what the user wants otherwise.

        Raises:
            OperatorError: the process does not permit it, or cannot be used.
            DeviceError: the device cannot, or not now.
        """
        offer = await self._sources.load(identifier, session.visitor)
        found = changed(offer.process, wanted)
        verdict = self._fit(offer.name, found)
        journal = await self._journal(session, offer.name, found)
        ticket = found.ticket
        if session.user.principal:
            names = replace(ticket.description, job_originating_user_name=session.user.principal)
            ticket = replace(ticket, description=names)
        return await self.deliveries.start(journal, ticket, verdict)

    # ---- inside

    def _fit(self, name: str, found: ScanProcess) -> Verdict:
        able = self._abilities()
        return fit(
            name,
            found,
            able.configuration,
            able.default_ticket,
            feeder_loaded=able.feeder_loaded,
        )

    async def _journal(self, session: Session, name: str, found: ScanProcess) -> Journal:
        config, host = self._config, found.scan_repository.rstrip(".")
        literal = f"[{host}]" if ":" in host else host
        journal = Journal(
            server=f"https://{literal}:{config.server_port}/ScanServer",
            user=session.user.sid,
            psp_identifier=found.psp_identifier,
            instructions=process.write_alone(found.instructions),
            ca=_absolute(config.server_ca),
            cert=_absolute(config.server_cert),
            key=_absolute(config.server_key),
            process_name=name,
            principal=session.user.principal,
            began=self._clock.now().isoformat(),
        )
        return await _vouched(journal, session.visitor.logon, host)


async def _vouched(journal: Journal, logon: Logon | None, host: str) -> Journal:
    """The journal with what the directory says of whom to trust."""
    if logon is None:
        return journal
    authorities = "".join(_as_pem(await logon.authorities()))
    journal = replace(journal, authorities=authorities)
    found = await logon.thumbprint(host)
    if found is None:
        return journal
    return replace(journal, digest=found.digest, algorithm=found.algorithm)


def _as_pem(certificates: Iterable[bytes]) -> Iterable[str]:
    from cryptography import x509  # 9 MB that no device without a directory needs

    for der in certificates:
        try:
            x509.load_der_x509_certificate(der)
        except ValueError:
            log.warning("the directory has an authority whose certificate cannot be read")
            continue
        yield ssl.DER_cert_to_PEM_cert(der)


def _absolute(path: Path | None) -> str:
    return str(path.expanduser().resolve()) if path else ""
