"""From the counts that a site sends to a rate, or to the reason why there is none."""

import pytest

from service.measure.completeness import Completeness, Reason, Verdict
from service.measure.summary import Absent, Count, Summary, SummaryGroup
from service.network.archive import Version
from service.network.reading import Reading, missing, read
from service.spc.point import State
from tests.spec.network.reports import summary_of

HIDDEN = Absent.SUPPRESSED


def reading_of(summary: Summary) -> Reading:
    version = Version("north", "2025-01", "receipt", "2026-01-01T00:00:00Z", summary)
    return read("2025-01", [version], "all-three")


def with_counts(**counts: Count) -> Summary:
    """A report whose populations are named with _ for -."""
    populations = {code.replace("_", "-"): count for code, count in counts.items()}
    return summary_of(groups=(SummaryGroup("all-three", populations),))  # type: ignore[arg-type]


def group_of(populations: dict[str, Count], **sides: Count) -> SummaryGroup:
    return SummaryGroup("all-three", populations, **sides)


class TestRate:
    def test_is_numerator_by_denominator(self) -> None:
        found = reading_of(with_counts(denominator=60, numerator=21))
        assert (found.state, found.numerator, found.denominator) == (State.NUMBER, 21, 60)
        assert found.rate == 0.35

    def test_zero_is_a_number(self) -> None:
        found = reading_of(with_counts(denominator=60, numerator=0))
        assert (found.state, found.rate) == (State.NUMBER, 0.0)

    def test_leaves_out_exclusions_and_exceptions(self) -> None:
        found = reading_of(
            with_counts(
                denominator=75,
                denominator_exclusion=12,
                denominator_exception=3,
                numerator=36,
                numerator_exclusion=6,
            )
        )
        assert (found.numerator, found.denominator, found.rate) == (30, 60, 0.5)

    def test_is_of_those_whom_the_site_counts_as_eligible(self) -> None:
        """Exclusions are too few to be shown; the rate is not lost with them."""
        populations = {"denominator": HIDDEN, "denominator-exclusion": HIDDEN, "numerator": 21}
        found = reading_of(summary_of(groups=(group_of(populations, eligible=60),)))
        assert (found.state, found.numerator, found.denominator) == (State.NUMBER, 21, 60)

    def test_is_of_those_who_met_it_where_the_site_counts_them(self) -> None:
        populations = {"denominator": 60, "numerator": 36, "numerator-exclusion": HIDDEN}
        found = reading_of(summary_of(groups=(group_of(populations, eligible=60, met=30),)))
        assert (found.state, found.rate) == (State.NUMBER, 0.5)

    def test_is_at_most_one_when_rounding_crosses_the_counts(self) -> None:
        found = reading_of(with_counts(denominator=39, numerator=42))
        assert (found.numerator, found.denominator, found.rate) == (42, 39, 1.0)


class TestNoRate:
    @pytest.mark.parametrize(
        "counts",
        [
            {"denominator": 60, "numerator": HIDDEN},
            {"denominator": HIDDEN, "numerator": 21},
            {"denominator": 60, "denominator_exclusion": HIDDEN, "numerator": 21},
            {"denominator": HIDDEN, "numerator": HIDDEN},
        ],
    )
    def test_when_a_count_that_it_needs_is_hidden(self, counts: dict[str, Count]) -> None:
        found = reading_of(with_counts(**counts))
        assert (found.state, found.rate) == (State.SUPPRESSED, None)

    def test_when_those_who_are_eligible_are_hidden(self) -> None:
        populations: dict[str, Count] = {"denominator": 60, "numerator": 21}
        found = reading_of(summary_of(groups=(group_of(populations, eligible=HIDDEN),)))
        assert (found.state, found.numerator) == (State.SUPPRESSED, 21)

    def test_but_a_hidden_initial_population_is_not_needed(self) -> None:
        found = reading_of(with_counts(initial_population=HIDDEN, denominator=60, numerator=21))
        assert found.state is State.NUMBER

    def test_what_is_shown_stays_shown(self) -> None:
        found = reading_of(with_counts(denominator=60, numerator=HIDDEN))
        assert (found.numerator, found.denominator) == (None, 60)

    def test_when_nobody_is_in_the_denominator(self) -> None:
        found = reading_of(with_counts(denominator=0, numerator=0))
        assert (found.state, found.rate) == (State.NOT_COMPUTABLE, None)
        assert "no cases" in found.reasons[0]

    def test_when_the_site_could_not_compute_it(self) -> None:
        failed = Completeness(Verdict.NOT_COMPUTABLE, frozenset({Reason.TYPE_REFUSED}))
        error = Absent.NOT_COMPUTABLE
        found = reading_of(summary_of(denominator=error, numerator=error, completeness=failed))
        assert (found.state, found.reasons) == (State.NOT_COMPUTABLE, ("type refused",))

    def test_when_the_report_has_no_such_group_or_population(self) -> None:
        assert reading_of(with_counts(initial_population=60)).state is State.NOT_COMPUTABLE
        other = (SummaryGroup("other", {"denominator": 60, "numerator": 21}),)
        assert reading_of(summary_of(groups=other)).state is State.NOT_COMPUTABLE

    def test_when_the_measure_is_no_proportion(self) -> None:
        found = reading_of(summary_of(numerator=90, denominator=60, scoring="ratio"))
        assert (found.state, found.rate) == (State.NOT_COMPUTABLE, None)

    def test_when_no_report_came(self) -> None:
        assert missing("2025-01").state is State.MISSING
        assert missing("2025-01").rate is None


def test_a_provisional_number_says_why() -> None:
    open_window = Completeness(Verdict.PROVISIONAL, frozenset({Reason.WINDOW_OPEN}))
    found = reading_of(summary_of(completeness=open_window))
    assert (found.rate, found.provisional, found.reasons) == (0.35, True, ("window open",))
    assert found.subgroup().final is False
