"""A request becomes settings of the device, through the table in `options`."""

from __future__ import annotations

from dataclasses import dataclass

from scanner_backends.base import MM_PER_INCH, Film, Mode, ScanRequest, Source
from scanner_backends.errors import Inval
from scanner_backends.sane.controls import Controls, at_least, at_most, nearest
from scanner_backends.sane.options import (
    DUPLEX,
    NO_DUPLEX,
    SUBSTITUTES,
    Role,
    film_of,
    is_deep,
    mode_of,
    source_of,
    source_of_type,
)
from scanner_backends.sane.roles import FEEDERS, depths, find, highest, matching, put, texts
from scanner_backends.sane.words import Kind, Option, Unit

DPI_TOLERANCE = 0.01
"""Part of a resolution: a device that says 299.99 dpi scans at 300."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the scanned area begins really, and how finely it is scanned.

    `asked_dpi` is what the device was asked for, across and down.
    """

    left_mm: float
    top_mm: float
    x_dpi: float
    y_dpi: float
    asked_dpi: tuple[int, int]


def sources(controls: Controls, type_: str) -> dict[Source, str]:
    """What the device can scan from, and its own names for that, '' where it has no choice.

    Args:
        type_: the device's type in SANE's list of devices.
    """
    found = _listed(controls, type_)
    if Source.ADF in found and Source.ADF_DUPLEX not in found:
        put(controls, Role.SOURCE, found[Source.ADF])  # the option may be there only with it
        if _turns_to_duplex(find(controls, Role.DUPLEX)):
            found[Source.ADF_DUPLEX] = found[Source.ADF]
    return found


def apply(controls: Controls, request: ScanRequest, type_: str) -> Placed:
    """Set the device up for a request, in the order in which options depend on each other.

    Raises:
        Inval: the device has no such source or resolution.
        BackendError: it refuses.
    """
    there = _listed(controls, type_)
    if request.source is Source.ADF_DUPLEX and request.source not in there:
        there = sources(controls, type_)
    if request.source not in there:
        raise Inval(f"The scanner has no source {request.source}; it has {', '.join(there)}.")
    put(controls, Role.PREVIEW, False)
    choose_source(controls, request.source, there[request.source])
    choose_film(controls, request.film)
    put(controls, Role.LAMP, True)
    _choose_mode(controls, request.mode, request.depth)
    asked_dpi = _askable(controls, request)
    x_dpi, y_dpi = _choose_resolution(controls, *asked_dpi)
    if request.source in FEEDERS:
        _choose_sheet(controls, request)
    return Placed(
        left_mm=_span(controls, Role.LEFT, Role.RIGHT, request.left_mm, request.width_mm, x_dpi),
        top_mm=_span(controls, Role.TOP, Role.BOTTOM, request.top_mm, request.height_mm, y_dpi),
        x_dpi=x_dpi,
        y_dpi=y_dpi,
        asked_dpi=asked_dpi,
    )


# ---- source


def choose_source(controls: Controls, source: Source, native: str) -> None:
    """Turn to a source, which the device calls `native`; '' if it has no choice."""
    if native:
        put(controls, Role.SOURCE, native)
    option = find(controls, Role.DUPLEX)
    if option is None or source not in FEEDERS:
        return
    wanted = source is Source.ADF_DUPLEX
    if option.kind is Kind.BOOL:
        controls.put(option.name, wanted)
    else:
        word = matching(texts(option), DUPLEX if wanted else NO_DUPLEX)
        if word is not None:
            controls.put(option.name, word)


def _listed(controls: Controls, type_: str) -> dict[Source, str]:
    """The sources that can be chosen by name, or the only one there is."""
    found: dict[Source, str] = {}
    for native in texts(find(controls, Role.SOURCE)):
        source = source_of(native)
        if source is not None:
            found.setdefault(source, native)
    return found or {source_of_type(type_): ""}


def _turns_to_duplex(option: Option | None) -> bool:
    if option is None or not option.settable:
        return False
    return option.kind is Kind.BOOL or matching(texts(option), DUPLEX) is not None


# ---- film


def films(controls: Controls) -> dict[Film, str]:
    """The kinds of film that can be chosen, and what the device calls them.

    An option of its own decides, or else which source is chosen.
    """
    option = find(controls, Role.FILM)
    if option is not None and option.kind is Kind.BOOL:
        return {Film.POSITIVE: "", Film.NEGATIVE: ""} if option.settable else {}
    natives = texts(option) or [
        native
        for native in texts(find(controls, Role.SOURCE))
        if source_of(native) is Source.TRANSPARENCY
    ]
    found: dict[Film, str] = {}
    for native in natives:
        film = film_of(native)
        if film is not None:
            found.setdefault(film, native)
    return found


