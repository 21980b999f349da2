"""The directory as the device asks it: one child process for each logon.

A child holds the credentials; they are gone with it. One that does not answer in time is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import sys
from dataclasses import asdict
from typing import Any

from device.child_process import environment
from device.directory.words import (
    Address,
    Credentials,
    DirectorySettings,
    FoundDocument,
    Thumbprint,
)
from device.errors import (
    ConfigError,
    DirectoryUnavailable,
    LogonRefused,
    NoSuchProcess,
    OperatorError,
)
from device.model.operator import ListedProcess, User

Json = dict[str, Any]

PATIENCE_S = 15.0
"""For a logon with all its steps, and for each question (ws-dsp section 10, step 2)."""
MAX_ANSWER = 64 * 1024 * 1024
MISSING = (
    "A directory needs the package {}: install python3-bonsai and python3-dnspython where Debian's "
    "Python is used, or wsd-scanner[ad] by pip."
)
_ERRORS: dict[str, type[OperatorError]] = {
    kind.__name__: kind for kind in (LogonRefused, DirectoryUnavailable, NoSuchProcess)
}


def check_installed() -> None:
    """Raises ConfigError when what a directory needs is not there."""
    for package, module in (("bonsai", "bonsai"), ("dnspython", "dns")):
        if importlib.util.find_spec(module) is None:
            raise ConfigError(MISSING.format(package))


class Logon:
    """A user who is logged on at the directory. `close` forgets the credentials.

    Every question raises DirectoryUnavailable when the directory cannot be asked.
    """

    def __init__(self, process: asyncio.subprocess.Process, server: str, patience_s: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._orders = process.stdin
        self._answers = process.stdout
        self._server = server
        self._patience_s = patience_s
        self._turn = asyncio.Lock()
        self._killed = False
        self.user = User("", "")

    async def begin(self, settings: DirectorySettings, credentials: Credentials) -> User:
        """Log on; nothing else can be asked before. Raises as `log_on` does."""
        order = {"settings": asdict(settings), "credentials": asdict(credentials)}
        return User(**await self._ask(order))

    async def processes(self) -> list[ListedProcess]:
        """The scan processes that this user may use, sorted by name."""
        answer = await self._ask({"do": "processes"})
        found = [ListedProcess(**one) for one in answer["found"]]
        return sorted(found, key=lambda one: (one.name.casefold(), one.identifier))

    async def document(self, identifier: str) -> FoundDocument:
        """The document of one of them.

        Raises:
            NoSuchProcess: there is none with this identifier, or not for this user.
        """
        return FoundDocument(**await self._ask({"do": "document", "identifier": identifier}))

    async def user_of(self, sid: str) -> User | None:
        """The user with this SID, if there is one."""
        found = (await self._ask({"do": "user", "sid": sid}))["found"]
        return User(**found) if found else None

    async def addresses(self, text: str) -> list[Address]:
        """Who has an e-mail address and begins so, by name or by address, sorted by name."""
        found = (await self._ask({"do": "addresses", "text": text}))["found"]
        return sorted((Address(**one) for one in found), key=lambda one: one.name.casefold())

    async def thumbprint(self, host: str) -> Thumbprint | None:
        """What the directory says of that scan server's certificate, if anything."""
        found = (await self._ask({"do": "thumbprint", "host": host}))["found"]
        return Thumbprint(**found) if found else None

    async def authorities(self) -> list[bytes]:
        """The certificates of the enterprise's root authorities, as DER."""
        found = (await self._ask({"do": "authorities"}))["found"]
        return [bytes.fromhex(one) for one in found]

    async def close(self) -> None:
        """Log off."""
        self._kill()
        async with self._turn:
            await self._gone()

    async def _ask(self, order: Json) -> Json:
        """One question and its answer."""
        async with self._turn:
            line = await self._exchange(json.dumps(order).encode() + b"\n")
        if not line:
            raise DirectoryUnavailable(self._server, "the connection has ended; log on again")
        answer: Json = json.loads(line)
        if "error" in answer:
            raise _ERRORS[answer["error"]](*answer["values"])
        return answer

    async def _exchange(self, line: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._patience_s):
                self._orders.write(line)
                await self._orders.drain()
                if answer := await self._answers.readline():
                    return answer
        except TimeoutError:
            await self._gone()
            why = f"it did not answer within {self._patience_s:g} s"
            raise DirectoryUnavailable(self._server, why) from None
        except OSError:
            pass  # it has died: there is no answer
        except BaseException:
            await self._gone()  # its answer would be taken for the next one's
            raise
        await self._gone()
        return b""

    def _kill(self) -> None:
        """Once: a second kill would reap the child behind asyncio's back."""
        if not self._killed:
            self._killed = True
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _gone(self) -> None:
        """End the child, and read its pipe empty, without which asyncio never lets go of it."""
        self._kill()
        while await self._answers.read(65_536):
            pass
        await self._process.wait()
        self._orders.close()


async def log_on(
    settings: DirectorySettings, credentials: Credentials, patience_s: float = PATIENCE_S
) -> Logon:
    """Log a user on.

    Raises:
        LogonRefused: the directory does not take the name with this proof.
        DirectoryUnavailable: it cannot be reached or trusted, or does not answer in time.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "device.directory.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_ANSWER,
        env=environment(),
    )
    logon = Logon(process, settings.server, patience_s)
    try:
        logon.user = await logon.begin(settings, credentials)
    except BaseException:
        await logon.close()
        raise
    return logon
