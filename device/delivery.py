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
from device.dsp import process as documents
from device.dsp import sending
from device.dsp.deliver import SendResult
from device.dsp.runner import ScannedPage
from device.dsp.sending import SendOptions
from device.errors import ConfigError, OperationFailed
from device.imaging.spec import SUPPORTED
from device.jobs.fitting import with_alpha_where_it_is
from device.jobs.page_size import as_it_lies
from device.jobs.ports import Order
from device.jobs.request import image_spec, scan_request
from device.jobs.tray import Tray
from device.model.capabilities import ADF, ADF_DUPLEX, MULTI_PAGE_FORMATS, PLATEN, is_feeder
from device.model.ticket import DocumentParameters, ScanTicket, Wish
from device.pages.supervisor import PageLine
from device.profile import Profile
from device.scan.validation import Verdict, resolve
from scanner_backends.base import Description
from scanner_backends.errors import BackendError, NoDocs

log = logging.getLogger(__name__)


async def send(
    config: Config, options: SendOptions, clock: Clock, random: Random, stop: asyncio.Event
) -> SendResult:
    """Scan everything that the source has, and deliver it.

    Raises:
        ConfigError: a setting is wrong, or the source cannot be opened.
    """
    shape = profile.load(config.profile, SUPPORTED)
    async with PageLine(config.source, clock=clock, niceness=config.niceness) as line:
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
    configuration = with_alpha_where_it_is(shape.configuration, description)
    ticket = (
        documents.load(process).ticket if process else ScanTicket(parameters=DocumentParameters())
    )
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


class _Orders:
    """The pages of the tray in turn, up to ImagesToTransfer, as orders for the page line."""

    def __init__(self, tray: Tray, verdict: Verdict) -> None:
        self._tray = tray
        self._verdict = verdict
        self._source = verdict.parameters.input_source.value
        wanted = verdict.parameters.images_to_transfer.value
        self._left = (wanted or None) if is_feeder(self._source) else 1
        self._count = 0

    def next(self) -> Order | None:
        """The next order, None after the last."""
        if self._count == self._left:
            return None
        back = self._source == ADF_DUPLEX and self._count % 2 == 1
        if is_feeder(self._source):
            page = self._tray.take_feeder(duplex=self._source == ADF_DUPLEX, back=back)
        else:
            page = self._tray.take_platen()
        if page is None and self._tray.virtual:
            return None
        self._count += 1
        parameters = as_it_lies(self._verdict.parameters, page, back=back)
        return (
            None if page is None else page.number,
            scan_request(parameters, back=back),
            image_spec(parameters, back=back),
        )

    async def following(self, trouble: BackendError | None) -> Order | None:
        """The next page of a document; what keeps one from coming ends it."""
        if trouble is not None:
            raise trouble
        return self.next()


async def _pages(line: PageLine, tray: Tray, verdict: Verdict) -> AsyncIterator[ScannedPage]:
    """Every page in turn; of a format that holds many, one document of them all.

    Raises:
        OperationFailed: a page could not be scanned; those before it are on their way.
    """
    format_ = verdict.parameters.format.value
    orders = _Orders(tray, verdict)
    following = orders.following if format_ in MULTI_PAGE_FORMATS else None
    count = 0
    while (order := orders.next()) is not None:
        count += 1
        try:
            image = await line.page(count, *order, following=following)
        except NoDocs:
            return
        except BackendError as error:
            raise OperationFailed(str(error)) from error
        async with image:
            yield ScannedPage(format_, _chunks(image))


async def _chunks(image: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The image's bytes, with the source's errors as ours."""
    try:
        async for chunk in image:
            yield chunk
    except BackendError as error:
        raise OperationFailed(str(error)) from error
