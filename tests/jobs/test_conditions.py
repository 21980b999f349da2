"""What can be the matter with the scanner, and what it does to jobs."""

import pytest
from clients.wsscan import SCAN, FaultAnswer, child, scan_ticket, text
from PIL import Image
from support.scripted_pages import Act
from support.wire import with_settings

from device.clock import SystemClock
from device.jobs import engine_room
from device.model.changes import ConditionCleared, ConditionRaised
from device.model.status import Component, ConditionName, Severity
from device.pages.supervisor import PageLine
from scanner_backends.base import Description
from scanner_backends.errors import CoverOpen, IoError, Jammed, NoDocs, SourceError

conformance = pytest.mark.conformance

STATE_REASON_ROWS = {
    "Calibrating": "KW-046", "CoverOpen": "KW-047", "InterlockOpen": "KW-048",
    "InternalStorageFull": "KW-049", "LampError": "KW-050", "LampWarming": "KW-051",
    "MediaJam": "KW-052", "MultipleFeedError": "KW-053",
}  # fmt: skip
NAME_ROWS = {name: f"KW-{56 + at:03}" for at, name in enumerate(sorted(ConditionName))}


def status_of(client):
    return client.get_scanner_elements("ScannerStatus")["ScannerStatus"]


def reasons(client):
    return [reason.text for reason in child(status_of(client), "ScannerStateReasons")]


def conditions(client):
    return [
        (entry.get("Id"), *(leaf.text for leaf in entry))
        for entry in child(status_of(client), "ActiveConditions")
    ]


def raised(device, name, component="Platen", severity=None):
    device.do(lambda: device.engine.raise_condition(name, component, severity))


def cleared(device, condition_id):
    device.do(lambda: device.engine.clear_condition(int(condition_id)))


@conformance("EL-16", "EL-17", "KW-042", "KW-054")
def test_a_scanner_at_rest_is_idle_for_no_reason(device, client):
    device.advance(5)
    status = status_of(client)
    assert text(status, "ScannerCurrentTime") == "2026-05-04T08:15:05Z"
    assert text(status, "ScannerState") == "Idle"
    assert reasons(client) == ["None"]
    assert conditions(client) == []
    assert status.find(f"{{{SCAN}}}ConditionHistory") is None


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=conformance(row, STATE_REASON_ROWS.get(name, row)))
     for name, row in NAME_ROWS.items()],
)  # fmt: skip
def test_each_condition_is_told_with_its_reason(device, client, name):
    raised(device, name)
    ((_, time, told, component, severity),) = conditions(client)
    assert (time, told, component) == ("2026-05-04T08:15:00Z", name, "Platen")
    if name == "InputTrayEmpty":
        assert reasons(client) == ["None"]
        assert severity == "Informational"
    else:
        assert reasons(client) == [name]
    stopped = severity == "Critical"
    assert text(status_of(client), "ScannerState") == ("Stopped" if stopped else "Idle")


@pytest.mark.parametrize(
    ("severity", "state"),
    [
        pytest.param(Severity.INFORMATIONAL, "Idle", marks=conformance("KW-069")),
        pytest.param(Severity.WARNING, "Idle", marks=conformance("KW-070")),
        pytest.param(Severity.CRITICAL, "Stopped", marks=conformance("KW-071", "KW-044")),
    ],
)
def test_only_a_critical_condition_stops_the_scanner(device, client, severity, state):
    raised(device, "LampWarming", "Platen", severity)
    assert conditions(client)[0][-1] == severity
    assert text(status_of(client), "ScannerState") == state


@pytest.mark.parametrize(
    "component",
    [pytest.param(component, marks=conformance(row))
     for component, row in zip(("ADF", "Film", "MediaPath", "Platen"),
                               ("KW-065", "KW-066", "KW-067", "KW-068"), strict=True)],
)  # fmt: skip
def test_a_condition_tells_its_component(device, client, component):
    raised(device, "CoverOpen", component)
    assert conditions(client)[0][3] == component


@conformance("KW-055")
def test_a_scanner_that_is_paused_from_outside_is_stopped(device, client):
    device.do(lambda: device.engine.pause(paused=True))
    assert (text(status_of(client), "ScannerState"), reasons(client)) == ("Stopped", ["Paused"])
    device.do(lambda: device.engine.pause(paused=False))
    assert (text(status_of(client), "ScannerState"), reasons(client)) == ("Idle", ["None"])


