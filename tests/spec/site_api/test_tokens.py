"""Local sign-in: tokens are random, hashed at rest, expire and can be revoked."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.errors import ConfigError, RequestError
from service.site.database import open_database
from service.site.tokens import Caller, list_tokens, make_token, revoke_token, sign_in

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path)


def test_a_token_signs_its_label_in(engine: Engine) -> None:
    token = make_token(engine, "QI team", MONTH, NOW)
    identifier = token.split("_")[1]
    assert sign_in(engine, token, NOW) == Caller(identifier, "QI team")


def test_a_token_holds_256_random_bits_and_no_two_are_alike(engine: Engine) -> None:
    tokens = {make_token(engine, "QI team", MONTH, NOW) for _ in range(20)}
    secrets = {token.split("_", 2)[2] for token in tokens}
    assert len(secrets) == 20
    # 43 characters of base64url are 256 bits.
    assert {len(secret) for secret in secrets} == {43}


def test_only_the_hash_is_kept(engine: Engine, tmp_path: Path) -> None:
    secret = make_token(engine, "QI team", MONTH, NOW).split("_", 2)[2]
    engine.dispose()
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert files
    for path in files:
        assert secret.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_an_expired_token_is_refused_from_its_last_second_on(engine: Engine) -> None:
    token = make_token(engine, "QI team", MONTH, NOW)
    sign_in(engine, token, NOW + MONTH - timedelta(seconds=1))
    with pytest.raises(RequestError, match="expired") as refused:
        sign_in(engine, token, NOW + MONTH)
    assert (refused.value.status, refused.value.code) == (401, "expired")


def test_a_revoked_token_is_refused_and_others_go_on(engine: Engine) -> None:
    token, other = (make_token(engine, label, MONTH, NOW) for label in ("gone", "here"))
    revoke_token(engine, token.split("_")[1], NOW)
    with pytest.raises(RequestError, match="revoked"):
        sign_in(engine, token, NOW)
    assert sign_in(engine, other, NOW).label == "here"


def test_revoking_again_keeps_the_first_instant(engine: Engine) -> None:
    identifier = make_token(engine, "QI team", MONTH, NOW).split("_")[1]
    revoke_token(engine, identifier, NOW)
    revoke_token(engine, identifier, NOW + MONTH)
    assert [token.revoked for token in list_tokens(engine)] == ["2026-03-01T12:00:00+00:00"]


def test_revoking_an_unknown_token_is_an_error(engine: Engine) -> None:
    with pytest.raises(ConfigError, match="no token of that id"):
        revoke_token(engine, "00000000", NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "weir",
        "weir__",
        "weir_{id}_",
        "weir_{id}_{other}",
        "Weir_{id}_{secret}",
        "weir_0_{secret}",
    ],
)
def test_a_wrong_token_is_refused_without_saying_what_is_wrong(engine: Engine, wrong: str) -> None:
    _, identifier, secret = make_token(engine, "QI team", MONTH, NOW).split("_", 2)
    other = make_token(engine, "another", MONTH, NOW).split("_", 2)[2]
    text = wrong.format(id=identifier, secret=secret, other=other)
    with pytest.raises(RequestError, match="the bearer token is not known here"):
        sign_in(engine, text, NOW)


def test_a_token_needs_a_label_and_a_lifetime(engine: Engine) -> None:
    with pytest.raises(ConfigError):
        make_token(engine, " ", MONTH, NOW)
    with pytest.raises(ConfigError):
        make_token(engine, "QI team", timedelta(), NOW)
