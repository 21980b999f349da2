"""Name → backend, through the entry points of the group `wsd_scanner.backends`.

A source is written `NAME:ARGUMENT`; the colon and the argument may be left out. A backend is a
class that takes the argument, '' when there is none. The first line of its docstring is its help.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from scanner_backends.base import Backend, Found
from scanner_backends.errors import SourceError

GROUP = "wsd_scanner.backends"

OWN = {
    "chart": "scanner_backends.chart:ChartBackend",
    "images": "scanner_backends.image_files:ImageFilesBackend",
    "sane": "scanner_backends.sane.backend:SaneBackend",
}
"""Our own, by name: a worker that opens one of them need not read the metadata of everything that
is installed, and nobody else's entry point can take the name."""


FINDERS = {"sane": "scanner_backends.sane.listing:found"}
"""Backends whose sources may come and go: what lists them, given the argument."""


def parse(source: str) -> tuple[str, str]:
    """Split `NAME:ARGUMENT`. Only the first colon counts, so that a path may hold others.

    Raises:
        SourceError: there is no name.
    """
    name, _, argument = source.partition(":")
    name = name.strip()
    if not name:
        raise SourceError(
            f"The source {source!r} has no name: write NAME or NAME:ARGUMENT, "
            "for example chart or images:/path/to/a/folder."
        )
    return name, argument


def open_backend(source: str) -> Backend:
    """Open the source written as `NAME:ARGUMENT`.

    Raises:
        SourceError: the name is unknown, the backend cannot be loaded, or it refuses the argument.
    """
    name, argument = parse(source)
    return cast(Backend, _load(name, check(source))(argument))


def comes_and_goes(source: str) -> bool:
    """Whether a source is one that may be unplugged."""
    return parse(source)[0] in FINDERS


def stands_for_many(source: str) -> bool:
    """Whether a source stands for all that its backend finds, since it names none of them."""
    name, argument = parse(source)
    return name in FINDERS and not argument.partition("?")[0].strip()


def find(source: str) -> list[Found]:
    """What a source that comes and goes could stand for now. May take seconds, and may crash.

    Raises:
        BackendError: nobody can tell.
    """
    name, argument = parse(source)
    finder = cast(Callable[[str], list[Found]], _load(name, FINDERS[name]))
    return finder(argument)


def check(source: str) -> str:
    """The `module:class` behind a source, which is not opened.

    Raises:
        SourceError: the name is unknown.
    """
    name, _ = parse(source)
    target = OWN.get(name)
    if target is None:
        known = _found()
        target = known.get(name)
        if target is None:
            raise SourceError(_unknown(source, name, sorted(known)))
    return target


def names() -> list[tuple[str, str]]:
    """Every backend's name with one line of help, in alphabetical order.

    One that cannot be loaded is listed with the reason in place of the help.
    """
    listed = []
    for name, target in sorted(_found().items()):
        try:
            help_line = next(iter((_load(name, target).__doc__ or "").strip().splitlines()), "")
        except SourceError as error:
            help_line = str(error)
        listed.append((name, help_line))
    return listed


def _found() -> dict[str, str]:
    """Name → `module:class` of everything installed, our own first in rank."""
    # Costs a walk over all installed distributions and the import of `email`: only when needed.
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=GROUP)} | OWN


def _load(name: str, target: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute.strip())
    except (ImportError, AttributeError) as error:
        raise SourceError(f"The source {name!r} cannot be loaded: {error}.") from error


def _unknown(source: str, name: str, known: list[str]) -> str:
    if "/" in name or name.startswith("."):
        return f"The source {source!r} looks like a path: write images:{source}."
    import difflib  # only who errs needs it

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"There is no source {name!r}: {hint}Known are {', '.join(known)}."
