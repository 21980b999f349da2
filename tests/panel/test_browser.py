"""The front panel in a real browser: seen, pressed, typed at, and held against REST."""

import io
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients.wsscan import Client, scan_ticket
from eventing.subscriber import Sink, Subscriber
from panel.browser import Screen, chromium, screenshots
from panel.conftest import Panel
from panel.test_journal import panel_of
from PIL import Image, ImageDraw
from playwright.sync_api import Browser
from support.device import RunningDevice, end, start
from support.wait import wait_until

pytestmark = pytest.mark.slow

DESK = "Scan to DESK-7"
LOOPBACK = ("run", "--no-discovery", "--host", "127.0.0.1", "--port", "0")
PHONE = {"width": 390, "height": 844}


def page_of(text: str, kind: str, colour: str = "white") -> bytes:
    image = Image.new("RGB", (850, 1100), colour)
    ImageDraw.Draw(image).text((120, 120), text, fill="black", font_size=90)
    out = io.BytesIO()
    image.save(out, kind, dpi=(100, 100), resolution=100)
    return out.getvalue()


FILES = [
    {"name": "letter.jpg", "mimeType": "image/jpeg", "buffer": page_of("Dear Ada,", "JPEG")},
    {"name": "plan.pdf", "mimeType": "application/pdf", "buffer": page_of("The plan", "PDF")},
]


# ---- one browser, one device


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDevice]:
    home = tmp_path_factory.mktemp("browser")
    device = start([*LOOPBACK, "--panel-port", "0", "--state-dir", home / "state"], home / "log")
    yield device
    end(device)


@pytest.fixture
def panel(running: RunningDevice) -> Iterator[Panel]:
    """The panel of a device as it is after the start."""
    panel = panel_of(running)
    panel("POST", "feeder/load")
    yield panel
    for job in panel.get("jobs")["active"]:
        panel("POST", f"jobs/{job['id']}/cancel")
    for condition in panel.get("conditions"):
        panel("DELETE", f"conditions/{condition['id']}")
    for subscriber in panel.get("subscribers"):
        panel("DELETE", f"subscribers/{subscriber['id']}")
    wait_until(lambda: not panel.get("jobs")["active"], 10, "the end of all jobs")


@pytest.fixture
def make_screen(browser: Browser, panel: Panel, tmp_path: Path) -> Iterator[Any]:
    """The page, in a window of its own; it may not complain on its console."""
    contexts = []

    def make(at: Panel = panel, **options: Any) -> Screen:
        options = {
            "viewport": {"width": 1280, "height": 900},
            "reduced_motion": "reduce",
            **options,
        }
        context = browser.new_context(locale="en-GB", **options)
        screen = Screen(context, at, screenshots(tmp_path))
        contexts.append((context, screen))
        return screen

    yield make
    for context, screen in contexts:
        context.close()
        assert screen.complaints == []


@pytest.fixture
def screen(make_screen: Any) -> Screen:
    return make_screen().open()


class Computer:
    """A computer that waits for scans, and fetches one page after the other when it is told to."""

    def __init__(self, device: RunningDevice, sink: Sink, name: str = DESK) -> None:
        self.client = Client(device.hosted_url("ScannerServiceType"))
        self.sink = sink
        self.name = name
        self.made = Subscriber(self.client).subscribe(sink.url, destinations=[(name, "Scan")])

    def create(self, images: int, count: int = 1) -> Any:
        """The job that the latest press offers."""
        event = self.sink.wait_for("ScanAvailableEvent", count)[-1]
        return self.client.create_scan_job(
            scan_ticket(
                source=event.text("InputSource"), images=images, job_name="Minutes", user="ada"
            ),
            scan_identifier=event.text("ScanIdentifier"),
            destination_token=self.made.tokens["Scan"],
        )

    def fetch(self, job: Any) -> threading.Thread:
        """Fetch a page meanwhile."""
        thread = threading.Thread(target=self.client.retrieve_image, args=(job.id, job.token))
        thread.start()
        return thread


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def computer(running: RunningDevice, panel: Panel, sink: Sink) -> Computer:
    return Computer(running, sink)


# ---- the story


