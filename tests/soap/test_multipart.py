"""The multipart reader survives any chunking and what real peers send; the writer is exact."""

from __future__ import annotations

import base64
import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.errors import MalformedMessage
from device.soap import multipart


def read(body: bytes, boundary: str, sizes: list[int]) -> list[tuple[dict[str, str], bytes]]:
    reader = multipart.Reader(boundary)
    parts: list[tuple[dict[str, str], bytes]] = []
    ended = 0
    position = 0
    pieces = []
    for size in sizes:
        pieces.append(body[position : position + size])
        position += size
    pieces.append(body[position:])
    for piece in pieces:
        for event in reader.feed(piece):
            match event:
                case multipart.PartBegin():
                    parts.append((event.headers, b""))
                case multipart.PartData():
                    parts[-1] = (parts[-1][0], parts[-1][1] + event.data)
                case multipart.PartEnd():
                    ended += 1
    reader.close()
    assert ended == len(parts)
    return parts


def message(boundary: str, envelope: bytes, image: bytes) -> bytes:
    return multipart.head(boundary, envelope, "image/png") + image + multipart.tail(boundary)


@given(
    image=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from([b"\r\n", b"\n", b"\r", b"--", b"--bound", b"-", b"x", b"--boundaryx"]),
            max_size=12,
        ).map(b"".join),
    ),
    sizes=st.lists(st.integers(0, 30), max_size=60),
)
def test_what_the_writer_wrote_is_read_in_any_chunking(image: bytes, sizes: list[int]) -> None:
    parts = read(message("boundary", b"<e/>", image), "boundary", sizes)
    assert [body for _, body in parts] == [b"<e/>", image]
    assert multipart.content_id(parts[1][0]["content-id"]) == multipart.IMAGE_ID


def test_the_standard_librarys_mail_reader_agrees() -> None:
    image = bytes(range(256)) * 3
    raw = (
        f"Content-Type: {multipart.content_type('b0')}\r\nMIME-Version: 1.0\r\n".encode()
        + message("b0", b"<e/>", image)
    )
    parsed = email.message_from_bytes(raw, policy=email.policy.HTTP)
    root, attachment = parsed.iter_parts()
    assert root.get_payload(decode=True) == b"<e/>"
    assert attachment.get_payload(decode=True) == image
    assert parsed.get_param("start-info") == "application/soap+xml"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"--b\nA: 1\n\nhello\n--b--", [b"hello"]),
        (b"preamble\r\n--b\r\nA: 1\r\n\r\nhello\r\n--b--\r\nepilogue", [b"hello"]),
        (b"--b\r\nA: 1\r\n\r\n--b--", [b""]),
        (b"--b\r\nA: 1\r\n\r\n--not it\r\n--b--", [b"--not it"]),
        (b"--b\r\n\r\nno headers\r\n--b--", [b"no headers"]),
    ],
)
def test_legal_oddities_are_read(body: bytes, expected: list[bytes]) -> None:
    assert [data for _, data in read(body, "b", [3, 1, 7])] == expected


def test_folded_headers_and_missing_semicolons_are_read() -> None:
    media, values = multipart.parameters(
        'multipart/related; type=application/xop+xml; boundary="a b";\r\n'
        " start=<root>; start-info=application/soap+xml;"
    )
    assert media == "multipart/related"
    assert values["boundary"] == "a b"
    assert values["start"] == "<root>"
    media, values = multipart.parameters("application/xop+xml charset=UTF-8; type=x")
    assert media == "application/xop+xml"
    assert values == {"charset": "UTF-8", "type": "x"}


def test_a_body_without_closing_delimiter_is_an_error() -> None:
    reader = multipart.Reader("b")
    list(reader.feed(b"--b\r\n\r\ndata\r\n--b"))
    with pytest.raises(MalformedMessage, match="closing delimiter"):
        reader.close()


def test_too_many_parts_are_refused() -> None:
    reader = multipart.Reader("b", max_parts=2)
    with pytest.raises(MalformedMessage, match="more than 2 parts"):
        list(reader.feed(b"\r\n--b\r\n\r\nx" * 3))


def test_endless_part_headers_are_refused() -> None:
    reader = multipart.Reader("b")
    with pytest.raises(MalformedMessage, match="too long"):
        list(reader.feed(b"--b\r\nA: " + b"x" * 9000))


@pytest.mark.parametrize(
    ("href", "expected"),
    [("cid:a@b", "a@b"), (" CID:a%40b ", "a@b"), ("http://x/", ""), ("cid:", "")],
)
def test_a_cid_is_percent_decoded(href: str, expected: str) -> None:
    assert multipart.cid(href) == expected


@given(st.binary(max_size=300), st.lists(st.integers(0, 50), max_size=20))
def test_base64_comes_out_whatever_the_pieces(data: bytes, sizes: list[int]) -> None:
    text = base64.encodebytes(data).replace(b"\n", b"\r\n")
    decoder, found = multipart.Decoder("base64"), b""
    for size in sizes:
        found += decoder.feed(text[:size])
        text = text[size:]
    found += decoder.feed(text)
    decoder.close()
    assert found == data


@pytest.mark.parametrize("text", [b"QQ", b"QUI", b"Q=Q=", b"\xff\xff\xff\xff"])
def test_what_is_no_base64_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedMessage):  # noqa: PT012 - in pieces or at the end
        decoder = multipart.Decoder("base64")
        decoder.feed(text)
        decoder.close()
