"""How often each rule set calls noise a signal, by seeded simulation, against what is published.

Anhøj (PLoS ONE 2015;10(3):e0121349) about 3 % of run charts of 24 points; Perla's rules close to
40 %; Making Data Count's near 15 % of XmR charts.
"""

import random

import pytest

from service.spc.chart import control_chart
from service.spc.kind import RUN, I, Kind, P
from service.spc.limits import Limits, Method
from service.spc.rounding import variance
from service.spc.rules import ANHOEJ, MAKING_DATA_COUNT, PERLA, RuleSet
from service.spc.subgroup import Subgroup

# Rule set, chart, points, share of charts that signal.
RATES = [
    (ANHOEJ, RUN, 24, 0.03),
    (PERLA, RUN, 12, 0.13),
    (PERLA, RUN, 24, 0.38),
    (MAKING_DATA_COUNT, I, 24, 0.15),
]
MORE = [
    (ANHOEJ, RUN, 12, 0.02),
    (ANHOEJ, RUN, 36, 0.04),
    (PERLA, RUN, 36, 0.55),
    (MAKING_DATA_COUNT, I, 12, 0.06),
    (MAKING_DATA_COUNT, I, 36, 0.24),
]


def rate(rules: RuleSet, kind: Kind, points: int, charts: int) -> float:
    """The share of charts of normal noise that signal."""
    noise = random.Random(f"{rules.name} {points}")
    signalled = 0
    for _ in range(charts):
        series = [Subgroup("t", noise.gauss(0, 1)) for _ in range(points)]
        signalled += bool(control_chart(kind, series, rules=rules).signals)
    return signalled / charts


def allowed(expected: float, charts: int) -> float:
    """Three standard errors, and a little for the last digit that is published."""
    return 3 * (expected * (1 - expected) / charts) ** 0.5 + 0.01


@pytest.mark.parametrize(("rules", "kind", "points", "expected"), RATES)
def test_noise(rules: RuleSet, kind: Kind, points: int, expected: float) -> None:
    charts = 400
    assert rate(rules, kind, points, charts) == pytest.approx(
        expected, abs=allowed(expected, charts)
    )


@pytest.mark.full
@pytest.mark.parametrize(("rules", "kind", "points", "expected"), RATES + MORE)
def test_much_noise(rules: RuleSet, kind: Kind, points: int, expected: float) -> None:
    charts = 5000
    assert rate(rules, kind, points, charts) == pytest.approx(
        expected, abs=allowed(expected, charts)
    )


@pytest.mark.parametrize("method", [Method(), Method(Limits.EXACT)])
def test_small_proportions(method: Method) -> None:
    """Of 5.1 % in fives, 2.4 % of points lie above 3 sigma by chance (0.135 % is nominal), and of
    exact limits at most that."""
    noise = random.Random(51)
    series = [
        Subgroup("t", sum(noise.random() < 0.051 for _ in range(5)), 5) for _ in range(20_000)
    ]
    share = len(control_chart(P, series, method=method).phases[0].outside) / len(series)
    if method.limits is Limits.EXACT:
        assert share <= 0.00135 + 3 * (0.00135 / len(series)) ** 0.5
    else:
        assert share == pytest.approx(0.024, abs=0.004)


@pytest.mark.parametrize("stated", [True, False])
def test_counts_rounded_to_threes(stated: bool) -> None:
    """Limits without the variance of rounding cry wolf; with it they do as limits of exact counts
    do."""
    noise = random.Random(3)
    added = variance(3) if stated else 0.0
    series = [
        Subgroup("t", _rounded(count, noise), _rounded(60, noise), noise=added)
        for count in (sum(noise.random() < 0.05 for _ in range(60)) for _ in range(5000))
    ]
    share = len(control_chart(P, series).phases[0].outside) / len(series)
    assert (share < 0.01) == stated


def _rounded(count: int, noise: random.Random) -> int:
    """At random, without bias, to a multiple of 3."""
    remainder = count % 3
    return count - remainder + 3 * (noise.random() < remainder / 3)
