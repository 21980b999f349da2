"""What a device can do, read from its options."""

from __future__ import annotations

from math import ceil, floor

from scanner_backends.base import MM_PER_INCH, Abilities, Mode, Resolutions, Source
from scanner_backends.sane.controls import Controls
from scanner_backends.sane.mapping import choose_source, films, sources
from scanner_backends.sane.options import Role, is_deep, mode_of
from scanner_backends.sane.roles import FEEDERS, depths, find, highest, put, texts
from scanner_backends.sane.words import Frame, Option, Range, Unit

LONGEST_MM = 14 * MM_PER_INCH
"""What a scanner is taken to reach that cannot tell: a hand scanner, or a feeder that goes on to
the end of the sheet. Legal is the longest sheet that offices have."""


def abilities(controls: Controls, type_: str) -> tuple[Abilities, ...]:
    """What each source can do. Sets options on the way, and moves nothing."""
    return tuple(
        _abilities_of(controls, source, native)
        for source, native in sources(controls, type_).items()
    )


def _abilities_of(controls: Controls, source: Source, native: str) -> Abilities:
    choose_source(controls, source, native)
    modes = _modes(controls)
    if source in FEEDERS:
        for role in (Role.PAGE_WIDTH, Role.PAGE_HEIGHT):
            option = find(controls, role)
            if option is not None and highest(option) != float("inf"):
                controls.put(option.name, highest(option))
    put(controls, Role.BIND, False)
    x_option, y_option = find(controls, Role.X_DPI), find(controls, Role.Y_DPI)
    x_dpi = _resolutions(controls, x_option)
    y_dpi = _resolutions(controls, y_option) if y_option else x_dpi
    now_x = (controls.number(x_option.name) if x_option else None) or x_dpi.best or 1
    now_y = (controls.number(y_option.name) if y_option else None) or now_x
    told = controls.parameters()
    return Abilities(
        source=source,
        modes=modes,
        x_dpi=x_dpi,
        y_dpi=y_dpi,
        width_mm=_reach_mm(controls, Role.LEFT, Role.RIGHT, now_x, told.pixels_per_line),
        height_mm=_reach_mm(controls, Role.TOP, Role.BOTTOM, now_y, told.lines),
        native=native,
        films=tuple(films(controls)) if source is Source.TRANSPARENCY else (),
    )


def _modes(controls: Controls) -> tuple[tuple[Mode, int], ...]:
    found: list[tuple[Mode, int]] = []
    option = find(controls, Role.MODE)
    for native in texts(option):
        mode = mode_of(native)
        if mode is None:
            continue
        put(controls, Role.MODE, native)
        found += _modes_now(controls, mode, deep=is_deep(native))
    if not found:
        told = controls.parameters()
        mode = Mode.GRAY if told.frame is Frame.GRAY else Mode.COLOR
        found = _modes_now(controls, mode, deep=told.depth > 8)
    return tuple(dict.fromkeys(found))


def _modes_now(controls: Controls, mode: Mode, *, deep: bool) -> list[tuple[Mode, int]]:
    """The modes that one mode of the device gives, with each of its depths."""
    if mode is Mode.LINEART:
        return [(Mode.LINEART, 1)]
    found: list[tuple[Mode, int]] = []
    for depth in depths(controls) or [16 if deep else 8]:
        if depth > 1:
            found.append((mode, 16 if depth > 8 else 8))
        elif mode is Mode.GRAY:
            found.append((Mode.LINEART, 1))
    return found


def _resolutions(controls: Controls, option: Option | None) -> Resolutions:
    constraint = option.constraint if option else None
    if isinstance(constraint, Range):
        step = max(1, round(constraint.quant))
        return Resolutions(low=ceil(constraint.low), high=floor(constraint.high), step=step)
    words = [round(word) for word in constraint or () if isinstance(word, int | float)]
    if not words and option is not None:
        value = controls.number(option.name)
        words = [round(value)] if value else []
    return Resolutions(listed=tuple(sorted({word for word in words if word > 0})))


def _reach_mm(controls: Controls, low: Role, high: Role, dpi: float, told_px: int) -> float:
    """How far an axis reaches; `told_px` counts where nothing can be set."""
    option = find(controls, high)
    if option is None:
        return told_px / dpi * MM_PER_INCH if told_px > 0 else LONGEST_MM
    end = highest(option)
    if end == float("inf"):
        end = controls.number(option.name) or 0.0
    low_option = find(controls, low)
    constraint = low_option.constraint if low_option else None
    start = constraint.low if isinstance(constraint, Range) else 0.0
    units = dpi / MM_PER_INCH if option.unit is Unit.PIXEL else 1.0
    return (end - start) / units
