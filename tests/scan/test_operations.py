"""The eight operations: what each answers."""

import contextlib
import re
from dataclasses import replace

import pytest
from clients.wsscan import SCAN, WSA, FaultAnswer, child, element, scan_ticket, text
from support.scripted_pages import Act
from support.wire import job_state

from device.jobs.queue import MAX_NAMES
from device.model.ticket import DocumentParameters

conformance = pytest.mark.conformance
ALL_SECTIONS = ["ScannerDescription", "ScannerConfiguration", "ScannerStatus", "DefaultScanTicket"]


def marks(parent, path):
    return {
        name.rpartition("}")[2]
        for name, value in child(parent, path).attrib.items()
        if value == "true"
    }


@conformance("OP-01", "OP-11", "EL-43")
def test_a_job_is_created_with_its_final_parameters(client):
    job = client.create_scan_job(scan_ticket(source="Platen", dpi=200, size=(8000, 10000)))
    answer = job.reply.require()
    assert job.id == 1
    assert len(job.token) >= 16
    assert text(answer, "DocumentFinalParameters/InputSource") == "Platen"
    assert text(answer, "ImageInformation/MediaFrontImageInfo/PixelsPerLine") == "1600"


@conformance("OP-02", "MT-03")
def test_an_image_is_retrieved(device, client):
    device.pages.then(Act(chunks=[b"abc", b"\r\n--", b"\0def"]))
    job = client.create_scan_job(scan_ticket(format="png"))
    image = client.retrieve_image(job.id, job.token)
    assert image.content == b"abc\r\n--\0def"
    assert image.headers["content-type"] == "image/png"


@conformance("OP-03")
def test_a_job_is_cancelled_with_an_empty_answer(device, client):
    job = client.create_scan_job(scan_ticket())
    reply = client.cancel_job(job.id)
    assert reply.body.tag == f"{{{SCAN}}}CancelJobResponse"
    assert len(reply.body) == 0
    assert device.state(job.id) == ("Canceled", ("None",))


@conformance("OP-04", "EL-52")
def test_a_good_ticket_is_valid(client):
    info = client.validate_scan_ticket(scan_ticket(dpi=100, size=(8000, 10000)))
    assert text(info, "ValidTicket") == "true"
    assert text(info, "ImageInformation/MediaFrontImageInfo/NumberOfLines") == "1000"
    assert info.find(f"{{{SCAN}}}ValidScanTicket") is None


@conformance("OP-16", "EL-52")
def test_a_bad_ticket_comes_back_with_the_wrong_settings_replaced_and_nothing_added(client):
    """The published bad example: scaling 1250 and 350 dpi; here with a colour that is not had."""
    ticket = scan_ticket(color="RGBa64", dpi=350, scaling=(1250, 100), images=None, source=None)
    info = client.validate_scan_ticket(ticket)
    assert text(info, "ValidTicket") == "false"
    repaired = child(info, "ValidScanTicket")
    parameters = child(repaired, "DocumentParameters")
    front = child(parameters, "MediaSides/MediaFront")
    assert text(parameters, "Scaling/ScalingWidth") == "400"
    assert text(parameters, "Scaling/ScalingHeight") == "100"
    assert text(front, "Resolution/Width") == text(front, "Resolution/Height") == "300"
    assert text(front, "ColorProcessing") == "RGB24"
    assert {c.tag.rpartition("}")[2] for c in parameters} == {"Format", "Scaling", "MediaSides"}
    assert text(repaired, "JobDescription/JobName") == "a test"


@conformance("OP-16")
@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "xps", "must_honor": {"Format"}},
        {"rotation": 45},
        {"source": "Toaster"},
        {"content_type": "Banana", "must_honor": {"ContentType"}},
        {"quality": 101, "format": "jfif"},
        {"region": (20000, 0, 100, 100)},
        {"exposure": (5000, 0, 0)},
        {"images": 7, "source": "Platen"},
        {"dpi": (350, 100), "source": "ADFDuplex"},
    ],
    ids=str,
)
def test_a_repaired_ticket_is_valid(client, wrong):
    from xml.etree import ElementTree

    info = client.validate_scan_ticket(scan_ticket(**wrong))
    assert text(info, "ValidTicket") == "false"
    repaired = ElementTree.tostring(child(info, "ValidScanTicket")).decode()
    again = client.validate_scan_ticket(repaired.replace("ValidScanTicket", "ScanTicket"))
    assert text(again, "ValidTicket") == "true"


