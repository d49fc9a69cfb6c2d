"""A report is refused only when no whole numbers fit what it says."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.measure.summary import Absent, Count, SummaryGroup
from service.network.plausibility import contradiction
from tests.spec.network.reports import Sender, summary_of

HIDDEN = Absent.SUPPRESSED


def fits(scoring: str = "proportion", **counts: Count) -> bool:
    populations = {name.replace("_", "-"): count for name, count in counts.items()}
    groups = (SummaryGroup("g", populations),)
    return contradiction(summary_of(groups=groups, scoring=scoring)) is None


@pytest.mark.parametrize(
    ("denominator", "numerator", "possible"),
    [
        (39, 42, True),  # may truly be 41 of 40 turned round: 40 of 41
        (39, 45, False),  # at least 43 of at most 41
        (60, 60, True),
        (0, 0, True),
        (0, 12, False),
        (HIDDEN, 90, True),
        (60, HIDDEN, True),
    ],
)
def test_a_numerator_within_its_denominator(
    denominator: Count, numerator: Count, possible: bool
) -> None:
    assert fits(denominator=denominator, numerator=numerator) is possible


def test_exclusions_and_numerator_together() -> None:
    assert fits(denominator=60, denominator_exclusion=30, numerator=33)  # 28 + 31
    assert not fits(denominator=60, denominator_exclusion=36, numerator=33)  # 34 + 31 of 62
    assert fits(denominator=60, denominator_exclusion=HIDDEN, numerator=60)


def test_the_initial_population_holds_the_denominator() -> None:
    assert fits(initial_population=60, denominator=63)
    assert not fits(initial_population=60, denominator=66)
    assert not fits(initial_population=30, denominator=HIDDEN, numerator=36)


def test_a_ratio_s_numerator_is_of_another_kind() -> None:
    assert fits("ratio", denominator=30, numerator=90)


def of_strata(whole: int, **parts: Count) -> tuple[str, str] | None:
    """What is wrong with a report of a group and its strata, all of which count a denominator."""
    groups = [SummaryGroup("first", {"denominator": 90}), SummaryGroup("g", {"denominator": whole})]
    strata = [SummaryGroup(f"g/sex/{name}", {"denominator": n}) for name, n in parts.items()]
    return contradiction(summary_of(groups=(*groups, *strata)))


def test_strata_are_within_their_group_together() -> None:
    assert of_strata(60, female=39, male=27) is None  # 37 + 25 of 62
    assert of_strata(60, female=39, male=30) == (".group[1]", "denominator")
    assert of_strata(60, female=60, male=HIDDEN) is None
    assert of_strata(60, female=66) == (".group[1]", "denominator")
    assert of_strata(60, female=0, male=0) is None


def test_each_stratum_is_a_table_of_its_own() -> None:
    whole = {"denominator": 90, "numerator": 60}
    strata = (
        SummaryGroup("g/age/old", {"denominator": 30, "numerator": 12}),
        SummaryGroup("g/sex/female", {"denominator": 60, "numerator": 30}),
        SummaryGroup("g/sex/male", {"denominator": 15, "numerator": 30}),
    )
    found = contradiction(summary_of(groups=(SummaryGroup("g", whole), *strata)))
    assert found == (".group[0].stratifier[1].stratum[1]", "denominator")


small = st.integers(0, 40)


@given(st.tuples(small, small, small, small), st.lists(st.booleans(), min_size=5, max_size=5))
def test_what_is_true_is_never_refused(parts: tuple[int, ...], hidden: list[bool]) -> None:
    """Counts of a real table, rounded either way or hidden, as disclosure control may."""
    numerator, exclusion, exception, gap = parts
    denominator = sum(parts)
    truth = {
        "initial_population": denominator + gap,
        "denominator": denominator,
        "denominator_exclusion": exclusion,
        "denominator_exception": exception,
        "numerator": numerator,
    }
    for up in product((False, True), repeat=2):
        shown = {
            name: _shown(count, hide, up[at % 2])
            for at, ((name, count), hide) in enumerate(zip(truth.items(), hidden, strict=True))
        }
        assert fits(**shown)


def _shown(count: int, hide: bool, up: bool) -> Count:
    if hide or 0 < count < 11:
        return HIDDEN
    return max(12, -(-count // 3) * 3 if up else count // 3 * 3) if count else 0


def test_the_network_refuses_it_and_names_the_group(sender: Sender) -> None:
    answer = sender.report(summary_of(numerator=90, denominator=60))
    assert answer.status_code == 422
    assert "MeasureReport.group[0]" in answer.text and "denominator" in answer.text
    assert sender.report(summary_of(numerator=42, denominator=39)).status_code == 201
