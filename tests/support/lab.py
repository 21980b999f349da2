"""Two network namespaces joined by cables: a device in one, its clients in the other.

Nothing in them can reach another network, so real multicast on port 3702 disturbs nobody. Each
namespace is held open by a `cat` that reads a pipe of ours: when the tests die, however they die,
the pipe closes and the namespaces are gone. That is why they have no names in /run/netns.

Root makes them as they are; anybody else inside a user namespace, where the kernel allows that.
"""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.wait import wait_until

TOOLS = ("ip", "unshare", "nsenter")
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
HOLD = ("sh", "-c", "echo held; exec cat")


class LabUnavailable(Exception):
    """Network namespaces cannot be made here."""


@dataclass(frozen=True)
class Side:
    """One namespace. `ipv4` and `ipv6` are its addresses on the first cable."""

    name: str
    ipv4: str
    ipv6: str
    interfaces: tuple[str, ...]
    holder: "subprocess.Popen[str]"
    processes: "list[subprocess.Popen[Any]]" = field(default_factory=list)

    @property
    def interface(self) -> str:
        return self.interfaces[0]

    def command(self, args: Sequence[str | Path]) -> list[str]:
        """What runs `args` in this namespace, in one process that `args` then becomes."""
        return [*_enter(self.holder.pid), *map(str, args)]

    def popen(self, args: Sequence[str | Path], **options: Any) -> "subprocess.Popen[Any]":
        options.setdefault("env", {**os.environ, **ENVIRONMENT})
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(self.command(args), **options)
        self.processes.append(process)
        return process

    def run(
        self,
        args: Sequence[str | Path],
        *,
        timeout_s: float = 60,
        check: bool = True,
        input: str | None = None,
        env: dict[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(args),
            input=input or "",
            env={**os.environ, **ENVIRONMENT, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=check,
        )

    def link_local(self, interface: str | None = None) -> str:
        """The fe80:: address, without a zone."""
        shown = self.run(
            ["ip", "-6", "-o", "addr", "show", "dev", interface or self.interface, "scope", "link"]
        ).stdout.split()
        return shown[shown.index("inet6") + 1].partition("/")[0]

    def pids(self) -> list[int]:
        """Every process in this namespace but its holder."""
        mine = os.stat(f"/proc/{self.holder.pid}/ns/net").st_ino
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.holder.pid:
                with contextlib.suppress(OSError):
                    if os.stat(entry / "ns/net").st_ino == mine:
                        found.append(int(entry.name))
        return found


@dataclass(frozen=True)
class Lab:
    """`dev` and `cli`, with one or more cables lab0, lab1, ... between them."""

    dev: Side
    cli: Side


@functools.cache
def why_no_lab() -> str | None:
    """None when namespaces can be made, otherwise the reason why not."""
    missing = [tool for tool in TOOLS if shutil.which(tool, path=ENVIRONMENT["PATH"]) is None]
    if missing:
        return f"network namespaces need {', '.join(missing)} (Debian: iproute2, util-linux)"
    try:
        with make_lab():
            return None
    except LabUnavailable as error:
        return f"network namespaces cannot be made: {error}"


@contextlib.contextmanager
def make_lab(
    *, ipv4: bool = True, ipv6: bool = True, links: int = 1, loss_percent: int = 0
) -> Iterator[Lab]:
    """Build both namespaces, and end whatever runs in them afterwards.

    Cable N: 10.77.N.1 and fd77:N::1 in `dev`, .2 and ::2 in `cli`.
    """
    interfaces = tuple(f"lab{n}" for n in range(links))
    with contextlib.ExitStack() as stack:
        holders: list[subprocess.Popen[str]] = []
        for _ in ("dev", "cli"):
            holders.append(stack.enter_context(_holder(holders)))
        dev, cli = (
            Side(name, f"10.77.0.{n}", f"fd77::{n}", interfaces, holder)
            for n, (name, holder) in enumerate(zip(("dev", "cli"), holders, strict=True), start=1)
        )
        stack.callback(_end_processes, dev)
        stack.callback(_end_processes, cli)
        try:
            for side in (dev, cli):
                _settings(side, ipv6)
            for name in interfaces:
                peer = ["peer", "name", name, "netns", str(cli.holder.pid)]
                dev.run(["ip", "link", "add", name, "type", "veth", *peer])
            for n, side in enumerate((dev, cli), start=1):
                _addresses(side, n, ipv4=ipv4, ipv6=ipv6)
                _lose(side, loss_percent)
            if ipv6:
                for side in (dev, cli):
                    wait_until(
                        functools.partial(_addresses_are_usable, side), 10, "an IPv6 address"
                    )
        except subprocess.CalledProcessError as error:
            raise LabUnavailable(f"{error.cmd[-8:]}: {error.stderr.strip()}") from error
        yield Lab(dev, cli)


def _enter(pid: int) -> list[str]:
    enter = ["nsenter", "--target", str(pid), "--net"]
    return enter if os.geteuid() == 0 else [*enter, "--user", "--preserve-credentials"]


@contextlib.contextmanager
def _holder(others: "list[subprocess.Popen[str]]") -> "Iterator[subprocess.Popen[str]]":
    """A process in a new network namespace that ends when our pipe to it closes."""
    if os.geteuid() == 0:
        command = ["unshare", "--net", *HOLD]
    elif not others:
        command = ["unshare", "--user", "--map-root-user", "--net", *HOLD]
    else:  # in the user namespace of the first, so that a cable may join the two
        user = ["nsenter", "--target", str(others[0].pid), "--user", "--preserve-credentials"]
        command = [*user, "unshare", "--net", *HOLD]
    with subprocess.Popen(
        command,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != "held\n":
            raise LabUnavailable(holder.stderr.read().strip())
        try:
            yield holder
        finally:
            holder.stdin.close()
            holder.wait(timeout=10)


def _settings(side: Side, ipv6: bool) -> None:
    """No duplicate address detection: addresses are there at once."""
    script = "; ".join(
        f"echo {value} > /proc/sys/net/ipv6/conf/{which}/{name}"
        for which in ("all", "default")
        for name, value in (
            ("disable_ipv6", 0 if ipv6 else 1),
            ("accept_dad", 0),
            ("dad_transmits", 0),
            ("accept_ra", 0),
        )
    )
    side.run(["sh", "-c", f"[ ! -e /proc/sys/net/ipv6 ] || {{ {script}; }}"])


def _addresses(side: Side, n: int, *, ipv4: bool, ipv6: bool) -> None:
    side.run(["ip", "link", "set", "lo", "up"])
    for cable, name in enumerate(side.interfaces):
        if ipv4:
            side.run(["ip", "addr", "add", f"10.77.{cable}.{n}/24", "brd", "+", "dev", name])
        side.run(["ip", "link", "set", name, "multicast", "on", "up"])
        if ipv6:
            side.run(["ip", "addr", "add", f"fd77:{cable}::{n}/64", "dev", name, "nodad"])
    if ipv4:  # what a default route gives an ordinary host: a way out for multicast
        side.run(["ip", "route", "add", "224.0.0.0/4", "dev", side.interface])


def _lose(side: Side, percent: int) -> None:
    if percent:
        rule = f'iifname "lab*" numgen random mod 100 < {percent} drop'
        table = f"table inet lab {{ chain in {{ type filter hook input priority 0; {rule}; }}; }}"
        side.run(["nft", "-f", "-"], input=table)


def _addresses_are_usable(side: Side) -> bool:
    shown = side.run(["ip", "-6", "-o", "addr", "show", "scope", "link"]).stdout
    return shown.count("inet6") >= len(side.interfaces) and "tentative" not in shown


def _end_processes(side: Side) -> None:
    """Ask by pid, then insist."""
    for sig, patience_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        for pid in side.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: _reap(side) and not side.pids(), patience_s, "an empty namespace")
    _reap(side)


def _reap(side: Side) -> bool:
    return None not in [process.poll() for process in side.processes]
