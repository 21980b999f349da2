"""What we write, we read as the same: tickets in both directions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from support.schema import FOLDER

from device.model.ticket import (
    DocumentParameters,
    JobDescription,
    RegionWish,
    ScanTicket,
    SideWish,
    Wish,
)
from device.scan import read
from device.soap.namespaces import WSCN
from device.ticket import write as write_ticket

conformance = pytest.mark.conformance
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="￾￿"),
    max_size=255,
).map(str.strip)
KEYWORDS = st.from_regex(r"[A-Za-z][A-Za-z0-9:_.-]{0,20}", fullmatch=True)


def maybe(values):
    return st.none() | st.builds(Wish, values, st.booleans())


def numbers(low, high=2**31 - 1):
    return maybe(st.integers(low, high))


@st.composite
def pairs(draw, values):
    """Two numbers in one container: both or none, and MustHonor on the container."""
    if draw(st.booleans()):
        return None, None
    honored = draw(st.booleans())
    return Wish(draw(values), honored), Wish(draw(values), honored)


SIZES = st.integers(1, 2**31 - 1)
REGIONS = st.builds(
    RegionWish, numbers(0), numbers(0), st.builds(Wish, SIZES), st.builds(Wish, SIZES)
)


@st.composite
def sides(draw):
    width, height = draw(pairs(SIZES))
    if height is not None and draw(st.booleans()):
        height = None
    return SideWish(draw(st.none() | REGIONS), draw(maybe(KEYWORDS)), width, height)


@st.composite
def tickets(draw):
    media = draw(pairs(SIZES))
    scaling = draw(pairs(st.integers(1, 1000)))
    detect = draw(st.none() | st.builds(Wish, st.booleans())) if media == (None, None) else None
    honored = draw(st.booleans())
    tones = [
        draw(st.none() | st.builds(Wish, st.integers(-most, most), st.just(honored)))
        for most in (1000, 1000, 100)
    ]
    auto = draw(st.none() | st.builds(Wish, st.booleans())) if not any(tones) else None
    front, back = draw(st.none() | sides()), draw(st.none() | sides())
    if back is not None and front is None:
        front = SideWish()
    parameters = DocumentParameters(
        format=draw(maybe(KEYWORDS)),
        compression_quality_factor=draw(numbers(0, 100)),
        images_to_transfer=draw(numbers(0)),
        input_source=draw(maybe(KEYWORDS)),
        film_scan_mode=draw(maybe(KEYWORDS)),
        content_type=draw(maybe(KEYWORDS)),
        document_size_auto_detect=detect,
        media_width=media[0],
        media_height=media[1],
        auto_exposure=auto,
        contrast=tones[0],
        brightness=tones[1],
        sharpness=tones[2],
        scaling_width=scaling[0],
        scaling_height=scaling[1],
        rotation=draw(maybe(st.sampled_from((0, 90, 180, 270)))),
        front=front,
        back=back,
        sides_must_honor=draw(st.booleans()) if front is not None else False,
    )
    description = JobDescription(draw(TEXTS), draw(TEXTS), draw(st.none() | TEXTS))
    return ScanTicket(description, draw(st.sampled_from((parameters, None))))


def parsed(xml):
    return etree.fromstring(f'<r xmlns:wscn="{WSCN}">{xml}</r>')


@conformance("OP-20", "EL-41")
@given(tickets())
def test_a_ticket_survives_our_writer_and_our_reader(ticket):
    assert read.ticket_of(parsed(write_ticket.ticket("ScanTicket", ticket))) == ticket


@conformance("WL-13")
@given(tickets(), st.randoms(use_true_random=False))
def test_the_order_of_children_means_nothing_to_the_reader(ticket, random):
    body = parsed(write_ticket.ticket("ScanTicket", ticket))
    for element in list(body.iter()):
        children = list(element)
        random.shuffle(children)
        element[:] = children
    assert read.ticket_of(body) == ticket


def test_the_schema_has_a_place_for_every_element_that_we_write():
    """Every name in our writers stands in the schema, so that the check means something."""
    import re
    from pathlib import Path

    from device.scan import operations, write_job, write_scanner

    known = set(re.findall(r'name="(\w+)"', (FOLDER / "scan.xsd").read_text()))
    for module in (write_ticket, write_job, write_scanner, operations):
        written = set(re.findall(r'"wscn:(\w+)"', Path(module.__file__).read_text()))
        assert written - known == set(), module.__name__