@conformance("OP-17")
def test_validating_leaves_no_trace(make_device):
    """An empty feeder and a busy scanner do not matter to it either."""
    device = make_device(sheets=0, waiting=0)
    device.client.create_scan_job(scan_ticket())
    before = (device.do(device.engine.active), list(device.changes))
    info = device.client.validate_scan_ticket(scan_ticket(source="ADF"))
    assert text(info, "ValidTicket") == "true"
    assert (device.do(device.engine.active), device.changes) == before
    assert device.pages.asked == []


@conformance("OP-05", "OP-19")
def test_the_four_sections_are_told_in_the_order_asked(client):
    names = "".join(f"<sca:Name>sca:{name}</sca:Name>" for name in reversed(ALL_SECTIONS))
    reply = client.call(
        "GetScannerElements",
        "<sca:GetScannerElementsRequest><sca:RequestedElements>"
        f"{names}</sca:RequestedElements></sca:GetScannerElementsRequest>",
    )
    found = [(data.get("Name"), data[0].tag) for data in reply.require()[0]]
    assert found == [(f"wscn:{n}", f"{{{SCAN}}}{n}") for n in reversed(ALL_SECTIONS)]


@conformance("OP-18")
@pytest.mark.parametrize("name", ["sca:Stapler", "v:ScannerStatus", "Stapler", "sca:JobStatus"])
def test_an_unknown_section_is_not_valid_and_no_fault(client, name):
    asked = f'<sca:Name xmlns:v="urn:example:vendor">{name}</sca:Name>'
    reply = client.call(
        "GetScannerElements",
        "<sca:GetScannerElementsRequest><sca:RequestedElements>"
        f"{asked}<sca:Name>sca:ScannerStatus</sca:Name>"
        "</sca:RequestedElements></sca:GetScannerElementsRequest>",
    )
    unknown, known = reply.require()[0]
    assert (unknown.get("Valid"), len(unknown)) == ("false", 0)
    assert unknown.get("Name").rpartition(":")[2] == name.rpartition(":")[2]
    assert (known.get("Valid"), len(known)) == ("true", 1)


@conformance("EL-57")
def test_a_vendors_own_section_is_told_like_any_other(make_device):
    section = '<v:Stapler xmlns:v="urn:example:vendor"><v:Staples>500</v:Staples></v:Stapler>'
    options = {"vendor_sections": {("urn:example:vendor", "Stapler"): section}}
    client = make_device(service_options=options).client
    reply = client.call(
        "GetScannerElements",
        '<sca:GetScannerElementsRequest><sca:RequestedElements xmlns:x="urn:example:vendor">'
        "<sca:Name>x:Stapler</sca:Name></sca:RequestedElements></sca:GetScannerElementsRequest>",
    )
    (data,) = reply.require()[0]
    assert data.get("Valid") == "true"
    assert data[0].tag == "{urn:example:vendor}Stapler"


@conformance("EL-57")
def test_a_vendor_element_that_must_be_honored_is_refused(client):
    vendor = '<v:Stapler xmlns:v="urn:example:vendor" sca:MustHonor="true">on</v:Stapler>'
    ticket = scan_ticket().replace(
        "</sca:DocumentParameters>", f"{vendor}</sca:DocumentParameters>"
    )
    with pytest.raises(FaultAnswer, match="InvalidArgs") as refused:
        client.create_scan_job(ticket)
    assert refused.value.fault.detail[0].tag == "{urn:example:vendor}Stapler"
    info = client.validate_scan_ticket(ticket)
    assert text(info, "ValidTicket") == "false"
    client.create_scan_job(ticket.replace('"true">on', '"false">on'))


@conformance("FA-02", "OP-05")
@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<sca:RequestedElements/>",
        "<sca:RequestedElements><v/></sca:RequestedElements>",
        "<sca:RequestedElements><sca:Name/></sca:RequestedElements>",
        "<sca:RequestedElements><sca:Name> </sca:Name></sca:RequestedElements>",
        "<sca:RequestedElements><sca:Name>sca:</sca:Name></sca:RequestedElements>",
        "<sca:RequestedElements><sca:Name>q:</sca:Name></sca:RequestedElements>",
    ],
)
def test_asking_for_nothing_is_an_error(client, inner):
    body = f"<sca:GetScannerElementsRequest>{inner}</sca:GetScannerElementsRequest>"
    assert client.call("GetScannerElements", body).fault.subcode == (SCAN, "InvalidArgs")


