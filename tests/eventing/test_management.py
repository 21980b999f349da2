"""WS-DSD: what a management console asks and hears, in its own namespace, of the same engine."""

import xml.etree.ElementTree as ET
from urllib.parse import urlsplit

import pytest
from clients.wsdsd import DSD, EVENTS, Console
from clients.wsscan import SCAN, SECTIONS, Client, Reply, scan_ticket
from eventing.subscriber import Sink, Subscriber
from eventing.wired import HASTY, EventDevice
from support import schema
from support.device import hosted_url
from support.wire import MANAGED

from device.notifications import Rules

CONSOLE_ONLY = ("CreateScanJob", "RetrieveImage", "CancelJob")


def check(reply: Reply) -> None:
    if reply.body is not None:
        schema.check_document(reply.soap)


@pytest.fixture
def console(device: EventDevice) -> Console:
    return console_of(device)


def console_of(device: EventDevice) -> Console:
    port = urlsplit(device.url).port
    return Console(Client(f"http://127.0.0.1:{port}{MANAGED}", check=check))


@pytest.mark.conformance("DS-01")
def test_the_scanner_is_described_as_to_everybody(device: EventDevice, console: Console):
    found = console.elements("GetScannerElements", "", *SECTIONS, "Nonsense")
    usual = device.client.get_scanner_elements(*SECTIONS)
    assert found.pop("Nonsense") is None
    for name, content in found.items():
        assert content.tag == f"{{{SCAN}}}{name}"
        assert ET.canonicalize(ET.tostring(content)) == ET.canonicalize(ET.tostring(usual[name])), (
            name
        )


@pytest.mark.conformance("DS-01")
def test_the_element_below_the_message_is_of_ws_dsd_and_what_is_inside_is_not(console: Console):
    reply = console.ask(
        "GetScannerElements",
        "<d:RequestedElements><w:Name>w:ScannerStatus</w:Name></d:RequestedElements>",
    )
    body = reply.require()
    assert (body.tag, body[0].tag) == (
        f"{{{DSD}}}GetScannerElementsResponse",
        f"{{{DSD}}}ScannerElements",
    )
    inside = [element for element in body[0].iter() if element is not body[0]]
    assert {element.tag.partition("}")[0][1:] for element in inside} == {SCAN}
    assert reply.header("Action") == f"{DSD}/GetScannerElementsResponse"


@pytest.mark.conformance("DS-01")
def test_jobs_are_followed_from_the_console(device: EventDevice, console: Console):
    client = device.client
    job = client.create_scan_job(scan_ticket(source="Platen", job_name="Minutes"))
    assert console.jobs("GetActiveJobs") == [job.id]
    assert console.jobs("GetJobHistory") == []
    found = console.elements(
        "GetJobElements", f"<d:JobId>{job.id}</d:JobId>", "JobStatus", "ScanTicket", "Documents"
    )
    assert found["JobStatus"].findtext(f"{{{SCAN}}}JobState") == "Pending"
    assert found["ScanTicket"].findtext(f".//{{{SCAN}}}JobName") == "Minutes"
    client.retrieve_image(job.id, job.token)
    device.ended(job.id)
    assert console.jobs("GetActiveJobs") == []
    assert console.jobs("GetJobHistory") == [job.id]


@pytest.mark.conformance("DS-01")
@pytest.mark.parametrize("spelt", ["d", "w"])
def test_a_ticket_is_checked_and_mended(console: Console, spelt: str):
    """The pages disagree on the namespace of ScanTicket: either is read."""
    for quality, valid in ((80, "true"), (101, "false")):
        ticket = (
            f"<{spelt}:ScanTicket><w:JobDescription><w:JobName>x</w:JobName>"
            "<w:JobOriginatingUserName>y</w:JobOriginatingUserName></w:JobDescription>"
            f"<w:DocumentParameters><w:Format>jfif</w:Format><w:CompressionQualityFactor>{quality}"
            "</w:CompressionQualityFactor><w:InputSource>Platen</w:InputSource>"
            f"</w:DocumentParameters></{spelt}:ScanTicket>"
        )
        (info,) = console.ask("ValidateScanTicket", ticket).require()
        assert info.tag == f"{{{DSD}}}ValidationInfo"
        assert info.findtext(f"{{{SCAN}}}ValidTicket") == valid
        mended = info.find(f"{{{SCAN}}}ValidScanTicket")
        assert (mended is None) == (valid == "true")


def test_a_whole_request_of_ws_scan_is_read_too(console: Console):
    body = console.ask("GetActiveJobs", namespace=SCAN).require()
    assert body.tag == f"{{{DSD}}}GetActiveJobsResponse"


@pytest.mark.conformance("DS-03")
@pytest.mark.parametrize(
    ("operation", "inside", "subcode"),
    [
        ("GetJobElements", "<d:JobId>99</d:JobId>", "InvalidArgs"),
        (
            "GetJobElements",
            "<d:JobId>99</d:JobId><d:RequestedElements><w:Name>w:JobStatus</w:Name>"
            "</d:RequestedElements>",
            "ClientErrorJobIdNotFound",
        ),
        ("GetScannerElements", "", "InvalidArgs"),
        ("ValidateScanTicket", "", "InvalidArgs"),
    ],
)
def test_faults_are_those_of_ws_scan(console: Console, operation: str, inside: str, subcode: str):
    fault = console.ask(operation, inside).fault
    assert fault is not None
    assert fault.subcode == (SCAN, subcode)


