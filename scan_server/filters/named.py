"""What our own dialects have in common: targets that the settings name, and a job in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from device.dsp import filters
from device.dsp.words import FilterStateReason as R
from device.settings import Table
from scan_server.filters import reading
from scan_server.filters.base import Failure, Retry, Target, Work


@dataclass(frozen=True, slots=True)
class Named:
    """A filter whose targets have names."""

    known: Mapping[str, Target]
    retry: Retry = field(default_factory=Retry)

    def targets(self, config: filters.Config, work: Work) -> Sequence[Target | Failure]:
        assert isinstance(config, filters.NamedConfig)
        return [
            self.known.get(name) or Failure(R.INVALID_ARGS, f"the settings know no {name!r}")
            for name in dict.fromkeys(config.names)
        ]


def read_named(table: Table, key: str, read_one: Callable[[Table, str], Target]) -> Named:
    """Read `[[SECTION.KEY]]`, each with a `name` of its own.

    Raises:
        ConfigError: something in it is wrong.
    """
    known: dict[str, Target] = {}
    for entry in table.tables(key):
        name = entry.text("name")
        if name in known:
            raise entry.wrong("name", f"is {name!r}, which is there already")
        known[name] = read_one(entry, name)
        entry.done()
    if not known:
        raise table.wrong(key, "is missing: say where documents may go")
    found = Named(known, reading.retry(table))
    table.done()
    return found


def as_json(work: Work) -> bytes:
    """What is known of a job, for other programs."""
    job = work.job
    return json.dumps(
        {
            "job": job.token,
            "scan_process": job.psp_identifier,
            "document_root_name": job.instructions.document_root_name,
            "user": {"sid": work.user.sid, "name": work.user.name, "mail": work.user.mail},
            "created": job.created.isoformat(),
            "documents": [
                {
                    "id": one.document_id,
                    "name": one.name(),
                    "format": one.format,
                    "media_type": one.media_type,
                    "size": one.size,
                    "sha256": one.sha256(),
                }
                for one in work.documents
            ],
        },
        ensure_ascii=False,
        indent=2,
    ).encode()
