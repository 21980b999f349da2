"""What must survive a restart: who we are, and which JobIds were given.

One small JSON file in the state folder, replaced whole and flushed to disk. Several devices may run
on one folder: each takes the first place that is free, and has the identity of that place. Two with
one identity would be one and the same to every client.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import tempfile
import uuid
from pathlib import Path
from typing import IO, Any

from device.errors import ConfigError

log = logging.getLogger(__name__)

MAX_JOB_ID = 2**31 - 1
MAX_PLACES = 1000
FILE_NAME = "device.json"
LOCK_NAME = "device.lock"


class State:
    """The state file. `load` makes the folder, and an identity, when there are none.

    Raises (from `load`):
        ConfigError: the folder cannot be made or written, or the file is damaged.
    """

    def __init__(self, folder: Path, place: int, lock: IO[bytes]) -> None:
        self._folder = folder
        self.place = place
        """1 for the first device on this folder, 2 for one that came while that was running."""
        self._lock = lock
        self._path = self.path(FILE_NAME)
        self._values: dict[str, Any] = {}
        self._told = False

    @classmethod
    def load(cls, folder: Path, identity: str | None = None) -> State:
        """Open the state in `folder`; `identity` (a UUID) takes the place of the stored one."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            place, lock = _free_place(folder)
        except OSError as error:
            raise _unusable(folder, error) from None
        state = cls(folder, place, lock)
        try:
            state._read(identity)
            state.save()
        except ConfigError:
            state.close()
            raise
        return state

    def _read(self, identity: str | None) -> None:
        try:
            text = self._path.read_text(encoding="utf-8") if self._path.exists() else "{}"
        except OSError as error:
            raise _unusable(self._folder, error) from None
        try:
            values = json.loads(text)
            stored = values.get("uuid")
            known = None if stored is None else str(uuid.UUID(stored))
        except (ValueError, AttributeError, TypeError):
            raise ConfigError(
                f"The state file {self._path} is damaged; remove it to begin with a new identity."
            ) from None
        self._values = values
        if identity is not None:
            self._values = {**values, "uuid": identity, "stored_uuid": stored}
        elif known is None:
            values["uuid"] = str(uuid.uuid4())

    def path(self, name: str) -> Path:
        """The path of this device's own file of that name."""
        plain = Path(name)
        own = name if self.place == 1 else f"{plain.stem}-{self.place}{plain.suffix}"
        return self._folder / own

    def close(self) -> None:
        """Let another device have the place."""
        self._lock.close()

    @property
    def uuid(self) -> str:
        """The device's UUID, in lower case."""
        return str(self._values["uuid"])

    def recall(self, what: str) -> str:
        """A text that was remembered, '' if it never was."""
        text = self._values.get(what, "")
        return text if isinstance(text, str) else ""

    def remember(self, what: str, text: str) -> None:
        """Remember a text over restarts. Raises ConfigError."""
        if text != self.recall(what):
            self._values[what] = text
            self.save()

    def next_job_id(self) -> int:
        """A JobId that was not given before, until all two thousand million are used up."""
        last = self._values.get("last_job_id", 0)
        job_id = last + 1 if isinstance(last, int) and 0 <= last < MAX_JOB_ID else 1
        self._values["last_job_id"] = job_id
        try:
            self.save()
        except ConfigError as error:
            # A scan is worth more than a number that may come again after a restart.
            if not self._told:
                log.warning("JobIds may come again after a restart: %s", error)
            self._told = True
        return job_id

    def save(self) -> None:
        """Write the file.

        Raises:
            ConfigError: it cannot be written.
        """
        values = dict(self._values)
        if "stored_uuid" in values:
            stored = values.pop("stored_uuid")
            values.pop("uuid")
            if stored is not None:
                values["uuid"] = stored
        try:
            replace_file(self._path, json.dumps(values, indent=1).encode())
        except OSError as error:
            raise ConfigError(
                f"The state file {self._path} cannot be written: {error.strerror or error}; "
                "name another folder with --state-dir."
            ) from None


def _free_place(folder: Path) -> tuple[int, IO[bytes]]:
    """The first place that nobody holds, and the open file that holds it from now on."""
    for place in range(1, MAX_PLACES):
        stem, suffix = LOCK_NAME.split(".")
        lock = open(folder / (LOCK_NAME if place == 1 else f"{stem}-{place}.{suffix}"), "ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return place, lock
    raise ConfigError(f"The state folder {folder} is in use by {MAX_PLACES - 1} scanners.")


def _unusable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"The state folder {folder} cannot be used: {error.strerror or error}; "
        "name another with --state-dir."
    )


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` in the place of the file at once, whatever happens in between."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
