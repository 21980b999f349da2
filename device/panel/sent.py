"""Small pictures of the pages that jobs have scanned: the latest ones, in memory only.

They take some hundredths of a scan's time, so there are none before somebody uses the panel.
"""

from __future__ import annotations

from collections import OrderedDict

KEPT_OCTETS = 4 << 20
PAGES_OF_A_JOB = 50


class SentPages:
    """By job, in the order of their scanning. The oldest jobs' go when there is too much."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[int, list[bytes]] = OrderedDict()
        self._octets = 0

    def add(self, job_id: int, picture: bytes) -> None:
        """A page was scanned."""
        pages = self._jobs.setdefault(job_id, [])
        if len(pages) >= PAGES_OF_A_JOB:
            return
        pages.append(picture)
        self._octets += len(picture)
        while self._octets > KEPT_OCTETS:
            _, gone = self._jobs.popitem(last=False)
            self._octets -= sum(map(len, gone))

    def count(self, job_id: int) -> int:
        """How many pictures there are of a job."""
        return len(self._jobs.get(job_id, ()))

    def find(self, job_id: int, number: int) -> bytes | None:
        """A picture; the first one has number 1."""
        pages = self._jobs.get(job_id, [])
        return pages[number - 1] if 0 < number <= len(pages) else None