@conformance("KW-045", "EL-56")
def test_a_vendors_own_trouble_asks_for_attention(device, client):
    """An unknown reason would be shown raw; the condition itself keeps the vendor's name."""
    raised(device, "acme:GlassDirty")
    assert conditions(client)[0][2] == "acme:GlassDirty"
    assert reasons(client) == ["AttentionRequired"]
    assert text(status_of(client), "ScannerState") == "Stopped"


@conformance("EL-18")
def test_ids_are_stable_and_never_given_again(device, client):
    raised(device, "LampWarming")
    raised(device, "CoverOpen", "ADF")
    raised(device, "CoverOpen", "ADF")  # it is open already
    first = conditions(client)
    assert [entry[0] for entry in first] == ["1", "2"]
    device.advance(60)
    assert conditions(client) == first
    cleared(device, 2)
    raised(device, "CoverOpen", "ADF")
    assert [entry[0] for entry in conditions(client)] == ["1", "3"]
    assert conditions(client)[1][1] == "2026-05-04T08:16:00Z"


@conformance("EL-19")
def test_what_has_gone_is_in_the_history_newest_first(device, client):
    for number in range(1, 21):
        raised(device, "CoverOpen", "ADF")
        device.advance(10)
        cleared(device, number)
    history = child(status_of(client), "ConditionHistory")
    assert [entry.get("Id") for entry in history] == [str(n) for n in range(20, 4, -1)]
    assert text(history[0], "Time") == "2026-05-04T08:18:10Z"
    assert text(history[0], "ClearTime") == "2026-05-04T08:18:20Z"
    assert conditions(client) == []
    cleared(device, 20)  # twice is once
    assert len(child(status_of(client), "ConditionHistory")) == 16


def test_an_empty_feeder_is_a_condition_that_goes_when_it_is_filled(make_device):
    device = make_device(sheets=1)
    client = device.client
    assert conditions(client) == []
    job = client.create_scan_job(scan_ticket(source="ADF", images=1))
    client.retrieve_image(job.id, job.token)
    device.ended(job.id)
    assert [entry[2:5] for entry in conditions(client)] == [
        ("InputTrayEmpty", "ADF", "Informational")
    ]
    device.wait(device.engine.reload())
    assert conditions(client) == []


@conformance("KW-089", "KW-052", "KW-044")
@pytest.mark.parametrize(
    ("error", "name"), [(Jammed("stuck"), "MediaJam"), (CoverOpen("open"), "CoverOpen")]
)
@pytest.mark.parametrize(("source", "component"), [("ADF", "ADF"), ("Platen", "Platen")])
def test_trouble_that_a_person_can_mend_holds_the_job(
    device, client, error, name, source, component
):
    """The reply is held meanwhile, and no time runs; then the same page is scanned again."""
    device.pages.then(Act(error=error))
    job = client.create_scan_job(scan_ticket(source=source, images=1))
    pending = device.retrieving(job)
    stopped = ("Processing", ("ScannerStopped",))
    device.until(lambda: device.state(job.id) == stopped, "a stopped job")
    assert text(status_of(client), "ScannerState") == "Stopped"
    ((condition_id, _, told, where, _),) = conditions(client)
    assert (told, where) == (name, component)
    device.advance(3600)
    assert not pending.done()
    cleared(device, condition_id)
    assert pending.result(5).content
    assert device.ended(job.id) == ("Completed", ("None",))
    pages = [asked.page for asked in device.pages.asked]
    assert pages[0] == pages[1]


@conformance("KW-089", "FA-17")
def test_a_stopped_job_can_be_cancelled(device, client):
    device.pages.then(Act(error=Jammed("stuck")))
    job = client.create_scan_job(scan_ticket(source="ADF"))
    pending = device.retrieving(job)
    device.until(lambda: device.state(job.id)[1] == ("ScannerStopped",), "a stopped job")
    client.cancel_job(job.id)
    with pytest.raises(FaultAnswer, match="ClientErrorJobCancelled"):
        pending.result(5)
    assert device.ended(job.id)[0] == "Canceled"
    assert text(status_of(client), "ScannerState") == "Stopped"


@conformance("KW-089")
def test_jobs_that_wait_say_that_the_scanner_is_stopped(device, client):
    before = client.create_scan_job(scan_ticket())
    raised(device, "LampError")
    after = client.create_scan_job(scan_ticket())
    for job in (before, after):
        assert device.state(job.id) == ("Pending", ("ScannerStopped",))
    raised(device, "CoverOpen", "ADF")
    cleared(device, conditions(client)[0][0])
    assert device.state(before.id) == ("Pending", ("ScannerStopped",))
    cleared(device, conditions(client)[0][0])
    for job in (before, after):
        assert device.state(job.id) == ("Pending", ("None",))