@pytest.mark.conformance("DS-03")
@pytest.mark.parametrize("operation", CONSOLE_ONLY)
def test_a_console_starts_and_fetches_nothing(console: Console, operation: str):
    fault = console.ask(operation).fault
    assert fault is not None
    assert fault.subcode.local == "ActionNotSupported"


def test_another_body_than_the_action_says_is_refused(console: Console):
    body = f'<d:GetJobHistoryRequest xmlns:d="{DSD}"/>'
    assert console.client.call(f"{DSD}/GetActiveJobs", body).fault.subcode.local == "InvalidArgs"
    assert console.client.call(f"{DSD}/GetActiveJobs").fault.subcode.local == "InvalidArgs"


def happen(device: EventDevice) -> None:
    """Something for each event."""
    device.do(lambda: device.engine.raise_condition("MediaJam", "ADF"))
    device.do(lambda: device.engine.clear_condition(1))
    job = device.client.create_scan_job(scan_ticket())
    device.client.cancel_job(job.id)
    device.do(
        lambda: device.notifications.reconfigured(
            device.configuration, device.profile.default_ticket
        )
    )


@pytest.mark.conformance("DS-02")
@pytest.mark.parametrize("wanted", [f"{DSD}/", "names", None])
def test_a_console_hears_the_six_events(
    device: EventDevice, console: Console, sink: Sink, wanted: str | None
):
    options = {"dialect": None, "filter_text": ""} if wanted is None else {}
    if wanted == "names":
        options["filter_text"] = " ".join(EVENTS)
    elif wanted:
        options["filter_text"] = " ".join(f"{DSD}/{name}" for name in EVENTS)
    Subscriber(console.client).subscribe(sink.url, **options)
    happen(device)
    sink.wait_for("ScannerElementsChangeEvent")
    sink.wait_for("JobEndStateEvent")
    assert {got.name for got in sink.got} == set(EVENTS)
    for got in sink.got:
        schema.check_document(got.raw)
        assert got.action == f"{DSD}/{got.name}"
        assert got.body.tag == f"{{{DSD}}}{got.name}"
        assert got.body[0].tag.startswith(f"{{{DSD}}}")
    (condition,) = sink.of("ScannerStatusConditionEvent")
    assert condition.body[0].get(f"{{{SCAN}}}Id") == "1"


@pytest.mark.conformance("DS-02")
@pytest.mark.parametrize("asked", [DSD, SCAN])
@pytest.mark.parametrize("told", [DSD, SCAN])
def test_the_actions_of_events_may_be_those_of_the_published_examples(
    make_device, sink: Sink, asked: str, told: str
):
    """Either may be subscribed to; the setting says which one comes (A7)."""
    device = make_device(sheets=3, rules=Rules(patience=HASTY, managed_as=told))
    wanted = " ".join(f"{asked}/{name}" for name in EVENTS)
    Subscriber(console_of(device).client).subscribe(sink.url, filter_text=wanted)
    happen(device)
    sink.wait_for("ScannerElementsChangeEvent")
    sink.wait_for("JobEndStateEvent")
    assert {got.action for got in sink.got} == {f"{told}/{name}" for name in EVENTS}
    assert {got.body.tag.partition("}")[0][1:] for got in sink.got} == {DSD}
    assert len(sink.of("JobEndStateEvent")) == 1


def test_scanner_users_and_consoles_hear_each_event_once_in_their_own_words(
    device: EventDevice, console: Console, subscriber: Subscriber, make_sink
):
    theirs, ours = make_sink(), make_sink()
    subscriber.subscribe(theirs.url, dialect=None, filter_text="")
    Subscriber(console.client).subscribe(ours.url, dialect=None, filter_text="")
    happen(device)
    for sink, namespace in ((theirs, SCAN), (ours, DSD)):
        sink.wait_for("ScannerElementsChangeEvent")
        assert {got.action.rpartition("/")[0] for got in sink.got} == {namespace}
        assert len(sink.of("JobEndStateEvent")) == 1
    assert theirs.names() == ours.names()


def test_consoles_are_no_destinations(device: EventDevice, console: Console, sink: Sink):
    Subscriber(console.client).subscribe(
        sink.url, dialect=None, filter_text="", destinations=[("Here", "Scan")]
    )
    assert device.destinations() == ()


@pytest.mark.parametrize("asked_for", [True, False])
def test_the_real_device_names_the_service_after_that_of_scanning(
    start_device, tmp_path, asked_for
):
    """When asked to, or when it has scan processes."""
    flags = ["--management"] if asked_for else ["--process-folder", tmp_path]
    device = start_device(*flags)
    metadata = device.client.get(device.endpoint)
    types = [one.text for one in metadata.iter() if one.tag.endswith("}Types")]
    assert types == ["wscn:ScannerServiceType", "dsd:ScannerServiceType"]
    assert device.scan_url.endswith("/scan")
    urls = [one.text for one in metadata.iter() if one.tag.endswith("}Address")]
    console = Console(Client(urls[-1], check=check))
    assert set(console.elements("GetScannerElements", "", *SECTIONS)) == set(SECTIONS)


def test_the_name_of_its_type_is_the_users_and_it_may_be_left_out(start_device, tmp_path):
    other = start_device("--management", "--management-type", "EnterpriseScanServiceType")
    assert hosted_url(other.client.get(other.endpoint), "EnterpriseScanServiceType")
    without = start_device("--no-management", "--process-folder", tmp_path)
    assert without.client.get(without.endpoint) is not None
    url = without.scan_url
    assert Console(Client(url)).ask("GetActiveJobs").fault.subcode.local == "ActionNotSupported"
