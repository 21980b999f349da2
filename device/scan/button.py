"""The scan button, and what CreateScanJob has to show for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from device.clock import Clock
from device.errors import DeviceError, InvalidArgs, NoImagesAvailable, OperationFailed
from device.jobs.machine import Job
from device.jobs.tray import Tray
from device.model.capabilities import ADF, ADF_DUPLEX, PLATEN
from device.model.changes import ButtonPressed, Change, JobEnded
from device.model.job import JobRecord, JobState
from device.scan import events
from device.scan.destinations import Destination, Destinations, Press
from device.scan.events import ScanEvent

log = logging.getLogger(__name__)

_FEEDERS = (ADF, ADF_DUPLEX)
Told = Callable[[bool], None]


class Engine(Protocol):
    """The job engine, as far as the button needs it."""

    tray: Tray

    @property
    def halted(self) -> bool: ...

    def check_accepting(self) -> None: ...


class Button:
    """Starts scans at the device.

    Args:
        post: sends an event to one subscription, and tells later whether it was taken; False
            when there is no such subscription.
        sources: the InputSource keywords that the device has now.
    """

    def __init__(
        self,
        destinations: Destinations,
        engine: Engine,
        *,
        clock: Clock,
        sources: Callable[[], tuple[str, ...]],
        post: Callable[[str, ScanEvent, Told], bool],
    ) -> None:
        self._destinations = destinations
        self._engine = engine
        self._clock = clock
        self.sources = sources
        self._post = post

    def press(self, destination: Destination, source: str | None = None) -> Press:
        """Tell the client of `destination`, and nobody else, to fetch a scan.

        Only if its job would be taken now: no receiver that was tried asks twice (clients.md,
        section 1, point 16). Without a source it is the feeder, if there is something in it.

        Raises:
            InvalidArgs: there is no such source.
            NoImagesAvailable: the feeder or the platen is empty.
            NotAcceptingJobs, OperationFailed: no job would be taken, or the client is gone.
        """
        source = source or self._usual_source()
        if source not in self.sources():
            known = ", ".join(self.sources())
            raise InvalidArgs(
                "InputSource", f"is no source of this scanner; there is {known}", source
            )
        tray = self._engine.tray
        self._engine.check_accepting()
        if self._engine.halted:
            raise OperationFailed("The scanner is stopped; clear what is the matter first.")
        if tray.feeder_empty if source in _FEEDERS else tray.platen_empty:
            raise NoImagesAvailable
        stack = tray.feeder if source in _FEEDERS else ()
        press = self._destinations.press(
            destination,
            source,
            stack if tray.virtual or source not in _FEEDERS else None,
            self._clock.monotonic(),
        )

        def told(taken: bool) -> None:
            if not taken:
                self._destinations.not_taken(press.identifier)

        event = events.scan_available(destination.context, press.identifier, source)
        if not self._post(destination.subscription, event, told):
            told(False)
            raise OperationFailed("The computer of this destination is gone.")
        log.info("scan to %r, from %s", destination.name, source)
        return press

    def check(self, identifier: str | None, token: str | None) -> Callable[[Job], None] | None:
        """Hold a CreateScanJob against the presses; what has to be told of its job, if any.

        Raises:
            InvalidScanIdentifier, InvalidDestinationToken: see `Destinations.check`.
        """
        now = self._clock.monotonic()
        press = self._destinations.check(identifier, token, self._engine.tray.feeder, now)
        if press is None:
            return None

        def created(job: Job) -> None:
            feeder = job.parameters.input_source.value in _FEEDERS
            self._destinations.used(press, job.job_id, self._clock.monotonic(), feeder=feeder)

        return created

    def heard(self, change: Change) -> None:
        """Something has happened."""
        if isinstance(change, JobEnded):
            ended = _feeder_ended(change.job)
            self._destinations.job_over(change.job.status.job_id, feeder_ended=ended)
        elif isinstance(change, ButtonPressed):
            self._pressed(change)

    def _pressed(self, change: ButtonPressed) -> None:
        """A button of the scanner itself is ours, for the computer that it stands for."""
        destination = self._destinations.called(change.destination)
        if destination is None:
            log.warning(
                "button %s: no computer %r waits for scans", change.button, change.destination
            )
            return
        try:
            self.press(destination, change.source or None)
        except DeviceError as error:
            log.warning("button %s: %s", change.button, error)

    def tick(self) -> None:
        """Let go of presses that nobody answered."""
        self._destinations.tick(self._clock.monotonic())

    def _usual_source(self) -> str:
        sources = self.sources()
        tray = self._engine.tray
        if tray.virtual and not tray.feeder_empty and ADF in sources:
            return ADF
        return PLATEN if PLATEN in sources else sources[0]


def _feeder_ended(job: JobRecord) -> bool:
    """Whether a job has found nothing more to scan."""
    if job.status.state is not JobState.COMPLETED:
        return False
    wanted = job.parameters.images_to_transfer.value
    return not wanted or job.status.scans_completed < wanted