@conformance("KW-089")
def test_bytes_rest_while_a_cover_is_open_and_then_go_on(device, client):
    (act,) = device.pages.then(Act(pause=True, chunks=[b"1", b"2", b"3"]))
    job = client.create_scan_job(scan_ticket())
    pending = device.in_background(lambda: client.retrieve_image(job.id, job.token))
    sending = ("Processing", ("JobScanningAndTransferring",))
    device.until(lambda: device.state(job.id) == sending, "the first bytes")
    raised(device, "CoverOpen")
    assert device.state(job.id) == ("Processing", ("ScannerStopped",))
    cleared(device, conditions(client)[0][0])
    assert device.state(job.id) == sending
    raised(device, "CoverOpen")
    device.open(act)
    device.until(lambda: len(device.pages.given) == 2, "the second piece")
    for _ in range(3):
        assert device.state(job.id) == ("Processing", ("ScannerStopped",))
    assert device.pages.given == [b"1", b"2"]
    cleared(device, conditions(client)[0][0])
    assert pending.result(5).content == b"123"
    assert device.ended(job.id) == ("Completed", ("None",))


def test_a_jam_in_mid_image_ends_the_job_and_stops_the_scanner(device, client):
    """What was sent cannot be taken back."""
    device.pages.then(Act(breaks=Jammed("stuck")))
    job = client.create_scan_job(scan_ticket(source="ADF"))
    with pytest.raises(Exception, match=r"IncompleteRead|reset|aborted|closed"):
        client.retrieve_image(job.id, job.token)
    assert device.ended(job.id) == ("Aborted", ("ImageTransferError",))
    assert [entry[2] for entry in conditions(client)] == ["MediaJam"]


def test_every_condition_is_announced_once_and_again_when_it_goes(device):
    raised(device, ConditionName.MEDIA_JAM, Component.ADF)
    raised(device, ConditionName.MEDIA_JAM, Component.ADF)
    cleared(device, 1)
    told = [c for c in device.changes if isinstance(c, ConditionRaised | ConditionCleared)]
    assert [type(c) for c in told] == [ConditionRaised, ConditionCleared]
    assert told[0].condition == told[1].cleared.condition


@conformance("FA-10")
@pytest.mark.parametrize("source", ["Platen", "ADF"])
def test_a_source_that_has_lost_all_its_pages_has_none_to_scan(make_device, monkeypatch, source):
    device = make_device(sheets=2)
    client = device.client
    old = client.create_scan_job(scan_ticket(source=source))

    async def nothing() -> Description:
        raise SourceError("The folder is empty.")

    with monkeypatch.context() as patch:
        patch.setattr(device.pages, "describe", nothing)
        with pytest.raises(SourceError):
            device.wait(device.engine.reload())
    for call in (
        lambda: client.create_scan_job(scan_ticket(source=source)),
        lambda: client.retrieve_image(old.id, old.token),
    ):
        with pytest.raises(FaultAnswer, match="ClientErrorNoImagesAvailable"):
            call()
    device.wait(device.engine.reload())
    job = client.create_scan_job(scan_ticket(source=source))
    assert client.retrieve_image(job.id, job.token).content


def test_a_source_that_cannot_be_read_just_now_keeps_its_pages(make_device, monkeypatch):
    device = make_device(sheets=1)

    async def broken() -> Description:
        raise IoError("The worker died.")

    monkeypatch.setattr(device.pages, "describe", broken)
    with pytest.raises(IoError):
        device.wait(device.engine.reload())
    for source in ("Platen", "ADF"):
        device.client.create_scan_job(scan_ticket(source=source))


def test_a_folder_that_was_emptied_has_nothing_to_scan(make_device, tmp_path):
    page = tmp_path / "page.png"
    Image.new("L", (85, 117)).save(page)
    device = make_device(pages=lambda: PageLine(f"images:{tmp_path}", clock=SystemClock()))
    page.unlink()
    with pytest.raises(SourceError, match="no page"):
        device.wait(device.engine.reload())
    with pytest.raises(FaultAnswer, match="ClientErrorNoImagesAvailable"):
        device.client.create_scan_job(scan_ticket())


# ---- what a real scanner says of itself


@pytest.fixture
def real(make_device, monkeypatch):
    """A device with real media, which is tried again at once."""
    monkeypatch.setattr(engine_room, "TRY_AGAIN_S", 0.02)
    return make_device(virtual=False)


