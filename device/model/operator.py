"""Who stands at the panel, and what they may choose."""

from __future__ import annotations

from dataclasses import dataclass

NOBODY = "S-1-0-0"
"""The well-known SID of nobody: what a device says that has no directory to ask."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody at the device. `principal` is `joe@example.org`, `sid` is `S-1-…`."""

    principal: str
    sid: str
    display_name: str = ""
    mail: str = ""


@dataclass(frozen=True, slots=True)
class ListedProcess:
    """A scan process in the list of those that a user may use.

    `problem` says why it cannot be used all the same; then `identifier` may be empty.
    """

    identifier: str
    name: str
    problem: str = ""
