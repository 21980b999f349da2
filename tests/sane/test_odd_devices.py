"""Devices of which SANE has no test device: what they are asked, and what comes of it."""

import ctypes
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_sane import FakeHandle, Sheet, geometry, grey_sheet, option

from scanner_backends import errors
from scanner_backends.base import Film, Mode, Resolutions, ScanRequest, Source
from scanner_backends.sane.abilities import abilities
from scanner_backends.sane.controls import Controls, at_least, at_most, nearest
from scanner_backends.sane.device_file import Wishes
from scanner_backends.sane.library import OpenDevice
from scanner_backends.sane.mapping import apply
from scanner_backends.sane.scanner import Scanner
from scanner_backends.sane.words import (
    Cap,
    Frame,
    Info,
    Kind,
    Option,
    Parameters,
    Range,
    Unit,
    error_of,
)

REQUEST = ScanRequest(Source.FLATBED, Mode.GRAY, 8, 300, 300, 0, 0, 100, 50)
DPI = option("resolution", Range(50, 600, 1))
MODES = option("mode", ("Lineart", "Gray", "Color"))


def scanner_of(handle: FakeHandle, type_: str = "") -> Scanner:
    return Scanner(handle, Wishes(), type_, threading.Event())


def settings(handle: FakeHandle, request: ScanRequest = REQUEST, type_: str = "") -> FakeHandle:
    apply(Controls(handle), request, type_)
    return handle


# ---- options


class Descriptor(ctypes.Structure):
    """SANE_Option_Descriptor, as the standard has it."""

    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("name", "title", "desc")),
        *((name, ctypes.c_int) for name in ("type", "unit", "size", "cap", "constraint_type")),
        ("constraint", ctypes.c_void_p),
    )


def test_an_option_of_a_kind_that_nobody_knows_is_left_out():
    kinds = {b"": 1, b"mode": 3, b"from-the-future": 9, b"rubbish": -7, b"depth": 1}
    told = [Descriptor(name, name, b"", kind, 0, 4, 5) for name, kind in kinds.items()]

    class Library:
        def sane_set_io_mode(self, *_: object) -> int:
            return 0

        def sane_get_option_descriptor(self, _: object, index: int):
            return ctypes.pointer(told[index])

        def sane_control_option(self, _: object, index: int, action: int, buffer, info) -> int:
            ctypes.memmove(buffer, ctypes.byref(ctypes.c_int(len(told))), 4)
            return 0

    device = OpenDevice(Library(), None, "fake:0")
    assert [option.name for option in device.options()] == ["mode", "depth"]


# ---- settings


def test_geometry_in_pixels_follows_the_resolution():
    handle = FakeHandle([MODES, DPI, *geometry(2550, 3300, Unit.PIXEL)], values={"resolution": 300})
    settings(handle, replace(REQUEST, left_mm=25.4, top_mm=50.8))
    edges = [handle.values[name] for name in ("tl-x", "tl-y", "br-x", "br-y")]
    assert edges == [300, 600, 1481, 1191]
    assert all(isinstance(edge, int) for edge in edges)
    (flatbed,) = abilities(Controls(handle), "")
    assert flatbed.width_mm == pytest.approx(215.9)


def test_a_scanner_that_cannot_tell_how_far_it_reaches_is_taken_to_reach_legal():
    hand = grey_sheet(100, 0, b"", told_lines=-1)
    handle = FakeHandle([MODES, DPI], [hand], values={"resolution": 100})
    handle.start()
    (flatbed,) = abilities(Controls(handle), "")
    assert (flatbed.width_mm, flatbed.height_mm) == pytest.approx((25.4, 14 * 25.4))


