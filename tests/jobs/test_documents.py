"""Formats of many pages: one job, one RetrieveImage, one file (ws-scan section 13.4)."""

from dataclasses import replace
from io import BytesIO
from zipfile import ZipFile

import pytest
from clients.wsscan import FaultAnswer, Side, retrieve_image_body, scan_ticket
from PIL import Image
from support.scripted_pages import Act

from device.clock import SystemClock
from device.imaging.spec import SUPPORTED
from device.model.changes import JobChanged
from device.pages.supervisor import PageLine
from scanner_backends.errors import CoverOpen, IoError, Jammed, NoDocs

MULTI = ("pdf-a", "xps", "tiff-multi-uncompressed")
BROKEN = r"IncompleteRead|reset|aborted|closed"


def multi_page(found):
    """A configuration that has formats of many pages."""
    formats = (*found.settings.formats, *MULTI)
    return replace(
        found,
        settings=replace(found.settings, formats=tuple(dict.fromkeys(formats))),
        format_colors={name: frozenset(SUPPORTED[name]) for name in formats},
    )


@pytest.fixture
def device(make_device):
    return make_device(sheets=3, configuration=multi_page)


def document_job(client, source="ADF", **more):
    return client.create_scan_job(scan_ticket(source=source, format="pdf-a", **more))


def pages_of(device):
    return [asked.page for asked in device.pages.asked]


def acts(count):
    return [Act(chunks=[f"page {n}, ".encode()]) for n in range(1, count + 1)]


def assert_over(client, job):
    with pytest.raises(FaultAnswer) as refused:
        client.retrieve_image(job.id, job.token)
    assert refused.value.name == "ClientErrorNoImagesAvailable"


@pytest.mark.conformance("JM-10")
@pytest.mark.parametrize(("wanted", "got"), [(0, 3), (None, 3), (1, 1), (2, 2), (3, 3), (7, 3)])
def test_all_pages_that_are_wanted_and_there_are_one_file(device, client, wanted, got):
    device.pages.then(*acts(3))
    job = document_job(client, images=wanted)
    file = client.retrieve_image(job.id, job.token).content
    assert file == b"page 1, page 2, page 3, "[: 8 * got]
    assert device.ended(job.id) == ("Completed", ("None",))
    assert pages_of(device) == [1, 3, 5][:got]
    assert device.record(job.id).status.scans_completed == got
    assert_over(client, job)


@pytest.mark.conformance("JM-10", "JM-11")
@pytest.mark.parametrize("images", [0, 1])
def test_the_glass_gives_a_file_of_one_page(device, client, images):
    job = document_job(client, source="Platen", images=images)
    client.retrieve_image(job.id, job.token)
    assert device.ended(job.id) == ("Completed", ("None",))
    assert pages_of(device) == [1000]
    assert device.record(job.id).status.scans_completed == 1
    assert_over(client, job)


@pytest.mark.conformance("JM-10")
def test_fronts_and_backs_alternate(device, client):
    back = Side(color="Grayscale8", dpi=200)
    job = document_job(client, source="ADFDuplex", dpi=100, back=back)
    client.retrieve_image(job.id, job.token)
    assert device.ended(job.id) == ("Completed", ("None",))
    asked = device.pages.asked
    assert [one.page for one in asked] == [1, 2, 3, 4, 5, 6]
    assert [one.request.back for one in asked] == [False, True] * 3
    assert [one.spec.color for one in asked] == ["RGB24", "Grayscale8"] * 3
    assert [one.spec.x_dpi for one in asked] == [100, 200] * 3
    assert device.record(job.id).status.scans_completed == 6


def test_real_media_end_the_file_themselves(make_device):
    device = make_device(sheets=0, virtual=False, configuration=multi_page)
    device.pages.then(*acts(2), Act(error=NoDocs("empty")))
    job = document_job(device.client)
    assert device.client.retrieve_image(job.id, job.token).content == b"page 1, page 2, "
    assert device.ended(job.id) == ("Completed", ("None",))
    assert pages_of(device) == [None, None, None]
    assert device.record(job.id).status.scans_completed == 2
    assert_over(device.client, job)


def test_without_any_page_there_are_no_images(make_device):
    device = make_device(sheets=0, virtual=False, configuration=multi_page)
    device.pages.then(Act(error=NoDocs("empty")))
    job = document_job(device.client)
    assert_over(device.client, job)
    assert device.ended(job.id)[0] == "Completed"


def test_each_image_is_counted_and_the_end_is_told_in_order(device, client):
    job = document_job(client)
    client.retrieve_image(job.id, job.token)
    device.ended(job.id)
    told = [c.job.status for c in device.changes if isinstance(c, JobChanged)]
    assert [status.scans_completed for status in told][-1] == 3
    counts = [status.scans_completed for status in told]
    assert counts == sorted(counts)
    assert {0, 1, 2, 3} == set(counts)
    assert [str(status.reasons[0]) for status in told][-2:] == ["JobTransferring", "None"]


