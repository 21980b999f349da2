"""What real clients need beyond the letter (clients.md, section 1, points 12 to 19 and 23).

Most of those points stand in the tests of their own subject; here are the rest.
"""

import time

import pytest
from clients.wsscan import child, scan_ticket, text
from support.scripted_pages import Act

from device import profile
from device.imaging.encoders import SUPPORTED

PROMPT_S = 1.0


@pytest.mark.parametrize("name", profile.shipped())
def test_a_shipped_profile_opens_with_every_client(make_device, name):
    """Windows wants png or exif, sane-airscan png or jfif; both want Grayscale8 or RGB24."""
    client = make_device(profile=name, sheets=1).client
    told = client.get_scanner_elements("ScannerConfiguration")["ScannerConfiguration"]
    formats = {entry.text for entry in child(told, "DeviceSettings/FormatsSupported")}
    assert {"png", "jfif", "exif"} <= formats
    for family, prefix in (("Platen", "Platen"), ("ADF/ADFFront", "ADF")):
        source = child(told, family)
        colors = {entry.text for entry in child(source, f"{prefix}Color")}
        assert {"Grayscale8", "RGB24"} <= colors
        assert child(source, f"{prefix}Resolutions/Heights")[0].text
        largest = child(source, f"{prefix}MaximumSize")
        # A platen wider than high is turned by sane-airscan.
        assert int(text(largest, "Width")) <= int(text(largest, "Height"))
        assert child(source, f"{prefix}MinimumSize") is not None


@pytest.mark.parametrize("name", profile.shipped())
def test_a_shipped_profiles_formats_can_all_be_made(make_device, name):
    client = make_device(profile=name).client
    told = client.get_scanner_elements("ScannerConfiguration")["ScannerConfiguration"]
    assert {e.text for e in child(told, "DeviceSettings/FormatsSupported")} <= set(SUPPORTED)


def test_everything_but_the_image_is_answered_at_once_while_an_image_takes_its_time(device, client):
    (act,) = device.pages.then(Act(hold=True))
    busy = client.create_scan_job(scan_ticket())
    pending = device.retrieving(busy)
    asked_s = time.monotonic()
    other = client.create_scan_job(scan_ticket())
    client.get_scanner_elements()
    client.get_job_elements(other.id)
    client.validate_scan_ticket(scan_ticket())
    client.cancel_job(other.id)
    client.get_active_jobs()
    client.get_job_history()
    assert time.monotonic() - asked_s < PROMPT_S
    assert not pending.done()
    device.open(act)
    assert pending.result(5).content


def test_a_repeated_create_is_recognised_while_the_first_one_is_not_answered(device, client):
    """PyWSD gives up after two seconds and sends it again, with the same MessageID."""
    answers = [
        device.in_background(
            lambda: client.create_scan_job(scan_ticket(), message_id="urn:uuid:again")
        )
        for _ in range(5)
    ]
    assert len({answer.result(5).id for answer in answers}) == 1
    assert len(client.get_active_jobs()) == 1


def test_another_request_with_a_message_id_of_before_is_a_request_of_its_own(device, client):
    client.create_scan_job(scan_ticket(job_name="one"), message_id="urn:uuid:worn")
    client.create_scan_job(scan_ticket(job_name="two"), message_id="urn:uuid:worn")
    assert len(client.get_active_jobs()) == 2
