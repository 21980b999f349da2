"""Every fault: its codes, its status, its detail, and that the most specific one is told."""

import re

import pytest
from clients.wsscan import (
    ANONYMOUS,
    FAULT_ACTION,
    SCAN,
    SOAP,
    WSA,
    FaultAnswer,
    element,
    new_message_id,
    retrieve_image_body,
    scan_ticket,
)
from lxml import etree
from support.scripted_pages import Act
from support.wire import URN, with_settings

from device import errors, faults
from scanner_backends.errors import DeviceBusy, Inval, IoError

conformance = pytest.mark.conformance


def create_body(ticket, identifier=None, token=None):
    return (
        f"<sca:CreateScanJobRequest>{element('ScanIdentifier', identifier)}"
        f"{element('DestinationToken', token)}{ticket}</sca:CreateScanJobRequest>"
    )


def refused(client, operation, body, subcode, *, namespace=SCAN, code="Sender", detail=None):
    """Send it, and check everything about the fault that comes."""
    message_id = new_message_id()
    reply = client.call(operation, body, message_id=message_id)
    assert reply.fault is not None, reply.soap
    assert reply.fault.code == (SOAP, code)
    assert reply.fault.subcode == (namespace, subcode)
    assert reply.status == (400 if code == "Sender" else 500)
    assert reply.header("Action") == FAULT_ACTION
    assert reply.header("RelatesTo") == message_id
    assert reply.header("To") == ANONYMOUS
    assert reply.headers.get_content_type() == "application/soap+xml"
    told = None
    if reply.fault.detail is not None:
        (entry,) = reply.fault.detail
        told = (entry.tag.rpartition("}")[2], (entry.text or "").strip())
    assert told == detail
    return reply


@conformance("FA-20", "WL-03")
def test_a_fault_has_the_standards_shape(client):
    reply = refused(client, "Nonsense", "", "ActionNotSupported", namespace=WSA,
                    detail=("Action", f"{SCAN}/Nonsense"))  # fmt: skip
    tree = etree.fromstring(reply.soap)
    reason = tree.find(f".//{{{SOAP}}}Reason/{{{SOAP}}}Text")
    assert reason.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    subcode = tree.findall(f".//{{{SOAP}}}Subcode")
    assert len(subcode) == 1
    prefix = subcode[0].findtext(f"{{{SOAP}}}Value").partition(":")[0]
    assert subcode[0].nsmap[prefix] == WSA


