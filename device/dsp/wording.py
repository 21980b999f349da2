"""What `send` says at its end, in one sentence.

`noun` is what is counted: pages, or documents where a file holds many pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from device.model.capabilities import MULTI_PAGE_FORMATS

NOTHING_LEFT = "Nothing is left in the spool."


def plain(error: BaseException) -> str:
    """What went wrong, without Python's spelling of system errors."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def noun_of(formats: Iterable[str]) -> str:
    """`page` or `document`, by the formats of the files."""
    return "page" if MULTI_PAGE_FORMATS.isdisjoint(formats) else "document"


def numbers(pages: Sequence[int], noun: str = "page") -> str:
    """Page numbers for people: `page 3`, `pages 1-4, 7`."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    text = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
    return f"{noun} {text}" if len(pages) == 1 else f"{noun}s {text}"


def count(pages: int, noun: str = "page") -> str:
    """`1 page`, `5 pages`."""
    return f"1 {noun}" if pages == 1 else f"{pages} {noun}s"


def delivered(scanned: int, host: str, noun: str) -> str:
    if not scanned:
        return "There was no page to deliver."
    return f"{count(scanned, noun)} delivered to {host}."


def broken_off(scanned: int, host: str, noun: str) -> str:
    if not scanned:
        return "The scan broke off before its first page was whole: there is nothing to deliver."
    return f"{count(scanned, noun)} delivered to {host}, but {_never_scanned(scanned, noun)}."


def _never_scanned(scanned: int, noun: str) -> str:
    return (
        f"the scan broke off after {noun} {scanned}: later pages, if there were any, were never "
        f"scanned"
    )


def canceled(scanned: int, token: str, noun: str) -> str:
    told = " and the scan server was told" if token else ""
    return f"Cancelled after {count(scanned, noun)}{told}."


def nothing_scanned(why: str) -> str:
    return f"No page was delivered: {why.rstrip('.') or 'none was scanned'}."


def failed(
    why: str,
    scanned: int,
    received: Sequence[int],
    kept: Path,
    *,
    resume_command: str,
    scan_complete: bool,
    noun: str,
) -> str:
    """Which pages did not arrive, why, and where they are."""
    missing = [page for page in range(1, scanned + 1) if page not in received]
    if received and missing:
        there = numbers(received, noun)
        state = f"{numbers(missing, noun)} of {scanned} did not arrive, {there} wait there"
    elif received:
        state = f"{numbers(received, noun)} arrived, but the end of the job is not known"
    else:
        state = f"{numbers(missing, noun)} of {scanned} not delivered"
    missed = "" if scan_complete else f" Note that {_never_scanned(scanned, noun)}."
    return (
        f"{state}: {why.rstrip('.')}; all are kept in {kept} "
        f"and `{resume_command}` sends what is missing.{missed}"
    )


def discarded(pages: int, host: str, folder: Path, noun: str) -> str:
    return f"{count(pages, noun)} for {host or 'an unknown server'} thrown away: {folder}"


def resumed(well: int, jobs: int, sentences: Sequence[str]) -> str:
    if not jobs:
        return NOTHING_LEFT
    return f"{well} of {jobs} deliveries completed: {' '.join(sentences)}"
