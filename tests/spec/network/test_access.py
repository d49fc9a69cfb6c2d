"""Who may do what: every route as every role, signing in and out, forms, tokens, the audit."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlmodel import Session, select
from starlette.routing import Mount, Route

from service.errors import ConfigError
from service.network.app import create_app
from service.network.audit import Audit
from service.network.config import NetworkConfig
from service.network.people.account import FAILURES, SHORTEST, put_account
from service.network.people.role import ALLOWED, Action, Person, Role, may
from service.network.people.rules import RULES
from service.network.people.token import revoke_token
from tests.sampling import sampled
from tests.spec.network.people import PEOPLE, Browser, admit, browser_of, token_of
from tests.spec.network.reports import Sender, network_config, summary_of

# What stands in the paths of the routes. All of them exist, so that only permission decides.
VALUES = {
    "measure_id": "Drinking",
    "site_id": "north",
    "reporter": "network",
    "kind": "svg",
    "number": "1",
    "kid": "south-1",
    "key": "note-1",
}


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Permission does not depend on the kind of database."""
    return f"sqlite:///{tmp_path_factory.mktemp('access') / 'network.db'}"


@pytest.fixture
def config(database: str) -> NetworkConfig:
    return network_config(database, access="accounts", secure_cookies=False)


@pytest.fixture
def app(config: NetworkConfig) -> Iterator[FastAPI]:
    made = create_app(config)
    browser = Browser(made)
    assert Sender(browser.client).report(summary_of()).status_code == 201
    yield made
    made.state.network.engine.dispose()


def routes(app: FastAPI) -> list[APIRoute]:
    """Every route that answers, however deep it is included."""
    found: list[APIRoute] = []

    def walk(items: Any) -> None:
        for item in items:
            if isinstance(item, APIRoute):
                found.append(item)
            elif not isinstance(item, Mount | Route):
                walk(item.original_router.routes)

    walk(app.routes)
    # The description of the interfaces is the same for every network, and holds nothing of one.
    return [route for route in found if not route.path.startswith("/docs")]


def path_of(route: APIRoute) -> str:
    path = route.path
    for name, value in VALUES.items():
        path = path.replace("{" + name + "}", value)
    return path.replace("{receipt}", "none")


class TestEveryRoute:
    def test_has_a_rule_and_every_rule_a_route(self, app: FastAPI) -> None:
        assert {route.name for route in routes(app)} == set(RULES)

    @pytest.mark.parametrize("role", sampled(Role, 2))
    def test_answers_a_role_exactly_when_the_role_may(self, app: FastAPI, role: Role) -> None:
        browser = Browser(app) if role is Role.ANYONE else browser_of(app, PEOPLE[role])
        for route in routes(app):
            allowed = RULES[route.name] in ALLOWED[role]
            for method in route.methods - {"HEAD"}:
                answer = browser.client.request(method, path_of(route))
                told = f"{method} {route.path} as {role}: {answer.status_code}"
                if allowed:
                    refused = "does not permit" in answer.text or "please sign in" in answer.text
                    assert not refused, told
                    assert answer.status_code < 500, told
                elif role is Role.ANYONE and answer.status_code == 303:
                    assert answer.headers["location"] == "/sign-in", told
                else:
                    assert answer.status_code == (401 if role is Role.ANYONE else 403), told

    def test_that_changes_something_wants_a_form_of_ours_or_a_signature(self, app: FastAPI) -> None:
        admin = browser_of(app, PEOPLE[Role.ADMINISTRATOR])
        for route in routes(app):
            if "POST" in route.methods:
                answer = admin.client.post(path_of(route), data={"form": "forged"})
                assert answer.status_code in (401, 403, 415, 422), route.path
                if answer.status_code == 403:
                    assert "no longer valid" in answer.text

    def test_without_a_rule_answers_nobody(self, app: FastAPI, monkeypatch: Any) -> None:
        monkeypatch.delitem(RULES, "home")
        assert browser_of(app, PEOPLE[Role.ADMINISTRATOR]).get("/").status_code == 403


class TestMay:
    @pytest.mark.parametrize("action", [Action.WRITE, Action.SHARE])
    def test_a_site_lead_acts_for_the_own_site_only(self, action: Action) -> None:
        lead = PEOPLE[Role.SITE_LEAD]
        assert may(lead, action, "north") and not may(lead, action, "south")
        assert may(PEOPLE[Role.STAFF], action, "south")

    def test_each_role_may_what_the_lesser_may(self) -> None:
        roles = list(Role)
        for lesser, greater in zip(roles, roles[1:], strict=False):
            assert ALLOWED[lesser] <= ALLOWED[greater]


