"""A reader's way through the network's pages, in a real browser.

The pictures in docs/images are made here: run with WEIR_SCREENSHOTS=1 to make them anew.
"""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect, sync_playwright

from service.network.app import create_app
from tests.journeys import two_rivers
from tests.spec.network.reports import LOCAL, Sender

CHROMIUM = os.environ.get("WEIR_CHROMIUM") or shutil.which("chromium")
IMAGES = Path(__file__).parents[2] / "docs/images"
DESKTOP, PHONE = {"width": 1180, "height": 900}, {"width": 390, "height": 844}
PICTURES = {
    "network-home": ("/", DESKTOP, 1100),
    "network-measure": ("/measures/dreaming", DESKTOP, 1800),
    "network-phone": ("/measures/dreaming", PHONE, 1000),
}
AIM = {
    "kind": "aim",
    "statement": "Four of five patients drink, eat and get up within a day of surgery",
    "goal": "80",
    "start": "2024-07",
    "by": "2026-06",
}
CYCLE = {
    "kind": "pdsa",
    "site": "south",
    "start": "2025-06",
    "plan": "Two wards try a card at the bed",
    "change": "Card at the bed with the three goals",
}
PAGES = ("/", "/measures/dreaming", "/measures/readmission")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="chromium is missing: apt-get install -y chromium, or set WEIR_CHROMIUM",
    ),
]

# WCAG 2.2, 1.4.3: contrast of every piece of text that is seen with what lies behind it.
LOW_CONTRAST = """
() => {
  const rgb = text => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    for (let at = node; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const ink = rgb(node instanceof SVGElement ? style.fill : style.color);
    const [one, two] = [light(ink), light(behind(node))].sort((a, b) => b - a);
    if ((one + 0.05) / (two + 0.05) < 4.5) found.push(walker.currentNode.data.trim());
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running network that two centers have reported to."""
    app = create_app(two_rivers.config(f"sqlite:///{tmp_path_factory.mktemp('network')}/n.db"))
    sender = Sender(TestClient(app, base_url=LOCAL))
    for report in two_rivers.reports():
        assert sender.report(report).status_code == 201
    for entered in (AIM, CYCLE):
        assert sender.fill("/measures/dreaming/write", entered).status_code == 303
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, args=([opened],))
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{opened.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(
    params=[
        pytest.param(True, id="scripts"),
        pytest.param(False, marks=pytest.mark.full, id="no-scripts"),
    ]
)
def page(request: pytest.FixtureRequest, network: str, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        base_url=network, viewport=DESKTOP, java_script_enabled=request.param
    )
    yield context.new_page()
    context.close()


def test_from_the_grid_to_a_measure_and_its_numbers(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Drinking, eating and mobilising").first.click()
    grid = page.get_by_role("region", name="What has arrived").get_by_role("table")
    row = grid.get_by_role("row").filter(has_text="South Hospital").first
    expect(row.get_by_role("cell")).to_have_count(24)
    cells = row.get_by_role("cell").all_text_contents()
    assert [cells[4], cells[7], cells[14]] == [
        *("suppressed", "missing", "not computable: type refused")
    ]
    assert page.get_by_role("heading", level=1).text_content() == (
        "Drinking, eating and mobilising within 24 hours of surgery"
    )
    page.get_by_text("Numbers of South Hospital, All three").click()
    table = page.get_by_role("region", name="Numbers of South Hospital, All three")
    assert "May 2024 suppressed suppressed 63 suppressed" in " ".join(table.inner_text().split())


def test_the_two_centers_differ_as_planted(page: Page) -> None:
    page.goto("/measures/dreaming")
    north = page.get_by_role("article").filter(has_text="North Hospital").nth(1)
    assert "above the median, the better side" in north.inner_text()
    south = page.get_by_role("article").filter(has=page.get_by_role("heading", name="South"))
    assert "No sign of special cause" in south.first.inner_text()


def test_every_chart_has_a_name_and_its_words(page: Page) -> None:
    page.goto("/measures/dreaming")
    charts = page.get_by_role("img", name="Run chart, North Hospital, All three.")
    assert charts.count() == 1
    assert page.get_by_role("img", name="Special cause, December 2024 to").count() == 2
    assert page.get_by_role("img", name="Run chart").count() == 12


def test_by_keyboard(page: Page) -> None:
    page.goto("/measures/readmission")
    page.keyboard.press("Tab")
    assert page.locator(":focus").text_content() == "Skip to the content"
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("region", name="Numbers of Two Rivers").is_visible()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("page", [True], indirect=True, ids=["scripts"])
class TestEveryPage:
    def test_has_enough_contrast(self, page: Page, path: str) -> None:
        page.goto(path)
        assert page.evaluate(LOW_CONTRAST) == []

    def test_fits_a_phone(self, page: Page, path: str) -> None:
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]

    def test_loads_without_complaint(self, page: Page, path: str) -> None:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto(path)
        assert complaints == []

    def test_has_one_main_heading_and_no_id_twice(self, page: Page, path: str) -> None:
        page.goto(path)
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
        assert len(ids) == len(set(ids))
        assert page.get_by_role("heading", level=1).count() == 1


@pytest.mark.parametrize("page", [True], indirect=True, ids=["scripts"])
def test_print_shows_the_numbers_and_not_the_menu(page: Page) -> None:
    page.goto("/measures/readmission")
    page.emulate_media(media="print")
    assert page.get_by_role("region", name="Numbers of North").get_by_role("table").is_visible()
    assert not page.get_by_role("navigation").is_visible()


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_for_the_documentation(browser: Browser, network: str, name: str) -> None:
    path, viewport, height = PICTURES[name]
    opened = browser.new_page(viewport=viewport, base_url=network)  # type: ignore[arg-type]
    opened.goto(path)
    clip = {"x": 0, "y": 0, "width": viewport["width"], "height": height}
    picture = opened.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]
    opened.close()
    kept = IMAGES / f"{name}.png"
    if os.environ.get("WEIR_SCREENSHOTS"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(picture)
    assert _size(kept.read_bytes()) == _size(picture), "make it anew with WEIR_SCREENSHOTS=1"


def _size(png: bytes) -> tuple[int, int]:
    """Width and height, from the header of a PNG."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
