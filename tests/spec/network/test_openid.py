"""Staff sign in at their organization's OpenID provider, a real one that runs here."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.network.app import create_app
from service.network.people.role import Role
from tests.spec.network.openid import CLIENT, SECRET, Provider, running
from tests.spec.network.people import PEOPLE, Browser, admit
from tests.spec.network.reports import network_config

STAFF = PEOPLE[Role.STAFF]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running() as started:
        yield started


@pytest.fixture
def app(provider: Provider, tmp_path: Path) -> Iterator[FastAPI]:
    (tmp_path / "secret").write_text(SECRET)
    oidc = {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret_file": tmp_path / "secret",
        "name": "Example University",
    }
    config = network_config(
        f"sqlite:///{tmp_path}/n.db", access="accounts", secure_cookies=False, oidc=oidc
    )
    made = create_app(config)
    admit(made, STAFF)
    yield made
    made.state.network.engine.dispose()


def there_and_back(browser: Browser, state: str | None = None) -> httpx.Response:
    """Follow the link to the provider, and its answer back to the network."""
    sent = browser.get("/sign-in/oidc")
    assert sent.status_code == 302
    back = httpx.get(sent.headers["location"], trust_env=False, timeout=60).headers["location"]
    path = back.removeprefix("http://127.0.0.1")
    return browser.get(path if state is None else f"{path.partition('&state=')[0]}&state={state}")


def test_a_known_verified_address_opens_its_account(app: FastAPI, provider: Provider) -> None:
    provider.claims = {"email": STAFF.name.upper(), "email_verified": True}
    browser = Browser(app)
    assert "Sign in with Example University" in browser.get("/sign-in").text
    assert there_and_back(browser).headers["location"] == "/"
    assert browser.get("/staff/sites").status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "stranger@example.org", "email_verified": True},
        {"email": STAFF.name, "email_verified": False},
        {"email": STAFF.name},
        {"email": STAFF.name, "email_verified": True, "aud": "another client"},
        {"email": STAFF.name, "email_verified": True, "iss": "https://elsewhere.example.org"},
        {"email": STAFF.name, "email_verified": True, "nonce": "of another time"},
        {"email": STAFF.name, "email_verified": True, "exp": 1},
    ],
    ids=["unknown", "unverified", "not said", "for another", "by another", "replayed", "expired"],
)
def test_nobody_else_gets_in(app: FastAPI, provider: Provider, claims: dict[str, object]) -> None:
    provider.claims = claims
    browser = Browser(app)
    assert there_and_back(browser).status_code == 403
    assert browser.get("/").headers["location"] == "/sign-in"


def test_an_answer_that_was_not_asked_for_does_not_count(app: FastAPI, provider: Provider) -> None:
    provider.claims = {"email": STAFF.name, "email_verified": True}
    assert there_and_back(Browser(app), state="forged").status_code == 403
