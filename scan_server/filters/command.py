"""The command filter: a program of the settings is given a job's documents.

No shell: the arguments are a list. The program has copies of the documents in a folder of its own,
which is its working directory, and an environment of a few variables. It is the leader of a group
of processes; when it has ended, or has no more time, whatever is left of the group is ended as
well. What it prints is in the log, as far as `MAX_OUTPUT`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread, Timer
from typing import IO

from device.dsp.words import FilterStateReason as R
from device.settings import Table
from scan_server import names
from scan_server.filters.base import Failure, Kind, Work
from scan_server.filters.named import Named, as_json, read_named

log = logging.getLogger(__name__)

MAX_OUTPUT = 4_096
GRACE_S = 2.0
"""Between SIGTERM and SIGKILL."""
FILES, FOLDER = "{files}", "{folder}"


@dataclass(frozen=True, slots=True)
class Command:
    """One program. In `arguments`, `{files}` is all documents and `{folder}` where they are."""

    name: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    limit_s: float = 300.0
    again: frozenset[int] = frozenset({os.EX_TEMPFAIL})
    warnings: frozenset[int] = frozenset()

    def deliver(self, work: Work, key: str) -> None:
        if work.done(key, f"command:{self.name} {work.job.token}.{key}"):
            return
        with _folder(work, key) as folder:
            code = self._run(work, folder)
        if code in self.again:
            raise Failure(R.UNKNOWN_ERROR, f"it ended with {code}", Kind.PASSING)
        if code and code not in self.warnings:
            raise Failure(R.UNKNOWN_ERROR, f"it ended with {code}")
        work.records.placed(work.job.token, key)
        if code:
            raise Failure(R.UNKNOWN_ERROR, f"it ended with {code}", Kind.WARNING)

    def _run(self, work: Work, folder: Path) -> int:
        """The program's exit code; negative for a signal."""
        files = sorted(str(path) for path in folder.iterdir() if path.name != "job.json")
        arguments = [part for one in self.arguments for part in (files if one == FILES else [one])]
        try:
            process = subprocess.Popen(
                [str(folder) if one == FOLDER else one for one in arguments],
                cwd=folder,
                env=self._environment(work, folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            why = f"{self.arguments[0]}: {error.strerror}"
            raise Failure(R.UNKNOWN_ERROR, f"it cannot be started: {why}") from error
        assert process.stdout is not None
        printed: list[bytes] = []
        reader = Thread(target=_read, args=(process.stdout, printed), daemon=True)
        limit = Timer(self.limit_s, _end, [process])
        with work.stop.calling(lambda: _end(process)):
            reader.start()
            limit.start()
            # Its number stays taken until `wait`, so that no stranger's group is ended.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            in_time = limit.is_alive()
            limit.cancel()
            _signal(process, signal.SIGKILL)
            code = process.wait()
        reader.join(GRACE_S)
        text = b"".join(printed)[:MAX_OUTPUT].decode(errors="replace").strip()
        log.info("job %s: command %s ended with %d: %r", work.job.token, self.name, code, text)
        work.check()
        if not in_time:
            raise Failure(R.UNKNOWN_ERROR, f"it took longer than {self.limit_s:g} s")
        return code

    def _environment(self, work: Work, folder: Path) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "WSD_SCANNER_JOB": work.job.token,
            "WSD_SCANNER_USER": names.safe(work.user.name, "user"),
            **dict(self.environment),
        }


@contextmanager
def _folder(work: Work, key: str) -> Iterator[Path]:
    """A folder with a copy of each document and `job.json`, beside the job's own files."""
    folder = work.storage.path(work.job.token, 0).with_name(f"command-{key}")
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir(mode=0o700)
    try:
        (folder / "job.json").write_bytes(as_json(work))
        for document in work.documents:
            with (folder / document.name()).open("xb") as file:
                for piece in document.pieces():
                    work.check()
                    file.write(piece)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(output: IO[bytes], printed: list[bytes]) -> None:
    """Read all that is printed, and keep the beginning."""
    kept = 0
    with output:
        while piece := os.read(output.fileno(), 65_536):
            if kept < MAX_OUTPUT:
                printed.append(piece)
                kept += len(piece)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and after a while SIGKILL, to the whole group."""
    _signal(process, signal.SIGTERM)
    later = Timer(GRACE_S, _signal, [process, signal.SIGKILL])
    later.daemon = True
    later.start()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if process.returncode is None:
            os.killpg(process.pid, number)


def read(table: Table) -> Named:
    """
    Raises:
        ConfigError: something in it is wrong.
    """
    return read_named(table, "command", _read_command)


def _read_command(table: Table, name: str) -> Command:
    arguments = table.texts("run", repeats=True)
    if not os.access(arguments[0], os.X_OK) or not Path(arguments[0]).is_absolute():
        raise table.wrong("run", f"is {arguments[0]!r} first, and must be a program's full path")
    environment = [text.partition("=") for text in table.texts("environment", ())]
    if wrong := [variable for variable, equals, _ in environment if not (variable and equals)]:
        raise table.wrong("environment", f"holds {wrong[0]!r}, and must hold NAME=VALUE")
    return Command(
        name=name,
        arguments=arguments,
        environment=tuple((variable, value) for variable, _, value in environment),
        limit_s=table.number("limit", 300.0, low=0.1, high=86_400),
        again=frozenset(table.integers("again", (os.EX_TEMPFAIL,), low=1, high=255)),
        warnings=frozenset(table.integers("warnings", (), low=1, high=255)),
    )
