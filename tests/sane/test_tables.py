"""The names that SANE's backends give to things, and what we take them for."""

import pytest

from scanner_backends.base import Mode, Source
from scanner_backends.sane import options


@pytest.mark.parametrize(
    ("native", "source"),
    [
        ("Flatbed", Source.FLATBED),
        ("FlatBed", Source.FLATBED),
        ("Document Table", Source.FLATBED),
        ("Normal", Source.FLATBED),
        ("Platen", Source.FLATBED),
        ("ADF", Source.ADF),
        ("ADF Front", Source.ADF),
        ("ADF Back", None),
        ("ADF Duplex", Source.ADF_DUPLEX),
        ("Duplex", Source.ADF_DUPLEX),
        ("Card Front", None),
        ("Automatic Document Feeder", Source.ADF),
        ("Automatic Document Feeder(left aligned)", Source.ADF),
        ("Automatic Document Feeder(left aligned,Duplex)", Source.ADF_DUPLEX),
        ("Automatic Document Feeder(centrally aligned,Duplex)", Source.ADF_DUPLEX),
        ("ADF (one-sided)", Source.ADF),
        ("ADF (two-sided)", Source.ADF_DUPLEX),
        ("Transparency Unit", Source.TRANSPARENCY),
        ("Transparency Adapter", Source.TRANSPARENCY),
        ("TPU8x10", Source.TRANSPARENCY),
        ("TMA Slides", Source.TRANSPARENCY),
        ("Negative", Source.TRANSPARENCY),
        ("Film", Source.TRANSPARENCY),
        ("Auto", None),
    ],
)
def test_sources(native: str, source: Source | None):
    assert options.source_of(native) is source


@pytest.mark.parametrize(
    ("native", "mode", "deep"),
    [
        ("Lineart", Mode.LINEART, False),
        ("LineArt", Mode.LINEART, False),
        ("Binary", Mode.LINEART, False),
        ("Black & White", Mode.LINEART, False),
        ("Black and White - Line Art", Mode.LINEART, False),
        ("Threshold", Mode.LINEART, False),
        ("Halftone", None, False),
        ("Gray[Error Diffusion]", None, False),
        ("Gray", Mode.GRAY, False),
        ("Grayscale", Mode.GRAY, False),
        ("True Gray", Mode.GRAY, False),
        ("8-bit Grayscale", Mode.GRAY, False),
        ("Gray16", Mode.GRAY, True),
        ("12bit Gray", Mode.GRAY, True),
        ("Color", Mode.COLOR, False),
        ("color", Mode.COLOR, False),
        ("24bit Color[Fast]", Mode.COLOR, False),
        ("24bit Color", Mode.COLOR, False),
        ("48 bits color", Mode.COLOR, True),
        ("Color48", Mode.COLOR, True),
        ("16-bit Color", Mode.COLOR, True),
        ("RGB", Mode.COLOR, False),
        ("Infrared", None, False),
    ],
)
def test_modes(native: str, mode: Mode | None, deep: bool):
    assert options.mode_of(native) is mode
    if mode is not None:
        assert options.is_deep(native) is deep


@pytest.mark.parametrize(
    ("type_", "source"),
    [
        ("sheetfed scanner", Source.ADF),
        ("film scanner", Source.TRANSPARENCY),
        ("flatbed scanner", Source.FLATBED),
        ("multi-function peripheral", Source.FLATBED),
        ("", Source.FLATBED),
    ],
)
def test_devices_without_a_choice_of_sources(type_: str, source: Source):
    assert options.source_of_type(type_) is source


def test_every_option_has_one_role():
    names = [name for names in options.NAMES.values() for name in names]
    assert len(set(names)) == len(names)
