"""What every request may look like, and what every answer does look like."""

import re
import socket
from urllib.parse import urlsplit

import pytest
from clients.wsscan import ANONYMOUS, SCAN, SOAP, WSA, new_message_id, scan_ticket, text
from lxml import etree
from support.schema import check_document

OLD = SCAN.replace("2006/08", "2006/01")
conformance = pytest.mark.conformance


def request_bytes(client, body, **changes):
    """A GetActiveJobs envelope with parts of it replaced."""
    envelope = client.envelope("GetActiveJobs", body).decode()
    for old, new in changes.items():
        assert old in envelope
        envelope = envelope.replace(old, new)
    return envelope.encode()


@conformance("WL-01", "WL-06", "WL-08", "WL-09")
def test_an_answer_is_soap_12_in_the_namespaces_that_are_in_use(client):
    message_id = new_message_id()
    reply = client.call("GetActiveJobs", "<sca:GetActiveJobsRequest/>", message_id=message_id)
    assert reply.status == 200
    assert reply.headers.get_content_type() == "application/soap+xml"
    assert reply.envelope.tag == f"{{{SOAP}}}Envelope"
    assert reply.body.tag == f"{{{SCAN}}}GetActiveJobsResponse"
    assert reply.header("Action") == f"{SCAN}/GetActiveJobsResponse"
    assert reply.header("RelatesTo") == message_id
    assert reply.header("To") == ANONYMOUS
    assert reply.header("MessageID") not in {message_id, None}


@conformance("WL-09")
@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("GetJobHistory", "<sca:GetJobHistoryRequest/>"),
        ("ValidateScanTicket", f"<sca:ValidateScanTicketRequest>{scan_ticket()}"
         "</sca:ValidateScanTicketRequest>"),
        ("GetScannerElements", "<sca:GetScannerElementsRequest><sca:RequestedElements><sca:Name>"
         "sca:ScannerStatus</sca:Name></sca:RequestedElements></sca:GetScannerElementsRequest>"),
    ],
)  # fmt: skip
def test_the_action_of_an_answer_is_the_requests_with_response_behind_it(client, operation, body):
    reply = client.call(operation, body)
    reply.require()
    assert reply.header("Action") == f"{SCAN}/{operation}Response"
    assert reply.body.tag == f"{{{SCAN}}}{operation}Response"


