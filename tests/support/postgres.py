"""A private PostgreSQL on loopback. It refuses to run as root, so that it has a user of its own."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from support.wait import wait_until

STARTS_S = 30.0
_USER = "postgres"


def programs() -> Path | None:
    """The folder with the newest of Debian's versions."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[-3])
    return found[-1].parent if found else None


def why_no_postgres() -> str | None:
    """What is missing, None when nothing is."""
    if programs() is None:
        return "PostgreSQL is missing: apt install postgresql"
    if os.getuid() == 0 and shutil.which("runuser") is None:
        return "runuser is missing: apt install util-linux"
    return None


class Postgres:
    """One cluster; `url()` makes a new, empty database in it."""

    def __init__(self) -> None:
        bin_ = programs()
        assert bin_ is not None
        self._bin = bin_
        self._folder = Path(tempfile.mkdtemp(prefix="wsd-postgres-"))
        self._numbers = itertools.count(1)
        as_root = os.getuid() == 0
        self._user = _USER if as_root else pwd.getpwuid(os.getuid()).pw_name
        self._prefix = ["runuser", "-u", _USER, "--"] if as_root else []
        if as_root:
            shutil.chown(self._folder, _USER)
        self._run("initdb", "-D", self.data, "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        self.port = _free_port()
        self.begin()

    @property
    def data(self) -> str:
        return str(self._folder / "data")

    def _command(self, program: str, *words: str) -> list[str]:
        return [*self._prefix, str(self._bin / program), *words]

    def _run(self, program: str, *words: str) -> None:
        command = self._command(program, *words)
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self._folder, check=False
        )
        assert done.returncode == 0, done.stderr

    def begin(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
            "fsync": "off",
            "max_connections": "60",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", self.data, *words),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
            )
        wait_until(self._answers, STARTS_S, "PostgreSQL")

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        words = ("-h", "127.0.0.1", "-p", str(self.port), "-q")
        return subprocess.run(self._command("pg_isready", *words), check=False).returncode == 0

    def stop(self) -> None:
        """Stop it at once; its data stay."""
        self._run("pg_ctl", "stop", "-D", self.data, "-m", "immediate")
        self._process.wait(STARTS_S)

    def close(self) -> None:
        if self._process.poll() is None:
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self) -> str:
        """The address of a database of one's own."""
        name = f"scans{next(self._numbers)}"
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", self._user)
        self._run("createdb", *where, name)
        return f"postgresql://{self._user}@127.0.0.1:{self.port}/{name}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
