"""Pictures of what lies in the feeder and on the glass, and a look at files that are laid in.

A second worker makes them, so that nobody's scan waits for a picture. It is started when somebody
looks, and ended when nobody has looked for a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from device.imaging.spec import ImageSpec
from device.pages.supervisor import PageLine
from scanner_backends.base import (
    MM_PER_INCH,
    Description,
    Mode,
    ScanRequest,
    Source,
    TrayPage,
    file_of,
)
from scanner_backends.errors import IoError, NoDocs

IDLE_S = 30.0
LOOK_S = 30.0
KEPT_OCTETS = 4 << 20
DPI = 28
WIDTH_MM, HEIGHT_MM = 215.9, 297.0
"""Letter in width and A4 in height: what is shown of every page."""

log = logging.getLogger(__name__)


class Previews:
    """Makes pictures one at a time, and keeps the latest ones.

    Args:
        line: the worker's page line; of a source with virtual media.
        loads: how often the tray was loaded from the source.
    """

    def __init__(self, line: PageLine, loads: Callable[[], int]) -> None:
        self._line = line
        self._loads = loads
        self._turn = asyncio.Lock()
        self._used = asyncio.Event()
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._labels: dict[int, str] = {}
        self._listed: tuple[int, int | None] | None = None

    async def look(self, file: int) -> Description:
        """What a file holds that was laid in. Raises BackendError."""
        async with self._turn:
            self._used.set()
            return await self._line.describe(file)

    async def picture(self, page: TrayPage) -> bytes:
        """A small JPEG of a page. Raises BackendError."""
        loads = self._loads() if file_of(page.number) is None else 0
        key = (loads, page.number)
        async with self._turn:
            self._used.set()
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            try:
                async with asyncio.timeout(LOOK_S):
                    found = await self._made(page)
            except TimeoutError:
                raise IoError(f"{page.label} takes too long to look at") from None
            self._kept[key] = found
            while sum(map(len, self._kept.values())) > KEPT_OCTETS:
                self._kept.popitem(last=False)
            return found

    async def run(self) -> None:
        """End the worker when nobody has looked for IDLE_S; until cancelled."""
        while True:
            await self._used.wait()
            try:
                while True:
                    self._used.clear()
                    async with asyncio.timeout(IDLE_S):
                        await self._used.wait()
            except TimeoutError:
                async with self._turn:
                    await self._line.rest()

    async def close(self, within_s: float) -> None:
        """End the worker."""
        await self._line.close(within_s)

    async def _made(self, page: TrayPage) -> bytes:
        if file_of(page.number) is None:
            await self._check(page)
        width, height = (round(mm / MM_PER_INCH * DPI) for mm in (WIDTH_MM, HEIGHT_MM))
        request = ScanRequest(
            Source.FLATBED, Mode.COLOR, 8, DPI, DPI, 0.0, 0.0, WIDTH_MM, HEIGHT_MM
        )
        spec = ImageSpec("jfif", "RGB24", width, height, DPI, DPI, quality=75)
        async with await self._line.page(0, page.number, request, spec) as image:
            found = b"".join([piece async for piece in image])
        self._line.job_over(0)
        return found

    async def _check(self, page: TrayPage) -> None:
        """The source may have changed since the tray was loaded, and number its pages anew."""
        state = (self._loads(), self._line.worker_pid)
        if state != self._listed or self._line.worker_pid is None:
            found = await self._line.describe()
            self._labels = {one.number: one.label for one in (*found.platen, *found.feeder)}
            self._listed = (state[0], self._line.worker_pid)
        if self._labels.get(page.number) != page.label:
            raise NoDocs("the source has changed since; load it again")
