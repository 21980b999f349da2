"""The scan server as a whole, as those who administer it see it and set it.

Source: ws-dsp section 12, RepositoryStatus and RepositoryConfiguration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from scan_server.configuration_messages import Repository, RepositoryState
from scan_server.post_scan_jobs import WORKING, PostScanJob


class Operation:
    """What the server does, and which filters take new jobs.

    Args:
        dialects: of all filters that this server has.
        told: hears how the server is, each time that this may have changed.
    """

    def __init__(self, dialects: Iterable[str], told: Callable[[Repository], None]) -> None:
        self.dialects = tuple(dialects)
        self._told = told
        self._off: set[str] = set()
        self._working: set[str] = set()
        self._queue = asyncio.Event()
        self._queue.set()

    def __contains__(self, dialect: object) -> bool:
        """Whether new jobs may name this filter."""
        return dialect in self.dialects and dialect not in self._off

    @property
    def is_stopped(self) -> bool:
        """Whether jobs wait for their turn until the queue goes on."""
        return not self._queue.is_set()

    def repository(self) -> Repository:
        """The server as WS-DSC tells of it."""
        state = RepositoryState.PROCESSING if self._working else RepositoryState.IDLE
        if self.is_stopped and not self._working:
            state = RepositoryState.STOPPED
        return Repository(state, tuple(one for one in self.dialects if one in self))

    def heard(self, job: PostScanJob) -> None:
        """A job has changed."""
        (self._working.add if job.state in WORKING else self._working.discard)(job.token)
        self._told(self.repository())

    async def turn(self) -> None:
        """Wait until jobs may have their turn."""
        await self._queue.wait()

    def stop_queue(self, stopped: bool) -> None:
        """Let no further job have its turn, or go on. What is at work comes to its end."""
        (self._queue.clear if stopped else self._queue.set)()
        self._told(self.repository())

    def switch(self, dialect: str, *, on: bool) -> None:
        """Take new jobs for a filter, or none. Jobs that are there are done all the same."""
        (self._off.discard if on else self._off.add)(dialect)
        self._told(self.repository())