def test_a_section_asked_for_a_thousand_times_does_not_swell_the_answer(client):
    names = "<sca:Name>sca:ScannerConfiguration</sca:Name>" * 500
    body = (
        "<sca:GetScannerElementsRequest><sca:RequestedElements>"
        f"{names}</sca:RequestedElements></sca:GetScannerElementsRequest>"
    )
    assert len(client.call("GetScannerElements", body).soap) < 10_000


@conformance("OP-06", "OP-20", "EL-51", "EL-48")
def test_a_live_job_and_a_finished_one_tell_their_sections(device, client):
    ticket = scan_ticket(source="ADF", images=2, rotation=90, content_type="acme:Receipt")
    job = client.create_scan_job(ticket)
    for state in ("Pending", "Completed"):
        sections = client.get_job_elements(job.id)
        assert set(sections) == {"JobStatus", "ScanTicket", "Documents"}
        status = sections["JobStatus"]
        assert text(status, "JobId") == str(job.id)
        assert job_state(status)[0] == state
        assert text(status, "JobCreatedTime") == "2026-05-04T08:15:00Z"
        wanted = child(sections["ScanTicket"], "DocumentParameters")
        assert text(wanted, "ContentType") == "acme:Receipt"
        assert text(wanted, "Rotation") == "90"
        documents = sections["Documents"]
        assert text(documents, "DocumentFinalParameters/ContentType") == "Auto"
        if state == "Completed":
            break
        device.advance(10)
        for name in ("first", "second"):
            client.retrieve_image(job.id, job.token, document_name=name)
        device.ended(job.id)
    assert text(status, "JobCompletedTime") == "2026-05-04T08:15:10Z"
    assert text(status, "ScansCompleted") == "2"
    names = [text(one, "DocumentDescription/DocumentName") for one in documents[1:]]
    assert names == ["first", "second"]


@conformance("OP-21")
def test_get_job_elements_is_also_read_under_the_operations_own_name(client):
    """As the published example and PyWSD have it; the section's name without a prefix."""
    job = client.create_scan_job(scan_ticket())
    reply = client.call(
        "GetJobElements",
        f"<sca:GetJobElements><sca:JobId>{job.id}</sca:JobId><sca:RequestedElements>"
        "<sca:Name>JobStatus</sca:Name></sca:RequestedElements></sca:GetJobElements>",
    )
    (data,) = reply.require()[0]
    assert data.get("Valid") == "true"


@conformance("OP-07", "OP-08", "OP-22", "JM-14", "EL-49")
def test_a_job_is_in_the_active_list_until_it_has_ended_and_then_in_the_history(device, client):
    assert client.get_active_jobs() == client.get_job_history() == []
    one = client.create_scan_job(scan_ticket(job_name="one", user="ines"))
    two = client.create_scan_job(scan_ticket(job_name="two"))
    assert [text(s, "JobName") for s in client.get_active_jobs()] == ["one", "two"]
    assert text(client.get_active_jobs()[0], "JobOriginatingUserName") == "ines"
    assert client.get_job_history() == []
    client.cancel_job(one.id)
    client.retrieve_image(two.id, two.token)
    device.ended(two.id)
    assert client.get_active_jobs() == []
    history = client.get_job_history()
    assert [(text(s, "JobName"), *job_state(s)) for s in history] == [
        ("two", "Completed", ("None",)),
        ("one", "Canceled", ("None",)),
    ]
    assert [text(s, "ScansCompleted") for s in history] == ["1", "0"]


@conformance("OP-13")
def test_job_ids_go_on_and_tokens_differ(make_device):
    from device.state import State

    tokens = set()
    device = make_device()
    for number in range(1, 30):
        job = device.client.create_scan_job(scan_ticket(format="jfif"))
        device.client.cancel_job(job.id)
        assert job.id == number
        tokens.add(job.token)
    assert len(tokens) == 29
    assert State is not None


@conformance("OP-13")
def test_job_ids_are_not_given_again_after_a_restart(tmp_path):
    from device.state import State

    given = []
    for _ in range(5):
        with contextlib.closing(State.load(tmp_path)) as state:
            given.append(state.next_job_id())
    assert given == [1, 2, 3, 4, 5]


