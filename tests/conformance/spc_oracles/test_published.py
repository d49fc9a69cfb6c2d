"""Published worked examples come out as published.

Montgomery's Introduction to Statistical Quality Control, the hospital infections of qicharts2,
spc4hc (Anhøj, Mohammed), Mohammed 2013 (Laney's p'), NHSRplotthedots and FunnelPlotR. The examples
are read where they lie and are never copied here; tolerance is 1e-9, or half of the last digit
that was published.
"""

import json
import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from service.spc.chart import Chart, control_chart
from service.spc.cusum import bernoulli_cusum
from service.spc.funnel import funnel
from service.spc.kind import KINDS, U
from service.spc.limits import Method
from service.spc.subgroup import Subgroup

PATH = Path(__file__).parents[4] / "shared/data/oracles/spc_oracles.json"

pytestmark = pytest.mark.skipif(not PATH.exists(), reason=f"published examples are not at {PATH}")
ORACLES: dict[str, Any] = json.loads(PATH.read_text()) if PATH.exists() else {}
TENTH_DIGIT = 0.5e-10


def chart(
    kind: str,
    numerators: Sequence[float],
    denominators: Sequence[float] | None = None,
    exclude: Sequence[int] = (),
    **options: Any,
) -> Chart:
    """``exclude`` counts rows from 1, as the books do."""
    sizes = denominators or [None] * len(numerators)
    subgroups = [
        Subgroup(str(row), count, size, excluded="as published" if row in exclude else None)
        for row, (count, size) in enumerate(zip(numerators, sizes, strict=True), start=1)
    ]
    return control_chart(KINDS[kind], subgroups, **options)


# name: chart, columns of numerators and denominators, options
MONTGOMERY: dict[str, tuple[str, str, str | None, dict[str, Any]]] = {
    "montgomery_6.5_i": ("i", "cost", None, {"baseline": 20}),
    "montgomery_6.5_mr": ("mr", "cost", None, {"baseline": 20}),
    "montgomery_7.1_p": ("p", "count", "size", {"exclude": [15, 23], "breaks": [30]}),
    "montgomery_7.4_p_var_n": ("p", "count", "size", {}),
    "montgomery_7.3_c": ("c", "count", None, {"exclude": [6, 20], "baseline": 26}),
    "montgomery_7.4_u": ("u", "count", "size", {}),
    "montgomery_7.5_u_var_n": ("u", "count", "meters", {"multiply": 50}),
    "montgomery_7.6_t": ("t", "hours", None, {}),
}


@pytest.mark.parametrize("screen", [False, True])
@pytest.mark.parametrize("name", MONTGOMERY)
def test_montgomery(name: str, screen: bool) -> None:
    kind, numerator, denominator, options = MONTGOMERY[name]
    data, expected = ORACLES[name]["input"], ORACLES[name]["expected"]
    sizes = data[denominator] if denominator else None
    drawn = chart(kind, data[numerator], sizes, method=Method(screen=screen), **options)
    for column, of in (("y", "value"), ("cl", "center"), ("lcl", "lower"), ("ucl", "upper")):
        values = [getattr(point, of) for point in drawn.points]
        assert_close(values, expected[column])
    outside = ["outside limits" in point.signals for point in drawn.points]
    assert outside == expected["sigma.signal"]
    assert [point.phase for point in drawn.points] == expected["part"]
    assert_runs(drawn, expected)


def assert_close(values: Sequence[float | None], expected: Sequence[float | None]) -> None:
    assert [value is None for value in values] == [value is None for value in expected]
    known = [value for value in expected if value is not None]
    assert [value for value in values if value is not None] == pytest.approx(known, abs=1e-9)


def assert_runs(drawn: Chart, expected: dict[str, Any]) -> None:
    for phase in drawn.phases:
        published = {key: values[phase.first] for key, values in expected.items()}
        found = phase.analysis
        assert found is not None
        assert found.n_useful == published["n.useful"]
        assert found.longest_run == published["longest.run"]
        assert found.longest_run_max == published["longest.run.max"]
        assert found.crossings == published["n.crossings"]
        assert found.crossings_min == published["n.crossings.min"]
        assert bool(found.signals) == published["runs.signal"]


def infections(
    kept: dict[str, Any], by: str, since: float = 0.0
) -> tuple[list[float], list[float]]:
    """Infections and risk days, added up by month or by hospital (in order of their days)."""
    data = ORACLES["dataset_hospital_infections"]
    rows = [dict(zip(data, values, strict=True)) for values in zip(*data.values(), strict=True)]
    chosen = [
        row
        for row in rows
        if row["month"] >= since and all(row[key] == value for key, value in kept.items())
    ]
    chosen.sort(key=lambda row: row[by])
    sums = [
        (sum(row["n"] for row in own), sum(row["days"] for row in own))
        for own in (list(group) for _, group in groupby(chosen, key=lambda row: row[by]))
    ]
    if by == "hospital":
        sums.sort(key=lambda total: total[1])
    return [count for count, _ in sums], [days for _, days in sums]


FACETS = {1: [], 2: ["infection"], 3: ["hospital", "infection"], 4: ["infection"]}
MID_2016 = 16983.0  # days since 1970, the first of July


