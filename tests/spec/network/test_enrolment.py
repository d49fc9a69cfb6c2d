"""How a site joins, rotates its key and loses it: a person decides, and the change is immediate."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import OKPKey
from sqlmodel import Session

from service.fhir import signature
from service.fhir.fingerprint import fingerprint
from service.network import enrolment
from service.network.app import create_app
from service.network.config import NetworkConfig
from service.network.people.role import Role
from service.network.roster import SiteKey, keys_of, roster_of
from service.network.table import instant
from tests.spec.network.people import PEOPLE, Browser, browser_of
from tests.spec.network.reports import DRINKING, KEYS, body_of, key_of, network_config, summary_of

KEY, NEXT = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")


@pytest.fixture
def app(database: str) -> Iterator[FastAPI]:
    config: NetworkConfig = network_config(database, access="accounts", secure_cookies=False)
    made = create_app(config)
    yield made
    made.state.network.engine.dispose()


def ask(app: FastAPI, key: OKPKey = KEY, signer: OKPKey | None = None, **changes: Any) -> Any:
    """A site east presents a key."""
    public = {**key.as_dict(private=False), "kid": key.thumbprint()}
    content = {"site": "east", "name": "East Hospital", "jwk": public, "measures": [DRINKING]}
    body = json.dumps(content | changes).encode()
    signed = signature.sign(body, signer or key, key.thumbprint())
    client = Browser(app).client
    return client.post("/enrolment", content=body, headers={signature.HEADER: signed})


def report(app: FastAPI, month: str, key: OKPKey = KEY) -> httpx.Response:
    body = body_of(summary_of("east", month))
    headers = {
        "Content-Type": "application/fhir+json",
        "Idempotency-Key": key_of(body),
        signature.HEADER: signature.sign(body, key, key.thumbprint()),
    }
    return Browser(app).client.post("/fhir/MeasureReport", content=body, headers=headers)


def decide(app: FastAPI, number: int, decision: str = "accept") -> int:
    staff = browser_of(app, PEOPLE[Role.STAFF])
    fields = {"decision": decision, "measures": [DRINKING]}
    return staff.fill(f"/staff/enrolments/{number}", "/staff/sites", **fields).status_code


def test_a_site_asks_a_person_accepts_and_its_reports_are_taken(app: FastAPI) -> None:
    assert ask(app).json()["state"] == "pending"
    assert report(app, "2025-01").status_code == 401, "nobody has decided yet"
    page = browser_of(app, PEOPLE[Role.STAFF]).get("/staff/sites").text
    assert "East Hospital" in page and KEY.thumbprint() in page
    assert fingerprint(KEY.as_dict(private=False)["x"]) in page, "the words that the site reads out"
    assert decide(app, 1) == 303
    assert ask(app).json()["state"] == "accepted"
    assert report(app, "2025-01").status_code == 201


def test_asking_again_tells_how_far_it_is(app: FastAPI) -> None:
    assert [ask(app).json()["state"], ask(app).json()["state"]] == ["pending", "pending"]
    decide(app, 1)
    assert ask(app).json()["state"] == "accepted"
    with Session(app.state.network.engine) as session:
        assert enrolment.waiting(session) == [], "what was asked twice was one request"
        (key,) = keys_of(session, "east")
        key.expires = instant(datetime.now(UTC) - timedelta(seconds=1))
        session.add(key)
        session.commit()
    assert ask(app).json()["state"] == "expired"
    staff = browser_of(app, PEOPLE[Role.STAFF])
    staff.fill(f"/staff/keys/{KEY.thumbprint()}/end", "/staff/sites")
    assert ask(app).json()["state"] == "revoked"


def test_a_key_of_the_configuration_is_enrolled_already(app: FastAPI) -> None:
    assert ask(app, KEYS["north"], site="north").json()["state"] == "accepted"


def test_a_ledger_s_key_signs_no_reports_and_enters_no_site(app: FastAPI) -> None:
    assert ask(app, use="ledger", measures=[]).json()["use"] == "ledger"
    assert "the key that signs its ledger" in (
        browser_of(app, PEOPLE[Role.STAFF]).get("/staff/sites").text
    )
    assert decide(app, 1) == 303
    assert ask(app, use="ledger", measures=[]).json()["state"] == "accepted"
    assert report(app, "2025-01").status_code == 401
    with Session(app.state.network.engine) as session:
        assert roster_of(session).site("east") is None


def test_a_refused_key_signs_nothing(app: FastAPI) -> None:
    ask(app)
    assert decide(app, 1, "refuse") == 303
    assert report(app, "2025-01").status_code == 401
    assert decide(app, 1) == 409, "what is decided is decided"


def test_a_new_site_is_shown_to_members_only_when_staff_say_so_of_a_measure(app: FastAPI) -> None:
    ask(app)
    decide(app, 1)
    with Session(app.state.network.engine) as session:
        east = roster_of(session).site("east")
        assert east and east.recipients == {"members"} and east.measures == {DRINKING}


def test_rotation_overlaps(app: FastAPI) -> None:
    ask(app)
    decide(app, 1)
    ask(app, NEXT)
    decide(app, 2)
    assert report(app, "2025-01", KEY).status_code == 201
    assert report(app, "2025-02", NEXT).status_code == 201
    with Session(app.state.network.engine) as session:
        old, new = session.get(SiteKey, KEY.thumbprint()), session.get(SiteKey, NEXT.thumbprint())
        assert old and new and old.expires and new.expires
        overlap = instant(datetime.now(UTC) + timedelta(days=enrolment.OVERLAP_DAYS))
        assert old.expires <= overlap < new.expires
        assert old.expires_soon(datetime.now(UTC)) and not new.expires_soon(datetime.now(UTC))
    assert "expires" in browser_of(app, PEOPLE[Role.STAFF]).get("/staff/sites").text
    assert "soon: ask the site" in browser_of(app, PEOPLE[Role.STAFF]).get("/staff/sites").text


def test_an_expired_key_signs_nothing_more(app: FastAPI) -> None:
    ask(app)
    decide(app, 1)
    with Session(app.state.network.engine) as session:
        (key,) = keys_of(session, "east")
        key.expires = instant(datetime.now(UTC) - timedelta(seconds=1))
        session.add(key)
        session.commit()
    assert report(app, "2025-01").status_code == 401


def test_revocation_is_immediate(app: FastAPI) -> None:
    ask(app)
    decide(app, 1)
    assert report(app, "2025-01").status_code == 201
    staff = browser_of(app, PEOPLE[Role.STAFF])
    staff.fill(f"/staff/keys/{KEY.thumbprint()}/end", "/staff/sites")
    assert report(app, "2025-02").status_code == 401


def test_a_permission_taken_away_counts_at_once(app: FastAPI) -> None:
    ask(app)
    decide(app, 1)
    staff = browser_of(app, PEOPLE[Role.STAFF])
    staff.fill("/staff/sites/east", "/staff/sites", recipients=["members"])
    assert report(app, "2025-01").status_code == 403


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"jwk": KEY.as_dict(private=True)}, 422),
        ({"site": "../x"}, 422),
        ({"more": 1}, 422),
        ({"measures": ["x" * 300]}, 422),
        ({"use": "patients"}, 422),
        ({"name": "x" * 20_000}, 413),
    ],
    ids=["a private key", "a path", "an unknown field", "a long address", "no use", "too large"],
)
def test_what_is_no_enrolment_is_refused(
    app: FastAPI, changes: dict[str, Any], status: int
) -> None:
    answer = ask(app, **changes)
    assert answer.status_code == status
    assert str(KEY.as_dict(private=True)["d"]) not in answer.text


def test_another_s_signature_does_not_enrol_a_key(app: FastAPI) -> None:
    assert ask(app, KEY, signer=NEXT).status_code == 401


def test_a_key_id_in_use_is_not_given_to_another_key(app: FastAPI) -> None:
    taken = {**NEXT.as_dict(private=False), "kid": "north-1"}
    assert ask(app, NEXT, jwk=taken).status_code == 409
