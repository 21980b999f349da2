"""Ended jobs on disk, so that a restart forgets nothing: one JSON object in each line.

A line that cannot be read, cut short by a crash or damaged, costs that job and no other.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

from device.jobs.json_form import from_json, to_json
from device.jobs.machine import Job
from device.state import replace_file

log = logging.getLogger(__name__)

VERSION = 1
MAX_LINE = 64 * 1024
"""Octets that a job may take; what is read of the file is bounded by it."""


class HistoryStore:
    """The file of ended jobs, oldest first.

    It is appended to, and written anew when it holds twice the jobs that are remembered. Neither
    a file that cannot be read nor a full disk stops the device: both are logged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[bytes] = []
        self._in_file = 0

    def load(self, remembered: int) -> tuple[Job, ...]:
        """The last `remembered` jobs that were added, oldest first."""
        try:
            data = self._tail(remembered)
        except FileNotFoundError:
            return ()
        except OSError as error:
            log.warning("%s cannot be read: %s", self._path, error.strerror or error)
            return ()
        lines = data.splitlines()
        found = [(line, job) for line in lines if (job := _job(line)) is not None]
        kept = found[-remembered:] if remembered else []
        self._lines = [line + b"\n" for line, _ in kept]
        self._in_file = len(lines)
        if len(found) != len(lines):
            log.warning("%s: %d damaged entries left out", self._path, len(lines) - len(found))
        if len(found) != len(lines) or (data and not data.endswith(b"\n")):
            self._write_anew()
        return tuple(job for _, job in kept)

    def add(self, job: Job, remembered: int) -> None:
        """Keep one more job."""
        line = _fitting_line(job)
        self._lines = [*self._lines, line][-remembered:]
        if self._in_file >= 2 * remembered:
            self._write_anew()
            return
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "ab") as file:
                file.write(line)
            self._in_file += 1
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror or error)

    def _tail(self, remembered: int) -> bytes:
        """The end of the file: what twice the remembered jobs can take at most."""
        most = 2 * max(1, remembered) * MAX_LINE
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            return file.read(most)

    def _write_anew(self) -> None:
        try:
            replace_file(self._path, b"".join(self._lines))
            self._in_file = len(self._lines)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror or error)


def _fitting_line(job: Job) -> bytes:
    """A job as a line that `load` takes: of one too large, the least important is left out."""
    while len(line := _line(job)) > MAX_LINE and job.document_names:
        job = replace(job, document_names=job.document_names[: len(job.document_names) // 2])
    if len(line) > MAX_LINE:
        line = _line(replace(job, ticket=replace(job.ticket, parameters=None)))
    return line


def _line(job: Job) -> bytes:
    return json.dumps({"version": VERSION, "job": to_json(job)}).encode() + b"\n"


def _job(line: bytes) -> Job | None:
    try:
        entry = json.loads(line)
        if entry["version"] != VERSION:
            return None
        job = from_json(Job, entry["job"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return job if job.state.final else None
