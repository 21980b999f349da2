"""Scan processes on the panel's page: log on, choose, change, start, and see them arrive."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from panel.browser import Screen, chromium, screenshots
from playwright.sync_api import Browser
from processes.conftest import MakeOperator, Site
from processes.documents import EML, document, email, share, switch
from processes.test_at_the_panel import FEEDER
from processes.test_sessions import KNOWN, write_badges
from support import slapd
from support.slapd import process_entry

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    contexts = []

    def make(panel: Any) -> Screen:
        context = browser.new_context(
            locale="en-GB", viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
        )
        contexts.append(context)
        return Screen(context, panel, screenshots(tmp_path)).open()

    yield make
    for context in contexts:
        context.close()


@pytest.mark.conformance("DK-01", "DI-01")
def test_from_the_badge_to_the_delivery(
    site: Site, make_operator: MakeOperator, open_page: Any, tmp_path: Path
):
    site.add(
        "Invoices",
        share(r"\\files\invoices"),
        email("office@example.org", can_add=True),
        parameters=FEEDER,
        switches=switch("FileName"),
    )
    joe = make_operator(sheets=2, badges=write_badges(tmp_path, KNOWN))
    screen = open_page(joe.device.panel)
    page = screen.page
    screen.until(lambda: screen.texts("#workflow-title"), "scan processes")
    screen.check_accessible()
    page.get_by_label("Badge").fill("no badge")
    screen.button("Log on").click()
    screen.until(lambda: screen.texts(".note p"), "a refusal")
    screen.button("Close this notice").click()
    page.get_by_label("Badge").fill(badge_of(KNOWN))
    page.keyboard.press("Enter")
    screen.until(lambda: screen.texts("#processes .title") == ["Invoices"], "the process")
    screen.button("Choose: Invoices").click()
    page.get_by_label("File name").fill("March")
    page.get_by_label("Further e-mail").fill("joe@example.org\n")
    page.get_by_text("Settings").click()
    page.get_by_label("InputSource").fill("Platen")
    screen.picture("9-scan-process")
    screen.check_accessible()
    screen.button("Scan and deliver").click()
    screen.until(lambda: "1 page delivered" in "".join(screen.texts(".delivery .job-state")), "it")
    (delivery,) = joe("GET", "deliveries").json
    assert screen.texts(".delivery .job-state") == [delivery["summary"]]
    (create,) = [body for name, _, body in site.server.requests if name == "CreatePostScanJob"]
    told = [one.text for one in create.iter()]
    assert "March" in told
    assert "joe@example.org" in told
    job = joe.device.record(delivery["job"])
    assert job.parameters.input_source.value == "Platen"
    page.reload()
    screen.live()
    screen.until(lambda: screen.texts("#processes .title") == ["Invoices"], "still logged on")
    screen.button("Log off").click()
    screen.until(lambda: screen.texts("#log-on button") == ["Log on"], "logged off")
    assert screen.texts("#processes .title") == []
    assert screen.complaints == []


def badge_of(text: str) -> str:
    return text.split('number = "')[1].split('"')[0]


def test_what_was_not_delivered_is_sent_again_or_thrown_away(
    site: Site, make_operator: MakeOperator, open_page: Any
):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=1)
    screen = open_page(joe.device.panel)
    site.server.script["SendImage"] = dict.fromkeys(range(1, 6), "cut")
    screen.button("Choose: Invoices").click()
    screen.button("Scan and deliver").click()
    screen.button("Send again: Invoices").wait_for()
    screen.check_accessible()
    screen.button("Send again: Invoices").click()
    screen.until(lambda: "delivered" in "".join(screen.texts(".delivery .job-state")), "delivery")

    site.server.script["CreatePostScanJob"] = dict.fromkeys(range(9), "InvalidArgs")
    joe.device.panel("POST", "feeder/load")
    screen.button("Choose: Invoices").click()
    screen.button("Scan and deliver").click()
    screen.button("Throw away: Invoices").click()
    screen.until(lambda: len(joe("GET", "deliveries").json) == 1, "nothing kept")
    screen.until(lambda: len(screen.texts(".delivery")) == 1, "nothing shown")
    assert site.spooled == []


def test_without_scan_processes_there_is_nothing_to_see(
    make_operator: MakeOperator, open_page: Any
):
    joe = make_operator(sheets=1, process_folder=None)
    screen = open_page(joe.device.panel)
    screen.agree()
    assert screen.texts("#workflow-title") == []


def test_an_address_is_looked_up_in_the_directory(
    bonsai: None, site: Site, make_operator: MakeOperator, open_page: Any, tmp_path: Path
):
    text = document(
        email("office@example.org", can_add=True), server="127.0.0.1", parameters=FEEDER
    )
    with slapd.running(tmp_path / "slapd", process_entry("Letters", text)) as directory:
        joe = make_operator(
            sheets=1,
            process_folder=None,
            directory=directory.secure_url,
            directory_ca=str(directory.ca),
            directory_user_dn=slapd.USER_DN,
        )
        screen = open_page(joe.device.panel)
        page = screen.page
        page.get_by_label("Name").fill("joe")
        page.get_by_label("Password").fill("secret of joe")
        screen.button("Log on").click()
        screen.until(lambda: screen.texts("#processes .title") == ["Letters"], "the process")
        screen.button("Choose: Letters").click()
        look_up = page.get_by_label("Look up an address")
        look_up.press_sequentially("jo")
        screen.until(lambda: page.locator("#addresses option").count() == 1, "an address")
        assert page.locator("#addresses option").text_content() == "Joe Doe"
        screen.check_accessible()
        look_up.fill("joe.doe@example.org")  # as a browser does when one is chosen
        further = page.get_by_label("Further e-mail")
        assert further.input_value() == "joe.doe@example.org\n"
        assert look_up.input_value() == ""
        screen.button("Scan and deliver").click()
        joe.log_on(user="joe", password="secret of joe")
        joe.ended(1)
    (create,) = [body for name, _, body in site.server.requests if name == "CreatePostScanJob"]
    sent = [one.text for one in create.iter(f"{{{EML}}}EmailAddress")]
    assert sent == ["office@example.org", "joe.doe@example.org"]
