"""A job's whole life as a client sees it: states, reasons, time-outs, order."""

import pytest
from clients.wsscan import FaultAnswer, Side, scan_ticket, text
from support.scripted_pages import Act
from support.wire import job_state

from device.errors import OperationFailed
from device.model.changes import JobChanged, JobEnded, StatusChanged

conformance = pytest.mark.conformance


def fault_of(call):
    with pytest.raises(FaultAnswer) as refused:
        call()
    return refused.value.name


def told(device, job):
    """What was announced about a job, in order: state and reasons, or that it is over."""
    return [
        (str(c.job.status.state), *map(str, c.job.status.reasons))
        if isinstance(c, JobChanged)
        else ("over", str(c.job.status.state))
        for c in device.changes
        if isinstance(c, JobChanged | JobEnded) and c.job.status.job_id == job.id
    ]


# ---- states and reasons


@conformance("JM-01", "JM-08", "KW-073", "KW-076", "KW-078", "KW-085", "KW-086", "KW-087", "KW-088")
def test_a_platen_job_from_pending_to_completed(device, client):
    (begin,) = device.pages.then(Act(hold=True))
    job = client.create_scan_job(scan_ticket())
    assert device.state(job.id) == ("Pending", ("None",))
    pending = device.retrieving(job)
    assert device.state(job.id) == ("Processing", ("JobScanning",))
    device.open(begin)
    assert pending.result(5).content == b"first half, second half"
    assert device.ended(job.id) == ("Completed", ("None",))
    assert told(device, job) == [
        ("Pending", "None"),
        ("Started", "None"),
        ("Processing", "JobScanning"),
        ("Processing", "JobScanningAndTransferring"),
        ("Processing", "JobTransferring"),
        ("Completed", "None"),
        ("over", "Completed"),
    ]


@conformance("KW-088", "KW-087")
def test_scanning_and_sending_are_told_apart(device, client):
    """The gate holds the page back with its first bytes sent."""
    (act,) = device.pages.then(Act(pause=True))
    job = client.create_scan_job(scan_ticket())
    pending = device.in_background(lambda: client.retrieve_image(job.id, job.token))
    both = ("Processing", ("JobScanningAndTransferring",))
    device.until(lambda: device.state(job.id) == both, "the first bytes")
    device.open(act)
    pending.result(5)
    assert ("Processing", "JobTransferring") in told(device, job)


@conformance("KW-075", "JM-16")
def test_started_is_announced_and_the_end_comes_last(device, client):
    job = client.create_scan_job(scan_ticket(source="ADF", images=2))
    for _ in range(2):
        client.retrieve_image(job.id, job.token)
    device.ended(job.id)
    sequence = told(device, job)
    assert sequence[1] == ("Started", "None")
    assert sequence[-2:] == [("Completed", "None"), ("over", "Completed")]
    assert [state for state, *_ in sequence].count("Started") == 1
    counts = [c.job.status.scans_completed for c in device.changes if isinstance(c, JobChanged)]
    assert counts == sorted(counts)
    assert {0, 1, 2} == set(counts)
    states = [str(c.status.state) for c in device.changes if isinstance(c, StatusChanged)]
    assert states == ["Processing", "Idle"]


@conformance("KW-096")
def test_a_job_whose_ticket_was_altered_completes_with_warnings(device, client):
    job = client.create_scan_job(scan_ticket(rotation=45))
    client.retrieve_image(job.id, job.token)
    assert device.ended(job.id) == ("Completed", ("JobCompletedWithWarnings",))


@conformance("KW-095")
def test_a_job_whose_page_failed_for_good_ends_with_errors(device, client):
    from scanner_backends.errors import IoError

    device.pages.then(Act(), Act(error=IoError("the lamp is broken")))
    job = client.create_scan_job(scan_ticket(source="ADF"))
    client.retrieve_image(job.id, job.token)
    assert fault_of(lambda: client.retrieve_image(job.id, job.token)) == "OperationFailed"
    assert device.ended(job.id) == ("Aborted", ("JobCompletedWithErrors",))


@conformance("KW-042", "KW-043")
def test_the_scanner_is_processing_while_a_job_is_not_finished(device, client):
    assert client.scanner_state() == "Idle"
    job = client.create_scan_job(scan_ticket())
    assert client.scanner_state() == "Processing"
    client.cancel_job(job.id)
    assert client.scanner_state() == "Idle"


# ---- the image loop


@conformance("JM-09", "EL-24")
@pytest.mark.parametrize(("wanted", "got"), [(0, 3), (1, 1), (2, 2), (3, 3), (100, 3), (None, 3)])
def test_a_feeder_job_gives_as_many_images_as_are_wanted_and_there(device, client, wanted, got):
    job = client.create_scan_job(scan_ticket(source="ADF", images=wanted))
    assert len([*client.images(job)]) == got
    assert device.ended(job.id) == ("Completed", ("None",))
    assert device.record(job.id).status.scans_completed == got


