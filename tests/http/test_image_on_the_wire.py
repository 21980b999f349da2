"""The bytes of a RetrieveImage reply: MIME, XOP, line ends, and what a broken one looks like."""

import re

import pytest
from clients.wsscan import ANONYMOUS, SCAN, WSA, new_message_id, retrieve_image_body, scan_ticket
from lxml import etree
from support.schema import check_document
from support.scripted_pages import Act

conformance = pytest.mark.conformance
XOP = "http://www.w3.org/2004/08/xop/include"
MEDIA_TYPES = {"png": "image/png", "jfif": "image/jpeg", "exif": "image/jpeg", "dib": "image/bmp",
               "tiff-single-uncompressed": "image/tiff"}  # fmt: skip


@pytest.fixture
def answer(device, client):
    """Headers and body as they came, and the MessageID of the request."""
    device.pages.then(Act(chunks=[b"\r\n--", b"image\0bytes", b"\r\n"]))
    job = client.create_scan_job(scan_ticket())
    message_id = new_message_id()
    body = retrieve_image_body(job.id, job.token)
    with client.stream(client.envelope("RetrieveImage", body, message_id=message_id)) as response:
        assert response.status == 200
        return response.getheader("Content-Type"), response.read(), message_id


def boundary_of(content_type):
    return re.search(r'boundary="([^"]+)"', content_type)[1].encode()


@conformance("MT-01")
def test_every_parameter_of_the_media_type_is_quoted(answer):
    content_type, _, _ = answer
    media, *parameters = [part.strip() for part in content_type.split(";")]
    assert media == "multipart/related"
    found = dict(re.fullmatch(r'([a-z-]+)="([^"]+)"', one).groups() for one in parameters)
    assert set(found) == {"type", "boundary", "start", "start-info"}
    assert found["type"] == "application/xop+xml"
    assert found["start-info"] == "application/soap+xml"
    assert re.fullmatch(r"<[^<>\s]+>", found["start"])
    assert re.fullmatch(r"[A-Za-z0-9]{20,70}", found["boundary"])


@conformance("MT-02", "MT-04", "OP-02", "WL-08", "WL-09")
def test_soap_comes_first_and_the_image_second_and_nothing_else(answer):
    content_type, body, message_id = answer
    delimiter = b"\r\n--" + boundary_of(content_type)
    assert body.startswith(delimiter + b"\r\n")
    assert body.endswith(delimiter + b"--\r\n")
    before, root, image, after = body.split(delimiter)
    assert (before, after) == (b"", b"--\r\n")
    for part in (root, image):
        head, _, _ = part.partition(b"\r\n\r\n")
        assert b"\n" not in head.replace(b"\r\n", b"")
        assert b"\r\nContent-Transfer-Encoding: binary" in head
    assert image.partition(b"\r\n\r\n")[2] == b"\r\n--image\0bytes\r\n"
    head, _, soap = root.partition(b"\r\n\r\n")
    assert b'Content-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"' in head
    check_document(soap)
    envelope = etree.fromstring(soap)
    assert envelope.findtext(f".//{{{WSA}}}Action") == f"{SCAN}/RetrieveImageResponse"
    assert envelope.findtext(f".//{{{WSA}}}RelatesTo") == message_id
    assert envelope.findtext(f".//{{{WSA}}}To") == ANONYMOUS


@conformance("MT-03")
def test_the_reference_names_the_image_part(answer):
    content_type, body, _ = answer
    _, root, image, _ = body.split(b"\r\n--" + boundary_of(content_type))
    ids = [re.search(rb"\r\nContent-ID: <([^<>\s]+)>", part)[1].decode() for part in (root, image)]
    envelope = etree.fromstring(root.partition(b"\r\n\r\n")[2])
    (data,) = envelope.iter(f"{{{SCAN}}}ScanData")
    (include,) = data
    assert include.tag == f"{{{XOP}}}Include"
    assert include.get("href") == f"cid:{ids[1]}"
    assert re.search(r'start="<([^>]+)>"', content_type)[1] == ids[0]


@conformance("MT-05")
def test_boundaries_are_random_and_new_each_time(device, client):
    seen = set()
    for _ in range(20):
        job = client.create_scan_job(scan_ticket())
        request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
        with client.stream(request) as response:
            boundary = boundary_of(response.getheader("Content-Type"))
            body = response.read()
        assert len(boundary) >= 32
        assert body.count(boundary) == 3
        seen.add(boundary)
    assert len(seen) == 20


@pytest.mark.parametrize(("format", "media_type"), MEDIA_TYPES.items())
def test_the_image_part_has_the_images_own_type(client, format, media_type):
    job = client.create_scan_job(scan_ticket(format=format))
    assert client.retrieve_image(job.id, job.token).headers["content-type"] == media_type


@conformance("MT-08")
def test_a_fault_before_the_first_byte_is_plain_soap(device, client):
    from scanner_backends.errors import IoError

    device.pages.then(Act(error=IoError("gone")))
    job = client.create_scan_job(scan_ticket())
    reply = device.raw_retrieve(job)
    assert reply.headers.get_content_type() == "application/soap+xml"
    assert reply.fault is not None
