"""The seven events: their bodies, their order, and that none comes twice."""

import pytest
from clients.wsscan import SCAN, scan_ticket
from eventing.subscriber import EVENTS, Got, Sink
from support import schema
from support.scripted_pages import Act

from device.model.status import ConditionName


def states(sink: Sink) -> list[tuple[str | None, str | None, str | None]]:
    return [
        (
            got.text("JobStatus/JobState"),
            got.text("JobStatus/JobStateReasons/JobStateReason"),
            got.text("JobStatus/ScansCompleted"),
        )
        for got in sink.of("JobStatusEvent")
    ]


@pytest.mark.conformance("EV-03", "EV-06", "EV-07", "EV-22", "JM-16", "KW-075", "KW-081")
def test_a_job_tells_its_life_in_order_and_each_step_once(device, subscriber, sink):
    subscriber.subscribe(sink.url)
    client = device.client
    job = client.create_scan_job(scan_ticket(source="Platen"))
    client.retrieve_image(job.id, job.token)
    (end,) = sink.wait_for("JobEndStateEvent")
    sink.wait_for("ScannerStatusSummaryEvent", 2)

    assert states(sink) == [
        ("Started", "None", "0"),
        ("Processing", "JobScanning", "0"),
        ("Processing", "JobScanningAndTransferring", "0"),
        ("Processing", "JobTransferring", "1"),
        ("Completed", "None", "1"),
    ]
    names = sink.names()
    assert names[0] == "ScannerStatusSummaryEvent"
    assert names[-2:] == ["JobEndStateEvent", "ScannerStatusSummaryEvent"]
    summaries = sink.of("ScannerStatusSummaryEvent")
    assert [got.text("StatusSummary/ScannerState") for got in summaries] == ["Processing", "Idle"]
    assert end.text("JobEndState/JobId") == str(job.id)
    assert end.text("JobEndState/JobCompletedState") == "Completed"
    assert len({got.header("MessageID") for got in sink.got}) == len(sink.got)


@pytest.mark.conformance("EV-01", "EV-02", "EV-03", "EV-04", "EV-05", "EV-06", "EV-07")
def test_every_event_is_as_the_schema_has_it(device, subscriber, sink):
    subscriber.subscribe(sink.url, destinations=[("Here", "Scan")])
    device.press("Scan")
    client = device.client
    device.do(lambda: device.engine.raise_condition("MediaJam", "ADF"))
    device.do(lambda: device.engine.clear_condition(1))
    job = client.create_scan_job(scan_ticket())
    client.cancel_job(job.id)
    device.do(
        lambda: device.notifications.reconfigured(
            device.configuration, device.profile.default_ticket
        )
    )
    sink.wait_for("ScannerElementsChangeEvent")
    sink.wait_for("JobEndStateEvent")
    assert {got.name for got in sink.got} == set(EVENTS)
    for got in sink.got:
        schema.check_document(got.raw)
        assert got.header("To") == sink.url
        assert got.header("RelatesTo") == ""
        assert got.body.tag == f"{{{SCAN}}}{got.name}"
        assert got.headers["content-type"].startswith("application/soap+xml")
        assert got.headers["content-length"] == str(len(got.raw))
        assert "transfer-encoding" not in got.headers
        assert len(got.raw) <= 32_767


@pytest.mark.conformance("EV-03", "EV-04", "EV-05", "EV-21", "EL-55")
def test_a_jam_is_raised_and_cleared_with_the_same_id(device, subscriber, sink):
    subscriber.subscribe(
        sink.url,
        events=[
            "ScannerStatusConditionEvent",
            "ScannerStatusConditionClearedEvent",
            "ScannerStatusSummaryEvent",
        ],
    )
    engine = device.engine
    device.do(lambda: engine.raise_condition(ConditionName.MEDIA_JAM, "ADF"))
    device.do(lambda: engine.raise_condition(ConditionName.MEDIA_JAM, "ADF"))
    number = device.do(lambda: engine.scanner.find("MediaJam", "ADF").condition_id)
    device.do(lambda: engine.clear_condition(number))
    sink.wait_for("ScannerStatusSummaryEvent", 2)

    assert sink.names() == [
        "ScannerStatusConditionEvent",
        "ScannerStatusSummaryEvent",
        "ScannerStatusConditionClearedEvent",
        "ScannerStatusSummaryEvent",
    ]
    raised, stopped, cleared, idle = sink.got
    assert raised.body[0].get("Id") == str(number)
    assert raised.text("DeviceCondition/Name") == "MediaJam"
    assert stopped.text("StatusSummary/ScannerState") == "Stopped"
    assert stopped.text("StatusSummary/ScannerStateReasons/ScannerStateReason") == "MediaJam"
    assert cleared.text("DeviceConditionCleared/ConditionId") == str(number)
    assert cleared.text("DeviceConditionCleared/ConditionClearTime") == "2026-05-04T08:15:00Z"
    assert idle.text("StatusSummary/ScannerState") == "Idle"


