"""The policy is a file of the site: closed, never laxer than the floors, hashed."""

from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from service.disclosure import PROFILES, parse_policy
from service.errors import ConfigError

TEXT = """
network = "quality"
version = "1"
legal_basis = "agreement"
{}
[[release]]
measure = "http://example.org/a"
window = "{}"
from = "{}"
to = "{}"
"""
EXAMPLE = Path(__file__).parents[3] / "docs/policy.example.toml"


def text(
    more: str = "", window: str = "month", first: str = "2025-11", last: str = "2026-02"
) -> bytes:
    return TEXT.format(more, window, first, last).encode()


def test_the_released_periods_are_fixed_in_the_policy() -> None:
    assert parse_policy(text()).periods("http://example.org/a") == (
        (date(2025, 11, 1), date(2025, 11, 30)),
        (date(2025, 12, 1), date(2025, 12, 31)),
        (date(2026, 1, 1), date(2026, 1, 31)),
        (date(2026, 2, 1), date(2026, 2, 28)),
    )


def test_quarters_are_whole() -> None:
    policy = parse_policy(text(window="quarter", first="2025-10", last="2026-03"))
    assert policy.periods("http://example.org/a") == (
        (date(2025, 10, 1), date(2025, 12, 31)),
        (date(2026, 1, 1), date(2026, 3, 31)),
    )


def test_a_measure_that_is_not_in_the_policy_has_no_periods() -> None:
    assert parse_policy(text()).periods("http://example.org/b") == ()


def test_what_is_left_out_is_at_the_floor() -> None:
    policy = parse_policy(text())
    assert (policy.threshold, policy.rounding) == (11, 3)


def test_the_hash_is_that_of_the_files_bytes() -> None:
    assert parse_policy(text()).hash == f"sha256:{sha256(text()).hexdigest()}"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (text("threshold = 10"), "at least 11"),
        (text("rounding = 2"), "at least 3"),
        (text("candidates = 4"), "at least 5"),
        (text("k_delta = 10"), "at least 11"),
        (text("max_share = 0.6"), "at most 0.5"),
        (text("max_versions = 3"), "at most 2"),
        (text("min_interval = -1"), "min_interval"),
        (text("candidates = 6"), "larger base"),
        (text("profile = 'strict'\nthreshold = 11"), "at least 20"),
        (text("profile = 'strict'\nzeros = 'show'"), "zeros are hidden"),
        (text("profile = 'lax'"), "profile is one of"),
        (text("profile = 'trusted-coordinator'"), "cannot protect what it displays"),
        (text("tightens = 1"), "computed"),
        (text("threshold = true"), "valid integer"),
        (text("threshold = 11.0"), "valid integer"),
        (text("symbol = '<k'"), "not permitted"),
        (text("hash = 'sha256:0'"), "computed"),
        (text(window="week"), "'month', 'quarter' or 'year'"),
        (text(window="quarter"), "whole quarter"),
        (text(first="2026-03"), "after"),
        (text(first="2026-13"), "match pattern"),
        (text() + text(first="2026-02", last="2026-03")[text().index(b"[[") :], "overlap"),
        (text().replace(b'legal_basis = "agreement"', b""), "required"),
        (b'network = "quality"', "required"),
        (b"not TOML", "not TOML"),
        (b"\xff", "not TOML"),
    ],
)
def test_a_policy_that_is_not_understood_whole_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        parse_policy(data)


def test_a_policy_can_be_tightened_and_not_loosened() -> None:
    policy = parse_policy(text("threshold = 15"))
    assert policy.tightened(threshold=5, rounding=1, zeros="show", max_share=0.9) == policy
    stricter = policy.tightened(threshold=20)
    assert (stricter.threshold, stricter.rounding) == (20, 3)
    assert stricter.hash != policy.hash
    assert stricter.tightened(zeros="hide").chain[0] == policy
    with pytest.raises(ConfigError, match="cannot be tightened"):
        policy.tightened(releases=())


def test_what_a_profile_asks_for_is_the_least_that_its_policies_ask_for() -> None:
    for profile in PROFILES.values():
        if profile.refused:
            continue
        policy = parse_policy(text(f'profile = "{profile.name}"'))
        assert policy.reading == profile.reading
        assert (policy.candidates, policy.k_delta) == (profile.candidates, profile.k_delta)
        assert policy.audited is (profile.name in ("default", "strict"))


def test_windows_are_one_family_with_longer_ones_beside_them() -> None:
    line = 'to = "2026-12"'
    policy = parse_policy(
        text(first="2026-01", last="2026-12").replace(
            line.encode(), f'{line}\nladder = ["quarter", "year"]'.encode()
        )
    )
    periods = policy.periods("http://example.org/a")
    year = (date(2026, 1, 1), date(2026, 12, 31))
    quarter = (date(2026, 4, 1), date(2026, 6, 30))
    assert len(periods) == 12 + 4 + 1
    assert len(policy.stands_in("http://example.org/a", year)) == 4
    assert len(policy.stands_in("http://example.org/a", quarter)) == 3
    assert policy.stands_in("http://example.org/a", periods[0]) == ()


STRATA = """
[[strata]]
measure = "http://example.org/{}"
stratifier = "{}"
values = {}
"""


def strata(
    measure: str = "a", stratifier: str = "sex", values: str = '["female", "65 and up"]'
) -> bytes:
    return STRATA.format(measure, stratifier, values).encode()


def test_strata_are_told_value_by_value() -> None:
    policy = parse_policy(text() + strata() + strata(stratifier="age", values='["<65"]'))
    told = policy.strata_of("http://example.org/a")
    assert [(each.stratifier, each.values) for each in told] == [
        ("sex", ("female", "65 and up")),
        ("age", ("<65",)),
    ]
    assert policy.strata_of("http://example.org/b") == ()
    assert policy.under("nhs").strata == policy.strata


def test_a_site_keeps_the_strata_of_some_stratifiers() -> None:
    policy = parse_policy(text() + strata() + strata(stratifier="age"))
    fewer = policy.tightened(strata=("age", "language"))
    assert [each.stratifier for each in fewer.strata] == ["age"]
    assert (fewer.hash != policy.hash, fewer.chain[0]) == (True, policy)
    assert policy.tightened(strata=("age", "sex")) is policy


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (strata("b"), "not released"),
        (strata() + strata(), "listed twice"),
        (strata(values='["a", "a"]'), "listed twice"),
        (strata(values="[]"), "at least 1"),
        (strata(values='["a/b"]'), "match pattern"),
        (strata(values='["  a"]'), "match pattern"),
        (strata(values='"all"'), "valid tuple"),
        (strata() + b"others = true", "not permitted"),
    ],
)
def test_strata_that_are_not_understood_are_refused(data: bytes, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        parse_policy(text() + data)


def test_rolling_windows_are_refused() -> None:
    """From one to the next a reader would see who entered and who left."""
    line = b'to = "2026-12"'
    given = text(first="2026-01", last="2026-12").replace(line, line + b"\nrolling = true")
    with pytest.raises(ConfigError, match="rolling windows are not released"):
        parse_policy(given)


def test_the_shipped_example_can_be_used() -> None:
    policy = parse_policy(EXAMPLE.read_bytes())
    assert len(policy.periods("http://example.org/Measure/dreaming")) == 24
    assert len(policy.periods("http://example.org/Measure/readmission")) == 8