def test_both_axes_have_their_own_resolution():
    handle = FakeHandle(
        [
            option("resolution-bind", kind=Kind.BOOL),
            option("x-resolution", (75, 150, 300), kind=Kind.INT),
            option("y-resolution", (75, 150, 300, 600), kind=Kind.INT),
            *geometry(210, 297),
        ]
    )
    settings(handle, replace(REQUEST, x_dpi=150, y_dpi=600))
    assert (handle.values["x-resolution"], handle.values["y-resolution"]) == (150, 600)
    (flatbed,) = abilities(Controls(handle), "")
    assert flatbed.y_dpi == Resolutions(listed=(75, 150, 300, 600))
    assert flatbed.x_dpi.best == 300


def test_bound_axes_are_set_free_before_a_common_resolution_is_thought_of():
    y_option = option("y-resolution", (75, 150, 300), kind=Kind.INT)

    def frees(handle: FakeHandle, what: Option, value: object) -> Info:
        if what.name == "resolution-bind" and not value:
            handle.told_options.append(y_option)
            handle.values["y-resolution"] = 75
            return Info.RELOAD_OPTIONS
        return Info(0)

    handle = FakeHandle(
        [
            option("resolution-bind", kind=Kind.BOOL),
            option("x-resolution", (75, 150, 300), kind=Kind.INT),
            *geometry(210, 297),
        ],
        values={"resolution-bind": True},
        on_put=frees,
    )
    settings(handle, replace(REQUEST, x_dpi=150, y_dpi=300))
    assert (handle.values["x-resolution"], handle.values["y-resolution"]) == (150, 300)


def test_a_resolution_that_the_device_rounds_is_found_out():
    def rounds(handle: FakeHandle, what: Option, value: object) -> Info:
        if what.name != "resolution":
            return Info(0)
        handle.values["resolution"] = 200.0
        return Info.INEXACT

    handle = FakeHandle([MODES, DPI, *geometry(210, 297)], on_put=rounds)
    with pytest.raises(errors.Inval, match="200 dpi for 300"):
        settings(handle)


def test_options_that_appear_while_others_are_set_are_used():
    depth = option("depth", (8, 16), kind=Kind.INT)

    def shows_depth(handle: FakeHandle, what: Option, value: object) -> Info:
        if what.name == "mode" and value == "Gray":
            handle.told_options.append(depth)
            handle.values["depth"] = 16
            return Info.RELOAD_OPTIONS
        return Info(0)

    handle = FakeHandle([MODES, DPI, *geometry(210, 297)], on_put=shows_depth)
    assert settings(handle).values["depth"] == 8


@pytest.mark.parametrize(
    ("natives", "mode", "depth", "chosen"),
    [
        (("Lineart", "Gray", "Color"), Mode.LINEART, 1, "Lineart"),
        (("Gray", "Color"), Mode.LINEART, 1, "Gray"),
        (("Color",), Mode.GRAY, 8, "Color"),
        (("Black & White",), Mode.GRAY, 8, "Black & White"),
        (("24bit Color", "48 bits color"), Mode.COLOR, 16, "48 bits color"),
        (("48 bits color", "24bit Color"), Mode.COLOR, 8, "24bit Color"),
        (("True Gray",), Mode.COLOR, 8, "True Gray"),
    ],
)
def test_the_mode_that_comes_nearest_is_taken(natives, mode, depth, chosen):
    handle = FakeHandle([option("mode", natives), DPI, *geometry(210, 297)])
    settings(handle, replace(REQUEST, mode=mode, depth=depth))
    assert handle.values["mode"] == chosen


@pytest.mark.parametrize(
    ("possible", "wanted", "chosen"),
    [((1, 8, 16), 8, 8), ((8, 10, 12), 16, 12), ((10, 16), 8, 10), ((1,), 8, 1), ((8,), 16, 8)],
)
def test_the_depth_that_comes_nearest_is_taken(possible, wanted, chosen):
    handle = FakeHandle([option("mode", ("Gray",)), option("depth", possible, kind=Kind.INT), DPI])
    settings(handle, replace(REQUEST, depth=wanted))
    assert handle.values["depth"] == chosen


