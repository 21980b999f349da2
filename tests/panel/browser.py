"""Chromium on the panel: what a person sees, and what REST says that there is to see."""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from panel.conftest import Panel
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from support.wait import wait_until

ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
SOON_S = 20.0

STATES = {"Ready": "Idle", "Scanning": "Processing", "Stopped": "Stopped"}


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser, without a window and without a network of its own."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*ARGUMENTS, *as_root], timeout=60_000
        )
        yield browser
        browser.close()


def screenshots(tmp_path: Path) -> Path:
    """Where pictures of the page are kept: $PANEL_SCREENSHOTS, or the test's own folder."""
    folder = Path(os.environ.get("PANEL_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Screen:
    """The page in a browser, beside the REST of the same panel."""

    def __init__(self, context: BrowserContext, panel: Panel, folder: Path) -> None:
        self.panel = panel
        self.page: Page = context.new_page()
        self.page.set_default_timeout(SOON_S * 1000)
        self.complaints: list[str] = []
        self._folder = folder
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.complaints.append(said.text) if _is_ours(said) else None,
        )

    def open(self, query: str = "") -> "Screen":
        self.page.goto(f"http://127.0.0.1:{self.panel.port}/{query}")
        return self.live()

    def live(self) -> "Screen":
        """Wait until the page is connected."""
        self.page.wait_for_selector('#line[data-line="live"]')
        return self

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def texts(self, selector: str) -> list[str]:
        """The texts of what is visible."""
        found: list[str] = self.page.eval_on_selector_all(
            selector, "all => all.filter(one => one.checkVisibility()).map(one => one.innerText)"
        )
        return [text.strip() for text in found]

    def until(self, condition: Callable[[], object], what: str) -> None:
        wait_until(condition, SOON_S, what, every_s=0.03)

    def agree(self) -> None:
        """Wait until the page shows what REST tells."""
        shown: dict[str, Any] = {}
        told: dict[str, Any] = {}

        def same() -> bool:
            shown.update(self.shown())
            told.update(self.told())
            return shown == told

        try:
            self.until(same, "agreement")
        except TimeoutError:
            assert shown == told
            raise

    def shown(self) -> dict[str, Any]:
        """What the page says, in REST's words."""
        return {
            "state": STATES.get(self.texts("#state")[0]),
            "sheets": self.texts("#sheets .label"),
            "glass": self.texts("#bed .label"),
            "destinations": self.texts("#destinations .name"),
            "jobs": [int(re.findall(r"\d+", text)[0]) for text in self.texts("#jobs .title")],
            "pages": [
                int(re.search(r"(\d+) (?:of \d+ )?pages?$", text)[1])  # type: ignore[index]
                for text in self.texts("#jobs .job-state")
            ],
            "conditions": len(self.texts("#conditions li")),
            "pressed": sorted(
                self.page.eval_on_selector_all(
                    ".switch[aria-pressed=true]", "all => all.map(one => one.dataset.name)"
                )
            ),
            "subscribers": self.texts("#subscribers .title"),
        }

    def told(self) -> dict[str, Any]:
        """The same by REST."""
        state, jobs = self.panel.get("state"), self.panel.get("jobs")
        conditions = self.panel.get("conditions")
        return {
            "state": state["scanner"]["state"],
            "sheets": list(_sheets(self.panel.get("feeder")["pages"])),
            "glass": [page["label"] for page in self.panel.get("platen")["pages"][:1]],
            "destinations": [one["name"] for one in self.panel.get("destinations")],
            "jobs": [one["id"] for one in jobs["active"]],
            "pages": [one["scans_completed"] for one in jobs["active"]],
            "conditions": len(conditions),
            "pressed": sorted(one["name"] for one in conditions),
            "subscribers": [one["client"] for one in self.panel.get("subscribers")],
        }

    def unfold(self) -> None:
        """Open what is folded, and the latest message."""
        self.page.evaluate(
            """document.querySelectorAll("details:not(.entry details), .entry:first-child details")
                .forEach((one) => one.open = true)"""
        )
        self.page.wait_for_selector("pre")

    def picture(self, name: str) -> Path:
        """Keep a picture of the whole page."""
        path = self._folder / f"{name}.png"
        with self._not_ours():
            self.page.screenshot(path=path, full_page=True)
        return path

    @contextlib.contextmanager
    def _not_ours(self) -> Iterator[None]:
        """The tools themselves try styles that the page's policy forbids."""
        before = list(self.complaints)
        yield
        self.page.evaluate("0")  # what was said until now is heard by then
        self.complaints = before

    def check_accessible(self) -> None:
        """Nothing that axe complains of."""
        with self._not_ours():
            report = Axe().run(self.page)
        assert report.violations_count == 0, report.generate_report()


def _is_ours(said: ConsoleMessage) -> bool:
    """Whether the page is to blame. What REST refuses is said on the page."""
    return said.type == "error" and "Failed to load resource" not in said.text


def _sheets(pages: list[dict[str, Any]]) -> Iterator[str]:
    for page, after in zip_longest(pages, pages[1:]):
        if not page["back"]:
            double = after is not None and after["back"]
            yield f"{page['label'].removesuffix(' front')}, both sides" if double else page["label"]
