"""Answers are compressed where that tells nothing; feeds and files come again only when changed."""

import gzip
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.network.app import create_app
from service.network.people.role import Person, Role
from tests.spec.network.people import PEOPLE, Browser, browser_of, token_of
from tests.spec.network.reports import LOCAL, Sender, network_config, summary_of
from tests.spec.network.test_measure import YEAR, send

SOUTH = Person("south@example.org", Role.SITE_LEAD, frozenset({"south"}))
PATHS = (
    *("/measures/Drinking.json", "/measures/Drinking.csv", "/measures/Drinking/series/north.csv"),
    *("/measures/Drinking/charts/north.svg", "/measures/Drinking/charts/north.png"),
    *("/measures/Drinking/charts/north.pdf", "/reports/north.pdf", "/arrivals.json"),
    *("/news.atom", "/changes.json", "/fhir/MeasureReport", "/openapi.json"),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """A network with accounts, to which two sites have reported a year."""
    url = f"sqlite:///{tmp_path_factory.mktemp('network')}/network.db"
    made: FastAPI = create_app(network_config(url, access="accounts", secure_cookies=False))
    sender = Sender(TestClient(made, base_url=LOCAL))
    send(sender, *(summary_of(site, month) for site in ("north", "south") for month in YEAR))
    send(sender, summary_of("north", YEAR[0], numerator=24))
    yield made
    made.state.network.engine.dispose()


@pytest.fixture(scope="module")
def north(app: FastAPI) -> Browser:
    return browser_of(app, PEOPLE[Role.SITE_LEAD])


@pytest.fixture(scope="module")
def south(app: FastAPI) -> Browser:
    return browser_of(app, SOUTH)


def get(browser: Browser, path: str, **headers: str) -> Any:
    sent = {"Accept-Encoding": "identity", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return browser.client.get(path, headers=sent)


@pytest.mark.parametrize("path", PATHS)
def test_what_a_reader_has_already_is_not_sent_again(north: Browser, path: str) -> None:
    first = get(north, path)
    tag = first.headers["ETag"]
    assert first.status_code == 200 and tag.startswith('"')
    again = get(north, path, If_None_Match=f'"another", W/{tag}')
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert get(north, path, If_None_Match='"another"').content == first.content
    for answer in (first, again):
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert {"Authorization", "Cookie"} <= set(answer.headers["Vary"].split(", "))


def test_a_new_report_changes_the_tag(app: FastAPI, north: Browser) -> None:
    tag = get(north, "/measures/Drinking.csv").headers["ETag"]
    send(Sender(TestClient(app, base_url=LOCAL)), summary_of("north", YEAR[1], numerator=27))
    later = get(north, "/measures/Drinking.csv", If_None_Match=tag)
    assert later.status_code == 200 and later.headers["ETag"] != tag


@pytest.mark.parametrize("path", ["/measures/Drinking.json", "/fhir/MeasureReport"])
def test_another_reader_s_tag_brings_one_s_own_numbers_and_no_other(
    north: Browser, south: Browser, path: str
) -> None:
    theirs = get(north, path)
    own = get(south, path, If_None_Match=theirs.headers["ETag"])
    assert own.status_code == 200 and own.content != theirs.content
    assert b"South" in own.content or b'"south"' in own.content
    assert b"North" not in own.content and b'"north"' not in own.content


def test_a_tag_lets_nobody_in(app: FastAPI, north: Browser) -> None:
    tag = get(north, "/measures/Drinking.json").headers["ETag"]
    assert get(Browser(app), "/measures/Drinking.json", If_None_Match=tag).status_code == 401
    assert get(Browser(app), "/measures/Drinking.json", If_None_Match="*").status_code == 401


def test_feeds_are_compressed_for_who_takes_it(app: FastAPI, north: Browser) -> None:
    plain = get(north, "/measures/Drinking.json")
    assert "Content-Encoding" not in plain.headers
    assert (
        "Content-Encoding"
        not in get(north, "/measures/Drinking.json", Accept_Encoding="gzip;q=0").headers
    )
    bearer = f"Bearer {token_of(app, PEOPLE[Role.READER])}"
    asked = {"Accept-Encoding": "br, gzip", "Authorization": bearer}
    with Browser(app).client.stream("GET", "/measures/Drinking.json", headers=asked) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == "gzip"
    assert int(answer.headers["Content-Length"]) == len(raw) < len(plain.content) / 3
    assert gzip.decompress(raw) == plain.content
    assert answer.headers["ETag"] != plain.headers["ETag"], "other bytes, another strong tag"


@pytest.mark.parametrize("path", ["/", "/measures/Drinking", "/calendar"])
def test_pages_without_a_secret_are_compressed_and_not_tagged(north: Browser, path: str) -> None:
    plain, zipped = get(north, path), get(north, path, Accept_Encoding="gzip")
    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert zipped.content == plain.content and b'name="form"' not in plain.content
    assert int(zipped.headers["Content-Length"]) < len(plain.content) / 2
    for answer in (plain, zipped):
        assert "ETag" not in answer.headers
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert {"Accept-Encoding", "Cookie"} <= set(answer.headers["Vary"].split(", "))


@pytest.mark.parametrize("path", ["/sites/north", "/measures/Drinking/write"])
def test_pages_which_hold_the_tokens_of_forms_are_not_compressed(north: Browser, path: str) -> None:
    """Their size would tell of the token to whoever has words of their own put beside it."""
    answer = get(north, path, Accept_Encoding="gzip")
    assert answer.status_code == 200 and len(answer.content) > 1000
    assert b'name="form"' in answer.content
    assert "Content-Encoding" not in answer.headers and "ETag" not in answer.headers


@pytest.mark.parametrize("role", [Role.ANYONE, Role.SITE_LEAD, Role.STAFF, Role.ADMINISTRATOR])
def test_no_page_of_any_role_has_both(app: FastAPI, role: Role) -> None:
    """Every page that is there, whatever is added to it: a form's token, or compression."""
    browser = Browser(app) if role is Role.ANYONE else browser_of(app, PEOPLE[role])
    names = {"measure_id": "Drinking", "site_id": "north"}
    pages = 0
    for route in app.routes:
        if "GET" not in (getattr(route, "methods", None) or ()):
            continue
        answer = get(browser, path_of(route, names), Accept_Encoding="gzip")
        page = answer.headers.get("Content-Type", "").startswith("text/html")
        pages += page and answer.status_code == 200
        if b'name="form"' in answer.content or answer.status_code != 200:
            assert not page or "Content-Encoding" not in answer.headers, route
    assert pages >= 1


def path_of(route: Any, names: dict[str, str]) -> str:
    path = route.path
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    return str(path)