@pytest.mark.parametrize(
    ("duplex", "one", "both"),
    [
        (option("duplex", kind=Kind.BOOL), False, True),
        (option("adf-mode", ("Simplex", "Duplex")), "Simplex", "Duplex"),
    ],
)
def test_both_sides_may_be_an_option_of_their_own(duplex: Option, one, both):
    sources = option("source", ("Flatbed", "Automatic Document Feeder"))
    handle = FakeHandle([sources, duplex, MODES, DPI, *geometry(210, 297)])
    found = {ability.source for ability in abilities(Controls(handle), "")}
    assert found == {Source.FLATBED, Source.ADF, Source.ADF_DUPLEX}
    settings(handle, replace(REQUEST, source=Source.ADF_DUPLEX))
    assert handle.values[duplex.name] == both
    settings(handle, replace(REQUEST, source=Source.ADF))
    assert handle.values[duplex.name] == one
    assert handle.values["source"] == "Automatic Document Feeder"


def test_a_feeder_that_centres_the_sheet_is_told_its_size():
    page = [
        option("page-width", Range(0, 221, 0.1), unit=Unit.MM),
        option("page-height", Range(0, 355, 0.1), unit=Unit.MM),
    ]
    handle = FakeHandle([option("source", ("ADF Front",)), *page, MODES, DPI, *geometry(221, 355)])
    settings(handle, replace(REQUEST, source=Source.ADF, width_mm=210, height_mm=297))
    assert handle.values["page-width"] == pytest.approx(210, abs=0.2)
    assert handle.values["page-height"] == pytest.approx(297, abs=0.2)
    settings(handle, replace(REQUEST, source=Source.ADF, left_mm=20))
    assert handle.values["page-width"] == 221


def test_a_device_without_sources_is_what_its_type_says():
    handle = FakeHandle([MODES, DPI, *geometry(210, 297)])
    (only,) = abilities(Controls(handle), "sheetfed scanner")
    assert only.source is Source.ADF
    with pytest.raises(errors.Inval, match="no source Flatbed; it has ADF"):
        settings(handle, type_="sheetfed scanner")


def test_a_device_without_geometry_and_modes_says_what_it_gives():
    (only,) = abilities(Controls(FakeHandle([DPI], values={"resolution": 100})), "")
    assert only.modes == ((Mode.GRAY, 8),)
    assert only.width_mm == pytest.approx(25.4)


def test_fixed_options_are_all_there_is_and_hidden_ones_are_not_there():
    sources = option("source", ("Flatbed", "ADF"))
    handle = FakeHandle([sources, MODES, DPI, *geometry(210, 297)])
    wishes = Wishes(fix={"source": "ADF", "resolution": 200.0}, hide=frozenset({"mode"}))
    controls = Controls(handle, wishes)
    (only,) = abilities(controls, "")
    assert (only.source, only.x_dpi.low, only.x_dpi.high) == (Source.ADF, 200, 200)
    apply(controls, replace(REQUEST, source=Source.ADF, x_dpi=200, y_dpi=200), "")
    assert not [call for call in handle.calls if call.startswith("mode")]
    assert handle.values["source"] == "ADF"


def test_an_option_to_set_that_is_not_there_is_passed_over(caplog):
    Controls(FakeHandle([DPI]), Wishes(set={"lamp": True}))
    assert "no option lamp" in caplog.text


def test_inactive_and_hardware_options_are_left_alone():
    off = option("mode", ("Gray",), cap=Cap.SOFT_SELECT | Cap.SOFT_DETECT | Cap.INACTIVE)
    hard = option("source", ("Flatbed",), cap=Cap.HARD_SELECT | Cap.SOFT_DETECT)
    handle = settings(FakeHandle([off, hard, DPI, *geometry(210, 297)]))
    assert {call.partition("=")[0] for call in handle.calls} <= {"resolution", "br-x", "br-y"}