class TestSigningIn:
    def test_with_name_and_password_and_out_again(self, app: FastAPI) -> None:
        browser = browser_of(app, PEOPLE[Role.READER])
        assert browser.get("/").status_code == 200
        assert browser.fill("/sign-out", "/sign-in").status_code == 303
        assert browser.get("/").headers["location"] == "/sign-in"

    def test_not_with_a_wrong_password_and_not_after_many(self, app: FastAPI) -> None:
        person = PEOPLE[Role.READER]
        admit(app, person)
        browser = Browser(app)
        assert browser.sign_in("nobody@example.org").status_code == 403
        for _ in range(FAILURES):
            assert browser.sign_in(person.name, "guess").status_code == 403
        assert browser.sign_in(person.name).status_code == 403, "the account is shut for a while"

    def test_a_changed_account_is_signed_out_everywhere(self, app: FastAPI) -> None:
        browser = browser_of(app, PEOPLE[Role.STAFF])
        admit(app, Person("staff@example.org", Role.READER))
        assert browser.get("/").headers["location"] == "/sign-in"

    def test_a_password_is_long_and_kept_as_argon2id(self, app: FastAPI) -> None:
        with Session(app.state.network.engine) as session:
            with pytest.raises(ConfigError, match="at least"):
                put_account(session, "a test", PEOPLE[Role.READER], "x" * (SHORTEST - 1))
            made = put_account(session, "a test", PEOPLE[Role.READER], "x" * SHORTEST)
            assert made.password and made.password.startswith("$argon2id$")

    def test_an_open_network_answers_under_a_local_name_only(self, database: str) -> None:
        opened = create_app(network_config(database))
        browser = Browser(opened)
        assert browser.get("/").status_code == 200
        assert browser.get("/", Host="weir.example.org").status_code == 403


class TestTokens:
    def test_a_reader_s_program_sees_what_the_reader_may(self, app: FastAPI) -> None:
        browser = Browser(app)
        bearer = f"Bearer {token_of(app, PEOPLE[Role.READER])}"
        assert browser.get("/measures/Drinking.json").status_code == 401
        told = browser.get("/measures/Drinking.json", Authorization=bearer).json()
        assert [s["reporter"] for s in told["groups"][0]["series"]] == ["network", "north"]
        assert browser.get("/staff/sites", Authorization=bearer).status_code == 403

    def test_programs_change_nothing(self, app: FastAPI) -> None:
        bearer = {"Authorization": f"Bearer {token_of(app, PEOPLE[Role.STAFF])}"}
        answer = Browser(app).client.post("/measures/Drinking/write", headers=bearer)
        assert answer.status_code == 403 and "not for programs" in answer.text

    def test_a_revoked_or_unknown_token_opens_nothing(self, app: FastAPI) -> None:
        text = token_of(app, PEOPLE[Role.READER])
        with Session(app.state.network.engine) as session:
            revoke_token(session, "a test", text.split("_")[1])
            session.commit()
        for each in (text, text[:-1] + "x", "weir_none_none", ""):
            answer = Browser(app).get("/arrivals.json", Authorization=f"Bearer {each}")
            assert answer.status_code == 401


def test_every_change_is_in_the_audit(app: FastAPI) -> None:
    admin = browser_of(app, PEOPLE[Role.ADMINISTRATOR])
    admin.fill("/admin/accounts", "/admin/accounts", name="new@example.org", role="reader")
    admin.fill("/admin/tokens", "/admin/accounts", label="a board", role="reader", days="7")
    admin.fill("/staff/sites/north", "/staff/sites", measures=[], recipients=["members"])
    admin.fill("/staff/keys/south-1/end", "/staff/sites")
    note = {"kind": "note", "month": "2025-01", "text": "New ward"}
    admin.fill("/measures/Drinking/write", "/measures/Drinking/write", **note)
    admin.fill("/staff/measures/Drinking/visibility", "/staff/sites", level="blinded", public="yes")
    with Session(app.state.network.engine) as session:
        mine = [row.what for row in session.exec(select(Audit)) if row.who == "admin@example.org"]
    assert mine == [
        *("signed in", "account changed", "token made", "site changed", "key revoked"),
        *("note entered", "visibility entered"),
    ]
    assert "visibility entered" in admin.get("/admin/audit").text
