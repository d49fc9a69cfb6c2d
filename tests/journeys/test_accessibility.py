"""Every page as central staff and as a site lead, on a phone and a desktop, judged by axe-core."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from service.network.app import create_app
from service.network.people.role import Person, Role
from tests.journeys import two_rivers
from tests.journeys.test_pages import CHROMIUM, DESKTOP, PHONE, browser
from tests.spec.network.people import PASSWORD, PEOPLE, admit
from tests.spec.network.people import Browser as Client
from tests.spec.network.reports import Sender

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="make setup brings it")
__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing: apt-get install -y chromium"),
]
READ = ("/", "/measures/dreaming", "/sites/north", "/calendar", "/measures/dreaming/compare")
WRITE = (*READ, "/measures/dreaming/write")
PAGES = {
    Role.SITE_LEAD: WRITE,
    Role.ADMINISTRATOR: (*WRITE, "/staff/sites", "/admin/accounts", "/admin/audit"),
}
LEAD = Person("lead@example.org", Role.SITE_LEAD, frozenset({"north"}))
WHO = {Role.SITE_LEAD: LEAD, Role.ADMINISTRATOR: PEOPLE[Role.ADMINISTRATOR]}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running network that readers sign in to."""
    url = f"sqlite:///{tmp_path_factory.mktemp('network')}/n.db"
    app = create_app(two_rivers.config(url, access="accounts", secure_cookies=False))
    admit(app, *WHO.values())
    sender = Sender(Client(app).client)
    for report in two_rivers.reports():
        assert sender.report(report).status_code == 201
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


def signed_in(browser: Browser, address: str, person: Person, **options: Any) -> Page:
    """A page of somebody who has signed in through the form."""
    page = browser.new_context(base_url=address, **options).new_page()
    page.goto("/")
    page.get_by_label("E-mail address").fill(person.name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="What changed since you last looked").wait_for()
    return page


@pytest.mark.full
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("role", [Role.SITE_LEAD, Role.ADMINISTRATOR])
def test_axe_finds_nothing_serious(
    browser: Browser, address: str, role: Role, viewport: dict[str, int]
) -> None:
    page = signed_in(browser, address, WHO[role], viewport=viewport)
    for path in PAGES[role]:
        page.goto(path)
        found = axe.Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        told = [(v["id"], v["nodes"][0]["html"][:200]) for v in serious]
        assert told == [], path
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"], path


@pytest.mark.parametrize(
    "scripts",
    [
        pytest.param(True, marks=pytest.mark.full, id="scripts"),
        pytest.param(False, marks=pytest.mark.full, id="no-scripts"),
    ],
)
def test_a_site_lead_enters_a_cycle_and_shows_the_name(
    browser: Browser, address: str, scripts: bool
) -> None:
    page = signed_in(browser, address, LEAD, viewport=DESKTOP, java_script_enabled=scripts)
    page.goto("/measures/dreaming")
    page.get_by_role("link", name="Enter an aim, a cycle or a note").click()
    cycle = page.locator("form", has=page.get_by_role("button", name="Enter the cycle"))
    cycle.get_by_label("From the month").fill("2025-02")
    cycle.get_by_label("Plan").fill("Ask on the ward")
    cycle.get_by_label("The change that is tested").fill(f"Jugs by the bed, {scripts}")
    cycle.get_by_role("button").click()
    expect(page.get_by_text(f"Jugs by the bed, {scripts}").first).to_be_attached()
    page.goto("/sites/north")
    shows = page.get_by_role("button", name="Show it").first
    before = shows.inner_text()
    shows.click()
    expect(shows).not_to_have_text(before)
    assert page.get_by_role("link", name="Accounts").count() == 0
