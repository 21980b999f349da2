"""Runs one delivery: feeds the table, keeps its journal, and makes the requests it asks for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Protocol

from device.clock import Clock
from device.dsp import process, wording
from device.dsp.client import ScanServer
from device.dsp.delivery_steps import begin, next_deadline, step
from device.dsp.events import Events
from device.dsp.post_scan_job import POLL_S, Delivery, Given, I, Request, S
from device.dsp.spool import JobSpool, Journal
from device.dsp.words import JobStatus
from device.errors import DeviceError
from device.jobs.ports import PageSpoiled
from scanner_backends.errors import BackendError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """A page as it comes from the scanner: WS-Scan's format keyword, and the file's bytes."""

    format: str
    chunks: AsyncIterator[bytes]


_POKE = Given(I.STATUS)
"""No input for the table: it only ends the wait for one."""


class Observer(Protocol):
    """Whoever watches a delivery."""

    def moved(self, delivery: Delivery) -> None:
        """It stands otherwise than before."""

    def told(self, status: JobStatus) -> None:
        """The server has told how its job stands."""

    def waits(self) -> bool:
        """Whether somebody waits for it to end."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a server is asked, in seconds: while somebody waits, else, and with events."""

    waiting_s: float = POLL_S
    idle_s: float = 10.0
    with_events_s: float = 30.0


