"""Asks the system's resolver for a name, without being held up by it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Final

MAX_LOOKUPS: Final = 4
"""Names that are looked up at the same time."""

_free = threading.BoundedSemaphore(MAX_LOOKUPS)


async def look_up(host: str) -> list[str]:
    """What the system's resolver says of a name.

    It cannot be interrupted, and takes half a minute where a name server does not answer. So it
    does not get the threads of the event loop, which others need, and which are waited for at the
    end: strangers could fill them with names.

    Raises:
        OSError: there is no such name, or too many are looked up already.
    """
    if not _free.acquire(blocking=False):
        raise OSError("too many names are looked up")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def tell(found: list[str], error: Exception | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(found)
        else:
            answer.set_exception(error)

    def look() -> None:
        found: list[str] = []
        failed: Exception | None = None
        try:
            entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = [str(entry[4][0]) for entry in entries]
        except (OSError, UnicodeError) as error:
            failed = error
        finally:
            _free.release()
        with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(tell, found, failed)

    threading.Thread(target=look, name="lookup", daemon=True).start()
    return await answer
