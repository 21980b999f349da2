"""Which scanners are there, and who each of them is. Pure.

A scanner's identity is its key, which stays the same wherever it is plugged in. Of several with the
same key (some makers give a whole series one serial number) all but one are told apart by the place
as well. Whoever had an identity once gets it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from scanner_backends.base import Found


@dataclass(frozen=True, slots=True)
class News:
    """What is other than before, by identity. `moved`: there as before, by another name."""

    come: dict[str, Found]
    moved: dict[str, Found]
    gone: tuple[str, ...]


def identities(
    found: Iterable[Found], known: Mapping[str, Found], is_remembered: Callable[[str], bool]
) -> dict[str, Found]:
    """Who each of those found is.

    Args:
        known: those that are there already, by identity.
        is_remembered: whether a scanner of that identity was there at some time.
    """
    there: dict[str, Found] = {}

    def stays(one: Found) -> bool:
        return one.key in known and known[one.key].name == one.name

    for one in sorted(found, key=lambda one: (not stays(one), one.key, one.place)):
        placed = f"{one.key}@{one.place}" if one.place else one.key
        if stays(one) or (one.key not in there and not is_remembered(placed)):
            there[one.key] = one
        else:
            there[placed] = one
    return there


def news(
    known: Mapping[str, Found], there: Mapping[str, Found], is_plugged: Callable[[str], bool]
) -> News:
    """Compare what was there with what is there.

    Args:
        is_plugged: whether the scanner of that name is there though nobody lists it: another
            program has it open.
    """
    return News(
        come={who: one for who, one in there.items() if who not in known},
        moved={
            who: one
            for who, one in there.items()
            if who in known and one.source != known[who].source
        },
        gone=tuple(
            who for who, one in known.items() if who not in there and not is_plugged(one.name)
        ),
    )


def free_name(wished: str, label: str, remembered: str, taken: Iterable[str]) -> str:
    """What people shall call a scanner: no other one is called so.

    Args:
        wished: the name that the user gives, '' if none.
        label: what the scanner says that it is.
        remembered: what it was called before, '' if it is new.
    """
    others = set(taken)
    if remembered.startswith(wished or label) and remembered not in others:
        return remembered
    plain = [wished, f"{wished} ({label})"] if wished else [label]
    for name in plain:
        if name not in others:
            return name
    count = 2
    while f"{plain[-1]} {count}" in others:
        count += 1
    return f"{plain[-1]} {count}"
