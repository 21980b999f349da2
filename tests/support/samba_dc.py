"""A real Active Directory: a Samba domain controller in a network namespace of its own.

Its ports are fixed, so it needs that namespace, and root for the access lists that it stores.
"""

import os
import shutil
import subprocess
import textwrap
from collections.abc import Sequence
from pathlib import Path

from support.lab import Lab, Side
from support.wait import wait_until

REALM, DOMAIN, HOST = "AD.EXAMPLE.ORG", "ad.example.org", "dc1"
BASE = "DC=ad,DC=example,DC=org"
CONTAINER = f"CN=PSPs,CN=System,{BASE}"
PASSWORD = "S3cret-of-joe"
PYTHON = "/usr/bin/python3"
"""Debian's own, for which its Samba is made."""
UP_WITHIN_S = 60.0


def why_no_dc() -> str | None:
    """What is missing, None when nothing is."""
    if os.geteuid() != 0:
        return "a domain controller needs root"
    if shutil.which("samba-tool") is None or not Path("/usr/sbin/samba").exists():
        return "Samba's domain controller is missing: apt install samba samba-ad-provision"
    return None


class DomainController:
    """The controller of the domain ad.example.org, on the client's side of a lab."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.folder = folder
        self._side = lab.cli
        self.address = lab.cli.ipv4
        self.database = folder / "private" / "sam.ldb"
        self.resolver = folder / "resolv.conf"
        self._tool(
            "domain",
            "provision",
            f"--realm={REALM}",
            "--domain=AD",
            "--server-role=dc",
            "--dns-backend=SAMBA_INTERNAL",
            f"--adminpass={PASSWORD}",
            f"--host-ip={self.address}",
            f"--host-name={HOST}",
            f"--targetdir={folder}",
            f"--option=interfaces=lo {lab.cli.interface}",
            "--option=bind interfaces only=yes",
        )
        self.resolver.write_text(f"search {DOMAIN}\nnameserver {self.address}\n")
        # As a domain's members have it: the KDC is in the DNS, and names are taken as they are.
        (folder / "krb5.conf").write_text(
            f"[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = true\nrdns = false\n"
            "dns_canonicalize_hostname = false\n"
        )

    def _tool(self, *words: str) -> str:
        run = self._side.run(["samba-tool", *words], check=False, timeout_s=UP_WITHIN_S)
        assert run.returncode == 0, run.stderr
        return run.stdout

    # ---- before it starts

    def add_user(self, name: str, mail: str = "") -> str:
        """A user with the common password; the SID as Samba itself spells it."""
        more = [f"--mail-address={mail}"] if mail else []
        self._tool("user", "create", name, PASSWORD, *more, "-H", str(self.database))
        shown = self._tool("user", "show", name, "-H", str(self.database))
        return next(
            line.partition(": ")[2] for line in shown.splitlines() if line.startswith("objectSid")
        )

    def add(self, entries: str) -> None:
        """Add entries, given as LDIF."""
        self._apply("add_ldif", entries)

    def modify(self, changes: str) -> None:
        """Change entries, as LDIF says."""
        self._apply("modify_ldif", changes)

    def _apply(self, how: str, entries: str) -> None:
        script = """
            import sys
            from samba.auth import system_session
            from samba.param import LoadParm
            from samba.samdb import SamDB
            lp = LoadParm(); lp.load(sys.argv[1])
            database = SamDB(sys.argv[2], session_info=system_session(), lp=lp)
            getattr(database, sys.argv[3])(sys.stdin.read())
        """
        settings = str(self.folder / "etc" / "smb.conf")
        run = self._side.run(
            [PYTHON, "-c", textwrap.dedent(script), settings, str(self.database), how],
            input=entries,
            check=False,
        )
        assert run.returncode == 0, run.stderr

    def hide(self, name: str, sid: str) -> None:
        """Deny one user the reading of a scan process."""
        self._tool(
            "dsacl",
            "set",
            f"--objectdn=CN={name},{CONTAINER}",
            f"--sddl=(D;;RPLCLORC;;;{sid})",
            "-H",
            str(self.database),
        )

    def export_keytab(self, user: str) -> Path:
        """The keys of a user, for Kerberos without a password."""
        path = self.folder / f"{user}.keytab"
        self._tool(
            "domain",
            "exportkeytab",
            str(path),
            f"--principal={user}",
            "-s",
            str(self.folder / "etc" / "smb.conf"),
        )
        return path

    # ---- at work

    def start(self, cert: dict[str, Path] | None = None) -> None:
        """Begin to answer; with `cert` TLS shows that certificate."""
        settings = self.folder / "etc" / "smb.conf"
        if cert is not None:
            tls = "".join(f"\ttls {key}file = {path}\n" for key, path in cert.items())
            text = settings.read_text().replace("[global]\n", f"[global]\n{tls}", 1)
            settings.write_text(text)
        with (self.folder / "log").open("wb") as log:
            self._side.popen(
                ["/usr/sbin/samba", "-F", "-s", settings, "-M", "single"], stdout=log, stderr=log
            )
        wait_until(self._answers, UP_WITHIN_S, "answers of LDAP, DNS and KDC", every_s=0.1)

    def _answers(self) -> bool:
        ports = (53, 88, 389, 636)
        script = (
            "import socket, sys\n"
            "for port in sys.argv[2:]:\n"
            "    socket.create_connection((sys.argv[1], int(port)), 1).close()\n"
        )
        args = [PYTHON, "-c", script, self.address, *map(str, ports)]
        return self._side.run(args, check=False).returncode == 0


def as_member(side: Side, dc: DomainController, args: Sequence[str | Path]) -> list[str]:
    """What runs `args` at `side`, on a machine whose DNS is the controller's."""
    mount = f'mount --bind {dc.resolver} /etc/resolv.conf && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", mount, "sh", *args]
    return side.command(command)


def environment(dc: DomainController, **more: str) -> dict[str, str]:
    """Ours, with the domain's Kerberos, and no tickets that somebody may have left."""
    kerberos = {
        "KRB5_CONFIG": str(dc.folder / "krb5.conf"),
        "KRB5CCNAME": f"FILE:{dc.folder / 'no-tickets'}",
    }
    return {**os.environ, **kerberos, **more}


def run_as_member(
    side: Side, dc: DomainController, args: Sequence[str | Path], **more: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        as_member(side, dc, args),
        env=environment(dc, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