RANGES = st.builds(
    Range,
    st.floats(0, 50).map(lambda low: round(low, 2)),
    st.floats(100, 400).map(lambda high: round(high, 2)),
    st.sampled_from([0, 0.1, 0.5, 1, 7.5]),
)
WORDS = st.lists(st.integers(0, 400), min_size=1, max_size=6, unique=True).map(tuple)


@given(RANGES | WORDS, st.sampled_from([Kind.INT, Kind.FIXED]), st.floats(0, 500))
def test_a_number_becomes_one_that_the_option_can_have(constraint, kind: Kind, value: float):
    entry = option("x", constraint, kind=kind)
    below, near, above = (way(entry, value) for way in (at_most, nearest, at_least))
    for placed in (below, near, above):
        if isinstance(constraint, tuple):
            assert placed in constraint
        else:
            assert constraint.low - 1 <= placed <= constraint.high + 1
    assert below <= near + 1e-4
    assert near <= above + 1e-4


# ---- pages


def test_rows_are_cut_to_their_pixels_and_joined_over_short_reads():
    rows = b"".join(bytes([row] * 7) + b"??" for row in range(200))
    told = Parameters(Frame.GRAY, True, 9, 7, 200, 8)
    handle = FakeHandle([DPI], [Sheet(told, rows)], piece=5)
    page = scanner_of(handle).scan(REQUEST)
    assert (page.width_px, page.height_px) == (7, 200)
    assert b"".join(page.bands) == b"".join(bytes([row] * 7) for row in range(200))


def test_lineart_comes_with_1_for_white_and_may_begin_within_a_byte():
    edges = geometry(210, 297, quant=25.4)
    told = Parameters(Frame.GRAY, True, 2, 16, 1, 1)
    handle = FakeHandle([option("mode", ("Lineart",)), DPI, *edges], [Sheet(told, b"\x0f\xf0")])
    request = replace(REQUEST, mode=Mode.LINEART, depth=1, x_dpi=50, y_dpi=50, left_mm=2.032)
    page = scanner_of(handle).scan(request)
    assert (page.mode, page.depth, page.width_px) == (Mode.LINEART, 1, 12)
    assert b"".join(page.bands)[0] == 0x00
    assert b"".join(page.bands) == b""


@pytest.mark.parametrize("order", [(2, 3, 4), (4, 2, 3)])
@pytest.mark.parametrize("depth", [8, 16])
def test_three_passes_become_one_page(order, depth: int):
    size = depth // 8
    sheets = [
        Sheet(Parameters(Frame(frame), at == 2, 4 * size, 4, 3, depth), bytes([frame] * 12 * size))
        for at, frame in enumerate(order)
    ]
    page = scanner_of(FakeHandle([DPI], sheets)).scan(replace(REQUEST, mode=Mode.COLOR))
    assert (page.mode, page.depth, page.height_px) == (Mode.COLOR, depth, 3)
    pixel = b"".join(bytes([frame] * size) for frame in (2, 3, 4))
    assert b"".join(page.bands) == pixel * 12


def test_a_colour_that_never_comes_is_an_error():
    sheets = [Sheet(Parameters(Frame.RED, True, 4, 4, 3, 8), bytes(12))]
    with pytest.raises(errors.IoError, match="all three"):
        scanner_of(FakeHandle([DPI], sheets)).scan(replace(REQUEST, mode=Mode.COLOR))


def test_a_page_of_unknown_length_has_the_length_that_came():
    handle = FakeHandle([DPI], [grey_sheet(10, 0, bytes(1234), told_lines=-1)])
    page = scanner_of(handle).scan(REQUEST)
    assert page.height_px == 123
    assert len(b"".join(page.bands)) == 1230


@pytest.mark.parametrize("told_lines", [-1, 100])
def test_a_page_without_rows_is_an_error(told_lines: int):
    handle = FakeHandle([DPI], [grey_sheet(10, 0, b"", told_lines=told_lines)])
    with pytest.raises(errors.IoError, match="empty page"):
        list(scanner_of(handle).scan(REQUEST).bands)
    assert handle.calls[-1] == "cancel"