def test_a_scan_from_the_paper_to_the_computer(screen: Screen, panel: Panel, computer: Computer):
    page = screen.page
    screen.agree()
    screen.picture("1-ready")
    screen.button("Empty the feeder").click()
    screen.agree()
    assert screen.texts("#sheets .label") == []

    page.set_input_files("#feeder-files", FILES)
    screen.until(lambda: len(screen.texts("#sheets .label")) == 2, "two sheets")
    screen.agree()
    drop_file(screen, "#feeder", "photo.png", page_of("A photo", "PNG", "lightblue"))
    screen.until(lambda: len(screen.texts("#sheets .label")) == 3, "three sheets")
    screen.agree()
    screen.button("Earlier: photo.png").click()
    screen.agree()
    assert screen.texts("#sheets .label") == ["letter.jpg", "photo.png", "plan.pdf"]
    screen.button("Take out: plan.pdf").click()
    screen.agree()
    screen.until(lambda: all(loaded(screen, "#sheets img")), "pictures of the sheets")

    page.get_by_role("radio", name="Feeder", exact=True).check()
    screen.button(f"Scan: {DESK}").click()
    job = computer.create(images=2)
    screen.until(lambda: "Scanning" in outcome(screen), "scanning")
    screen.agree()
    computer.client.retrieve_image(job.id, job.token)
    screen.agree()
    assert "1 of 2 pages" in screen.texts("#jobs .job-state")[0]
    screen.picture("2-scanning")

    screen.button("Paper jam").click()
    screen.until(lambda: screen.texts("#state") == ["Stopped"], "a stop")
    second = computer.fetch(job)
    screen.agree()
    assert screen.texts("#reason") == ["Paper jam"]
    assert "the scanner is stopped" in screen.texts("#jobs .job-state")[0]
    (jam,) = panel.get("conditions")
    assert (jam["name"], jam["component"]) == ("MediaJam", "ADF")
    assert panel.get(f"jobs/{job.id}")["reasons"] == ["ScannerStopped"]
    screen.picture("3-jammed")
    screen.check_accessible()

    screen.button("Clear: Paper jam, feeder").click()
    second.join(20)
    assert not second.is_alive()
    screen.until(lambda: "Done" in outcome(screen), "done")
    screen.agree()
    assert panel.get(f"jobs/{job.id}")["state"] == "Completed"
    assert [one["state"] for one in panel.get("presses")][-1] == "done"
    assert screen.texts("#history .title")[0] == f"Job {job.id} · Minutes"
    assert "Completed" in screen.texts("#history .job-state")[0]
    screen.until(lambda: loaded(screen, "#history li:first-child img") == [True, True], "two pages")
    screen.picture("4-done")


def outcome(screen: Screen) -> str:
    """What became of the press, for the first destination."""
    return "".join(screen.texts(".destination .outcome")[:1])


def loaded(screen: Screen, selector: str) -> list[bool]:
    found: list[bool] = screen.page.eval_on_selector_all(
        selector, "all => all.map(one => one.complete && one.naturalWidth > 0)"
    )
    return found or [False]


def drop_file(screen: Screen, selector: str, name: str, content: bytes) -> None:
    """Drop a file as a person would: over the place, and let go."""
    data = screen.page.evaluate_handle(
        """([name, octets]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(octets)], name));
            return data;
        }""",
        [name, list(content)],
    )
    for kind in ("dragenter", "dragover", "drop"):
        screen.page.dispatch_event(selector, kind, {"dataTransfer": data})


def test_what_is_no_page_is_refused_with_the_reason(screen: Screen, panel: Panel):
    notes = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"milk"}
    screen.page.set_input_files("#feeder-files", [notes, FILES[0]])
    screen.until(lambda: screen.texts(".note p"), "a notice")
    assert screen.texts(".note p")[0].startswith("notes.txt: it is not a JPEG, PNG")
    screen.agree()
    assert panel.get("feeder")["pages"][-1]["label"] == "letter.jpg"
    screen.button("Close this notice").click()
    assert screen.texts(".note p") == []
    screen.page.set_input_files("#platen-files", [FILES[1]])
    screen.until(lambda: screen.texts("#bed .label") == ["plan.pdf"], "the plan on the glass")
    screen.button("Take the page off the glass").click()
    screen.agree()
    assert screen.texts("#bed .nothing") == ["Nothing lies on the glass."]
    screen.button("Load from source").click()
    screen.until(lambda: screen.texts("#bed .label") == ["chart"], "the chart")


def test_sheets_are_dragged_with_the_mouse(screen: Screen, panel: Panel):
    screen.page.drag_and_drop(
        ".sheet:nth-child(3)", ".sheet:nth-child(1)", target_position={"x": 5, "y": 40}
    )
    screen.until(
        lambda: [page["number"] for page in panel.get("feeder")["pages"]] == [5, 6, 1, 2, 3, 4],
        "the third sheet on top",
    )
    screen.agree()


def test_a_press_that_cannot_be_is_explained(screen: Screen, panel: Panel, computer: Computer):
    screen.agree()
    screen.button("Cover open").click()
    screen.until(lambda: screen.texts("#state") == ["Stopped"], "a stop")
    screen.button(f"Scan: {DESK}").click()
    screen.until(lambda: screen.texts(".note p"), "a notice")
    assert "stopped" in screen.texts(".note p")[0]
    screen.button("Cover open").click()
    screen.agree()
    assert panel.get("conditions") == []


