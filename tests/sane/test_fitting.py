"""What a real scanner can do becomes what is announced."""

from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.imaging.spec import SUPPORTED
from device.jobs.fitting import MAX_DPI, fitted
from device.jobs.request import _MODES, SOURCES
from device.model.capabilities import ADF, ADF_DUPLEX, FILM, PLATEN
from device.model.ticket import Size
from device.profile import read
from device.settings import parse_toml
from scanner_backends.base import Abilities, Description, Film, Mode, Resolutions, Source
from scanner_backends.errors import SourceError
from scanner_backends.sane.options import SUBSTITUTES

GENERIC = read(
    parse_toml(resources.files("profiles").joinpath("generic.toml").read_text(), "generic"),
    SUPPORTED,
).configuration
GENERIC = replace(GENERIC, platen=replace(GENERIC.platen, colors=("Grayscale8", "RGB24")))
COLOUR = ((Mode.GRAY, 8), (Mode.COLOR, 8))
ANY = Resolutions(low=50, high=1200, step=1)


def ability(source: Source = Source.FLATBED, **more: object) -> Abilities:
    values = {
        "modes": COLOUR,
        "x_dpi": ANY,
        "y_dpi": ANY,
        "width_mm": 215.9,
        "height_mm": 297.0,
        **more,
    }
    return Abilities(source, **values)  # type: ignore[arg-type]


def announced(*abilities: Abilities):
    return fitted(GENERIC, Description("fake:0", False, sources=abilities))


def test_sources_are_those_of_the_scanner():
    assert announced(ability()).sources == (PLATEN,)
    assert announced(ability(Source.ADF)).sources == (ADF,)
    both = announced(ability(Source.ADF), ability(Source.ADF_DUPLEX))
    assert both.sources == (ADF, ADF_DUPLEX)
    assert both.adf_back is not None
    film = announced(ability(Source.TRANSPARENCY))
    assert film.sources == (FILM,)
    assert film.film_scan_modes == ("ColorSlideFilm",)
    both = announced(ability(Source.TRANSPARENCY, films=(Film.POSITIVE, Film.NEGATIVE)))
    assert both.film_scan_modes == (
        "ColorSlideFilm",
        "ColorNegativeFilm",
        "BlackandWhiteNegativeFilm",
    )
    assert announced(ability()).film_scan_modes == ()


def test_a_feeder_that_cannot_scan_one_side_alone_is_not_announced():
    assert announced(ability(), ability(Source.ADF_DUPLEX)).sources == (PLATEN,)


def test_a_list_of_resolutions_is_announced_as_it_is():
    side = announced(ability(x_dpi=Resolutions((90, 180)), y_dpi=Resolutions((90, 360)))).platen
    assert (side.widths, side.heights) == ((90, 180), (90, 360))
    assert (side.optical_width, side.optical_height) == (180, 360)


def test_of_a_range_the_customary_ones_the_profiles_and_the_highest_are_announced():
    side = announced(ability(x_dpi=Resolutions(low=100, high=700, step=50))).platen
    assert side.widths == (100, 150, 200, 300, 400, 600, 700)
    assert announced(ability(x_dpi=Resolutions(low=7, high=13))).platen.widths == (13,)


@pytest.mark.parametrize(
    ("modes", "colors"),
    [
        (((Mode.LINEART, 1),), ("BlackAndWhite1",)),
        (((Mode.GRAY, 8),), ("BlackAndWhite1", "Grayscale8")),
        (((Mode.COLOR, 8),), ("BlackAndWhite1", "Grayscale8", "RGB24")),
        (((Mode.GRAY, 16),), ("BlackAndWhite1", "Grayscale8", "Grayscale16")),
        (COLOUR, ("BlackAndWhite1", "Grayscale8", "RGB24")),
        (((Mode.GRAY, 8), (Mode.COLOR, 16)), ("BlackAndWhite1", "Grayscale8", "RGB24", "RGB48")),
    ],
)
def test_colours_are_those_that_can_be_made(modes, colors):
    assert announced(ability(modes=modes)).platen.colors == colors


def test_four_bits_are_announced_only_if_the_profile_does():
    claimed = replace(GENERIC, platen=replace(GENERIC.platen, colors=("Grayscale4",)))
    found = fitted(claimed, Description("fake:0", False, sources=(ability(),)))
    assert found.platen.colors == ("BlackAndWhite1", "Grayscale4", "Grayscale8", "RGB24")


def test_sizes_are_the_scanners_and_the_smallest_is_the_profiles():
    side = announced(ability(width_mm=215.9, height_mm=297.0)).platen
    assert side.maximum == Size(8500, 11692)
    assert side.minimum == GENERIC.platen.minimum
    tiny = announced(ability(width_mm=10, height_mm=10)).platen
    assert tiny.minimum == tiny.maximum == Size(393, 393)


def test_the_profile_keeps_what_is_made_after_the_scan():
    found = announced(ability())
    # The size of a document would be known only when the scan is over.
    assert found.settings == replace(GENERIC.settings, document_size_auto_detect=False)
    assert found.format_colors == GENERIC.format_colors


def test_a_backend_that_tells_nothing_has_what_the_profile_claims():
    assert announced() == GENERIC


@pytest.mark.parametrize("useless", [{"modes": ()}, {"x_dpi": Resolutions()}, {"width_mm": 0.0}])
def test_a_scanner_without_anything_usable_is_refused(useless):
    with pytest.raises(SourceError, match="fake:0"):
        announced(ability(**useless))
    assert announced(ability(**useless), ability(Source.ADF)).sources == (ADF,)


RESOLUTIONS = st.builds(
    lambda low, more, step: Resolutions(low=low, high=low + more, step=step),
    st.integers(1, 600),
    st.integers(0, 12_000),
    st.integers(1, 50),
) | st.lists(st.integers(1, 9600), min_size=1, max_size=5, unique=True).map(
    lambda found: Resolutions(tuple(sorted(found)))
)
MODES = st.lists(
    st.sampled_from(
        [(Mode.LINEART, 1), *((m, d) for m in (Mode.GRAY, Mode.COLOR) for d in (8, 16))]
    ),
    min_size=1,
    unique=True,
).map(tuple)


@given(st.sampled_from(Source), MODES, RESOLUTIONS, RESOLUTIONS, st.floats(1, 2000))
def test_everything_announced_can_be_asked_of_the_scanner(source, modes, x_dpi, y_dpi, size_mm):
    has = ability(source, modes=modes, x_dpi=x_dpi, y_dpi=y_dpi, width_mm=size_mm)
    if source is Source.ADF_DUPLEX:
        has = replace(has, source=Source.ADF)
    try:
        found = announced(has)
    except SourceError:
        assert max(x_dpi.best, y_dpi.best) > MAX_DPI
        return
    name = next(name for name, sane in SOURCES.items() if sane is has.source)
    side = found.side(name)
    assert all(width in x_dpi for width in side.widths)
    assert all(height in y_dpi for height in side.heights)
    assert side.maximum.width_mil / 1000 * 25.4 <= size_mm + 0.001
    for color in side.colors:
        mode, depth = _MODES[color]
        assert any(there in SUBSTITUTES[mode] for there, _ in modes)
        assert depth == 8 or (mode, depth) in modes
