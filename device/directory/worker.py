"""One logon at the directory, in a process of its own: orders as lines of JSON, and so answers.

The credentials come with the first order and go with the process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

from device.directory.words import Credentials, DirectorySettings, Login
from device.errors import DirectoryUnavailable, LogonRefused, NoSuchProcess

if TYPE_CHECKING:
    from device.directory.ldap import Logon

Json = dict[str, Any]


def answer(logon: Logon | None, order: Json) -> tuple[Logon, Json]:
    """Do one order."""
    if logon is None:
        from device.directory.ldap import Logon

        settings = order["settings"]
        settings["login"] = Login(settings["login"])
        logon = Logon(DirectorySettings(**settings), Credentials(**order["credentials"]))
        return logon, asdict(logon.user)
    do: dict[str, Callable[[Logon], Json]] = {
        "processes": lambda one: {"found": [asdict(found) for found in one.processes()]},
        "document": lambda one: asdict(one.document(order["identifier"])),
        "user": lambda one: {
            "found": asdict(found) if (found := one.user_of(order["sid"])) else None
        },
        "addresses": lambda one: {
            "found": [asdict(found) for found in one.addresses(order["text"])]
        },
        "thumbprint": lambda one: {
            "found": asdict(found) if (found := one.thumbprint(order["host"])) else None
        },
        "authorities": lambda one: {"found": [der.hex() for der in one.authorities()]},
    }
    return logon, do[order["do"]](logon)


def told(error: LogonRefused | DirectoryUnavailable | NoSuchProcess) -> Json:
    """An error with the values that it was made of."""
    match error:
        case DirectoryUnavailable(server=server, why=why):
            return {"error": "DirectoryUnavailable", "values": [server, why]}
        case LogonRefused(why=why):
            return {"error": "LogonRefused", "values": [why]}
        case NoSuchProcess(identifier=identifier):
            return {"error": "NoSuchProcess", "values": [identifier]}


def run(orders: IO[str], answers: IO[str]) -> None:
    """Work until there are no more orders."""
    logon: Logon | None = None
    for line in orders:
        try:
            logon, given = answer(logon, json.loads(line))
        except (LogonRefused, DirectoryUnavailable, NoSuchProcess) as error:
            given = told(error)
        answers.write(json.dumps(given) + "\n")
        answers.flush()


if __name__ == "__main__":
    # What the environment says to libldap is not for us, and must not turn off what is checked.
    for name in [name for name in os.environ if name.startswith("LDAP")]:
        del os.environ[name]
    # Without a reverse name in the DNS, SASL would ask Kerberos for the wrong service.
    os.environ["LDAPSASL_NOCANON"] = "on"
    run(sys.stdin, sys.stdout)
