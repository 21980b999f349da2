"""What must survive a restart: who we are, and which JobIds were given.

One small JSON file in the state folder, replaced whole and flushed to disk. A folder belongs to one
device at a time: two that shared it would be one and the same to every client.
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
FILE_NAME = "device.json"
LOCK_NAME = "device.lock"


class State:
    """The state file. `load` makes the folder, and an identity, when there are none.

    Raises (from `load`):
        ConfigError: the folder cannot be made or written, another device uses it, or the file is
            damaged.
    """

    def __init__(self, path: Path, values: dict[str, Any], lock: IO[bytes]) -> None:
        self._path = path
        self._values = values
        self._lock = lock
        self._told = False

    @classmethod
    def load(cls, folder: Path, identity: str | None = None) -> State:
        """Open the state in `folder`; `identity` (a UUID) takes the place of the stored one."""
        path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = _locked(folder)
            text = path.read_text(encoding="utf-8") if path.exists() else "{}"
        except OSError as error:
            raise ConfigError(
                f"The state folder {folder} cannot be used: {error.strerror or error}; "
                "name another with --state-dir."
            ) from None
        try:
            values = json.loads(text)
            stored = values.get("uuid")
            known = None if stored is None else str(uuid.UUID(stored))
        except (ValueError, AttributeError, TypeError):
            lock.close()
            raise ConfigError(
                f"The state file {path} is damaged; remove it to begin with a new identity."
            ) from None
        state = cls(path, values, lock)
        if identity is not None:
            state._values = {**values, "uuid": identity, "stored_uuid": stored}
        elif known is None:
            values["uuid"] = str(uuid.uuid4())
        try:
            state.save()
        except ConfigError:
            state.close()
            raise
        return state

    def close(self) -> None:
        """Let another device have the folder."""
        self._lock.close()

    @property
    def uuid(self) -> str:
        """The device's UUID, in lower case."""
        return str(self._values["uuid"])

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


def _locked(folder: Path) -> IO[bytes]:
    """Hold the folder for as long as the file that comes back is open.

    Raises:
        ConfigError: somebody else holds it.
    """
    lock = open(folder / LOCK_NAME, "ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise ConfigError(
            f"The state folder {folder} is in use by another scanner; "
            "give each its own with --state-dir."
        ) from None
    return lock


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
