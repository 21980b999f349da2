"""One value of a ticket at a time: the decision table of ws-scan 11.1, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from device.errors import InvalidArgs
from device.model.capabilities import Range
from device.model.ticket import Final, SideWish, Wish

T = TypeVar("T")


class Leaves:
    """Decides values, and collects what was not used as it was asked for.

    Attributes:
        changed: the settings that are not used as they were asked for.
        rejected: those among them that the client does not want replaced.
        conflicts: settings that must all be honored, and exclude each other.
        repairs: field of DocumentParameters → what stands in the repaired ticket.
    """

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.rejected: list[InvalidArgs] = []
        self.conflicts: list[str] = []
        self.repairs: dict[str, object] = {}

    def leaf(
        self,
        name: str,
        wish: Wish[T] | None,
        default: T,
        supported: Callable[[T], bool],
        substitute: Callable[[T], T],
        *,
        repair: str = "",
    ) -> Final[T]:
        """One value by the decision table.

        `repair` is the field of DocumentParameters that holds it, for the repaired ticket.
        """
        if wish is None:
            return Final(default, used_default=True)
        if supported(wish.value):
            return Final(wish.value)
        put = substitute(wish.value)
        self.replaced(name, wish)
        if repair:
            self.repairs[repair] = replace(wish, value=put)
        return Final(put, override=True)

    def replaced(self, name: str, wish: Wish[T]) -> None:
        """Note that `wish` is not met."""
        self.changed.append(name)
        if wish.must_honor:
            told = str(wish.value).lower() if isinstance(wish.value, bool) else str(wish.value)
            self.rejected.append(InvalidArgs(name, "is not supported", told[:80]))

    def ranged(
        self, name: str, wish: Wish[int] | None, default: int, allowed: Range, repair: str
    ) -> Final[int]:
        """A number between two bounds; one outside is moved to the nearer bound."""
        return self.leaf(name, wish, default, allowed.__contains__, allowed.nearest, repair=repair)

    def listed(
        self, name: str, wish: Wish[str] | None, default: str, allowed: tuple[str, ...], repair: str
    ) -> Final[str]:
        """A keyword of a list; another one gives way to the default."""
        put = default if default in allowed else allowed[0]
        return self.leaf(name, wish, put, allowed.__contains__, lambda _: put, repair=repair)


def value(wish: Wish[T] | None) -> T:
    """A value of the default ticket, which is complete."""
    assert wish is not None
    return wish.value


def honored(wish: Wish[T] | None) -> bool:
    return wish is not None and wish.must_honor


def nearest(value: int, allowed: tuple[int, ...]) -> int:
    """The entry closest to `value`, the lower of two."""
    return min(allowed, key=lambda entry: (abs(entry - value), entry))


_COLORS_BY_KIN = {
    "BlackAndWhite1": ("Grayscale4", "Grayscale8", "Grayscale16", "RGB24", "RGB48"),
    "Grayscale4": ("Grayscale8", "Grayscale16", "BlackAndWhite1", "RGB24", "RGB48"),
    "Grayscale8": ("Grayscale16", "Grayscale4", "RGB24", "RGB48", "BlackAndWhite1"),
    "Grayscale16": ("Grayscale8", "RGB48", "RGB24", "Grayscale4", "BlackAndWhite1"),
    "RGB24": ("RGB48", "RGBa32", "Grayscale8", "Grayscale16", "BlackAndWhite1"),
    "RGB48": ("RGB24", "RGBa64", "Grayscale16", "Grayscale8", "BlackAndWhite1"),
    "RGBa32": ("RGBa64", "RGB24", "RGB48", "Grayscale8", "BlackAndWhite1"),
    "RGBa64": ("RGBa32", "RGB48", "RGB24", "Grayscale8", "BlackAndWhite1"),
}


def nearest_color(wanted: str, allowed: list[str], usual: str = "") -> str:
    """The colour mode that stands in best for `wanted`: `usual`, if nobody knows that one."""
    kin = (wanted, *_COLORS_BY_KIN.get(wanted, (usual,)))
    return next((color for color in kin if color in allowed), allowed[0])


def inherit(wish: SideWish, front: SideWish | None) -> SideWish:
    """What the back leaves out is as at the front."""
    if front is None:
        return wish
    both = wish.resolution_width is None and wish.resolution_height is None
    return SideWish(
        region=wish.region or front.region,
        color_processing=wish.color_processing or front.color_processing,
        resolution_width=front.resolution_width if both else wish.resolution_width,
        resolution_height=front.resolution_height if both else wish.resolution_height,
    )