class Runner:
    """One delivery, from where it stands to its end."""

    def __init__(
        self,
        job: JobSpool,
        server: ScanServer,
        clock: Clock,
        observer: Observer | None = None,
        events: Events | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._observer = observer
        self._events = events
        self._pace = pace or Pace()
        self._attended = False
        self._listening = ""
        self._poked = False
        self._job = job
        self._server = server
        self._clock = clock
        self._inputs: asyncio.Queue[tuple[int, Given]] = asyncio.Queue()
        self._serial = 0
        self._under_way: asyncio.Task[None] | None = None
        self._scan_complete = False
        self._scan_trouble = ""

    async def run(
        self,
        start: Delivery,
        pages: AsyncIterator[ScannedPage] | None,
        stop: asyncio.Event,
        cancel: asyncio.Event | None = None,
    ) -> Delivery:
        """Run `start` to its end, while `pages` come.

        `stop` cancels a delivery with pages; one without, a resumed one, it only interrupts.
        `cancel` cancels either.

        Whether the last page was scanned is in the journal afterwards.
        """
        if pages is None and not start.token and (start.cancel or not start.pages):
            return replace(start, state=S.CANCELED if start.cancel else S.DELIVERED)
        async with asyncio.TaskGroup() as group:
            scanning = group.create_task(self._scan(pages)) if pages else None
            canceling = group.create_task(self._wait_for(stop, scanning))
            wish = group.create_task(self._wait_for_cancel(cancel, scanning)) if cancel else None
            try:
                delivery = await self._loop(start, group)
                if scanning and delivery.keep_scanning:
                    if not scanning.done():
                        log.warning("%s; pages are still scanned, and kept", delivery.why)
                    ends = {task for task in (scanning, canceling, wish) if task}
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                await self._job.save(self._with_scan(self._job.journal))
            finally:
                self._listen("")
                for task in (scanning, canceling, wish, self._under_way):
                    if task:
                        task.cancel()
        return self._with_scan_trouble(delivery)

    async def _loop(self, start: Delivery, group: asyncio.TaskGroup) -> Delivery:
        delivery, request = begin(start, self._clock.monotonic(), found=self._server.found_before)
        if request:
            self._make(request, delivery, group)
        while not delivery.final:
            given = await self._next(delivery)
            before = delivery.state
            delivery = replace(delivery, poll_s=self._poll_s())
            delivery, wanted = step(delivery, given, self._clock.monotonic())
            self._listen(delivery.token)
            if delivery.state is not before:
                log.debug("%s: %s → %s", given.kind.name, before, delivery.state)
            if given.why:
                log.info("%s", given.why)
            if self._observer:
                self._observer.moved(delivery)
            await self._job.save(
                replace(
                    self._with_scan(self._job.journal),
                    token=delivery.token,
                    stored=tuple(sorted(delivery.stored)),
                    ends=delivery.ends,
                    filters=delivery.filters,
                    cancel=delivery.cancel and not delivery.final,
                )
            )
            if wanted:
                self._make(wanted, delivery, group)
        return delivery

    def _with_scan(self, journal: Journal) -> Journal:
        return replace(journal, scan_complete=journal.scan_complete or self._scan_complete)

    def _with_scan_trouble(self, delivery: Delivery) -> Delivery:
        """A scan that breaks off when the delivery fails for another reason is told of as well."""
        if delivery.state is not S.FAILED or self._scan_trouble in delivery.why:
            return delivery
        return replace(delivery, why=f"{delivery.why.rstrip('.')}; {self._scan_trouble}")

    async def _next(self, delivery: Delivery) -> Given:
        """The next input; an answer to a request that was replaced is none."""
        while True:
            if self._poked and delivery.state is S.WATCHING and delivery.deadline is not None:
                self._poked = False
                return Given(I.DEADLINE)
            deadline = next_deadline(delivery)
            left = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
            try:
                async with asyncio.timeout(left):
                    serial, given = await self._inputs.get()
            except TimeoutError:
                return Given(I.DEADLINE)
            if serial in (0, self._serial) and given is not _POKE:
                return given

    def _make(self, request: Request, delivery: Delivery, group: asyncio.TaskGroup) -> None:
        """Begin a request; one that is still under way is dropped."""
        if self._under_way:
            self._under_way.cancel()
        self._serial += 1
        self._under_way = group.create_task(self._answer(self._serial, request, delivery))

    def _poll_s(self) -> float:
        if self._attended:
            return self._pace.with_events_s
        waits = self._observer is None or self._observer.waits()
        return self._pace.waiting_s if waits else self._pace.idle_s

    def _listen(self, token: str) -> None:
        """Hear the events of the job that there is now."""
        if self._events is None or token == self._listening:
            return
        self._events.forget(self._listening)
        if token:
            self._events.listen(token, self._heard)
        self._listening = token

    def _heard(self, status: JobStatus) -> None:
        """An event has come: it is shown, and the server is asked."""
        if self._observer:
            self._observer.told(status)
        self._poked = True
        self._inputs.put_nowait((0, _POKE))

    async def _answer(self, serial: int, request: Request, delivery: Delivery) -> None:
        if self._events and request.state in (S.CREATING, S.CHECKING, S.WATCHING):
            self._attended = await self._events.attend(self._server)
        self._inputs.put_nowait((serial, await self._call(request, delivery)))

    def _call(self, request: Request, delivery: Delivery) -> Coroutine[Any, Any, Given]:
        server, token, journal = self._server, delivery.token, self._job.journal
        match request.state:
            case S.PROBING:
                return server.probe()
            case S.GETTING:
                return server.get_metadata()
            case S.CREATING:
                instructions = process.read_alone(journal.instructions)
                if delivery.filters is not None:
                    instructions = instructions.only(delivery.filters)
                return server.create(journal.user, journal.psp_identifier, instructions)
            case S.SENDING:
                return server.send_image(token, self._job.page(request.document_id))
            case S.ENDING:
                return server.end(token)
            case S.CHECKING:
                # A server that stumbles over the later name is asked without it the next time.
                return server.ask_status(token, documents=delivery.tries == 0)
            case S.WATCHING:
                return server.ask_status(token, documents=False)
            case S.CANCELING | S.WITHDRAWING:
                return server.cancel(token)
        raise AssertionError(f"no request belongs to {request.state}")

    async def _scan(self, pages: AsyncIterator[ScannedPage]) -> None:
        """Spool the pages as they come."""
        try:
            async for page in pages:
                try:
                    await self._job.add(page.format, page.chunks)
                except PageSpoiled as error:
                    log.info("a page broke off and will come again: %s", error)
                    continue
                self._inputs.put_nowait((0, Given(I.PAGE)))
        except (DeviceError, BackendError, OSError) as error:
            self._scan_trouble = f"the scan broke off: {wording.plain(error)}"
            self._inputs.put_nowait((0, Given(I.SCAN_FAILED, self._scan_trouble)))
        else:
            self._scan_complete = True
            self._inputs.put_nowait((0, Given(I.SCAN_OVER)))
        finally:
            if isinstance(pages, AsyncGenerator):
                await pages.aclose()

    async def _wait_for(self, stop: asyncio.Event, scanning: asyncio.Task[None] | None) -> None:
        await stop.wait()
        if scanning:
            self._cancel(scanning)
        else:
            self._inputs.put_nowait((0, Given(I.GAVE_UP, "interrupted")))

    async def _wait_for_cancel(
        self, cancel: asyncio.Event, scanning: asyncio.Task[None] | None
    ) -> None:
        await cancel.wait()
        self._cancel(scanning)

    def _cancel(self, scanning: asyncio.Task[None] | None) -> None:
        if scanning:
            scanning.cancel()
        self._inputs.put_nowait((0, Given(I.CANCEL)))