@conformance("OP-13")
def test_the_running_program_gives_tokens_that_nobody_can_guess(start_device):
    from clients.wsscan import Client

    client = Client(start_device().scan_url)
    tokens = {client.create_scan_job(scan_ticket(dpi=75)).token for _ in range(3)}
    assert len(tokens) == 3
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one) for one in tokens)
    versions = {one[14] for one in tokens}
    assert versions == {"4"}  # random


@conformance("OP-14", "FA-16")
def test_the_token_must_belong_to_the_job(client):
    one, two = (client.create_scan_job(scan_ticket()) for _ in range(2))
    with pytest.raises(FaultAnswer) as refused:
        client.retrieve_image(one.id, two.token)
    assert refused.value.fault.subcode == (SCAN, "ClientErrorInvalidJobToken")
    assert refused.value.reply.status == 400


@conformance("OP-15")
@pytest.mark.parametrize(
    "description",
    ["", "<sca:DocumentDescription/>",
     "<sca:DocumentDescription><sca:DocumentNumber>1</sca:DocumentNumber></sca:DocumentDescription>"],
)  # fmt: skip
def test_an_image_needs_no_document_name(device, client, description):
    job = client.create_scan_job(scan_ticket())
    body = (
        f"<sca:RetrieveImageRequest>{description}{element('JobId', job.id)}"
        f"{element('JobToken', job.token)}</sca:RetrieveImageRequest>"
    )
    client.call("RetrieveImage", body).require()
    assert device.ended(job.id)[0] == "Completed"
    client.get_job_elements(job.id, "Documents")


@conformance("OP-24", "FA-01")
@pytest.mark.parametrize("action", [f"{SCAN}/GetJobStatus", "urn:example:nonsense", f"{SCAN}/"])
def test_an_unknown_action_is_refused(client, action):
    reply = client.call(action, "<sca:GetActiveJobsRequest/>")
    assert reply.fault.subcode == (WSA, "ActionNotSupported")
    assert reply.status == 400
    detail = reply.fault.detail.find(f"{{{WSA}}}Action")
    assert detail.text == action


@conformance("OP-22")
def test_empty_lists_are_there_as_empty_elements(client):
    for operation, name in (("GetActiveJobs", "ActiveJobs"), ("GetJobHistory", "JobHistory")):
        (listed,) = client.call(operation, f"<sca:{operation}Request/>").require()
        assert (listed.tag, len(listed)) == (f"{{{SCAN}}}{name}", 0)


@conformance("EL-39")
def test_a_ticket_without_parameters_gets_the_default_tickets(device, client):
    ticket = element(
        "ScanTicket",
        None,
        element(
            "JobDescription", None, element("JobName", "x") + element("JobOriginatingUserName", "y")
        ),
    )
    answer = client.create_scan_job(ticket).reply.require()
    default = child(
        client.get_scanner_elements("DefaultScanTicket")["DefaultScanTicket"], "DocumentParameters"
    )
    final = child(answer, "DocumentFinalParameters")
    for path in ("Format", "CompressionQualityFactor", "InputSource", "ContentType", "Rotation",
                 "InputSize/InputMediaSize/Width", "MediaSides/MediaFront/ColorProcessing",
                 "MediaSides/MediaFront/Resolution/Height"):  # fmt: skip
        assert text(final, path) == text(default, path)
        assert marks(final, path) == {"UsedDefault"}
    assert replace(device.record(1).ticket, parameters=DocumentParameters()) is not None


@conformance("OP-06")
@pytest.mark.parametrize("sections", [("Documents",), ("Documents", "JobStatus", "ScanTicket")])
def test_a_long_job_tells_as_many_documents_as_one_answer_holds(make_device, sections):
    device = make_device(sheets=260)
    client = device.client
    ticket = scan_ticket(source="ADF", job_name="é" * 255)
    job = client.create_scan_job(ticket)
    for number in range(260):
        client.retrieve_image(job.id, job.token, document_name=f"{number} " + "€" * 200)
    assert len(device.record(job.id).document_names) == MAX_NAMES
    told = client.get_job_elements(job.id, *sections)
    assert [name for name, section in told.items() if section is not None] == [*sections]
    names = [element.text for element in told["Documents"].iter(f"{{{SCAN}}}DocumentName")]
    assert 20 < len(names) < 260
    assert [name.split()[0] for name in names] == [str(n) for n in range(len(names))]