@pytest.mark.conformance("EV-02", "EV-20", "EL-55")
def test_changed_elements_come_as_whole_sections(device, subscriber, sink):
    subscriber.subscribe(sink.url, events=["ScannerElementsChangeEvent"])
    device.do(lambda: device.notifications.reconfigured(device.configuration, None))
    (got,) = sink.wait_for("ScannerElementsChangeEvent")
    (changes,) = got.body
    assert [section.tag for section in changes] == [f"{{{SCAN}}}ScannerConfiguration"]
    told = device.client.get_scanner_elements("ScannerConfiguration")["ScannerConfiguration"]
    assert told is not None
    assert [child.tag for child in changes[0].iter()] == [child.tag for child in told.iter()]


@pytest.mark.conformance("EV-08")
@pytest.mark.parametrize(
    "listens", [["JobEndStateEvent"], ["JobStatusEvent", "ScanAvailableEvent"]]
)
def test_only_what_was_asked_for_is_sent(device, subscriber, make_sink, listens):
    chosen, everything = make_sink(), make_sink()
    subscriber.subscribe(chosen.url, events=listens)
    subscriber.subscribe(everything.url)
    job = device.client.create_scan_job(scan_ticket())
    device.client.cancel_job(job.id)
    everything.wait_for("JobEndStateEvent")
    chosen.wait_for(listens[0])
    assert set(chosen.names()) == set(listens) - {"ScanAvailableEvent"}


@pytest.mark.conformance("EV-06", "EV-07", "KW-082", "KW-077")
def test_a_canceled_job_tells_that_it_ends_and_how(device, subscriber, sink):
    subscriber.subscribe(sink.url, events=["JobStatusEvent", "JobEndStateEvent"])
    (act,) = device.pages.then(Act(hold=True))
    job = device.client.create_scan_job(scan_ticket())
    pending = device.retrieving(job)
    device.client.cancel_job(job.id)
    with pytest.raises(Exception, match="Cancel"):
        pending.result(5)
    (end,) = sink.wait_for("JobEndStateEvent")
    assert [state for state, _, _ in states(sink)] == [
        "Started",
        "Processing",
        "Terminating",
        "Canceled",
    ]
    assert end.text("JobEndState/JobCompletedState") == "Canceled"
    assert act is not None


@pytest.mark.conformance("EV-07", "EL-50", "KW-083")
def test_a_jobs_end_reads_like_the_specimen(device, subscriber, sink):
    """ws-scan section 19.4: the same elements in the same order."""
    subscriber.subscribe(sink.url, events=["JobEndStateEvent"])
    device.client.create_scan_job(scan_ticket(job_name="Minutes", user="ines"))
    device.advance(61)
    (got,) = sink.wait_for("JobEndStateEvent")
    assert shape(got) == [
        ("JobId", "1"),
        ("JobCompletedState", "Aborted"),
        ("JobCompletedStateReasons", ""),
        ("JobStateReason", "JobTimedOut"),
        ("JobName", "Minutes"),
        ("JobOriginatingUserName", "ines"),
        ("ScansCompleted", "0"),
        ("JobCompletedTime", "2026-05-04T08:16:01Z"),
    ]


def shape(got: Got) -> list[tuple[str, str]]:
    inside = list(got.body[0].iter())[1:]
    return [(one.tag.rpartition("}")[2], (one.text or "").strip()) for one in inside]


def test_a_jam_in_mid_job_tells_of_the_cause_before_its_effects(device, subscriber, sink):
    job = device.client.create_scan_job(scan_ticket(source="ADF"))
    device.client.retrieve_image(job.id, job.token)
    subscriber.subscribe(sink.url)
    engine = device.engine
    device.do(lambda: engine.raise_condition(ConditionName.MEDIA_JAM, "ADF"))
    (stopped,) = sink.wait_for("JobStatusEvent")
    number = device.do(lambda: engine.scanner.find("MediaJam", "ADF").condition_id)
    device.do(lambda: engine.clear_condition(number))
    _, goes_on = sink.wait_for("JobStatusEvent", 2)
    assert sink.names() == [
        "ScannerStatusConditionEvent",
        "ScannerStatusSummaryEvent",
        "JobStatusEvent",
        "ScannerStatusConditionClearedEvent",
        "ScannerStatusSummaryEvent",
        "JobStatusEvent",
    ]
    reason = "JobStatus/JobStateReasons/JobStateReason"
    assert stopped.text(reason) == "ScannerStopped"
    assert goes_on.text(reason) != "ScannerStopped"
    assert [
        got.text("StatusSummary/ScannerState") for got in sink.of("ScannerStatusSummaryEvent")
    ] == [
        "Stopped",
        "Processing",
    ]
    assert len(list(device.client.images(job))) == 2
