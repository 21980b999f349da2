"""One server among others on one database: hears of their changes, and takes over from the dead."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from device.errors import JobTokenNotFound, TemporaryError
from scan_server.database import DatabaseTrouble
from scan_server.jobs import Jobs
from scan_server.post_scan_jobs import Given, I
from scan_server.postgres import Postgres
from scan_server.shared_records import SharedRecords

log = logging.getLogger(__name__)

BEAT_S = 5.0
LISTEN_AGAIN_S = 1.0
LISTENS_S = 5.0
LEAVE_S = 1.0


class Cluster:
    """The part of a server that knows of others.

    `run` until cancelled, then `leave`.
    """

    def __init__(self, database: Postgres, records: SharedRecords, jobs: Jobs) -> None:
        self._database = database
        self._records = records
        self._jobs = jobs
        self._listening = asyncio.Event()
        self._last: int | None = None
        self._told: set[int] = set()

    async def listening(self) -> None:
        """Wait until the changes of others are heard, if that can be soon."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTENS_S):
                await self._listening.wait()

    async def run(self) -> None:
        """Say that we live, look after those that do not, and hear of changes."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_beating())
            group.create_task(self._keep_listening())

    async def leave(self) -> None:
        """Let others go on at once."""
        with contextlib.suppress(TemporaryError, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._jobs.ask(self._records.leave)

    async def beat(self) -> None:
        """Say that we live, and take over the jobs of servers that do not.

        Raises:
            TemporaryError: the database cannot be had.
        """
        for token, server in await self._jobs.ask(self._records.beat):
            with contextlib.suppress(JobTokenNotFound):
                job = await self._jobs.apply(token, Given(I.RESTART), holder=server)
                log.warning("job %s goes on here: %s, from a server that is gone", token, job.state)
        self._jobs.look()  # whatever was not heard

    async def _keep_beating(self) -> None:
        while True:
            with contextlib.suppress(TemporaryError):
                await self.beat()
            await asyncio.sleep(BEAT_S)

    async def _keep_listening(self) -> None:
        while True:
            try:
                async for number in self._database.changes():
                    await self._tell(int(number) if number else None)
            except (DatabaseTrouble, TemporaryError) as error:
                if self._listening.is_set():
                    log.error("changes of other servers are not heard: %s", error)
                self._listening.clear()
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _tell(self, number: int | None) -> None:
        """Tell of the change of that number, or, for None, of those that were missed.

        Raises:
            TemporaryError: the database cannot be had.
        """
        if number is None:
            missed = self._last
            noted = (
                [] if missed is None else await self._jobs.ask(lambda: self._records.since(missed))
            )
            self._told = {one.number for one in noted}
            self._listening.set()
        elif number in self._told:
            return  # it was among those that were missed
        else:
            noted = await self._jobs.ask(lambda: self._records.noted(number))
        for one in noted:
            self._jobs.happened(one.change, here=one.here)
            self._last = max(self._last or 0, one.number)