def test_a_job_is_cancelled_and_a_condition_of_any_kind_raised(
    screen: Screen, panel: Panel, computer: Computer
):
    job = computer.client.create_scan_job(scan_ticket(source="Platen"))
    screen.agree()
    screen.button(f"Cancel job {job.id}").click()
    screen.agree()
    assert panel.get(f"jobs/{job.id}")["reasons"] == ["JobCanceledAtDevice"]
    screen.page.get_by_text("Another condition").click()
    screen.page.select_option("#condition-name", "InterlockOpen")
    screen.page.select_option("#condition-component", "MediaPath")
    screen.page.select_option("#condition-severity", "Warning")
    screen.button("Raise").click()
    screen.until(lambda: screen.texts("#conditions .title"), "the condition")
    assert screen.texts("#conditions .title") == ["Interlock open, paper path"]
    (raised,) = panel.get("conditions")
    assert (raised["component"], raised["severity"]) == ("MediaPath", "Warning")
    screen.button("End the subscription of 127.0.0.1").click()
    screen.until(lambda: panel.get("subscribers") == [], "the end of the subscription")


# ---- what was said


def test_messages_are_found_and_laid_out(screen: Screen, panel: Panel, computer: Computer):
    computer.client.create_scan_job(scan_ticket(job_name="<b>needle</b> & co"))
    screen.page.get_by_label("Search", exact=True).fill("NEEDLE")
    screen.until(lambda: screen.texts("#wire-count") == ["1 message found"], "one message")
    assert screen.texts("#entries .action") == ["CreateScanJob"]
    screen.page.locator(".entry summary").click()
    screen.page.wait_for_selector("pre")
    request, reply = screen.texts("pre")
    assert re.search(r"^ {10,}<sca:JobName><b>needle</b> & co</sca:JobName>$", request, re.M), (
        request
    )
    assert re.search(r"^ {6}<\S*JobId>\d+</\S*JobId>$", reply, re.MULTILINE), reply
    assert screen.page.locator("pre b").count() == 0
    screen.check_accessible()
    screen.page.get_by_label("Search", exact=True).fill("")
    screen.page.get_by_label("Show").select_option("event")
    screen.until(
        lambda: set(screen.texts(".entry .arrow")) in ({"→"}, set()), "events and nothing else"
    )


def test_markup_from_a_client_stays_text(screen: Screen, running: RunningDevice, sink: Sink):
    name = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    Computer(running, sink, name)
    screen.until(lambda: screen.texts("#destinations .name") == [name], "the name as it is")
    assert screen.page.title() != "1"
    assert screen.page.locator("#destinations img, #destinations script").count() == 0


# ---- for everybody


def test_the_keyboard_is_enough(screen: Screen, panel: Panel, computer: Computer):
    screen.agree()
    page = screen.page
    page.keyboard.press("Tab")
    assert focused(screen) == "Skip to the panel"
    page.keyboard.press("Enter")
    seen: list[str] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        name = focused(screen)
        if name in ("", seen[0] if seen else None):
            break
        assert outlined(screen), f"{name} shows no focus"
        seen.append(name)
        if name == f"Scan: {DESK}":
            page.keyboard.press("Enter")
        elif name == "Calibrating":
            page.keyboard.press("Space")
        elif name == "Later: sheet 1":
            page.keyboard.press("Enter")
            screen.until(
                lambda: screen.texts("#sheets .label")[0].startswith("sheet 2"), "another order"
            )
            assert panel.get("feeder")["pages"][0]["label"] == "sheet 2 front"
            screen.until(lambda: focused(screen) == "Later: sheet 1", "the focus on the sheet")
    for name in ("Automatic", f"Scan: {DESK}", "Load from source", "Add files", "Paper jam"):
        assert name in seen
    assert any("Subscribe" in name for name in seen), seen
    assert len(computer.sink.wait_for("ScanAvailableEvent")) == 1
    screen.until(lambda: [one["name"] for one in panel.get("conditions")] == ["Calibrating"], "it")
    screen.agree()


def test_the_focus_stays_near_what_is_taken_away(screen: Screen, panel: Panel):
    for out, near in (("sheet 2", "sheet 3"), ("sheet 3", "sheet 1")):
        screen.page.get_by_label(f"Take out: {out}", exact=True).press("Enter")
        screen.until(lambda near=near: focused(screen) == f"Take out: {near}", "the focus there")
    screen.page.keyboard.press("Enter")
    screen.until(lambda: not panel.get("feeder")["pages"], "an empty feeder")
    screen.until(lambda: focused(screen).startswith("Paper"), "the focus on the section")


def focused(screen: Screen) -> str:
    """The accessible name of what has the focus, near enough."""
    text: str = screen.page.evaluate(
        """() => {
            const one = document.activeElement;
            if (!one || one === document.body) return "";
            const label = one.getAttribute("aria-label") || one.labels?.[0]?.innerText;
            const picture = one.querySelector("img")?.alt;
            const name = label || one.innerText.trim() || picture || one.id;
            return name.replace(/\\s+/g, " ").trim();
        }"""
    )
    return text