def test_a_page_that_fails_in_its_middle_breaks_the_transfer(device, client):
    device.pages.then(Act(), Act(breaks=IoError("unplugged")))
    job = document_job(client)
    with pytest.raises(Exception, match=BROKEN):
        client.retrieve_image(job.id, job.token)
    assert device.ended(job.id) == ("Aborted", ("ImageTransferError",))
    assert device.record(job.id).status.scans_completed == 1
    feeder = device.do(lambda: device.engine.tray.feeder)
    assert [page.number for page in feeder if not page.back] == [1, 3, 5]


def test_a_page_that_cannot_begin_for_good_breaks_the_transfer(device, client):
    device.pages.then(Act(), Act(error=IoError("unplugged")))
    job = document_job(client)
    with pytest.raises(Exception, match=BROKEN):
        client.retrieve_image(job.id, job.token)
    assert device.ended(job.id) == ("Aborted", ("ImageTransferError",))
    assert pages_of(device) == [1, 3]


@pytest.mark.parametrize("error", [Jammed("stuck"), CoverOpen("open")])
def test_a_jam_between_two_pages_can_be_mended(device, client, error):
    first, *others = acts(3)
    device.pages.then(first, Act(error=error), *others)
    job = document_job(client)
    pending = device.in_background(lambda: client.retrieve_image(job.id, job.token))
    device.until(lambda: device.state(job.id)[1] == ("ScannerStopped",), "a stopped job")
    (condition,) = device.do(lambda: device.engine.status().conditions)
    device.do(lambda: device.engine.clear_condition(condition.condition_id))
    assert pending.result(5).content == b"page 1, page 2, page 3, "
    assert device.ended(job.id) == ("Completed", ("None",))
    assert pages_of(device) == [1, 3, 3, 5]
    assert device.record(job.id).status.scans_completed == 3


@pytest.mark.parametrize("page", [0, 1, 2])
@pytest.mark.parametrize("moment", ["scanning", "sending"])
def test_a_document_can_be_cancelled_at_each_moment(device, client, page, moment):
    device.pages.then(*[Act()] * page, Act(hold=moment == "scanning", pause=moment == "sending"))
    job = document_job(client)
    pending = device.in_background(lambda: client.retrieve_image(job.id, job.token))
    device.until(lambda: len(device.pages.asked) == page + 1, "the page")
    client.cancel_job(job.id)
    with pytest.raises(Exception, match=rf"{BROKEN}|ClientErrorJobCancelled"):
        pending.result(5)
    assert device.ended(job.id)[0] == "Canceled"
    again = client.create_scan_job(scan_ticket(source="ADF"))
    client.retrieve_image(again.id, again.token)
    assert device.pages.asked[-1].page == 1


def test_a_document_that_waits_for_a_mended_jam_can_be_cancelled(device, client):
    device.pages.then(Act(), Act(error=Jammed("stuck")))
    job = document_job(client)
    pending = device.in_background(lambda: client.retrieve_image(job.id, job.token))
    device.until(lambda: device.state(job.id)[1] == ("ScannerStopped",), "a stopped job")
    client.cancel_job(job.id)
    with pytest.raises(Exception, match=BROKEN):
        pending.result(5)
    assert device.ended(job.id)[0] == "Canceled"


def test_all_pages_are_in_the_feeder_again_when_the_client_hangs_up(device, client):
    device.pages.then(Act(), Act(pause=True))
    job = document_job(client)
    request = client.envelope("RetrieveImage", retrieve_image_body(job.id, job.token))
    with client.stream(request) as broken_off:
        assert broken_off.read(10)
        device.until(lambda: len(device.pages.asked) == 2, "the second page")
    assert device.ended(job.id) == ("Aborted", ("ImageTransferError",))
    feeder = device.do(lambda: device.engine.tray.feeder)
    assert [page.number for page in feeder if not page.back] == [1, 3, 5]


@pytest.mark.parametrize("format", MULTI)
def test_a_real_worker_makes_one_file_of_a_duplex_stack(make_device, format):
    device = make_device(
        pages=lambda: PageLine("chart:sheets=2", clock=SystemClock()), configuration=multi_page
    )
    ticket = scan_ticket(
        source="ADFDuplex", format=format, color="Grayscale8", dpi=75, region=(0, 0, 4000, 4000)
    )
    job = device.client.create_scan_job(ticket)
    file = device.client.retrieve_image(job.id, job.token).content
    assert device.ended(job.id) == ("Completed", ("None",))
    assert device.record(job.id).status.scans_completed == 4
    if format == "tiff-multi-uncompressed":
        with Image.open(BytesIO(file)) as image:
            assert image.n_frames == 4
            assert image.size == (300, 300)
    elif format == "pdf-a":
        assert file.count(b"/Type /Page ") == 4
    else:
        with ZipFile(BytesIO(file)) as package:
            names = package.namelist()
        assert len([name for name in names if name.endswith(".fpage")]) == 4
    assert_over(device.client, job)
