"""What the engine needs of others, and what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from device.imaging.spec import ImageSpec
from scanner_backends.base import Description, ScanRequest
from scanner_backends.errors import BackendError

Order = tuple[int | None, ScanRequest, ImageSpec]
"""The number of a page of the tray, None with real media; how to scan it; what to make of it."""

Following = Callable[[BackendError | None], Awaitable[Order | None]]
"""Gives the next page of a document as `Pages.page` takes it, None if it is complete. It is told
why a page could not begin (or, where pages are held, broke off), and may give it again."""


class PageSpoiled(Exception):
    """An image broke off by something that a person can mend; its page comes again after that."""


class Image(Protocol):
    """The bytes of one image, as the page line gives them."""

    media_type: str

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Pages(Protocol):
    """The page line, as far as the engine uses it."""

    async def page(
        self,
        job_id: int,
        page: int | None,
        request: ScanRequest,
        spec: ImageSpec,
        following: Following | None = None,
        *,
        held: bool = False,
    ) -> Image: ...

    def order_ahead(
        self, job_id: int, page: int | None, request: ScanRequest, spec: ImageSpec
    ) -> None: ...

    async def cancel(self, job_id: int) -> None: ...

    async def describe(self) -> Description: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs may wait behind the one at work, and how many ended ones are remembered."""

    waiting: int = 8
    history: int = 100
