"""A small hospital over two years, and everything that it tells two networks.

Stays end in a month and are known at its end, or late, in one of the months after. One measure
counts them: a composite, in all and by sex, and a component. Whose sex is neither of the two that
are told is in no stratum, and must not be had by subtraction. One network is told every month,
and the quarter where a month cannot show a rate; the other one is told quarters, rounded otherwise.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from service.disclosure import Group, Member, Policy, Table, parse_policy
from service.measure.completeness import COMPLETE
from service.site.history import Remembered
from service.site.protect import Origin, Outcome, Result, protect
from tests.releases import DREAMING, package

FIRST = 2024 * 12
STRATA = ("composite/sex/f", "composite/sex/m", "composite/sex/")  # the last is never told
GROUPS = ("composite", "drinking", *STRATA)
OVERALL = ("composite", "drinking")
POLICY = """
network = "{}"
version = "1"
legal_basis = "made-up patients"
{}
[[release]]
measure = "{}"
window = "{}"
from = "2024-01"
to = "2025-12"
{}
"""
MONTHLY = parse_policy(
    POLICY.format("monthly", "", DREAMING, "month", 'ladder = ["quarter"]').encode()
)
QUARTERLY = parse_policy(
    POLICY.format("quarterly", "rounding = 5", DREAMING, "quarter", "").encode()
)


@dataclass(frozen=True)
class Stay:
    number: int
    patient: int
    month: int  # months since the first
    known: int  # the month at whose end it is in the records
    sex: str
    part: str  # outside, excluded, excepted, counted
    drank: bool
    did_all: bool

    def parts(self, group: str) -> str | None:
        """Which part of a group the stay is in, in the attacker's words."""
        if group in STRATA and self._stratum != group:
            return None
        if self.part != "counted":
            words = {
                "outside": "not-in-denominator",
                "excluded": "excluded",
                "excepted": "excepted",
            }
            return words[self.part]
        met = self.drank if group == "drinking" else self.did_all
        return "met" if met else "gap"

    @property
    def _stratum(self) -> str:
        return f"composite/sex/{self.sex if self.sex in 'fm' else ''}"


def stays(seed: int, months: int) -> list[Stay]:
    """Everything that happens: 9 to 60 stays a month, some late, some patients twice."""
    chance = random.Random(seed)
    told: list[Stay] = []
    rate = chance.choice((0.5, 0.75, 0.9))
    for month in range(months):
        late = chance.choice((0.0, 0.1, 0.5, 0.7))
        for _ in range(chance.choice((9, 14, 25, 40, 60))):
            drank = chance.random() < (1 + rate) / 2
            again = told and chance.random() < 0.1
            told.append(
                Stay(
                    len(told),
                    chance.choice(told).patient if again else len(told),
                    month,
                    month + (chance.randint(1, 2) if chance.random() < late else 0),
                    chance.choice("fffmmx"),
                    chance.choices(("outside", "excluded", "excepted", "counted"), (8, 7, 5, 80))[
                        0
                    ],
                    drank,
                    drank and chance.random() < rate,
                )
            )
    return told


@dataclass(frozen=True)
class Letter:
    """One report that the site sent, with what the records said when it was made."""

    network: str
    window: tuple[int, ...]  # months since the first
    made: int  # the month at whose end
    outcome: Outcome


def table(all_stays: Sequence[Stay], window: Sequence[int], now: int) -> Table:
    """The exact results for some months as the records are at the end of month `now`."""
    mine = [stay for stay in all_stays if stay.month in window and stay.known <= now]
    groups = tuple(Group(n, _populations(mine, n), told=n[-1] != "/") for n in GROUPS)
    return Table(DREAMING, package("dreaming").version, _days(window), groups)


def _populations(mine: Sequence[Stay], group: str) -> dict[str, frozenset[Member]]:
    def of(*parts: str) -> frozenset[Member]:
        chosen = (stay for stay in mine if stay.parts(group) in parts)
        return frozenset(Member(f"p{stay.patient}", f"e{stay.number}") for stay in chosen)

    inside = ("excluded", "excepted", "met", "gap")
    return {
        "initial-population": of("not-in-denominator", *inside),
        "denominator": of(*inside),
        "denominator-exclusion": of("excluded"),
        "denominator-exception": of("excepted"),
        "numerator": of("met"),
    }


def runs(all_stays: Sequence[Stay], months: int) -> Iterator[tuple[int, Policy, list[Table]]]:
    """What the site computes at the end of each month for each network."""
    for now in range(months):
        ended = [(month,) for month in range(now + 1)]
        quarters = [tuple(range(q, q + 3)) for q in range(0, now - 1, 3)]
        yield now, MONTHLY, [table(all_stays, each, now) for each in [*ended, *quarters]]
        if quarters:
            yield now, QUARTERLY, [table(all_stays, each, now) for each in quarters]


def letters(all_stays: Sequence[Stay], months: int, key: bytes = b"h" * 32) -> list[Letter]:
    """All that leaves, through the site's own code; the history is what left before."""
    history: dict[str, Remembered] = {}
    sent: list[Letter] = []
    for now, policy, tables in runs(all_stays, months):
        origin = Origin("north", policy, key, "none", "UTC", date(2026, 11, 1))
        results = [Result(package("dreaming"), each, COMPLETE) for each in tables]
        for outcome in protect(results, origin, list(history.values())):
            if outcome.release and outcome.release.key not in history:
                history[outcome.release.key] = outcome.release.memory
                window = _window(outcome.result.table)
                sent.append(Letter(policy.network, window, now, outcome))
    return sent


def _window(of: Table) -> tuple[int, ...]:
    first, last = (day.year * 12 + day.month - 1 - FIRST for day in of.period)
    return tuple(range(first, last + 1))


def _days(window: Sequence[int]) -> tuple[date, date]:
    first, after = (FIRST + month for month in (window[0], window[-1] + 1))
    end = date(after // 12, after % 12 + 1, 1) - timedelta(days=1)
    return date(first // 12, first % 12 + 1, 1), end


def counted(
    all_stays: Sequence[Stay], window: Sequence[int], now: int, group: str
) -> Mapping[str, list[Stay]]:
    """The stays in each part of a group, as the records were."""
    parts: dict[str, list[Stay]] = {}
    for stay in all_stays:
        part = stay.parts(group)
        if stay.month in window and stay.known <= now and part:
            parts.setdefault(part, []).append(stay)
    return parts