@conformance("JM-11", "JM-09")
@pytest.mark.parametrize("wanted", [0, 1, None])
def test_a_platen_job_gives_one_image_and_ends_by_itself(device, client, wanted):
    job = client.create_scan_job(scan_ticket(images=wanted))
    client.retrieve_image(job.id, job.token)
    assert device.ended(job.id) == ("Completed", ("None",))
    again = fault_of(lambda: client.retrieve_image(job.id, job.token))
    assert again == "ClientErrorNoImagesAvailable"


@conformance("JM-08", "KW-018", "EL-35")
def test_duplex_gives_front_and_back_of_each_sheet_in_turn(device, client):
    back = Side("Grayscale8", 75)
    job = client.create_scan_job(scan_ticket(source="ADFDuplex", back=back))
    assert len([*client.images(job)]) == 6
    assert device.record(job.id).status.scans_completed == 6
    asked = device.pages.asked
    assert [one.page for one in asked] == [1, 2, 3, 4, 5, 6]
    assert [one.request.back for one in asked] == [False, True] * 3
    assert [one.spec.color for one in asked] == ["RGB24", "Grayscale8"] * 3
    assert [one.request.x_dpi for one in asked] == [100, 75] * 3


@conformance("JM-12", "EL-24")
def test_an_odd_count_leaves_out_the_back_of_the_last_sheet(device, client):
    job = client.create_scan_job(scan_ticket(source="ADFDuplex", images=3))
    assert len([*client.images(job)]) == 3
    assert [one.page for one in device.pages.asked] == [1, 2, 3]
    device.ended(job.id)
    rest = client.create_scan_job(scan_ticket(source="ADFDuplex"))
    assert len([*client.images(rest)]) == 2
    assert [one.page for one in device.pages.asked[3:]] == [5, 6]


@conformance("KW-017")
def test_one_sided_scans_pass_over_the_backs(device, client):
    job = client.create_scan_job(scan_ticket(source="ADF"))
    assert len([*client.images(job)]) == 3
    assert [one.page for one in device.pages.asked] == [1, 3, 5]


def test_the_feeder_is_shared_by_jobs(device, client):
    """A receiver may make a new job for every sheet, until a fault comes."""
    for sheet in (1, 3, 5):
        job = client.create_scan_job(scan_ticket(source="ADF", images=1))
        client.retrieve_image(job.id, job.token)
        device.ended(job.id)
        assert device.pages.asked[-1].page == sheet
    create = fault_of(lambda: client.create_scan_job(scan_ticket(source="ADF", images=1)))
    assert create == "ClientErrorNoImagesAvailable"


@conformance("KW-096")
def test_a_feeder_that_is_empty_after_all_completes_the_job_with_a_warning(make_device):
    """Real media: only the source knows, and it says so at the first page."""
    from scanner_backends.errors import NoDocs

    device = make_device(virtual=False)
    device.pages.then(Act(error=NoDocs("empty")))
    job = device.client.create_scan_job(scan_ticket(source="ADF"))
    answer = fault_of(lambda: device.client.retrieve_image(job.id, job.token))
    assert answer == "ClientErrorNoImagesAvailable"
    assert device.ended(job.id) == ("Completed", ("JobCompletedWithWarnings",))


# ---- time


@conformance("JM-02", "KW-090", "KW-080")
def test_a_job_that_nobody_fetches_is_aborted_after_60_seconds(device, client):
    job = client.create_scan_job(scan_ticket())
    device.advance(59.9)
    assert device.state(job.id) == ("Pending", ("None",))
    device.advance(0.2)
    assert device.state(job.id) == ("Aborted", ("JobTimedOut",))
    late = fault_of(lambda: client.retrieve_image(job.id, job.token))
    assert late == "ClientErrorJobIdNotFound"


@conformance("JM-02")
def test_the_engine_wakes_by_itself_when_the_time_is_over(device, client):
    """Nothing but the clock moves."""
    job = client.create_scan_job(scan_ticket())
    device.do(lambda: device.clock.advance(59.99))
    device.do(device.engine._kick.set)  # it now waits for the last hundredth
    device.do(lambda: device.clock.advance(0.02))
    assert device.ended(job.id) == ("Aborted", ("JobTimedOut",))


@conformance("JM-03", "KW-090")
def test_60_seconds_between_two_images_are_too_long(device, client):
    job = client.create_scan_job(scan_ticket(source="ADF"))
    client.retrieve_image(job.id, job.token)
    device.until(lambda: not device.job(job.id).retrieving, "the end of the exchange")
    device.advance(59.9)
    client.retrieve_image(job.id, job.token)
    device.until(lambda: not device.job(job.id).retrieving, "the end of the exchange")
    device.advance(60.1)
    assert device.state(job.id) == ("Aborted", ("JobTimedOut",))
    assert device.record(job.id).status.scans_completed == 2


