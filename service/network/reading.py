"""What one report says of one group in one period: a rate, or why there is none.

The network computes rates itself, from counts that sites rounded for disclosure control. Rounding
can put a numerator above its denominator; the rate is then 1, and the counts are shown as sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from service.measure.completeness import Verdict
from service.measure.summary import Absent, Count, Summary, SummaryGroup
from service.measure.wire import PopulationCode
from service.network.archive import Version
from service.spc.point import State
from service.spc.rounding import variance
from service.spc.subgroup import Subgroup

# A proportion's rate: (numerator - its exclusions) / (denominator - exclusions - exceptions). Sites
# count what is above and below the line themselves, so that a hidden exclusion hides no rate; where
# a report does not tell these counts they are had by subtraction.
# https://build.fhir.org/ig/HL7/cqf-measures/measure-conformance.html#proportion-measures
NUMERATOR: tuple[PopulationCode, ...] = ("numerator", "numerator-exclusion")
DENOMINATOR: tuple[PopulationCode, ...] = (
    "denominator",
    "denominator-exclusion",
    "denominator-exception",
)
NO_CASES = "no cases in the denominator"
NO_PROPORTION = "only proportions have a rate here"
NO_RATE = "the report has no numerator and denominator for this"


@dataclass(frozen=True)
class Basis:
    """What must be equal before numbers may be pooled or joined by a line."""

    version: str  # of the measure
    package: str  # hash of its logic and value sets
    policy: str  # hash of the disclosure policy

    def differs_in(self, other: "Basis") -> list[str]:
        """What changed between two bases, in words."""
        changed = []
        if self.version != other.version:
            changed.append(f"measure version {other.version}")
        elif self.package != other.package:
            changed.append("measure logic or value sets")
        if self.policy != other.policy:
            changed.append("disclosure policy")
        return changed


@dataclass(frozen=True)
class Reading:
    """One reporter, one group, one period. ``rate`` is None unless ``state`` is NUMBER.

    ``numerator`` and ``denominator`` are those of the rate, and are each None when hidden or
    unknown. ``reasons`` say why a number is provisional or why there is none; a ``withdrawn`` one
    was there before. ``noise`` is the variance that rounding put on each of the two counts.
    ``told_in`` is the longer window whose report stands in for this one, if there is one.
    """

    period: str
    state: State
    numerator: int | None = None
    denominator: int | None = None
    provisional: bool = False
    reasons: tuple[str, ...] = ()
    basis: Basis | None = None
    mapping: str | None = None
    rounding: int | None = None
    versions: int = 0
    received: str | None = None
    withdrawn: bool = False
    noise: float = 0.0
    told_in: str = ""

    @property
    def rate(self) -> float | None:
        if self.state is not State.NUMBER or self.numerator is None or not self.denominator:
            return None
        return min(max(self.numerator, 0) / self.denominator, 1.0)

    @property
    def restated(self) -> bool:
        """Whether a later report replaced an earlier one."""
        return self.versions > 1

    def subgroup(self) -> Subgroup:
        """The reading on a run chart: its rate, as a measurement."""
        return Subgroup(self.period, self.rate, state=self.state, provisional=self.provisional)

    def counted(self) -> Subgroup:
        """The reading on a chart of counts, or in a funnel."""
        if self.rate is None or self.numerator is None:
            return self.subgroup()
        met = min(max(self.numerator, 0), self.denominator or 0)
        return Subgroup(
            self.period, met, self.denominator, provisional=self.provisional, noise=self.noise
        )


def missing(period: str) -> Reading:
    """No report has come for this period."""
    return Reading(period, State.MISSING)


def read(period: str, versions: Sequence[Version], group_id: str) -> Reading:
    """The newest of the ``versions`` (at least one, oldest first) for one group."""
    newest = versions[-1]
    summary = newest.summary
    state, numerator, denominator, reason = _rate_of(summary, group_id)
    rounded = _rounded_counts(summary, group_id)
    reasons = sorted(reason.replace("-", " ") for reason in summary.completeness.reasons)
    return Reading(
        period=period,
        state=state,
        numerator=numerator,
        denominator=denominator,
        provisional=summary.completeness.verdict is Verdict.PROVISIONAL,
        reasons=(*reasons, *([reason] if reason else [])),
        basis=Basis(summary.version, summary.provenance.package, summary.provenance.policy),
        mapping=summary.provenance.mapping,
        rounding=summary.rounding,
        versions=len(versions),
        received=newest.received,
        withdrawn=newest.withdraws,
        noise=variance(summary.rounding, rounded),
    )


def _rate_of(summary: Summary, group_id: str) -> tuple[State, int | None, int | None, str | None]:
    """State, numerator, denominator, and why there is no rate."""
    group = next((group for group in summary.groups if group.id == group_id), None)
    if summary.completeness.verdict is Verdict.NOT_COMPUTABLE:
        return State.NOT_COMPUTABLE, None, None, None
    if summary.scoring != "proportion":
        return State.NOT_COMPUTABLE, None, None, NO_PROPORTION
    if group is None or not {"numerator", "denominator"} <= set(group.populations):
        return State.NOT_COMPUTABLE, None, None, NO_RATE
    numerator = _side(group.met, group, NUMERATOR)
    denominator = _side(group.eligible, group, DENOMINATOR)
    if numerator is None or denominator is None:
        return State.SUPPRESSED, numerator, denominator, None
    if denominator <= 0:
        return State.NOT_COMPUTABLE, numerator, denominator, NO_CASES
    return State.NUMBER, numerator, denominator, None


def _rounded_counts(summary: Summary, group_id: str) -> int:
    """How many rounded counts are behind one side of the rate, at most."""
    group = next((group for group in summary.groups if group.id == group_id), None)
    if group is None:
        return 1
    above, below = (
        1 if told is not None else sum(code in group.populations for code in codes)
        for told, codes in ((group.met, NUMERATOR), (group.eligible, DENOMINATOR))
    )
    return max(above, below, 1)


def _side(
    told: Count | None, group: SummaryGroup, populations: Sequence[PopulationCode]
) -> int | None:
    """One side of the rate, as the site counted it or as it follows; None when it is hidden."""
    if told is None:
        return _net(group, populations)
    return None if isinstance(told, Absent) else told


def _net(group: SummaryGroup, populations: Sequence[PopulationCode]) -> int | None:
    """The first population's count less the others'; None when any of them is hidden."""
    counts = [group.populations[code] for code in populations if code in group.populations]
    shown = [count for count in counts if not isinstance(count, Absent)]
    return shown[0] - sum(shown[1:]) if len(shown) == len(counts) else None
