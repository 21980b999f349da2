"""A scan job of this device whose images go to a scan server: no client retrieves them, we do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from device.dsp.runner import ScannedPage
from device.errors import JobCancelled, NoImagesAvailable, TemporaryError
from device.jobs.machine import Job
from device.jobs.ports import PageSpoiled
from device.jobs.transfer import ImageTransfer
from scanner_backends.errors import Cancelled

log = logging.getLogger(__name__)

BUSY_PAUSE_S = 2.0
"""Between two tries while another program holds the scanner."""


class Engine(Protocol):
    """The job engine, as far as a scan needs it."""

    async def retrieve(
        self,
        job_id: int | str,
        token: str,
        document_name: str,
        message_id: str,
        *,
        repeatable: bool = False,
    ) -> ImageTransfer: ...


async def scanned_pages(
    engine: Engine, job: Job, canceled: asyncio.Event
) -> AsyncGenerator[ScannedPage, None]:
    """The images of `job`, one by one, as they are scanned.

    A page counts as taken when the next one is asked for; one that was not lies in the feeder
    again. A jam is waited out. When somebody cancels the job, `canceled` is set and no more comes.

    Raises:
        DeviceError: the scan broke off.
    """
    while True:
        try:
            transfer = await engine.retrieve(job.job_id, job.token, "", "", repeatable=True)
        except NoImagesAvailable:
            return
        except TemporaryError as error:
            log.info("job %d waits: %s", job.job_id, error)
            await asyncio.sleep(BUSY_PAUSE_S)
            continue
        except JobCancelled:
            canceled.set()
            await asyncio.Event().wait()  # whoever cancels the delivery ends this, too
        image = _Image(transfer)
        taken = False
        try:
            yield ScannedPage(job.parameters.format.value, image.chunks())
            taken = not image.canceled
        finally:
            await transfer.finished(delivered=taken)


class _Image:
    """The bytes of one image, and whether its job was cancelled under way."""

    def __init__(self, transfer: ImageTransfer) -> None:
        self._transfer = transfer
        self.canceled = False

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._transfer.chunks():
                yield chunk
        except Cancelled as error:
            self.canceled = True
            raise PageSpoiled(str(error)) from None
