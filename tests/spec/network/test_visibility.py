"""Who sees whom: own and network, blinded peers, identified to those who opted in, public sums."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi import FastAPI

from service.network.app import create_app
from service.network.people.role import Person, Role
from tests.spec.network.people import PEOPLE, Browser, browser_of
from tests.spec.network.reports import DRINKING, Sender, network_config, summary_of

SOUTH = Person("south@example.org", Role.SITE_LEAD, frozenset({"south"}))
NOBODY_S = Person("visitor@example.org", Role.READER)
SHOWN = ("/", "/measures/Drinking", "/measures/Drinking.json", "/measures/Drinking.csv")
ALSO = ("/arrivals.json", "/calendar", "/news.atom", "/changes.json", "/fhir/MeasureReport")


@pytest.fixture
def app(tmp_path: object) -> Iterator[FastAPI]:
    config = network_config(
        f"sqlite:///{tmp_path}/network.db", access="accounts", secure_cookies=False
    )
    made = create_app(config)
    sender = Sender(Browser(made).client)
    for month in ("2025-01", "2025-02"):
        sender.report(summary_of("north", month))
        sender.report(summary_of("south", month, numerator=30, denominator=93))
    sender.report(summary_of("south", "2025-02", numerator=33, denominator=93))
    yield made
    made.state.network.engine.dispose()


def share(app: FastAPI, level: str, public: str = "") -> None:
    staff = browser_of(app, PEOPLE[Role.STAFF])
    path = "/staff/measures/Drinking/visibility"
    assert staff.fill(path, "/staff/sites", level=level, public=public).status_code == 303


def opt_in(app: FastAPI, person: Person, answer: str = "yes") -> int:
    (site,) = person.sites
    fields = {"measure": "Drinking", "identified": answer}
    browser = browser_of(app, person)
    return browser.fill(f"/sites/{site}/share", f"/sites/{site}", **fields).status_code


def names(browser: Browser) -> list[str]:
    (group,) = browser.get("/measures/Drinking.json").json()["groups"]
    return [series["name"] for series in group["series"]][1:]


def everything(browser: Browser) -> str:
    return "".join(browser.get(path).text for path in (*SHOWN, *ALSO))


def test_at_first_a_site_sees_itself_and_the_network(app: FastAPI) -> None:
    north = browser_of(app, PEOPLE[Role.SITE_LEAD])
    assert names(north) == ["North Hospital"]
    told = everything(north)
    assert "South Hospital" not in told and '"south"' not in told and "south:" not in told
    assert north.get("/sites/south").status_code == 404
    assert north.get("/reports/south.pdf").status_code == 404
    assert north.get("/measures/Drinking/charts/south.svg").status_code == 404
    assert names(browser_of(app, PEOPLE[Role.STAFF])) == ["North Hospital", "South Hospital"]


def test_who_is_of_no_site_sees_the_network_only(app: FastAPI) -> None:
    share(app, "identified")
    opt_in(app, SOUTH)
    assert names(browser_of(app, NOBODY_S)) == []


def test_blinded_peers_have_a_line_but_neither_name_nor_counts(app: FastAPI) -> None:
    share(app, "blinded")
    north = browser_of(app, PEOPLE[Role.SITE_LEAD])
    assert names(north) == ["North Hospital", "Peer 1"]
    told = everything(north)
    assert "South Hospital" not in told and '"south"' not in told
    (group,) = north.get("/measures/Drinking.json").json()["groups"]
    peer = group["series"][2]
    assert [p["numerator"] for p in peer["points"]] == [None, None]
    assert peer["points"][0]["rate"] == 30 / 93
    page = north.get("/measures/Drinking").text
    assert "30 of 93" not in page and "33 of 93" not in page


def test_names_are_shown_among_those_who_opted_in_and_can_be_taken_back(app: FastAPI) -> None:
    share(app, "identified")
    assert opt_in(app, SOUTH) == 303
    north = browser_of(app, PEOPLE[Role.SITE_LEAD])
    assert names(north) == ["North Hospital", "Peer 1"], "who shows no name sees none"
    assert opt_in(app, PEOPLE[Role.SITE_LEAD]) == 303
    north = browser_of(app, PEOPLE[Role.SITE_LEAD])
    assert names(north) == ["North Hospital", "South Hospital"]
    assert opt_in(app, SOUTH, "no") == 303
    assert names(north) == ["North Hospital", "Peer 1"]


def test_only_the_site_itself_or_staff_opt_it_in(app: FastAPI) -> None:
    lead = browser_of(app, PEOPLE[Role.SITE_LEAD])
    fields = {"measure": "Drinking", "identified": "yes"}
    assert lead.fill("/sites/south/share", "/sites/north", **fields).status_code == 403


def test_a_site_whose_agreement_excludes_members_is_shown_to_none(app: FastAPI) -> None:
    share(app, "blinded")
    staff = browser_of(app, PEOPLE[Role.STAFF])
    staff.fill("/staff/sites/south", "/staff/sites", measures=[DRINKING], recipients=["public"])
    assert names(browser_of(app, PEOPLE[Role.SITE_LEAD])) == ["North Hospital"]


def test_a_public_sum_needs_staff_and_enough_sites(app: FastAPI) -> None:
    anyone = Browser(app)
    assert anyone.get("/public/Drinking").status_code == 404
    share(app, "own", "yes")
    page = anyone.get("/public/Drinking")
    assert page.status_code == 200
    assert "too few centers to show a sum" in page.text and "of 153" not in page.text
    served = app.state.network
    fewer = served.config.model_copy(update={"public_sites": 2})
    app.state.network = replace(served, config=fewer)
    assert "54 of 153" in anyone.get("/public/Drinking").text
    assert "North Hospital" not in anyone.get("/public/Drinking").text


def test_texts_of_others_are_not_shown(app: FastAPI) -> None:
    note = {"kind": "note", "site": "south", "month": "2025-01", "text": "A matter of South"}
    south = browser_of(app, SOUTH)
    path = "/measures/Drinking/write"
    assert south.fill(path, path, **note).status_code == 303
    assert "A matter of South" in south.get("/measures/Drinking").text
    assert "A matter of South" not in everything(browser_of(app, PEOPLE[Role.SITE_LEAD]))
    assert "A matter of South" in everything(browser_of(app, PEOPLE[Role.STAFF]))
    foreign = {**note, "site": "north"}
    assert south.fill(path, path, **foreign).status_code == 403