@conformance("KW-089", "KW-052")
@pytest.mark.parametrize("source", ["ADF", "Platen"])
def test_a_jam_that_was_cleared_at_the_scanner_needs_nobody_here(real, source):
    """It tells nobody when it is mended: so it is tried again, until the page comes."""
    (_, _, page) = real.pages.then(
        *[Act(error=Jammed("stuck"))] * 2, Act(hold=True, chunks=[b"the page"])
    )
    job = real.client.create_scan_job(scan_ticket(source=source, images=1))
    pending = real.retrieving(job)
    real.until(lambda: len(real.pages.asked) == 3, "a third try")
    assert real.state(job.id) == ("Processing", ("ScannerStopped",))
    assert text(status_of(real.client), "ScannerState") == "Stopped"
    assert [entry[2] for entry in conditions(real.client)] == ["MediaJam"], "told once"
    real.open(page)
    assert pending.result(5).content == b"the page"
    assert conditions(real.client) == []
    assert real.state(job.id)[0] in ("Processing", "Completed")


def test_a_jam_in_a_document_is_tried_again_too(make_device, monkeypatch):
    monkeypatch.setattr(engine_room, "TRY_AGAIN_S", 0.02)
    device = make_device(virtual=False, configuration=with_settings(formats=("pdf-a",)))
    device.pages.then(Act(), Act(error=Jammed("stuck")), Act(), Act(error=NoDocs("empty")))
    job = device.client.create_scan_job(scan_ticket(source="ADF", format="pdf-a"))
    image = device.client.retrieve_image(job.id, job.token)
    assert image.content == 2 * b"first half, second half"
    assert device.ended(job.id)[0] == "Completed"
    assert conditions(device.client) == []


def test_the_next_job_finds_out_whether_a_jam_is_still_there(real):
    real.pages.then(Act(breaks=Jammed("stuck")))
    job = real.client.create_scan_job(scan_ticket())
    with pytest.raises(Exception, match=r"IncompleteRead|reset|aborted|closed"):
        real.client.retrieve_image(job.id, job.token)
    real.ended(job.id)
    assert text(status_of(real.client), "ScannerState") == "Stopped"
    job = real.client.create_scan_job(scan_ticket())
    assert real.client.retrieve_image(job.id, job.token).content
    assert text(status_of(real.client), "ScannerState") != "Stopped"


def test_what_somebody_raised_here_is_for_somebody_here_to_clear(real):
    raised(real, "CoverOpen")
    job = real.client.create_scan_job(scan_ticket())
    pending = real.retrieving(job)
    assert real.state(job.id) == ("Pending", ("ScannerStopped",))
    assert real.pages.asked == []
    cleared(real, conditions(real.client)[0][0])
    assert pending.result(5).content


def test_a_job_that_waits_for_a_jam_can_be_cancelled(real):
    real.pages.then(*[Act(error=Jammed("stuck"))] * 1000)
    job = real.client.create_scan_job(scan_ticket())
    pending = real.retrieving(job)
    real.until(lambda: len(real.pages.asked) > 1, "a second try")
    real.client.cancel_job(job.id)
    with pytest.raises(FaultAnswer, match="ClientErrorJobCancelled"):
        pending.result(5)


def test_an_empty_real_feeder_is_a_condition_until_a_sheet_comes(real):
    real.pages.then(Act(error=NoDocs("empty")))
    job = real.client.create_scan_job(scan_ticket(source="ADF"))
    with pytest.raises(FaultAnswer, match="ClientErrorNoImagesAvailable"):
        real.client.retrieve_image(job.id, job.token)
    assert [entry[2:5] for entry in conditions(real.client)] == [
        ("InputTrayEmpty", "ADF", "Informational")
    ]
    job = real.client.create_scan_job(scan_ticket(source="ADF"))
    assert real.client.retrieve_image(job.id, job.token).content
    assert conditions(real.client) == []


@conformance("KW-051")
def test_a_lamp_that_warms_up_is_a_condition_until_the_page_comes(real):
    (act,) = real.pages.then(Act(hold=True))
    job = real.client.create_scan_job(scan_ticket())
    pending = real.retrieving(job)
    real.until(lambda: real.pages.asked, "a page")
    real.do(lambda: real.engine.warming_up(job.id))
    assert [entry[2:5] for entry in conditions(real.client)] == [
        ("LampWarming", "Platen", "Warning")
    ]
    assert text(status_of(real.client), "ScannerState") == "Processing"
    real.open(act)
    assert pending.result(5).content
    assert conditions(real.client) == []