@conformance("FA-02", "FA-19")
@pytest.mark.parametrize(
    ("operation", "body", "argument", "value"),
    [
        ("CreateScanJob", "<sca:CreateScanJobRequest/>", "ScanTicket", ""),
        ("CreateScanJob", create_body("<sca:ScanTicket/>"), "JobDescription", ""),
        ("CreateScanJob", create_body(scan_ticket(rotation="left")), "Rotation", "left"),
        ("CreateScanJob", create_body(scan_ticket(dpi="fine")), "Width", "fine"),
        ("CreateScanJob", create_body(scan_ticket(auto_exposure="maybe")), "AutoExposure", "maybe"),
        ("ValidateScanTicket", "<sca:ValidateScanTicketRequest/>", "ScanTicket", ""),
        ("RetrieveImage", "<sca:RetrieveImageRequest/>", "JobId", ""),
        ("RetrieveImage", retrieve_image_body("seven", "x"), "JobId", "seven"),
        ("CancelJob", "<sca:CancelJobRequest/>", "JobId", ""),
        ("GetJobElements", "<sca:GetJobElementsRequest/>", "RequestedElements", ""),
        ("GetScannerElements", "<sca:GetScannerElementsRequest/>", "RequestedElements", ""),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(client, operation, body, argument, value):
    refused(client, operation, body, "InvalidArgs", detail=(argument, value))


@conformance("FA-03", "FA-18", "WL-03")
def test_a_second_retrieve_image_beside_a_running_one_is_refused(device, client):
    (act,) = device.pages.then(Act(hold=True))
    job = client.create_scan_job(scan_ticket())
    running = device.retrieving(job)
    body = retrieve_image_body(job.id, job.token)
    refused(client, "RetrieveImage", body, "OperationFailed", code="Receiver")
    device.open(act)
    assert running.result(5).content


@conformance("FA-04", "FA-18")
def test_a_scanner_that_another_program_holds_is_passing_trouble(device, client):
    """The unchanged request may be repeated, and then gets the image."""
    device.pages.then(Act(error=DeviceBusy("somebody else")))
    job = client.create_scan_job(scan_ticket(source="ADF"))
    body = retrieve_image_body(job.id, job.token)
    refused(client, "RetrieveImage", body, "ServerErrorTemporaryError", code="Receiver")
    assert device.state(job.id) == ("Processing", ("None",))
    client.retrieve_image(job.id, job.token)
    assert [asked.page for asked in device.pages.asked] == [1, 1]


@conformance("FA-04")
def test_the_same_envelope_may_get_its_image_when_the_scanner_is_free_again(device, client):
    device.pages.then(Act(error=DeviceBusy("somebody else")), Act(error=DeviceBusy("still")))
    job = client.create_scan_job(scan_ticket(source="ADF"))
    request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    for _ in range(2):
        assert client.post(request).fault.subcode == (SCAN, "ServerErrorTemporaryError")
    assert client.post(request).fault is None
    assert [asked.page for asked in device.pages.asked] == [1, 1, 1]


@conformance("FA-06")
def test_the_same_envelope_is_taken_when_there_is_room_again(make_device):
    client = make_device(waiting=0).client
    job = client.create_scan_job(scan_ticket())
    request = client.envelope("CreateScanJob", create_body(scan_ticket()))
    for _ in range(2):
        assert client.post(request).fault.subcode == (SCAN, "ServerErrorNotAcceptingJobs")
    client.cancel_job(job.id)
    first = client.post(request)
    assert first.fault is None
    assert client.post(request).soap == first.soap


def test_a_refusal_that_is_the_clients_doing_is_told_again(client):
    request = client.envelope("CreateScanJob", create_body("<sca:ScanTicket/>"))
    first = client.post(request)
    assert first.fault.code == (SOAP, "Sender")
    assert client.post(request).soap == first.soap


@conformance("FA-05", "FA-18")
def test_what_nobody_foresaw_is_an_internal_error_that_gives_nothing_away(device, client, caplog):
    device.pages.then(Act(error=RuntimeError("the secret path /srv/scans")))
    job = client.create_scan_job(scan_ticket())
    body = retrieve_image_body(job.id, job.token)
    reply = refused(client, "RetrieveImage", body, "ServerErrorInternalError", code="Receiver")
    assert b"secret" not in reply.soap
    assert "the secret path" in caplog.text
    assert device.ended(job.id)[0] == "Aborted"
    again = client.create_scan_job(scan_ticket())
    assert client.retrieve_image(again.id, again.token).content


@conformance("FA-06", "FA-18")
def test_a_full_queue_takes_no_further_job(device, client):
    """One at work, eight that wait; the tenth is refused until one has ended."""
    jobs = [client.create_scan_job(scan_ticket()) for _ in range(9)]
    assert len(client.get_active_jobs()) == 9
    body = create_body(scan_ticket())
    refused(client, "CreateScanJob", body, "ServerErrorNotAcceptingJobs", code="Receiver")
    client.cancel_job(jobs[4].id)
    client.create_scan_job(scan_ticket())


@conformance("FA-07", "FA-19", "FA-21")
@pytest.mark.parametrize("must_honor", [(), ("Format", "Resolution")])
def test_a_format_that_is_not_had_is_refused_with_those_that_are(client, must_honor):
    """Even beside other impossible wishes: it is the most specific."""
    ticket = scan_ticket(format="xps", dpi=333, must_honor=must_honor)
    reply = client.call("CreateScanJob", create_body(ticket))
    assert reply.fault.subcode == (SCAN, "ClientErrorFormatNotSupported")
    assert reply.status == 400
    (listed,) = reply.fault.detail
    assert listed.tag == f"{{{SCAN}}}FormatsSupported"
    assert [value.text for value in listed][:2] == ["png", "jfif"]


@conformance("FA-08")
def test_an_identifier_that_no_button_made_is_refused(client):
    body = create_body(scan_ticket(), "urn:uuid:1", "token")
    refused(client, "CreateScanJob", body, "ClientErrorInvalidScanIdentifier")
    refused(client, "CreateScanJob", create_body(scan_ticket(), None, "token"),
            "ClientErrorInvalidScanIdentifier")  # fmt: skip


@conformance("FA-09")
def test_an_identifier_without_a_destination_token_is_refused(client):
    body = create_body(scan_ticket(), "urn:uuid:1", None)
    refused(client, "CreateScanJob", body, "ClientErrorInvalidDestinationToken")


@conformance("OP-11")
def test_empty_identifier_and_token_are_no_panel_scan(client):
    """PyWSD sends both elements empty for a scan that no button started."""
    client.create_scan_job(scan_ticket(), scan_identifier="", destination_token=" ")


@conformance("FA-10", "FA-21")
def test_an_empty_feeder_takes_no_job(make_device):
    device = make_device(sheets=0)
    for source in ("ADF", "ADFDuplex"):
        body = create_body(scan_ticket(source=source))
        refused(device.client, "CreateScanJob", body, "ClientErrorNoImagesAvailable")
    assert device.client.get_active_jobs() == []


@conformance("FA-11")
def test_the_end_of_the_feeder_is_told_by_a_fault(device, client):
    job = client.create_scan_job(scan_ticket(source="ADF"))
    for _ in range(3):
        client.retrieve_image(job.id, job.token)
    body = retrieve_image_body(job.id, job.token)
    refused(client, "RetrieveImage", body, "ClientErrorNoImagesAvailable")
    assert device.state(job.id) == ("Completed", ("None",))
    refused(client, "RetrieveImage", body, "ClientErrorNoImagesAvailable")


@conformance("FA-12", "FA-21")
@pytest.mark.parametrize(
    "ticket",
    [
        scan_ticket(
            format="jfif", color="BlackAndWhite1", must_honor={"Format", "ColorProcessing"}
        ),
        scan_ticket(format="png", quality=50, must_honor={"Format", "CompressionQualityFactor"}),
        scan_ticket(auto_exposure=True, exposure=(100, 0, 0), must_honor={"Exposure"}),
    ],
    ids=["colour", "quality", "exposure"],
)
@pytest.mark.parametrize("operation", ["CreateScanJob", "ValidateScanTicket"])
def test_wishes_that_exclude_each_other_are_refused(client, ticket, operation):
    body = f"<sca:{operation}Request>{ticket}</sca:{operation}Request>"
    refused(client, operation, body, "ClientErrorConflictingRequiredParameters")
    loose = body.replace('Format sca:MustHonor="true"', "Format").replace(
        'Exposure sca:MustHonor="true"', "Exposure"
    )
    if "Quality" not in loose:
        assert client.call(operation, loose).fault is None


@pytest.mark.parametrize(
    "job_id", [7, 0, -1, 2147483648, 10**30], ids=["unknown", "zero", "below", "above", "endless"]
)
@pytest.mark.parametrize(
    ("operation", "more"),
    [
        pytest.param("RetrieveImage", "<sca:JobToken>x</sca:JobToken>", marks=conformance("FA-13")),
        pytest.param("CancelJob", "", marks=conformance("FA-14")),
        pytest.param(
            "GetJobElements",
            "<sca:RequestedElements><sca:Name>sca:JobStatus</sca:Name></sca:RequestedElements>",
            marks=conformance("FA-15"),
        ),
    ],
)
@conformance("FA-19")
def test_a_job_that_is_not_there_is_not_found(client, operation, more, job_id):
    body = f"<sca:{operation}Request>{element('JobId', job_id)}{more}</sca:{operation}Request>"
    refused(client, operation, body, "ClientErrorJobIdNotFound", detail=("JobId", str(job_id)))


@conformance("FA-14")
@pytest.mark.parametrize("end", ["cancel", "deadline", "delivery"])
def test_a_job_that_has_ended_cannot_be_cancelled(device, client, end):
    job = client.create_scan_job(scan_ticket())
    if end == "cancel":
        client.cancel_job(job.id)
    elif end == "deadline":
        device.advance(61)
    else:
        client.retrieve_image(job.id, job.token)
    before = device.ended(job.id)
    body = f"<sca:CancelJobRequest>{element('JobId', job.id)}</sca:CancelJobRequest>"
    detail = ("JobId", str(job.id))
    refused(client, "CancelJob", body, "ClientErrorJobIdNotFound", detail=detail)
    assert device.state(job.id) == before


@conformance("FA-17")
def test_a_cancelled_job_gives_no_image(client):
    job = client.create_scan_job(scan_ticket())
    client.cancel_job(job.id)
    body = retrieve_image_body(job.id, job.token)
    refused(client, "RetrieveImage", body, "ClientErrorJobCancelled")


@conformance("FA-18")
def test_every_error_has_its_row_and_the_tables_code():
    def tree(base):
        for one in base.__subclasses__():
            yield one
            yield from tree(one)

    inner = {errors.RequestError, errors.ServiceError}
    for never_told_to_a_peer in (errors.ConfigError, errors.DeliveryError, errors.OperatorError):
        inner.update((never_told_to_a_peer, *tree(never_told_to_a_peer)))
    assert set(tree(errors.DeviceError)) - inner == set(faults.TABLE)
    for kind, row in faults.TABLE.items():
        if row.subcode:
            side = errors.RequestError if row.code == "Sender" else errors.ServiceError
            assert issubclass(kind, side), kind


@conformance("FA-21")
def test_an_impossible_wish_that_must_be_honored_is_refused_by_name(client):
    for wrong, argument in (
        ({"rotation": 45, "must_honor": {"Rotation"}}, "Rotation"),
        ({"dpi": 350, "must_honor": {"Resolution"}}, "Resolution"),
        ({"source": "Toaster", "must_honor": {"InputSource"}}, "InputSource"),
        ({"region": (90000, 0, 10, 10)}, "ScanRegion"),
    ):
        reply = client.call("CreateScanJob", create_body(scan_ticket(**wrong)))
        assert reply.fault.subcode == (SCAN, "InvalidArgs")
        assert reply.fault.detail[0].tag == f"{{{SCAN}}}{argument}"


@conformance("FA-03")
@pytest.mark.parametrize(
    ("error", "reason"),
    [(IoError("gone"), "JobCompletedWithErrors"),
     pytest.param(Inval("no"), "InvalidScanTicket", marks=conformance("KW-092"))],
)  # fmt: skip
def test_a_page_that_the_source_cannot_give_aborts_the_job(device, client, error, reason):
    device.pages.then(Act(error=error))
    job = client.create_scan_job(scan_ticket())
    body = retrieve_image_body(job.id, job.token)
    refused(client, "RetrieveImage", body, "OperationFailed", code="Receiver")
    assert device.ended(job.id) == ("Aborted", (reason,))
    detail = ("JobId", str(job.id))
    refused(client, "RetrieveImage", body, "ClientErrorJobIdNotFound", detail=detail)


@conformance("FA-02")
@pytest.mark.parametrize("name", ["ScanRegionWidth", "ScanRegionHeight"])
def test_a_region_without_its_extent_is_refused(client, name):
    ticket = scan_ticket(region=(10, 20, 3000, 4000))
    cut = re.sub(f"<sca:{name}[^>]*>[0-9]+</sca:{name}>", "", ticket)
    assert cut != ticket
    refused(client, "CreateScanJob", create_body(cut), "InvalidArgs", detail=(name, ""))


@conformance("FA-02")
def test_the_detail_of_a_boolean_is_spelt_as_xml_has_it(make_device):
    client = make_device(configuration=with_settings(auto_exposure=False)).client
    ticket = scan_ticket(auto_exposure=True, must_honor={"Exposure"})
    refused(client, "CreateScanJob", create_body(ticket), "InvalidArgs",
            detail=("AutoExposure", "true"))  # fmt: skip


@conformance("FA-23")
@pytest.mark.parametrize(
    ("header", "detail"),
    [("Action", "wsa:Action"), ("MessageID", "wsa:MessageID"), ("To", "wsa:To")],
)
def test_a_header_that_is_missing_is_asked_for(client, header, detail):
    request = etree.fromstring(client.envelope("GetActiveJobs", "<sca:GetActiveJobsRequest/>"))
    block = request.find(f".//{{{WSA}}}{header}")
    block.getparent().remove(block)
    reply = client.post(etree.tostring(request))
    assert reply.fault.subcode == (WSA, "MessageInformationHeaderRequired")
    assert reply.fault.detail[0].text == detail
    related = reply.header("RelatesTo")
    assert (related is None) == (header == "MessageID")


@conformance("FA-23")
@pytest.mark.parametrize(
    ("to", "reached"),
    [
        ("http://192.0.2.9:1/scan", True),
        (URN, True),
        (ANONYMOUS, True),
        ("http://192.0.2.9/another/path", False),
        ("http://[::1/scan", False),
        ("http://[not an address]/scan", False),
        ("urn:uuid:99999999-2222-4333-8444-555555555555", False),
    ],
)
def test_a_request_for_somebody_else_is_not_answered_for_him(client, to, reached):
    reply = client.call("GetActiveJobs", "<sca:GetActiveJobsRequest/>", to=to)
    if reached:
        assert reply.fault is None
    else:
        assert reply.fault.subcode == (WSA, "DestinationUnreachable")


@conformance("FA-23")
def test_a_device_that_goes_down_says_so(device, client):
    device.endpoint.closing = True
    reply = client.call("GetActiveJobs", "<sca:GetActiveJobsRequest/>")
    assert reply.fault.subcode == (WSA, "EndpointUnavailable")
    assert reply.status == 500


@conformance("FA-02")
@pytest.mark.parametrize(
    "request_", [b"", b"hello", b"<a/>", b'<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>']
)
def test_what_is_no_envelope_is_an_argument_that_cannot_be_read(client, request_):
    reply = client.post(request_)
    assert reply.fault.subcode == (SCAN, "InvalidArgs")


def test_a_named_operation_of_the_client_raises_the_fault(client):
    with pytest.raises(FaultAnswer, match="JobIdNotFound"):
        client.cancel_job(99)
