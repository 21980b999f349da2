"""Which page is ordered before its client asks for it; nobody sees more of it than the speed."""

import pytest
from clients.wsscan import FaultAnswer, Side, scan_ticket
from support.scripted_pages import Act

from scanner_backends.errors import NoDocs


@pytest.fixture
def device(make_device):
    return make_device(sheets=3)


def ahead(device):
    return [(asked.page, asked.request.back) for asked in device.pages.ahead]


def fetch(client, job, count):
    for _ in range(count):
        client.retrieve_image(job.id, job.token)


@pytest.mark.parametrize(
    ("images", "fetched", "ordered"),
    [
        (0, 1, [3]),
        (0, 2, [3, 5]),
        (0, 3, [3, 5]),
        (1, 1, []),
        (2, 1, [3]),
        (2, 2, [3]),
        (7, 3, [3, 5]),
    ],
)
def test_the_next_sheet_is_ordered_while_one_is_fetched(device, client, images, fetched, ordered):
    job = client.create_scan_job(scan_ticket(source="ADF", images=images))
    fetch(client, job, fetched)
    assert ahead(device) == [(page, False) for page in ordered]


def test_backs_are_ordered_as_they_will_be_asked_for(device, client):
    back = Side(color="Grayscale8", dpi=200)
    job = client.create_scan_job(scan_ticket(source="ADFDuplex", dpi=100, back=back))
    fetch(client, job, 6)
    assert ahead(device) == [(2, True), (3, False), (4, True), (5, False), (6, True)]
    assert list(device.pages.ahead) == device.pages.asked[1:]


def test_real_media_are_ordered_until_the_feeder_says_that_it_is_empty(make_device):
    device = make_device(sheets=0, virtual=False)
    device.pages.then(Act(), Act(), Act(error=NoDocs("empty")))
    job = device.client.create_scan_job(scan_ticket(source="ADF"))
    fetch(device.client, job, 2)
    with pytest.raises(FaultAnswer) as refused:
        device.client.retrieve_image(job.id, job.token)
    assert refused.value.name == "ClientErrorNoImagesAvailable"
    assert ahead(device) == [(None, False)] * 2


def test_the_glass_has_no_next_page(device, client):
    job = client.create_scan_job(scan_ticket(source="Platen"))
    fetch(client, job, 1)
    assert ahead(device) == []


def test_a_sheet_lies_in_the_feeder_until_it_is_asked_for(device, client):
    job = client.create_scan_job(scan_ticket(source="ADF"))
    fetch(client, job, 1)
    assert ahead(device) == [(3, False)]
    assert [page.number for page in device.engine.tray.feeder if not page.back] == [3, 5]
    client.cancel_job(job.id)
    assert device.ended(job.id)[0] == "Canceled"
    again = client.create_scan_job(scan_ticket(source="ADF"))
    fetch(client, again, 1)
    assert device.pages.asked[-1].page == 3


def test_nothing_is_ordered_while_the_scanner_is_stopped(device, client):
    (act,) = device.pages.then(Act(hold=True))
    job = client.create_scan_job(scan_ticket(source="ADF"))
    image = device.retrieving(job)
    device.until(lambda: device.pages.asked, "the page is asked for")
    device.do(lambda: device.engine.pause(paused=True))
    device.open(act)
    device.until(lambda: device.pages.given, "the page is on its way")
    assert ahead(device) == []
    device.do(lambda: device.engine.pause(paused=False))
    image.result(10)
