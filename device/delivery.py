"""From a source to a scan server: scans every page as its scan process says, and sends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import Random

from device import profile
from device.clock import Clock
from device.config import Config
from device.dsp import sending
from device.dsp.process import MAX_DOCUMENT
from device.dsp.runner import ScannedPage
from device.dsp.sending import SendOptions, SendResult
from device.errors import ConfigError, DeviceError, OperationFailed
from device.imaging.spec import SUPPORTED
from device.jobs.request import image_spec, scan_request
from device.jobs.tray import Tray
from device.model.capabilities import ADF, ADF_DUPLEX, PLATEN
from device.model.ticket import DocumentParameters, ScanTicket, Wish
from device.pages.supervisor import PageLine
from device.profile import Profile
from device.scan.read import read_ticket
from device.scan.validation import Verdict, resolve
from device.soap import xml
from device.soap.namespaces import PSP
from scanner_backends.base import Description
from scanner_backends.errors import BackendError, Cancelled, NoDocs

log = logging.getLogger(__name__)


async def send(
    config: Config, options: SendOptions, clock: Clock, random: Random, stop: asyncio.Event
) -> SendResult:
    """Scan everything that the source has, and deliver it.

    Raises:
        ConfigError: a setting is wrong, or the source cannot be opened.
    """
    shape = profile.load(config.profile, SUPPORTED)
    async with PageLine(config.source, clock=clock) as line:
        try:
            description = await line.start()
        except BackendError as error:
            raise ConfigError(str(error)) from None
        for sentence in description.refused:
            log.warning("left out: %s", sentence)
        verdict = _verdict(shape, description, options.process)
        pages = _pages(line, Tray(description), verdict)
        return await sending.send(pages, options, clock=clock, random=random, stop=stop)


async def resume(
    config: Config, options: SendOptions, clock: Clock, random: Random, stop: asyncio.Event
) -> SendResult:
    """Deliver what is left in the spool. Raises ConfigError."""
    return await sending.resume(options, clock=clock, random=random, stop=stop)


def _verdict(shape: Profile, description: Description, process: Path | None) -> Verdict:
    """What to do with the pages: the ticket of the scan process, or else the whole stack."""
    configuration = shape.configuration
    ticket = _ticket_of(process) if process else ScanTicket(parameters=DocumentParameters())
    parameters = ticket.parameters or DocumentParameters()
    if parameters.input_source is None:
        feeder = bool(description.feeder) and ADF in configuration.sources
        # Both sides of the chart's sheets, and each file once: that is everything there is.
        source = ADF if feeder else PLATEN
        if feeder and any(page.back for page in description.feeder):
            source = ADF_DUPLEX if ADF_DUPLEX in configuration.sources else ADF
        ticket = replace(ticket, parameters=replace(parameters, input_source=Wish(source)))
    verdict = resolve(ticket, configuration, shape.default_ticket, feeder_loaded=True)
    if verdict.error is not None:
        raise ConfigError(f"{process}: this device cannot do what the ticket asks: {verdict.error}")
    if verdict.changed:
        log.warning("the ticket asks for what this device does not have: %s", verdict.changed)
    return verdict


def _ticket_of(process: Path) -> ScanTicket:
    """The scan ticket inside a scan process document."""
    try:
        root = xml.parse(process.read_bytes(), 4 * MAX_DOCUMENT)
        return read_ticket(xml.need(root, PSP, "ScanTicket"))
    except OSError as error:
        raise ConfigError(f"{process}: cannot be read: {error.strerror}.") from None
    except DeviceError as error:
        raise ConfigError(f"{process}: {error}") from None


async def _pages(line: PageLine, tray: Tray, verdict: Verdict) -> AsyncIterator[ScannedPage]:
    """Every page in turn, up to ImagesToTransfer.

    Raises:
        OperationFailed: a page could not be scanned; those before it are on their way.
    """
    parameters, images = verdict.parameters, verdict.images
    source = parameters.input_source.value
    left = parameters.images_to_transfer.value if source in (ADF, ADF_DUPLEX) else 1
    count = 0
    while not left or count < left:
        back = source == ADF_DUPLEX and count % 2 == 1
        if source in (ADF, ADF_DUPLEX):
            page = tray.take_feeder(duplex=source == ADF_DUPLEX, back=back)
        else:
            page = tray.take_platen()
        if page is None and tray.virtual:
            return
        count += 1
        try:
            image = await line.page(
                count,
                None if page is None else page.number,
                scan_request(parameters, back=back),
                image_spec(parameters, images, back=back),
            )
        except NoDocs:
            return
        except Cancelled:
            raise OperationFailed("The scan was cancelled.") from None
        except BackendError as error:
            raise OperationFailed(str(error)) from error
        async with image:
            yield ScannedPage(parameters.format.value, _chunks(image))


async def _chunks(image: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The image's bytes, with the source's errors as ours."""
    try:
        async for chunk in image:
            yield chunk
    except BackendError as error:
        raise OperationFailed(str(error)) from error
