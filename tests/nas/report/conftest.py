"""Made-up reports, and a real browser to look at them: headless Chromium, opened from disk."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nas.report import ReportData, Target, render_report
from nas.report.html import write_page
from tests.nas.report.made_up import make_report, make_target

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
TIMEOUT_MS = 180_000


@pytest.fixture(name="make_report")
def make_report_fixture() -> Callable[..., ReportData]:
    """`make_report(n, seed=..., **fields)`."""
    return make_report


@pytest.fixture(name="make_target")
def make_target_fixture() -> Callable[..., Target]:
    """`make_target(name, evaluations, rng, **fields)`."""
    return make_target


@pytest.fixture(name="browser", scope="session")
def browser_fixture() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on PATH")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(name="open_page")
def open_page_fixture(browser, tmp_path) -> Iterator[Any]:
    """Opens a page's text; afterwards nothing may have been logged, thrown or fetched."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    # However busy the machine is with other tests.
    context.set_default_timeout(TIMEOUT_MS)
    complaints: list[str] = []

    def open_page(text: str, **emulation: Any) -> Any:
        path = tmp_path / "page.html"
        write_page(path, text)
        page = context.new_page()
        page.emulate_media(**emulation)
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.split("#")[0] == path.as_uri() or request.url.startswith("data:")
                else complaints.append(f"request: {request.url}")
            ),
        )
        page.goto(path.as_uri())
        return page

    yield open_page
    context.close()
    assert complaints == []


@pytest.fixture(name="open_report")
def open_report_fixture(open_page) -> Callable[..., Any]:
    """Opens a report as `open_page` does."""
    return lambda data, **emulation: open_page(render_report(data), **emulation)
