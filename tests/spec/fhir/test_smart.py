"""SMART Backend Services, against a real server that checks every assertion."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.errors import AuthorizationError, EhrError
from service.fhir.http import open_client
from service.fhir.keys import read_signing_key
from service.fhir.smart import ASSERTION_SECONDS, BackendService, discover
from tests.ehr import SmallEhr
from tests.faults.proxy import alter_json, answer

TYPES = ("Patient", "Observation")


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A client of the factory."""
    with open_client() as opened:
        yield opened


def _service(
    client: httpx.Client, ehr: SmallEhr, key: str = "ec", client_id: str = "weir"
) -> BackendService:
    configuration = discover(client, ehr.base_url)
    signing = read_signing_key(ehr.keys[key], key)
    return BackendService(client, configuration, client_id, signing, TYPES)


def _assertions(client: httpx.Client) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Header and claims of every assertion that the client sends from now on."""
    seen: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def note(request: httpx.Request) -> None:
        form = dict(httpx.QueryParams(request.content.decode()))
        if "client_assertion" in form:
            header, claims, _ = form["client_assertion"].split(".")
            seen.append((_decoded(header), _decoded(claims)))

    client.event_hooks["request"].append(note)
    return seen


def _decoded(part: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


@pytest.mark.parametrize(
    ("client_id", "key", "algorithm"), [("weir", "ec", "ES384"), ("weir-rsa", "rsa", "RS384")]
)
def test_the_real_server_takes_both_algorithms(
    client: httpx.Client, ehr: SmallEhr, client_id: str, key: str, algorithm: str
) -> None:
    seen = _assertions(client)
    assert _service(client, ehr, key, client_id).token()
    [(header, claims)] = seen
    assert header == {"alg": algorithm, "kid": key, "typ": "JWT"}
    assert claims["iss"] == claims["sub"] == client_id
    assert claims["aud"] == f"{ehr.base_url.removesuffix('/fhir')}/auth/token"


def test_an_assertion_is_used_once_and_lives_for_minutes(
    client: httpx.Client, ehr: SmallEhr
) -> None:
    seen = _assertions(client)
    service = _service(client, ehr)
    for _ in range(2):
        service.forget(service.token())
    (_, first), (_, second) = seen
    assert first["jti"] != second["jti"]
    assert ASSERTION_SECONDS < 300  # the most that SMART allows


def test_a_token_is_kept_until_shortly_before_it_expires(
    client: httpx.Client, ehr: SmallEhr
) -> None:
    seen = _assertions(client)
    service = _service(client, ehr)
    assert service.token() == service.token()
    assert len(seen) == 1
    with ehr.proxy.fault(alter_json("POST /auth/token", lambda t: {**t, "expires_in": 0})):
        service.forget(service.token())
        service.token()
        service.token()
    assert len(seen) == 3


def test_the_scopes_asked_for_are_those_of_the_types(client: httpx.Client, ehr: SmallEhr) -> None:
    asked: list[str] = []
    client.event_hooks["request"].append(
        lambda request: asked.append(
            dict(httpx.QueryParams(request.content.decode())).get("scope", "")
        )
    )
    assert _service(client, ehr).settle() == frozenset()
    assert asked[-1] == "system/Observation.rs system/Patient.rs"


def test_what_the_server_does_not_grant_is_known(client: httpx.Client, ehr: SmallEhr) -> None:
    assert _service(client, ehr, client_id="narrow").settle() == {"Observation"}


@pytest.mark.parametrize(("key", "client_id"), [("stranger", "weir"), ("ec", "nobody")])
def test_a_wrong_key_or_client_is_refused_with_what_to_do(
    client: httpx.Client, ehr: SmallEhr, key: str, client_id: str
) -> None:
    with pytest.raises(AuthorizationError, match="fhir.key_file") as error:
        _service(client, ehr, key, client_id).token()
    assert "invalid_client" in str(error.value)


def test_a_server_without_smart_is_told_from_one_that_is_not_there(
    client: httpx.Client, ehr: SmallEhr
) -> None:
    silent = alter_json("/metadata", lambda s: {**s, "rest": []})
    with (
        ehr.proxy.fault(answer(404, "smart-configuration"), silent),
        pytest.raises(EhrError, match="no SMART configuration"),
    ):
        discover(client, ehr.base_url)


def test_an_older_server_tells_in_its_metadata_where_it_gives_tokens(
    client: httpx.Client, ehr: SmallEhr
) -> None:
    told = discover(client, ehr.base_url)
    with ehr.proxy.fault(answer(404, "smart-configuration")):
        older = discover(client, ehr.base_url)
        assert _service(client, ehr).token()
    assert older.token_endpoint == told.token_endpoint
    assert not older.version_2


def test_where_our_keys_are_is_told_if_we_are_asked_to(client: httpx.Client, ehr: SmallEhr) -> None:
    seen = _assertions(client)
    key = read_signing_key(ehr.keys["ec"], "ec")
    jku = "https://weir.example/.well-known/jwks.json"
    BackendService(client, discover(client, ehr.base_url), "weir", key, TYPES, jku).token()
    [(header, _)] = seen
    assert header["jku"] == jku


@pytest.mark.parametrize(
    "body",
    [{"error": "pat-zyzzyva-1 is unknown"}, {"error": ["invalid_client"]}, [], None, "text"],
    ids=str,
)
def test_an_answer_that_is_no_token_is_not_repeated(
    client: httpx.Client, ehr: SmallEhr, body: object
) -> None:
    with (
        ehr.proxy.fault(answer(400, "/auth/token", body=body)),
        pytest.raises(AuthorizationError, match="no reason told") as error,
    ):
        _service(client, ehr).token()
    assert "zyzzyva" not in str(error.value)


def test_secrets_do_not_show_when_things_are_printed(ehr: SmallEhr, client: httpx.Client) -> None:
    service = _service(client, ehr)
    token = service.token()
    assert token not in f"{service!r} {vars(service)!r}"
    key = read_signing_key(Path(ehr.keys["ec"]), "ec")
    secret = key.key.as_dict(private=True)["d"]
    assert str(secret) not in repr(key)