@conformance("WL-04")
def test_a_chunked_request_is_read_and_a_large_image_goes_out_chunked(device, client):
    job = client.create_scan_job(scan_ticket())
    request = client.envelope(
        "RetrieveImage",
        f"<sca:RetrieveImageRequest><sca:JobId>{job.id}</sca:JobId>"
        f"<sca:JobToken>{job.token}</sca:JobToken></sca:RetrieveImageRequest>",
    )
    address = urlsplit(client.url)
    with socket.create_connection((address.hostname, address.port), 5) as sock:
        head = (
            f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
            "Content-Type: application/soap+xml\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        pieces = [request[at : at + 200] for at in range(0, len(request), 200)]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        sock.sendall(head.encode() + chunks + b"0\r\n\r\n")
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Transfer-Encoding: chunked" in answer
    assert answer.endswith(b"\r\n0\r\n\r\n")
    assert b"first half" in answer


@conformance("WL-05")
def test_a_long_history_is_cut_so_that_its_envelope_stays_small(make_device):
    device = make_device(history=400)
    for number in range(150):
        job = device.client.create_scan_job(scan_ticket(job_name=f"{number} {'é' * 200}"))
        device.client.cancel_job(job.id)
    reply = device.client.call("GetJobHistory", "<sca:GetJobHistoryRequest/>")
    names = [text(summary, "JobName") for summary in reply.require()[0]]
    assert len(reply.soap) <= 32_767
    assert 20 < len(names) < 150
    assert names[0].startswith("149 ")


@conformance("WL-05")
def test_every_section_of_a_shipped_profile_fits_into_one_envelope(client):
    client.get_scanner_elements()  # the client's check measures it


@conformance("WL-07")
@pytest.mark.parametrize(
    "namespace", [OLD, SCAN.replace("http:", "https:"), OLD.replace("http:", "https:")]
)
def test_other_spellings_of_the_scan_namespace_are_read(device, client, namespace):
    """Bodies of 2006/01 under actions of 2006/08, as PyWSD sends them, and either alone."""
    body = f"<CreateScanJobRequest>{scan_ticket()}</CreateScanJobRequest>".replace("sca:", "o:")
    body = body.replace("CreateScanJobRequest", "o:CreateScanJobRequest")
    body = body.replace(
        "<o:CreateScanJobRequest>", f'<o:CreateScanJobRequest xmlns:o="{namespace}">'
    )
    marked = body.replace("<o:Format>", '<o:Format o:MustHonor="true">')
    for action in (f"{SCAN}/CreateScanJob", f"{namespace}/CreateScanJob"):
        reply = client.call(action, marked)
        assert text(reply.require(), "DocumentFinalParameters/Format") == "png"
        kept = device.record(int(text(reply.require(), "JobId"))).ticket.parameters.format
        assert (kept.value, kept.must_honor) == ("png", True)
    assert SCAN.encode() in reply.soap
    assert b"2006/01" not in reply.soap
    assert b"https:" not in reply.soap


@conformance("WL-07")
def test_https_spellings_of_soap_and_addressing_are_read(client):
    request = client.envelope("GetActiveJobs", "<sca:GetActiveJobsRequest/>")
    odd = request.replace(b'"http://', b'"https://')
    assert client.post(odd).require().tag == f"{{{SCAN}}}GetActiveJobsResponse"


@conformance("WL-01")
def test_another_soap_version_is_told_which_one_is_understood(client):
    eleven = "http://schemas.xmlsoap.org/soap/envelope/"
    reply = client.post(request_bytes(client, "<sca:GetActiveJobsRequest/>", **{SOAP: eleven}))
    assert (reply.status, reply.fault.code) == (500, (SOAP, "VersionMismatch"))
    header = reply.envelope.find(f"{{{SOAP}}}Header/{{{SOAP}}}Upgrade/{{{SOAP}}}SupportedEnvelope")
    assert header.get("qname") == "soap:Envelope"


@conformance("WL-10")
def test_an_answer_that_is_wanted_elsewhere_is_refused(client):
    request = request_bytes(
        client, "<sca:GetActiveJobsRequest/>", **{f"{ANONYMOUS}<": "http://192.0.2.1/sink<"}
    )
    reply = client.post(request)
    assert reply.fault.subcode == (WSA, "InvalidMessageInformationHeader")
    assert reply.status == 400
    (block,) = reply.fault.detail
    assert block.tag == f"{{{WSA}}}ReplyTo"
    assert block.findtext(f"{{{WSA}}}Address") == "http://192.0.2.1/sink"


@conformance("WL-07", "WL-10")
def test_the_anonymous_address_may_be_spelt_with_https_as_the_pages_have_it(client):
    """As ReplyTo, and as To, which then names nobody else either."""
    spelt = ANONYMOUS.replace("http:", "https:")
    for old in (f"{ANONYMOUS}<", f"{client.url}<"):
        request = request_bytes(client, "<sca:GetActiveJobsRequest/>", **{old: f"{spelt}<"})
        assert spelt.encode() in request
        client.post(request).require()


@conformance("WL-10")
@pytest.mark.parametrize("reply_to", ["", f"<a:ReplyTo>{ANONYMOUS}</a:ReplyTo>"])
def test_a_missing_or_bare_reply_to_means_the_same_connection(client, reply_to):
    whole = f"<a:ReplyTo><a:Address>{ANONYMOUS}</a:Address></a:ReplyTo>"
    request = request_bytes(client, "<sca:GetActiveJobsRequest/>", **{whole: reply_to})
    client.post(request).require()


@conformance("WL-11", "FA-02")
@pytest.mark.parametrize("body", ["<sca:GetJobHistoryRequest/>", "<GetActiveJobsRequest/>", ""])
def test_a_body_that_does_not_fit_the_action_is_refused(client, body):
    reply = client.call("GetActiveJobs", body)
    assert reply.fault.subcode == (SCAN, "InvalidArgs")
    assert reply.status == 400


@conformance("WL-11")
def test_the_action_decides_what_is_done(device, client):
    client.call("CancelJob", "<sca:GetActiveJobsRequest/>")
    assert client.call("GetActiveJobs", "<sca:GetActiveJobsRequest/>").fault is None


@conformance("WL-12")
def test_prefixes_are_free_and_names_are_resolved_where_they_stand(client):
    """The prefix of the asked section is bound to something else outside."""
    body = (
        f'<x:GetScannerElementsRequest xmlns:x="{SCAN}"><x:RequestedElements>'
        f'<x:Name xmlns:sca="urn:example:other" xmlns:b="{SCAN}">b:ScannerStatus</x:Name>'
        f'<y:Name xmlns:y="{SCAN}" xmlns:x="urn:example:other">x:ScannerStatus</y:Name>'
        "</x:RequestedElements></x:GetScannerElementsRequest>"
    )
    reply = client.call("GetScannerElements", body)
    first, second = reply.require()[0]
    assert (first.get("Valid"), second.get("Valid")) == ("true", "false")
    tree = etree.fromstring(reply.soap)
    data = tree.findall(f".//{{{SCAN}}}ElementData")
    prefix, _, local = data[1].get("Name").partition(":")
    assert (data[1].nsmap[prefix], local) == ("urn:example:other", "ScannerStatus")


@conformance("WL-13")
def test_answers_are_in_the_schemas_order(device, client):
    """The client's check validates sequences; a look at one answer shows that it looks at all."""
    reply = client.call(
        "CreateScanJob",
        f"<sca:CreateScanJobRequest>{scan_ticket(source='ADF')}</sca:CreateScanJobRequest>",
    )
    names = [child.tag.rpartition("}")[2] for child in reply.require()]
    assert names == ["JobId", "JobToken", "ImageInformation", "DocumentFinalParameters"]
    swapped = reply.soap.replace(b"<wscn:JobId>1</wscn:JobId>", b"", 1).replace(
        b"<wscn:ImageInformation>", b"<wscn:JobId>1</wscn:JobId><wscn:ImageInformation>", 1
    )
    with pytest.raises(AssertionError, match="JobToken"):
        check_document(swapped)


@conformance("WL-13")
def test_a_ticket_is_read_in_any_order(device, client):
    tree = etree.fromstring(
        scan_ticket(source="ADF", images=2, rotation=90, region=(10, 20, 3000, 4000)).replace(
            "<sca:ScanTicket>", f'<sca:ScanTicket xmlns:sca="{SCAN}">'
        )
    )
    plain = client.create_scan_job(etree.tostring(tree).decode())
    for element in tree.iter():
        element[:] = element[::-1]
    turned = client.create_scan_job(etree.tostring(tree).decode())
    one, other = device.record(plain.id), device.record(turned.id)
    assert one.parameters == other.parameters
    assert one.ticket == other.ticket


@conformance("WL-14")
def test_white_space_around_values_is_nothing(device, client):
    ticket = scan_ticket(source="ADF", images=1, auto_size=False, size=(3000, 3000),
                         must_honor={"Format", "Rotation"}, rotation=180)  # fmt: skip
    padded = re.sub(r">([^<>]+)<", r">\n\t \1 \n<", ticket).replace('"true"', '" true "')
    one = client.create_scan_job(ticket)
    other = client.create_scan_job(padded)
    assert device.record(one.id).ticket == device.record(other.id).ticket
    reply = client.call(
        "RetrieveImage",
        f"<sca:RetrieveImageRequest><sca:JobId>\n {one.id}\n </sca:JobId>"
        f"<sca:JobToken> {one.token}\n</sca:JobToken></sca:RetrieveImageRequest>",
    )
    reply.require()
    spaced = client.envelope("GetActiveJobs", "<sca:GetActiveJobsRequest/>")
    spaced = spaced.replace(b"/GetActiveJobs<", b"/GetActiveJobs\n   <")
    client.post(spaced).require()


@conformance("WL-15", "WL-16")
def test_own_attributes_are_written_in_the_usual_form(device, client):
    device.do(lambda: device.engine.raise_condition("CoverOpen", "ADF"))
    reply = client.call(
        "GetScannerElements",
        "<sca:GetScannerElementsRequest><sca:RequestedElements><sca:Name>sca:ScannerStatus"
        "</sca:Name></sca:RequestedElements></sca:GetScannerElementsRequest>",
    )
    data = reply.require()[0][0]
    assert set(data.attrib) == {"Name", "Valid"}
    assert set(reply.body.find(f".//{{{SCAN}}}DeviceCondition").attrib) == {"Id"}
    created = client.call(
        "CreateScanJob",
        "<sca:CreateScanJobRequest>"
        f"{scan_ticket(source='ADF', content_type='Banana')}</sca:CreateScanJobRequest>",
    )
    final = created.require()[3]
    assert final.find(f"{{{SCAN}}}ContentType").attrib == {f"{{{SCAN}}}Override": "true"}
    assert final.find(f"{{{SCAN}}}Rotation").attrib == {f"{{{SCAN}}}UsedDefault": "true"}


@conformance("WL-15", "WL-16")
def test_must_honor_is_read_with_and_without_a_prefix(device, client):
    marked = scan_ticket(must_honor={"Format", "Resolution"}, source="ADF")
    bare = marked.replace("sca:MustHonor", "MustHonor")
    one, other = client.create_scan_job(marked), client.create_scan_job(bare)
    assert device.record(one.id).ticket == device.record(other.id).ticket
    assert device.record(one.id).ticket.parameters.front.resolution_width.must_honor


@conformance("WL-17")
@pytest.mark.parametrize(
    ("spelling", "value"),
    [("1", True), ("true", True), ("True", True), ("0", False), ("false", False), ("False", False)],
)
def test_booleans_are_read_in_every_spelling(device, client, spelling, value):
    ticket = scan_ticket(auto_exposure=True, must_honor={"Format"})
    ticket = ticket.replace("Exposure>true<", f"Exposure>{spelling}<")
    ticket = ticket.replace('MustHonor="true"', f'MustHonor="{spelling}"')
    job = client.create_scan_job(ticket)
    record = device.record(job.id)
    assert record.ticket.parameters.auto_exposure.value is value
    assert record.ticket.parameters.format.must_honor is value
    assert record.parameters.auto_exposure is value
    told = client.get_job_elements(job.id, "ScanTicket")["ScanTicket"]
    assert text(told, "DocumentParameters/Exposure/AutoExposure") == ("true" if value else "false")


@conformance("WL-18")
def test_what_nobody_knows_is_ignored(device, client):
    known = '<v:Thing xmlns:v="urn:example:vendor"><v:Inner/></v:Thing>'
    ticket = scan_ticket(source="ADF")
    strange = ticket.replace("<sca:Format>", f'{known}<sca:Format v:mark="1" xmlns:v="urn:v">')
    strange = strange.replace("</sca:JobDescription>", f"{known}</sca:JobDescription>")
    strange = strange.replace("</sca:MediaFront>", f"{known}<sca:Unheard/></sca:MediaFront>")
    one = client.create_scan_job(ticket)
    reply = client.call(
        "CreateScanJob",
        f"<sca:CreateScanJobRequest>{strange}{known}</sca:CreateScanJobRequest>",
        headers_xml=f'{known}<v:Other xmlns:v="urn:v" s:mustUnderstand="0"/>',
    )
    other = int(text(reply.require(), "JobId"))
    assert device.record(one.id).parameters == device.record(other).parameters


@conformance("WL-18")
def test_a_header_that_must_be_understood_and_is_not_is_refused(client):
    header = '<v:Other xmlns:v="urn:v" s:mustUnderstand="1"/>'
    reply = client.call("GetActiveJobs", "<sca:GetActiveJobsRequest/>", headers_xml=header)
    assert reply.fault.code == (SOAP, "MustUnderstand")
    assert reply.status == 500


def test_encoding_style_on_the_envelope_is_tolerated(client):
    request = client.envelope("GetActiveJobs", "<sca:GetActiveJobsRequest/>").replace(
        b"<s:Envelope ", b'<s:Envelope s:encodingStyle="http://www.w3.org/2003/05/soap-encoding" '
    )
    client.post(request).require()


def test_answers_have_a_prefix_on_every_element_and_no_encoding_in_their_declaration(client):
    """sane-airscan finds nothing in a default namespace, and PyWSD chokes on an encoding."""
    client.create_scan_job(scan_ticket())
    replies = [client.call("GetActiveJobs", "<sca:GetActiveJobsRequest/>"),
               client.call("Nonsense")]  # fmt: skip
    for reply in replies:
        assert re.findall(rb"<(?!/|\?)([^ />]+)", reply.soap)
        assert all(b":" in name for name in re.findall(rb"<(?![/?])([^ />]+)", reply.soap))
        assert b"encoding" not in reply.soap.partition(b"?>")[0]


@pytest.mark.parametrize("place", ["first", "before", "inside", "after"])
@pytest.mark.parametrize("what", ["<?x y?>", "<?xml-stylesheet href='a'?>"])
def test_processing_instructions_are_refused_wherever_they_stand(client, place, what):
    request = client.envelope("GetActiveJobs", "<sca:GetActiveJobsRequest/>").decode()
    declaration, root = request.partition("?>")[0] + "?>", request.partition("?>")[2]
    placed = {
        "first": what + root,
        "before": declaration + what + root,
        "inside": declaration + root.replace("<s:Body>", f"<s:Body>{what}"),
        "after": request + what,
    }[place]
    reply = client.post(placed.encode())
    assert reply.fault.subcode == (SCAN, "InvalidArgs")


def test_comments_around_the_envelope_are_passed_over(client):
    request = client.envelope("GetActiveJobs", "<sca:GetActiveJobsRequest/>").decode()
    declared, _, root = request.partition("?>")
    client.post(f"{declared}?><!-- a -->{root}<!-- b -->".encode()).require()
    client.post(f"<!-- a -->{root}<!-- b -->".encode()).require()