def choose_film(controls: Controls, film: Film | None) -> None:
    """Tell the device what kind of film is in its transparency unit, where it asks."""
    option = find(controls, Role.FILM)
    if option is not None and option.kind is Kind.BOOL:
        controls.put(option.name, film is Film.NEGATIVE)
        return
    native = None if film is None else films(controls).get(film)
    if native is not None:
        put(controls, Role.SOURCE if option is None else Role.FILM, native)


# ---- mode and depth


def _choose_mode(controls: Controls, mode: Mode, depth: int) -> None:
    natives = texts(find(controls, Role.MODE))
    for substitute in SUBSTITUTES[mode]:
        fitting = [native for native in natives if mode_of(native) is substitute]
        if fitting:
            by_depth = sorted(fitting, key=lambda native: is_deep(native) != (depth > 8))
            put(controls, Role.MODE, by_depth[0])
            break
    possible = depths(controls)
    if possible:
        put(controls, Role.DEPTH, _best_depth(possible, depth))


def _best_depth(possible: list[int], wanted: int) -> int:
    if wanted in possible:
        return wanted
    more = [depth for depth in possible if depth > wanted]
    return max(possible) if wanted > 8 or not more else min(more)


# ---- resolution


def _askable(controls: Controls, request: ScanRequest) -> tuple[int, int]:
    """The resolutions to ask for: the higher one for both axes of a device that has but one."""
    put(controls, Role.BIND, request.x_dpi == request.y_dpi)
    if find(controls, Role.Y_DPI) is None and find(controls, Role.X_DPI) is not None:
        higher = max(request.x_dpi, request.y_dpi)
        return higher, higher
    return request.x_dpi, request.y_dpi


def _choose_resolution(controls: Controls, x_dpi: int, y_dpi: int) -> tuple[float, float]:
    x_option, y_option = find(controls, Role.X_DPI), find(controls, Role.Y_DPI)
    if x_option is None:
        return x_dpi, y_dpi
    x_found = _resolution(controls, x_option, x_dpi)
    y_found = _resolution(controls, y_option, y_dpi) if y_option else x_found
    _check_resolution(x_found, x_dpi)
    _check_resolution(y_found, y_dpi)
    return x_found, y_found


def _resolution(controls: Controls, option: Option, dpi: int) -> float:
    value = controls.put(option.name, dpi)
    return float(value) if isinstance(value, int | float) else dpi


def _check_resolution(found: float, wanted: int) -> None:
    if abs(found - wanted) > wanted * DPI_TOLERANCE:
        raise Inval(f"The scanner takes {found:g} dpi for {wanted} dpi.")


# ---- area


def _choose_sheet(controls: Controls, request: ScanRequest) -> None:
    """Tell the feeder how large the sheet is, where it asks.

    Such feeders centre the sheet, and count from its left edge. A region that begins at that edge
    is taken to be as wide as the sheet; any other is measured on the widest one.
    """
    for role, offset_mm, extent_mm in (
        (Role.PAGE_WIDTH, request.left_mm, request.width_mm),
        (Role.PAGE_HEIGHT, 0.0, request.top_mm + request.height_mm),
    ):
        option = find(controls, role)
        if option is None:
            continue
        if offset_mm == 0:
            controls.put(option.name, at_least(option, extent_mm))
        elif highest(option) != float("inf"):
            controls.put(option.name, highest(option))


def _span(
    controls: Controls, low: Role, high: Role, start_mm: float, extent_mm: float, dpi: float
) -> float:
    """Set one axis of the area; where it begins really, in mm.

    The area grows to the values that the device knows, but not for less than half a pixel. Twice,
    because a device may refuse a new edge beyond the old opposite one.
    """
    low_option, high_option = find(controls, low), find(controls, high)
    if high_option is None:
        return 0.0
    units = dpi / MM_PER_INCH if high_option.unit is Unit.PIXEL else 1.0
    half_px_mm = MM_PER_INCH / dpi / 2
    end = nearest(high_option, (start_mm + extent_mm) * units)
    if end < (start_mm + extent_mm - half_px_mm) * units:
        end = at_least(high_option, (start_mm + extent_mm) * units)
    if low_option is None:
        controls.put(high_option.name, end)
        return 0.0
    start = nearest(low_option, start_mm * units)
    if start > (start_mm + half_px_mm) * units:
        start = at_most(low_option, start_mm * units)
    for _ in range(2):
        controls.put(high_option.name, end)
        controls.put(low_option.name, start)
    return (controls.number(low_option.name) or 0.0) / units
