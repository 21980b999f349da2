"""A page that goes on only when all of it is scanned: one that breaks off leaves no trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from scanner_backends.base import RawPage
from scanner_backends.errors import IoError


def held(page: RawPage, spool_dir: Path | None, check: Callable[[], None]) -> RawPage:
    """The same page, once its last band has come; until then its bands wait in a temporary file.

    `check` is called between two bands, and may raise.

    Raises:
        BackendError: the page breaks off, or cannot be kept.
    """
    lengths = []
    with ExitStack() as stack:
        try:
            file = stack.enter_context(TemporaryFile(dir=spool_dir))
            for band in page.bands:
                check()
                file.write(band)
                lengths.append(len(band))
            file.seek(0)
        except OSError as error:
            raise IoError(f"A page cannot be kept meanwhile: {error.strerror}.") from error
        stack.pop_all()
    return replace(page, bands=_bands(file, lengths))


def _bands(file: IO[bytes], lengths: list[int]) -> Iterator[bytes]:
    with file:
        for length in lengths:
            yield file.read(length)
