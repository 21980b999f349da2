"""What the source has, in WS-Scan's words: the profile's claims fitted to pages or a real scanner.

Hardware decides on sources, resolutions, colours and sizes. The profile keeps its formats and all
that is made after the scan; names and ids are no part of this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import floor

from device.jobs.request import FILMS, SOURCES
from device.model.capabilities import (
    ADF,
    ADF_DUPLEX,
    ALPHA_COLORS,
    FILM,
    PLATEN,
    ScannerConfiguration,
    SideCapabilities,
)
from device.model.ticket import Size
from scanner_backends.base import (
    MM_PER_INCH,
    Abilities,
    Description,
    Film,
    Mode,
    Resolutions,
    TrayPage,
)
from scanner_backends.errors import SourceError

MAX_DPI = 9_600
CUSTOMARY_DPI = (75, 100, 150, 200, 240, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800, 6400)
"""What is offered of a scanner that takes any resolution, beside the profile's and its highest."""

SMALLEST = Size(100, 100)
"""The smallest area, in mil, where the profile says nothing: 2.5 mm is as good as nothing."""

_COLOURS: tuple[tuple[str, frozenset[tuple[Mode, int]]], ...] = (
    (
        "BlackAndWhite1",
        frozenset({(Mode.LINEART, 1), (Mode.GRAY, 8), (Mode.COLOR, 8), (Mode.GRAY, 16)}),
    ),
    ("Grayscale4", frozenset({(Mode.GRAY, 8), (Mode.COLOR, 8), (Mode.GRAY, 16)})),
    ("Grayscale8", frozenset({(Mode.GRAY, 8), (Mode.COLOR, 8), (Mode.GRAY, 16)})),
    ("Grayscale16", frozenset({(Mode.GRAY, 16)})),
    ("RGB24", frozenset({(Mode.COLOR, 8), (Mode.COLOR, 16)})),
    ("RGB48", frozenset({(Mode.COLOR, 16)})),
)
"""ColorEntry → modes of which any one will do: imaging makes the colour from it."""

_ONLY_IF_CLAIMED = frozenset({"Grayscale4"})  # few clients know it


def with_alpha_where_it_is(claimed: ScannerConfiguration, has: Description) -> ScannerConfiguration:
    """The configuration without the colours with alpha at sources of which no page has any."""

    def side(
        claim: SideCapabilities | None, pages: tuple[TrayPage, ...]
    ) -> SideCapabilities | None:
        if claim is None or any(page.alpha for page in pages):
            return claim
        return replace(claim, colors=tuple(one for one in claim.colors if one not in ALPHA_COLORS))

    return replace(
        claimed,
        platen=side(claimed.platen, has.platen),
        adf_front=side(claimed.adf_front, has.feeder),
        adf_back=side(claimed.adf_back, has.feeder),
        film=side(claimed.film, has.platen),
    )


def fitted(claimed: ScannerConfiguration, has: Description) -> ScannerConfiguration:
    """The configuration to announce: what a scanner with real media can do.

    A source that the profile does not know is announced all the same; one that the scanner does
    not have is not, nor a feeder that always scans both sides. A backend that tells of no source
    is taken to have what the profile claims.

    Raises:
        SourceError: the scanner has none that can be used.
    """
    if not has.sources:
        return claimed
    sides = {
        source: _side(claimed, source, ability)
        for source, sane in SOURCES.items()
        for ability in has.sources
        if ability.source is sane
    }
    usable = {source: side for source, side in sides.items() if side is not None}
    front = usable.get(ADF)
    duplex = usable.get(ADF_DUPLEX) if front else None
    platen, film = usable.get(PLATEN), usable.get(FILM)
    if not (platen or front or film):
        raise SourceError(f"The scanner {has.name} has nothing that fits the profile's formats.")
    # The size of what lies on a scanner is not known before it is scanned.
    settings = replace(claimed.settings, document_size_auto_detect=False)
    return replace(
        claimed,
        settings=settings,
        platen=platen,
        adf_front=front,
        adf_back=duplex,
        adf_duplex=duplex is not None,
        film=film,
        film_scan_modes=_film_scan_modes(has) if film else (),
    )


def _film_scan_modes(has: Description) -> tuple[str, ...]:
    films = {film for ability in has.sources for film in ability.films} or {Film.POSITIVE}
    return tuple(mode for mode, film in FILMS.items() if film in films)


def _side(claimed: ScannerConfiguration, source: str, has: Abilities) -> SideCapabilities | None:
    """One source, None if nothing can be scanned there in a format that there is."""
    claim = _claim(claimed, source)
    widths = _offered(has.x_dpi, claim.widths if claim else ())
    heights = _offered(has.y_dpi, claim.heights if claim else ())
    colors = _colors(claimed, claim, has)
    maximum = Size(_mil(has.width_mm), _mil(has.height_mm))
    if not widths or not heights or not colors or min(maximum.width_mil, maximum.height_mil) < 1:
        return None
    smallest = claim.minimum if claim else SMALLEST
    return SideCapabilities(
        optical_width=min(has.x_dpi.best, MAX_DPI),
        optical_height=min(has.y_dpi.best, MAX_DPI),
        widths=widths,
        heights=heights,
        colors=colors,
        minimum=Size(
            min(smallest.width_mil, maximum.width_mil), min(smallest.height_mil, maximum.height_mil)
        ),
        maximum=maximum,
    )


def _claim(claimed: ScannerConfiguration, source: str) -> SideCapabilities | None:
    return {
        PLATEN: claimed.platen,
        ADF: claimed.adf_front,
        ADF_DUPLEX: claimed.adf_back or claimed.adf_front,
        FILM: claimed.film,
    }[source]


def _offered(has: Resolutions, claimed: Iterable[int]) -> tuple[int, ...]:
    if has.listed:
        return tuple(dpi for dpi in has.listed if dpi <= MAX_DPI)
    offered = {dpi for dpi in (*CUSTOMARY_DPI, *claimed) if dpi in has}
    if 0 < has.best <= MAX_DPI:
        offered.add(has.best)
    return tuple(sorted(offered))


def _colors(
    claimed: ScannerConfiguration, claim: SideCapabilities | None, has: Abilities
) -> tuple[str, ...]:
    held = frozenset().union(*claimed.format_colors.values())
    return tuple(
        color
        for color, modes in _COLOURS
        if color in held
        and not modes.isdisjoint(has.modes)
        and (color not in _ONLY_IF_CLAIMED or (claim is not None and color in claim.colors))
    )


def _mil(mm: float) -> int:
    """Rounded down, for beyond it there is nothing; but not by what a SANE_Fixed loses."""
    return floor(mm / MM_PER_INCH * 1000 + 0.01)
