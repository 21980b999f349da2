"""A post-scan job with documents in a spool, for a filter to deliver without a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from device.dsp import filters
from device.dsp.process import Filter as Entry
from device.dsp.process import PostScanInstructions
from scan_server.database import Sqlite
from scan_server.filters.base import Filter, Outcome, Run, Work
from scan_server.filters.stop import Stop
from scan_server.identity import User
from scan_server.post_scan_jobs import Document, PostScanJob, create
from scan_server.records import Records
from scan_server.storage import Storage

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SID = "S-1-0-0"


class Spool:
    """Documents and records below `root`."""

    def __init__(self, root: Path) -> None:
        self.storage = Storage(root / "received", 1 << 30)
        self.database = Sqlite(root / "records.sqlite")

    def job(
        self,
        *entries: Entry,
        pages: Sequence[bytes],
        token: str = "aaaa",
        format_: str = "png",
        root_name: str = "scan",
    ) -> PostScanJob:
        """A job whose documents are `pages`."""
        job = create(
            token=token,
            user=SID,
            psp_identifier="P",
            instructions=PostScanInstructions(root_name, entries),
            owner="",
            now=0,
            at=AT,
        )
        if not self.storage.path(token, 1).parent.exists():
            self.storage.begin(token)
        documents = []
        for number, data in enumerate(pages, 1):
            self.storage.path(token, number).write_bytes(data)
            documents.append(Document(number, format_, len(data)))
        return replace(job, documents=tuple(documents))

    def run(
        self,
        found: Filter,
        job: PostScanJob,
        *,
        stop: Stop | None = None,
        user: User | None = None,
        last: bool = True,
    ) -> Outcome:
        """Run the job's first filter once, in this thread."""
        entry = job.instructions.filters[0]
        config = filters.read(entry.dialect, entry.instructions)
        records = Records(self.database)
        records.prepare()
        try:
            work = Work(job, 0, user or User(SID, SID), records, self.storage, stop or Stop(), last)
            return Run(found, config).once(work)
        finally:
            records.close()
