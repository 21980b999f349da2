"""Frames and orders survive the pipe; anything else is told apart."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.imaging.spec import ImageSpec
from device.pages import frames
from device.pages.frames import Frame, Kind
from scanner_backends.base import Description, Mode, ScanRequest, Source, TrayPage
from scanner_backends.errors import BY_NAME, IoError

FRAMES = st.builds(Frame, st.integers(0, 2**32 - 1), st.sampled_from(Kind), st.binary(max_size=300))
WORDS = st.text(max_size=20)
PAGES = st.lists(st.builds(TrayPage, st.integers(0, 999), WORDS, st.booleans()), max_size=4).map(
    tuple
)
DESCRIPTIONS = st.builds(
    Description, WORDS, st.booleans(), PAGES, PAGES, st.lists(WORDS, max_size=3).map(tuple)
)
MM = st.floats(0, 1000, allow_nan=False)
REQUESTS = st.builds(
    ScanRequest,
    st.sampled_from(Source),
    st.sampled_from(Mode),
    st.sampled_from([1, 8, 16]),
    st.integers(1, 4800),
    st.integers(1, 4800),
    MM,
    MM,
    MM,
    MM,
    st.booleans(),
)
SPECS = st.builds(
    ImageSpec,
    format=WORDS,
    color=WORDS,
    width_px=st.integers(1, 2**31),
    height_px=st.integers(1, 2**31),
    x_dpi=st.integers(1, 4800),
    y_dpi=st.integers(1, 4800),
    rotation=st.sampled_from([0, 90]),
    auto_exposure=st.booleans(),
)
JOBS = st.integers(1, 2**31 - 1)
ORDERS = st.one_of(
    st.builds(
        frames.PageOrder,
        JOBS,
        st.none() | st.integers(0, 99),
        REQUESTS,
        SPECS,
        st.sampled_from(frames.Part),
    ),
    st.builds(frames.FinishOrder, JOBS),
    st.builds(frames.CancelOrder, JOBS),
    st.just(frames.DescribeOrder()),
    st.just(frames.QuitOrder()),
)


@given(st.lists(FRAMES, max_size=5))
def test_frames_survive_a_stream(sent: list[Frame]):
    stream = BytesIO(b"".join(map(frames.pack, sent)))
    received = []
    while (frame := frames.read(stream)) is not None:
        received.append(frame)
    assert received == sent


@given(ORDERS)
def test_orders_survive_a_line(order: frames.Order):
    line = frames.order_line(order)
    assert line.count(b"\n") == 1
    assert frames.order_of(line) == order


@given(DESCRIPTIONS)
def test_descriptions_survive_the_pipe(description: Description):
    text = b"".join(frame.payload for frame in frames.described_frames(description))
    assert frames.description_of(text) == description


@given(st.sampled_from(sorted(BY_NAME)), WORDS)
def test_errors_keep_their_class_and_sentence(name: str, sentence: str):
    error = frames.error_of(frames.error_frame(1, BY_NAME[name](sentence)))
    assert type(error) is BY_NAME[name]
    assert str(error) == sentence


def test_an_unknown_class_of_error_becomes_an_io_error():
    frame = frames.json_frame(1, Kind.ERROR, {"error": "Whatever", "sentence": "Odd."})
    assert type(frames.error_of(frame)) is IoError


@given(st.binary(max_size=60))
def test_garbage_is_told_from_frames(data: bytes):
    if data[:2] == b"pl":
        return
    if data:
        with pytest.raises(frames.FrameError):
            frames.read(BytesIO(data))


@given(FRAMES, st.data())
def test_a_stream_that_ends_inside_a_frame_is_an_error(frame: Frame, data: st.DataObject):
    whole = frames.pack(frame)
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(frames.FrameError):
        frames.read(BytesIO(whole[:cut]))


def test_a_length_beyond_reason_is_no_frame():
    with pytest.raises(frames.FrameError):
        frames.unpack_header(b"pl\xff\xff\xff\xff\0\0\0\1\1")
    with pytest.raises(frames.FrameError):
        frames.unpack_header(b"pl\0\0\0\1\0\0\0\1\x63")
    with pytest.raises(frames.FrameError):
        frames.pack(Frame(1, Kind.DATA, bytes(frames.MAX_PAYLOAD + 1)))


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b'{"order":"dance"}', b'{"order":"cancel"}', b'{"order":"page"}']
)
def test_a_line_that_is_no_order_is_refused(line: bytes):
    with pytest.raises(frames.FrameError):
        frames.order_of(line)


@pytest.mark.parametrize("payload", [b"", b"nonsense", b"[]"])
def test_a_payload_without_json_is_refused(payload: bytes):
    with pytest.raises(frames.FrameError):
        frames.json_of(Frame(1, Kind.END, payload))
    with pytest.raises(frames.FrameError):
        frames.description_of(payload)