@pytest.mark.parametrize(
    "told",
    [Parameters(Frame.RGB, True, 12, 32, 4, 1), Parameters(Frame.GRAY, True, 0, 0, 0, 8)],
)
def test_frames_that_make_no_sense_are_an_error(told: Parameters):
    handle = FakeHandle([DPI], [Sheet(told, bytes(48))])
    with pytest.raises(errors.BackendError):
        scanner_of(handle).scan(REQUEST)
    assert handle.calls[-1] == "cancel"


def test_the_head_goes_home_after_the_page():
    handle = FakeHandle([DPI], [grey_sheet(10, 10, bytes(100))])
    list(scanner_of(handle).scan(REQUEST).bands)
    assert handle.calls[-2:] == ["start", "cancel"]


# ---- runs of the feeder

FEEDER = [option("source", ("Flatbed", "ADF", "ADF Duplex")), DPI, *geometry(210, 297)]
SHEET = grey_sheet(10, 10, bytes(100))


def test_the_feeder_runs_on_until_it_is_empty():
    handle = FakeHandle(FEEDER, [SHEET] * 3)
    scanner = scanner_of(handle)
    request = replace(REQUEST, source=Source.ADF)
    for _ in range(3):
        list(scanner.scan(request).bands)
    with pytest.raises(errors.NoDocs):
        scanner.scan(request)
    assert handle.calls[-5:] == ["start", "start", "start", "start", "cancel"]


def test_what_is_left_of_a_page_is_read_before_the_next():
    handle = FakeHandle(FEEDER, [grey_sheet(10, 500, bytes(5000)), SHEET])
    scanner = scanner_of(handle)
    request = replace(REQUEST, source=Source.ADF)
    next(scanner.scan(request).bands)
    assert len(b"".join(scanner.scan(request).bands)) == 100
    assert "cancel" not in handle.calls


def test_the_back_comes_as_the_front_did():
    handle = FakeHandle(FEEDER, [SHEET] * 4)
    scanner = scanner_of(handle)
    front = replace(REQUEST, source=Source.ADF_DUPLEX)
    list(scanner.scan(front).bands)
    set_so_far = len([call for call in handle.calls if "=" in call])
    list(scanner.scan(replace(front, back=True, mode=Mode.COLOR, left_mm=5)).bands)
    list(scanner.scan(front).bands)
    assert len([call for call in handle.calls if "=" in call]) == set_so_far
    with pytest.raises(errors.Inval, match="same resolution"):
        scanner.scan(replace(front, back=True, x_dpi=150, y_dpi=150))


def test_another_request_begins_another_run():
    handle = FakeHandle(FEEDER, [SHEET] * 4)
    scanner = scanner_of(handle)
    list(scanner.scan(replace(REQUEST, source=Source.ADF)).bands)
    list(scanner.scan(replace(REQUEST, source=Source.ADF, x_dpi=150, y_dpi=150)).bands)
    assert handle.calls.count("cancel") == 1
    assert handle.values["resolution"] == 150


def test_a_jam_ends_the_run_and_the_next_page_begins_another():
    jam = Sheet(SHEET.told, bytes(50), errors.Jammed("A sheet is stuck."))
    handle = FakeHandle(FEEDER, [jam, SHEET])
    scanner = scanner_of(handle)
    request = replace(REQUEST, source=Source.ADF)
    with pytest.raises(errors.Jammed):
        list(scanner.scan(request).bands)
    assert handle.calls[-1] == "cancel"
    assert len(list(scanner.scan(request).bands)) == 1


# ---- film


SLIDES = replace(REQUEST, source=Source.TRANSPARENCY, film=Film.POSITIVE)
NEGATIVES = replace(SLIDES, film=Film.NEGATIVE)