@conformance("JM-04")
def test_the_clock_stands_still_while_the_device_works(device, client):
    (act,) = device.pages.then(Act(hold=True))
    job = client.create_scan_job(scan_ticket())
    pending = device.retrieving(job)
    device.advance(3600)
    assert device.state(job.id)[0] == "Processing"
    device.open(act)
    assert pending.result(5).content
    assert device.ended(job.id)[0] == "Completed"


@conformance("JM-04")
def test_the_clock_stands_still_while_a_job_waits_for_another(device, client):
    (act,) = device.pages.then(Act(hold=True))
    first, second = (client.create_scan_job(scan_ticket()) for _ in range(2))
    one, two = device.retrieving(first), device.retrieving(second)
    device.advance(600)
    assert device.state(second.id) == ("Pending", ("None",))
    device.open(act)
    assert one.result(5).content
    assert two.result(5).content


# ---- several jobs


@conformance("JM-01", "KW-073")
def test_jobs_are_served_in_the_order_of_their_creation(device, client):
    jobs = [client.create_scan_job(scan_ticket(job_name=str(n))) for n in range(3)]
    waiting = [device.retrieving(job) for job in reversed(jobs)]
    for pending in waiting:
        assert pending.result(5).content
    assert [asked.job_id for asked in device.pages.asked] == [1, 2, 3]


def test_two_clients_at_once_each_get_their_own(make_device):
    device = make_device(sheets=4)
    device.pages.then(*(Act(chunks=[f"page {n}".encode()]) for n in range(4)))
    jobs = [device.client.create_scan_job(scan_ticket(source="ADF", images=2)) for _ in range(2)]
    loops = [device.in_background(lambda job=job: [*device.client.images(job)]) for job in jobs]
    contents = [[image.content for image in loop.result(10)] for loop in loops]
    assert contents == [[b"page 0", b"page 1"], [b"page 2", b"page 3"]]


def test_the_number_of_waiting_jobs_is_a_setting(make_device):
    device = make_device(waiting=0)
    device.client.create_scan_job(scan_ticket())
    refused = fault_of(lambda: device.client.create_scan_job(scan_ticket()))
    assert refused == "ServerErrorNotAcceptingJobs"


@conformance("KW-074", "JM-01")
def test_a_held_job_waits_without_a_time_out_and_lets_others_pass(device, client):
    held, other = (client.create_scan_job(scan_ticket()) for _ in range(2))
    device.do(lambda: device.engine.hold(held.id))
    assert device.state(held.id) == ("Held", ("None",))
    assert job_state(client.get_active_jobs()[0])[0] == "Held"
    pending = device.retrieving(held)
    assert client.retrieve_image(other.id, other.token).content
    device.advance(3600)
    assert device.state(held.id)[0] == "Held"
    device.do(lambda: device.engine.release(held.id))
    assert pending.result(5).content
    assert device.ended(held.id) == ("Completed", ("None",))


def test_only_a_waiting_job_can_be_held_and_only_a_held_one_released(device, client):
    job = client.create_scan_job(scan_ticket())
    with pytest.raises(OperationFailed):
        device.do(lambda: device.engine.release(job.id))
    device.do(lambda: device.engine.hold(job.id))
    with pytest.raises(OperationFailed):
        device.do(lambda: device.engine.hold(job.id))
    device.do(lambda: device.engine.release(job.id))
    device.advance(61)
    assert device.state(job.id) == ("Aborted", ("JobTimedOut",))


def test_a_repeated_create_starts_one_job(device, client):
    """PyWSD sends CreateScanJob again after two seconds, with the same MessageID."""
    one = client.create_scan_job(scan_ticket(), message_id="urn:uuid:same")
    two = client.create_scan_job(scan_ticket(), message_id="urn:uuid:same")
    assert (one.id, one.token) == (two.id, two.token)
    assert len(client.get_active_jobs()) == 1
    assert text(client.get_active_jobs()[0], "JobId") == "1"


def test_every_image_of_a_job_is_made_by_the_same_device_at_the_same_time(make_device):
    device = make_device(sheets=3, engine_options={"made_by": ("Acme", "Scan 1")})
    job = device.client.create_scan_job(scan_ticket(source="ADF"))
    for _ in range(2):
        device.client.retrieve_image(job.id, job.token)
        device.advance(5)
    specs = [asked.spec for asked in (*device.pages.asked, *device.pages.ahead)]
    assert {spec.made_by for spec in specs} == {("Acme", "Scan 1")}
    assert {spec.made_at for spec in specs} == {"2026:05:04 08:15:00"}