def outlined(screen: Screen) -> bool:
    """Whether one can see where the focus is: at the element, its label, or what stands for it."""
    found: bool = screen.page.evaluate(
        """() => {
            const one = document.activeElement;
            const shown = [one, one.closest("label"), one.nextElementSibling].filter(Boolean);
            return shown.some((node) => getComputedStyle(node).outlineStyle !== "none");
        }"""
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(make_screen: Any, panel: Panel, computer: Computer, scheme: str):
    screen = make_screen(color_scheme=scheme).open()
    computer.client.create_scan_job(scan_ticket())
    screen.page.set_input_files("#feeder-files", FILES)
    for name in ("CoverOpen", "Calibrating"):
        panel("POST", "conditions", {"name": name, "component": "ADF"})
    screen.page.set_input_files("#platen-files", [{**FILES[0], "buffer": b"no picture"}])
    screen.until(lambda: screen.texts(".note p"), "a notice")
    screen.until(lambda: len(screen.texts("#conditions li")) == 2, "two conditions")
    screen.unfold()
    screen.picture(f"5-everything-{scheme}")
    screen.check_accessible()


def test_it_fits_on_a_phone(make_screen: Any, panel: Panel, computer: Computer):
    screen = make_screen(
        viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2
    ).open()
    screen.agree()
    screen.unfold()
    wide = screen.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"]
    small = screen.page.eval_on_selector_all(
        "button, select, summary, input[type=search], label.key",
        """all => all.filter((one) => one.checkVisibility()).filter((one) => {
            const box = one.getBoundingClientRect();
            return box.width < 24 || box.height < 24;
        }).map((one) => one.outerHTML)""",
    )
    assert small == []
    screen.button(f"Scan: {DESK}").tap()
    assert computer.sink.wait_for("ScanAvailableEvent")
    screen.until(lambda: "Waiting" in outcome(screen), "waiting")
    screen.picture("6-phone")
    screen.check_accessible()


def test_a_camera_reads_the_code(screen: Screen, panel: Panel, tmp_path: Path):
    if shutil.which("zbarimg") is None:
        pytest.skip("zbar-tools is not installed")
    screen.until(lambda: all(loaded(screen, "#qr")), "the code")
    screen.page.locator("#qr").screenshot(path=tmp_path / "qr.png")
    read = subprocess.run(
        ["zbarimg", "--quiet", "--raw", tmp_path / "qr.png"], capture_output=True, text=True
    )
    assert read.stdout.strip() == panel.get("state")["page"]


# ---- lost, found, and let in


def test_a_lost_connection_is_said_and_found_again(make_screen: Any, tmp_path: Path):
    command = [*LOOPBACK, "--state-dir", tmp_path / "state", "--panel-port"]
    first = start([*command, "0"], tmp_path / "log")
    at = panel_of(first)
    screen = make_screen(at).open()
    end(first)
    screen.page.wait_for_selector("#lost:visible")
    assert "lost" in screen.texts("#lost")[0]
    screen.picture("7-lost")
    screen.check_accessible()
    second = start([*command, str(at.port)], tmp_path / "log2")
    try:
        panel_of(second)("POST", "conditions", {"name": "LampError", "component": "Platen"})
        screen.live()
        assert screen.texts("#lost") == []
        screen.agree()
    finally:
        end(second)


def test_a_token_lets_in(make_screen: Any, tmp_path: Path):
    token = "open & sesame"
    command = [*LOOPBACK, "--panel-port", "0", "--panel-token", token]
    device = start([*command, "--state-dir", tmp_path / "state"], tmp_path / "log")
    try:
        screen = make_screen(panel_of(device))
        screen.page.goto(f"http://127.0.0.1:{screen.panel.port}/")
        screen.picture("8-sign-in")
        screen.check_accessible()
        for given in ("sesame", token):
            screen.page.get_by_label("Token").fill(given)
            screen.page.keyboard.press("Enter")
            if given != token:
                screen.page.get_by_text("That is not the token.").wait_for()
        screen.live()
        screen.until(lambda: all(loaded(screen, "#sheets img")), "pictures")
        screen.button("Paper jam").click()
        screen.until(lambda: screen.texts("#state") == ["Stopped"], "a stop")
        assert token not in str(screen.page.context.cookies())
        screen.page.reload()
        screen.live()

        other = make_screen(screen.panel)
        other.page.goto(f"http://127.0.0.1:{screen.panel.port}/?token=open+%26+sesame")
        other.live()
        assert other.page.url.endswith(f":{screen.panel.port}/")
    finally:
        end(device)
