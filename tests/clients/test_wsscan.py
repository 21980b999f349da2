"""The tests' own client is strict, and reads a fault by its names instead of its prefixes."""

from email.message import Message

import pytest
from clients.wsscan import (
    SCAN,
    SOAP,
    WSA,
    BadAnswer,
    FaultAnswer,
    image_of,
    read_multipart,
    read_reply,
    scan_ticket,
)

ENVELOPE = (
    f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{WSA}" xmlns:w="{SCAN}"'
    ' xmlns:x="http://www.w3.org/2004/08/xop/include"><s:Header/><s:Body>%s</s:Body></s:Envelope>'
)
INCLUDE = (
    "<w:RetrieveImageResponse><w:ScanData>"
    '<x:Include href="cid:picture%%40here"/></w:ScanData></w:RetrieveImageResponse>'
)
ROOT_PART = b"\r\n--edge\r\nContent-Type: application/xop+xml\r\nContent-ID: <root>\r\n\r\n"
IMAGE_PART = b"\r\n--edge\r\nContent-Type: image/png\r\nContent-ID: <picture@here>\r\n\r\n"
CLOSING = b"\r\n--edge--\r\n"
WHOLE = ROOT_PART + (ENVELOPE % (INCLUDE % ())).encode() + IMAGE_PART + b"\r\n\0bytes\r\n" + CLOSING


def headers(content_type: str) -> Message:
    message = Message()
    message["Content-Type"] = content_type
    return message


MULTIPART = headers('multipart/related; type="application/xop+xml"; boundary="edge"')


def test_the_image_keeps_every_byte_of_its_part():
    image = image_of(read_reply(200, MULTIPART, WHOLE))
    assert image.content == b"\r\n\0bytes\r\n"
    assert image.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(WHOLE[: -len(CLOSING)], id="without its closing delimiter"),
        pytest.param(WHOLE.replace(b"\r\n", b"\n"), id="with bare line feeds"),
        pytest.param(b"not " + WHOLE.lstrip(), id="with something before it"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_multipart_body_is_refused(body):
    with pytest.raises(BadAnswer):
        read_multipart(MULTIPART, body)


def test_a_reference_to_another_part_is_refused():
    other = WHOLE.replace(b"<picture@here>", b"<picture@there>")
    with pytest.raises(BadAnswer, match="does not name"):
        image_of(read_reply(200, MULTIPART, other))


def test_a_fault_is_read_by_namespace():
    fault = (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode>"
        "<s:Value> w:ClientErrorJobIdNotFound </s:Value></s:Subcode></s:Code>"
        "<s:Reason><s:Text>No such job</s:Text></s:Reason>"
        "<s:Detail><w:JobId>7</w:JobId></s:Detail></s:Fault>"
    )
    reply = read_reply(400, headers("application/soap+xml"), (ENVELOPE % fault).encode())
    assert reply.fault is not None
    assert reply.fault.code == (SOAP, "Sender")
    assert reply.fault.subcode == (SCAN, "ClientErrorJobIdNotFound")
    assert reply.fault.reason == "No such job"
    with pytest.raises(FaultAnswer, match="ClientErrorJobIdNotFound"):
        reply.require()


def test_a_fault_whose_prefix_nobody_declared_is_refused():
    fault = "<s:Fault><s:Code><s:Value>nobody:Sender</s:Value></s:Code></s:Fault>"
    with pytest.raises(BadAnswer, match="prefix"):
        read_reply(500, headers("application/soap+xml"), (ENVELOPE % fault).encode())


def test_a_ticket_says_only_what_it_was_told():
    ticket = scan_ticket(source=None, color=None, dpi=None, format="png", must_honor={"Format"})
    assert '<sca:Format sca:MustHonor="true">png</sca:Format>' in ticket
    assert "InputSource" not in ticket
    assert "MediaSides" not in ticket
