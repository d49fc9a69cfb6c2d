"""The score of a group: from counts, or from observations."""

from __future__ import annotations

from decimal import Decimal

import pytest

from service.measure.evaluator import Evaluator
from service.measure.package import MeasurePackage
from service.measure.scoring import aggregate, score
from service.measure.tally import Tally
from tests.spec.measure.tiny import PERIOD, measure, observation, patient, population

ELIGIBLE = "initial-population denominator"


def scored(
    package: MeasurePackage, *encounters: str, lengths: tuple[int | None, ...] = ()
) -> object:
    """The score of one patient's encounters."""
    tally = Tally(package.groups)
    tally.add(Evaluator(package, PERIOD).evaluate(patient(*encounters, lengths=lengths)))
    group = tally.groups["g"]
    return score(package.groups[0], group.counts, group.observations)


def test_a_proportion_is_of_who_is_neither_excluded_nor_excepted() -> None:
    found = scored(
        measure("proportion", "Encounter"),
        f"{ELIGIBLE} numerator",
        f"{ELIGIBLE}",
        f"{ELIGIBLE}",
        f"{ELIGIBLE}",
        f"{ELIGIBLE} denominator-exclusion",
        f"{ELIGIBLE} denominator-exception",
    )
    assert found == Decimal("0.25")


def test_a_numerator_exclusion_is_taken_from_the_numerator() -> None:
    found = scored(
        measure("proportion", "Encounter"),
        f"{ELIGIBLE} numerator",
        f"{ELIGIBLE} numerator numerator-exclusion",
    )
    assert found == Decimal("0.5")


@pytest.mark.parametrize("encounters", [[], [f"{ELIGIBLE} denominator-exclusion"]])
def test_nothing_to_divide_by_is_no_score_and_not_zero(encounters: list[str]) -> None:
    assert scored(measure("proportion", "Encounter"), *encounters) is None


def test_a_cohort_has_no_score() -> None:
    assert scored(measure("cohort", "Encounter"), "initial-population") is None


def test_a_ratio_divides_counts() -> None:
    found = scored(
        measure("ratio", "Encounter"),
        f"{ELIGIBLE} numerator",
        "initial-population numerator",
        "initial-population numerator",
        f"{ELIGIBLE}",
        f"{ELIGIBLE} denominator-exclusion",
    )
    assert found == Decimal("1.5")


def ratio_of(*observations: dict[str, object]) -> MeasurePackage:
    codes = ("initial-population", "denominator", "denominator-exclusion", "numerator")
    populations = [population(code) for code in (*codes, "numerator-exclusion")]
    return measure("ratio", "Encounter", population=[*populations, *observations])


def test_a_ratio_with_observations_divides_their_aggregates() -> None:
    """Falls for each day in hospital: the excluded stay of 100 days is not observed."""
    package = ratio_of(
        observation("denominator", "sum", id="days"), observation("numerator", "count", id="falls")
    )
    found = scored(
        package,
        f"{ELIGIBLE} numerator",
        f"{ELIGIBLE}",
        f"{ELIGIBLE} denominator-exclusion",
        lengths=(3, 5, 100),
    )
    assert found == Decimal(1) / Decimal(8)


def test_a_ratio_may_observe_its_denominator_alone() -> None:
    package = ratio_of(observation("denominator", "sum", id="days"))
    assert scored(package, f"{ELIGIBLE} numerator", f"{ELIGIBLE}", lengths=(3, 5)) == Decimal(
        "0.125"
    )


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("sum", "21"),
        ("average", "5.25"),
        ("median", "4.5"),
        ("minimum", "2"),
        ("maximum", "10"),
        ("count", "4"),
    ],
)
def test_a_continuous_variable_aggregates_its_observations(method: str, expected: str) -> None:
    """Excluded stays and stays without a length are not observed."""
    codes = ("initial-population", "measure-population", "measure-population-exclusion")
    package = measure(
        "continuous-variable",
        "Encounter",
        population=[*map(population, codes), observation("measure-population", method)],
    )
    measured = "initial-population measure-population"
    encounters = [measured] * 4 + [f"{measured} measure-population-exclusion", measured]
    found = scored(package, *encounters, lengths=(2, 3, 6, 10, 1000, None))
    assert found == Decimal(expected)


def test_an_observation_of_a_quantity_is_its_value() -> None:
    codes = ("initial-population", "measure-population")
    package = measure(
        "continuous-variable",
        "Encounter",
        population=[
            *map(population, codes),
            observation("measure-population", "sum", "Length With Unit"),
        ],
    )
    assert scored(package, "initial-population measure-population", lengths=(4,)) == 4


@pytest.mark.parametrize("expression", ["Patient Length", "All Lengths"])
def test_a_patient_is_observed_by_a_definition_or_a_function_of_nothing(expression: str) -> None:
    codes = ("initial-population", "measure-population")
    package = measure(
        "continuous-variable",
        "boolean",
        population=[
            *(population(code, "boolean") for code in codes),
            observation("measure-population", "maximum", expression),
        ],
    )
    words = "initial-population measure-population"
    assert scored(package, words, words, lengths=(4, 5)) == 9


@pytest.mark.parametrize("method", ["average", "median", "minimum", "maximum"])
def test_no_observations_have_no_aggregate(method: str) -> None:
    assert aggregate(method, []) is None


def test_no_observations_count_and_sum_to_zero() -> None:
    assert aggregate("count", []) == aggregate("sum", []) == 0
