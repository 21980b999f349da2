"""The peer of a request: what it sends, who it is, and whether it is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

from device.http import web
from device.soap.xml import MAX_ENVELOPE

T = TypeVar("T")

BODY_TIMEOUT_S = 30.0
"""Longest pause between two pieces of a request body."""
GONE_CHECK_S = 0.5
"""How often a waiting RetrieveImage looks whether its peer is still there."""


async def read_body(request: web.BaseRequest) -> bytes | None:
    """The whole body, or None when it is larger than an envelope may be.

    Raises:
        TimeoutError: the peer stopped in the middle.
    """
    content = request.content
    if content.is_eof():  # it came with the header
        body = content.read_nowait()
        return body if len(body) <= MAX_ENVELOPE else None
    if (request.content_length or 0) > MAX_ENVELOPE:
        return None
    body = b""
    while len(body) <= MAX_ENVELOPE:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            piece = await content.readany()
        if not piece:
            return body
        body += piece
    return None


def _gone(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


async def unless_gone(
    request: web.BaseRequest,
    work: Coroutine[None, None, T],
    stalled: Callable[[], bool] = lambda: False,
) -> T | None:
    """Do `work`, and cancel it when the peer goes away or stalls meanwhile; then None."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_caught(work))
        while not task.done():
            await asyncio.wait({task}, timeout=GONE_CHECK_S)
            if not task.done() and (_gone(request) or stalled()):
                task.cancel()
    if task.cancelled():
        return None
    result, failure = task.result()
    if failure is not None:
        raise failure
    return result


async def _caught(
    work: Coroutine[None, None, T],
) -> tuple[T, None] | tuple[None, Exception]:
    """The result of `work` or its failure, which a TaskGroup would wrap."""
    try:
        return await work, None
    except Exception as error:  # noqa: BLE001 - raised again by the one who waits
        return None, error


def client_certificate(request: web.BaseRequest) -> bytes | None:
    """The certificate (DER) that the peer showed, checked by TLS already; None without one."""
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport else None
    return tls.getpeercert(binary_form=True) if tls else None