def summaries() -> Iterable[Any]:
    for number, facets in FACETS.items():
        found = ORACLES.get(f"qicharts2_hai_{number}", {"expected_summary": []})
        for row in found["expected_summary"]:
            names = [value for key, value in row.items() if key in ("facet1", "facet2")]
            kept = dict(zip(facets, names, strict=False))
            yield pytest.param(number, kept, row, id="-".join([str(number), *kept.values()]))


@pytest.mark.parametrize(("number", "kept", "expected"), list(summaries()))
def test_hospital_infections(number: int, kept: dict[str, str], expected: dict[str, Any]) -> None:
    if number == 4:
        drawn = chart("u", *infections(kept, "hospital", MID_2016), multiply=10_000)
    else:
        drawn = chart("u", *infections(kept, "month"))
    (phase,) = drawn.phases
    assert phase.center == pytest.approx(expected["CL"], abs=TENTH_DIGIT)
    for column, of in (("aLCL", "lower"), ("aUCL", "upper")):  # the means of stepped limits
        mean = sum(getattr(point, of) for point in drawn.points) / len(drawn.points)
        assert mean == pytest.approx(expected[column], abs=TENTH_DIGIT)
    assert bool(phase.outside) == bool(expected["sigma.signal"])
    assert_runs(drawn, {key: [value] for key, value in expected.items()})


def test_deliveries_between_asphyxia() -> None:
    case = ORACLES["spc4hc_robson_asphyxia_g"]
    (phase,) = chart("g", case["input"]).phases
    expected = case["expected"]
    assert phase.figures["mean"] == pytest.approx(expected["mean"], abs=1e-9)
    assert phase.center == expected["cl_median"]
    assert phase.bounds is not None and phase.bounds.lower == expected["lcl"]
    assert phase.bounds.upper == pytest.approx(expected["ucl"], abs=1e-9)


@pytest.mark.parametrize("screen", [False, True])
def test_days_between_asphyxia(screen: bool) -> None:
    case = ORACLES["spc4hc_robson_asphyxia_t"]
    (phase,) = chart("t", case["input"], method=Method(screen=screen)).phases
    assert phase.bounds is not None
    found = [phase.center, phase.bounds.lower, phase.bounds.upper]
    assert_close(found, [case["expected"][key] for key in ("cl", "lcl", "ucl")])


@pytest.mark.parametrize(
    ("target", "worse", "better"), [(0.007, 0, 0), (0.02, 0, 3), (0.001, 2, 0)]
)
def test_cusum_of_asphyxia(target: float, worse: int, better: int) -> None:
    """What the book finds in its 2,193 births; how many came before the first case, and how many
    after the last, is not in the example and does not matter."""
    gaps = [int(gap) for gap in ORACLES["spc4hc_robson_asphyxia_g"]["input"]]
    for before in (0, 100, 2192 - sum(gaps)):
        births = [False] * 2193
        births[before] = True
        for last in range(len(gaps)):
            births[before + sum(gaps[: last + 1])] = True
        assert sum(births) == 16
        signals = [point.signal for point in bernoulli_cusum(births, target)]
        assert (signals.count("above"), signals.count("below")) == (worse, better)


@pytest.mark.parametrize("kind", ["p", "p-prime"])
def test_attendances_within_four_hours(kind: str) -> None:
    data, expected = ORACLES["dataset_nhs_accidents"], ORACLES["mohammed2013_laney_p"]["expected"]
    drawn = chart(kind, data["r"], data["n"])
    (phase,), week = drawn.phases, drawn.points[0]
    assert phase.center == pytest.approx(expected["pbar"], abs=1e-9)
    assert phase.figures["sigma_z"] == pytest.approx(expected["sigma_z"], abs=1e-9)
    names = ("lcl1", "ucl1") if kind == "p-prime" else ("p_lcl1", "p_ucl1")
    assert_close([week.lower, week.upper], [expected[name] for name in names])


@pytest.mark.parametrize(("screen", "published"), [(True, "screened"), (False, "excel_unscreened")])
def test_one_deviation_and_its_moving_ranges(screen: bool, published: str) -> None:
    """Published to two decimals: the Excel tool keeps the outlying ranges, the R package not."""
    case = ORACLES["nhsrplotthedots_deviations"]
    (phase,) = chart("i", case["input"], method=Method(screen=screen)).phases
    expected = case["expected"][published]
    assert phase.bounds is not None
    found = [phase.center, phase.bounds.lower, phase.bounds.upper]
    assert found == pytest.approx([expected[key] for key in ("mean", "lpl", "upl")], abs=0.005)


def test_funnel_of_standardized_ratios() -> None:
    case = ORACLES["funnelplotr_poisson_limits"]
    units = [Subgroup(str(expected), expected, expected) for expected in case["input"]]
    points = funnel(U, units, target=1.0).points
    found = {
        "ll95": [point.inner.lower for point in points],
        "ul95": [point.inner.upper for point in points],
        "ll998": [point.outer.lower for point in points],
        "ul998": [point.outer.upper for point in points],
    }
    for name, published in case["expected"].items():
        for value, digits in zip(found[name], published, strict=True):
            assert value == pytest.approx(digits, abs=half_a_digit(digits))


def half_a_digit(published: float) -> float:
    """Half of the seventh digit, which is the last that the package prints."""
    return 0.5 * 10 ** (math.floor(math.log10(published)) - 6)