@pytest.mark.parametrize(
    ("options", "slides", "negatives"),
    [
        (
            [
                option("source", ("Flatbed", "Transparency Unit")),
                option("film-type", ("Positive Film", "Negative Film", "Positive Slide")),
            ],
            {"source": "Transparency Unit", "film-type": "Positive Film"},
            {"source": "Transparency Unit", "film-type": "Negative Film"},
        ),
        (
            [option("source", ("Normal", "Slide", "Negative"))],
            {"source": "Slide"},
            {"source": "Negative"},
        ),
        (
            [
                option("source", ("Flatbed", "Transparency Adapter")),
                option("negative", kind=Kind.BOOL),
            ],
            {"source": "Transparency Adapter", "negative": False},
            {"source": "Transparency Adapter", "negative": True},
        ),
    ],
)
def test_the_kind_of_film_is_an_option_or_a_source(options, slides, negatives):
    handle = FakeHandle([DPI, *options], [SHEET] * 4)
    scanner = scanner_of(handle)
    (unit,) = [one for one in scanner.abilities() if one.source is Source.TRANSPARENCY]
    assert set(unit.films) == {Film.POSITIVE, Film.NEGATIVE}
    plain = dict(handle.values, source=options[0].constraint[0])
    for request, chosen in ((SLIDES, slides), (NEGATIVES, negatives)):
        assert list(scanner.scan(request).bands)
        assert {name: handle.values[name] for name in chosen} == chosen
    assert list(scanner.scan(REQUEST).bands)
    assert handle.values["source"] == plain["source"]
    assert not handle.values.get("negative")


def test_a_unit_that_does_not_ask_takes_slides():
    handle = FakeHandle([DPI, option("source", ("Flatbed", "Transparency Unit"))], [SHEET])
    scanner = scanner_of(handle)
    assert [one.films for one in scanner.abilities()] == [(), (Film.POSITIVE,)]
    assert list(scanner.scan(NEGATIVES).bands), "what kind it is cannot be told"


def test_the_lamp_is_on_while_it_scans():
    handle = FakeHandle([DPI, option("lamp-switch", kind=Kind.BOOL)], [SHEET])
    assert list(scanner_of(handle).scan(REQUEST).bands)
    assert handle.values["lamp-switch"] is True


# ---- waiting and cancelling


def test_a_lamp_that_warms_up_is_told_of_and_the_next_try_may_succeed():
    handle = FakeHandle([DPI], [error_of(12, "fake:0"), SHEET])
    scanner = scanner_of(handle)
    with pytest.raises(errors.WarmingUp, match="fake:0 is warming up"):
        scanner.scan(REQUEST)
    assert handle.calls[-1] == "cancel"
    assert len(list(scanner.scan(REQUEST).bands)) == 1


def test_a_read_that_blocks_is_cancelled_from_another_thread():
    handle = FakeHandle([DPI], [SHEET], waits=True)
    scanner = scanner_of(handle)
    bands = scanner.scan(REQUEST).bands

    def cancel() -> None:
        assert handle.reading.wait(20)
        scanner.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(errors.Cancelled):
        next(bands)
    canceller.join()


def test_whatever_a_cancelled_device_says_it_was_cancelled():
    jam = Sheet(SHEET.told, bytes(50), errors.Jammed("A sheet is stuck."))
    scanner = scanner_of(FakeHandle([DPI], [jam]))
    bands = scanner.scan(REQUEST).bands
    scanner.cancel()
    with pytest.raises(errors.Cancelled):
        list(bands)


def test_nothing_is_cancelled_at_a_device_that_is_at_rest():
    handle = FakeHandle([DPI], [SHEET])
    scanner = scanner_of(handle)
    scanner.cancel()
    assert handle.calls == []


@pytest.mark.parametrize("status", range(1, 15))
def test_every_status_has_its_error_and_a_sentence_with_the_name(status: int):
    error = error_of(status, "fake:0")
    assert isinstance(error, errors.BackendError)
    assert "fake:0" in str(error)
