"""A real SMB server (Samba's smbd) on a free port of loopback, with folders of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.wait import wait_until

PASSWORD = "S3cret-of-scanner"
SMBD = "/usr/sbin/smbd"


def why_no_smbd() -> str | None:
    """What is missing, None when nothing is."""
    if os.geteuid() != 0:
        return "smbd needs root"
    if not Path(SMBD).exists() or shutil.which("smbpasswd") is None:
        return "Samba's file server is missing: apt install samba"
    return None


@dataclass
class Smb:
    """The server. `scans` may be written, `sealed` only read, `tiny` holds 64 KiB."""

    port: int
    folder: Path
    user: str = "root"

    def files(self, share: str = "scans") -> dict[str, bytes]:
        """Everything in a share."""
        top = self.folder / share
        found = sorted(path for path in top.rglob("*") if path.is_file())
        return {str(path.relative_to(top)): path.read_bytes() for path in found}


@contextmanager
def smb_server(folder: Path) -> Iterator[Smb]:
    """Run smbd until the end. `tiny` is a file system that only smbd sees."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name in ("scans", "sealed", "tiny", "state"):
        (folder / name).mkdir()
    config = folder / "smb.conf"
    state = "".join(
        f"{kind} = {folder}/state\n"
        for kind in (
            "private dir",
            "lock directory",
            "state directory",
            "cache directory",
            "pid directory",
            "ncalrpc dir",
        )
    )
    shares = "".join(
        f"[{name}]\npath = {folder}/{name}\nread only = {sealed}\n"
        for name, sealed in (("scans", "no"), ("sealed", "yes"), ("tiny", "no"))
    )
    config.write_text(
        f"[global]\nserver role = standalone server\n{state}"
        f"passdb backend = tdbsam:{folder}/state/passdb.tdb\n"
        "interfaces = lo\nbind interfaces only = yes\ndisable netbios = yes\n"
        f"log file = {folder}/log\nload printers = no\nserver min protocol = SMB2\n{shares}"
    )
    subprocess.run(
        ["smbpasswd", "-c", config, "-a", "-s", "root"],
        input=f"{PASSWORD}\n{PASSWORD}\n",
        text=True,
        check=True,
        capture_output=True,
    )
    mount = f"mount -t tmpfs -o size=64k none {folder}/tiny && exec {SMBD} "
    process = subprocess.Popen(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            f"{mount} -F --no-process-group -s {config} -p {port}",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: _listens(port), 30, "smbd")
        yield Smb(port, folder)
    finally:
        os.killpg(process.pid, 15)
        process.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
