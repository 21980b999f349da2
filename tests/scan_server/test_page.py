"""The scan server's page in a real browser: what a person sees there, and can do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from clients.dsp_client import FSH, OWN_STORE, DspClient, file_share
from panel.browser import chromium, screenshots
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from support.wait import wait_until

from .conftest import Running, Start
from .test_panel import PAGE, Panel, ended, port, send

pytestmark = pytest.mark.slow
assert port

SHARE = (FSH, file_share(r"\\host\scans"))
SOON_MS = 20_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    return folder


@pytest.fixture
def server(start: Start, shared: Path, port: int) -> Running:
    return start(panel=True, panel_port=port, shares={r"\\host\scans": shared}, name="Office scans")


@pytest.fixture
def client(server: Running) -> DspClient:
    return server.client


@pytest.fixture
def panel(server: Running, port: int) -> Panel:
    return Panel(port)


@pytest.fixture
def page(browser: Browser, panel: Panel) -> Iterator[Page]:
    """The page; it may not complain on its console."""
    complaints: list[str] = []

    def heard(said: ConsoleMessage) -> None:
        if said.type == "error" and "Failed to load resource" not in said.text:
            complaints.append(said.text)

    context = browser.new_context(
        locale="en-GB", viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    found = context.new_page()
    found.set_default_timeout(SOON_MS)
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.on("console", heard)
    found.goto(f"http://127.0.0.1:{panel.port}/")
    found.wait_for_selector('#line[data-line="live"]')
    yield found
    context.close()
    assert [one for one in complaints if "style" not in one] == []


def text(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text()


def shows(page: Page, selector: str, wanted: str) -> None:
    expect(page.locator(selector)).to_contain_text(wanted, timeout=SOON_MS)


def test_a_job_from_its_begin_to_its_files(page: Page, client: DspClient, server: Running) -> None:
    assert text(page, "#name") == "Office scans"
    shows(page, "#state", "Ready")
    token = client.new_job(root="Invoices")
    shows(page, "#active", "Invoices · S-1-5-21-1-2-3-1000")
    shows(page, "#active", "Receives pages")
    client.send_image(token, 1, PAGE)
    shows(page, "#active", "1 page · 6.0 kB")
    client.end(token)
    shows(page, "#ended", "Invoices")
    shows(page, "#ended .filters", "File share")
    page.get_by_text("Pages and files").click()
    shows(page, "#ended .made", "Page 1: png, 6.0 kB")
    (name,) = server.files()
    shows(page, "#ended .made", name)


def test_a_failure_and_doing_it_again(
    page: Page, client: DspClient, shared: Path, tmp_path: Path
) -> None:
    shared.rename(tmp_path / "away")
    ended(client, send(client, OWN_STORE, SHARE, root="Minutes"))
    shows(page, "#failed", "Broken off, a filter failed")
    shows(page, "#failed .filters", "File share: the share does not let it in")
    (tmp_path / "away").rename(shared)
    page.get_by_role("button", name="Do again").click()
    shows(page, "#ended", "Minutes")
    wait_until(lambda: list(shared.rglob("*.png")), 10, "file in the share")
    expect(page.get_by_role("button", name="Do again")).to_have_count(0, timeout=SOON_MS)


def test_the_queue_and_a_held_job(page: Page, client: DspClient) -> None:
    page.get_by_role("button", name="Stop the queue").click()
    shows(page, "#state", "Stopped")
    token = send(client, root="Held one")
    page.get_by_role("button", name="Hold: Held one").click()
    shows(page, "#active", "Held")
    page.get_by_role("button", name="Let the queue go on").click()
    page.get_by_role("button", name="Release: Held one").click()
    assert ended(client, token) == "Completed"
    other = client.new_job(root="Wrong one")
    page.get_by_role("button", name="Cancel: Wrong one").click()
    shows(page, "#ended", "Cancelled")
    assert client.status(other).text("JobState") == "Canceled"


def test_a_filter_is_turned_off_and_on(page: Page, client: DspClient, panel: Panel) -> None:
    page.get_by_role("button", name="Turn off: File share").click()
    shows(page, "#filters", "Takes no new jobs")
    assert client.create(OWN_STORE).subcode == "InvalidArgs"
    page.get_by_role("button", name="Turn on: File share").click()
    shows(page, "#filters", "Takes new jobs")
    assert client.create(OWN_STORE).subcode == ""


def test_a_server_that_is_gone_is_told_of(page: Page, server: Running) -> None:
    server.stop()
    shows(page, "#lost", "The scan server does not answer. What you see may be old.")


def test_everybody_can_read_it(page: Page, client: DspClient, shared: Path, tmp_path: Path) -> None:
    """Nothing that axe complains of, and nothing that is wider than a phone."""
    ended(client, send(client, root="Invoices"))
    shared.rename(tmp_path / "away")
    ended(client, send(client, OWN_STORE, SHARE, root="Minutes"))
    client.new_job(root="<b>Not bold</b>")
    shows(page, "#active", "<b>Not bold</b>")
    shows(page, "#failed", "Minutes")
    shows(page, "#ended", "Invoices")
    for scheme, width in (("light", 1280), ("dark", 1280), ("dark", 390), ("light", 390)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 844})
        page.screenshot(path=screenshots(tmp_path) / f"server-{scheme}-{width}.png", full_page=True)
        report = Axe().run(page)
        assert report.violations_count == 0, report.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
