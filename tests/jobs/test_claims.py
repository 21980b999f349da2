"""Colours with alpha are claimed of what has pages with alpha, and of nothing else."""

from dataclasses import replace

import pytest

from device.appearance import possible
from device.imaging.spec import SUPPORTED
from device.model.capabilities import ALPHA_COLORS
from device.profile import load
from scanner_backends.base import Abilities, Description, Mode, Resolutions, Source, TrayPage

GENERIC = load("generic", SUPPORTED).configuration
CLAIMED = replace(GENERIC, film=GENERIC.platen, film_scan_modes=("ColorSlideFilm",))
SIDES = ("platen", "adf_front", "adf_back", "film")
SOLID, CLEAR = TrayPage(0, "solid"), TrayPage(1, "clear", alpha=True)


@pytest.mark.parametrize(
    ("platen", "feeder", "expected"),
    [
        ((SOLID,), (SOLID,), set()),
        ((SOLID, CLEAR), (SOLID,), {"platen", "film"}),
        ((SOLID,), (SOLID, CLEAR), {"adf_front", "adf_back"}),
        ((CLEAR,), (CLEAR,), set(SIDES)),
    ],
)
def test_each_source_has_what_its_own_pages_have(platen, feeder, expected):
    found = possible(CLAIMED, Description("files", virtual=True, platen=platen, feeder=feeder))
    colors = {side: getattr(found, side).colors for side in SIDES}
    assert {side for side in SIDES if ALPHA_COLORS.issubset(colors[side])} == expected
    for side, has in colors.items():
        claimed = getattr(CLAIMED, side).colors
        assert [one for one in claimed if one not in ALPHA_COLORS or side in expected] == [*has]


@pytest.mark.parametrize("tells", [False, True])
def test_a_real_scanner_has_none(tells):
    any_dpi = Resolutions(low=50, high=600)
    modes = ((Mode.GRAY, 8), (Mode.COLOR, 8), (Mode.COLOR, 16))
    glass = Abilities(Source.FLATBED, modes, any_dpi, any_dpi, 216.0, 297.0)
    has = Description("fake:0", virtual=False, sources=(glass,) if tells else ())
    assert ALPHA_COLORS.isdisjoint(possible(CLAIMED, has).platen.colors)


def test_a_profile_that_claims_none_has_none():
    mine = replace(GENERIC, platen=replace(GENERIC.platen, colors=("RGB24",)))
    has = Description("files", virtual=True, platen=(CLEAR,), feeder=(CLEAR,))
    assert possible(mine, has).platen.colors == ("RGB24",)
