"""Asks a fresh process which sources there are."""

from __future__ import annotations

import asyncio
import json
import sys

from device.child_process import environment
from scanner_backends.base import Found
from scanner_backends.errors import BY_NAME, BackendError, IoError

PATIENCE_S = 60.0
"""Some drivers ask the whole network."""


async def search(source: str, patience_s: float = PATIENCE_S) -> list[Found]:
    """What a source that comes and goes could stand for now.

    Raises:
        SourceError: it is none, or what it needs is not installed.
        BackendError: nobody can tell; a driver crashed, or took too long.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "device.pages.finder",
        source,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
    )
    try:
        async with asyncio.timeout(patience_s):
            told, _ = await process.communicate()
    except TimeoutError:
        raise IoError(f"{source} could not be listed within {patience_s:g} seconds.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _read(source, told, process.returncode)


def _read(source: str, told: bytes, code: int | None) -> list[Found]:
    try:
        answer = json.loads(told)
        if "found" in answer:
            return [Found(**one) for one in answer["found"]]
        raise _error(answer)
    except (ValueError, TypeError, KeyError):
        raise IoError(f"A driver broke down when {source} was listed (code {code}).") from None


def _error(answer: dict[str, str]) -> BackendError:
    return BY_NAME.get(answer["error"], IoError)(answer["sentence"])
