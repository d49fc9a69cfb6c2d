"""What protection costs and what it is worth: `make bench` prints the table and keeps it in docs.

Made-up months of a proportion with 5 % exclusions, with and without four strata. Three ways to
protect them are compared: hiding counts of 1 to 10 and no more, hiding others with them until
exact counts reveal no small one (complementary suppression), and Weir's default profile.
"""

import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from service.disclosure import Group, Member, Policy, Published, Table, parse_policy, protect
from service.disclosure.audit import Audit
from service.disclosure.simulation import measured
from service.disclosure.system import system_of

MONTHS = 24
KEY = b"benchmark" * 4
TABLE = Path(__file__).parents[1] / "docs" / "disclosure-bench.md"
DEFAULT = parse_policy(
    b"""
    network = "benchmark"
    version = "1"
    legal_basis = "made-up patients"
    [[release]]
    measure = "urn:bench"
    window = "month"
    from = "2024-01"
    to = "2025-12"
    """
)
WAYS = {
    "threshold only": DEFAULT.model_copy(update={"rounding": 1, "candidates": 0}),
    "complementary suppression": DEFAULT.model_copy(update={"rounding": 1}),
    "Weir, default": DEFAULT,
}
HEAD = f"""# What disclosure control costs

Written by `make bench`. For each denominator and rate {MONTHS} made-up months of a proportion, 5 %
of the patients excluded; *strata* are four unequal ones of each month (40, 30, 20 and 10 %).
*Kept* is the share of rates that are shown, of those whose numerator and denominator count 11
patients or more; *error* is the mean distance from the exact rate in percentage points. *Narrow* is
the share of all counts of 1 to 10 patients, shown or had by subtraction, for which a reader who
subtracts is left with fewer than 5 values. *Seconds* are CPU time for all {MONTHS} months.

| denominator | rate | | totals kept | error | strata kept | error | narrow | seconds |
|---|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    rows = []
    for denominator in (40, 150, 600):
        for rate in (0.5, 0.75, 0.9):
            for name, policy in WAYS.items():
                rows.append(
                    f"| {denominator} | {rate:.0%} | {name} | {row(denominator, rate, policy)} |"
                )
                sys.stdout.write(rows[-1] + "\n")
    TABLE.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    sys.stdout.write(f"Written to {TABLE}\n")


def row(denominator: int, rate: float, policy: Policy) -> str:
    """Totals from months without strata, strata from months that have them."""
    began = time.process_time()
    plain = list(months(denominator, rate, strata=False))
    fine = list(months(denominator, rate, strata=True))
    told, told_fine = (protect(tables, policy, KEY) for tables in (plain, fine))
    took = time.process_time() - began
    kept, error = worth(plain, told, {"total"})
    kept_fine, error_fine = worth(fine, told_fine, {"s0", "s1", "s2", "s3"})
    narrow = f"{share_narrow([*told, *told_fine]):.0%}"
    return f"{kept} | {error} | {kept_fine} | {error_fine} | {narrow} | {took:.1f}"


def worth(tables: Sequence[Table], told: Sequence[Published], groups: set[str]) -> tuple[str, str]:
    """The share of eligible rates that are kept, and their mean error, as they are printed."""
    chosen = [
        Table(each.measure, each.version, each.period, tuple(eligible(each, groups)))
        for each in tables
    ]
    found = measured(chosen, told)
    if not found.points:
        return "-", "-"
    return f"{found.share:.0%}", f"{found.mean_error:.1f}" if found.kept else "-"


def eligible(table: Table, groups: set[str]) -> Iterator[Group]:
    for group in table.groups:
        few = min(len(group.cells["eligible"]), len(group.cells["numerator"])) < 11
        if group.id in groups and not few:
            yield group


def share_narrow(told: Sequence[Published]) -> float:
    """Of all small quantities, those with fewer than five possible values."""
    audits = [Audit(system_of([each]), 5, 11) for each in told]
    narrow = sum(len(list(audit.narrow())) for audit in audits)
    return narrow / max(sum(len(audit.quantities) for audit in audits), 1)


def months(denominator: int, rate: float, strata: bool) -> Iterator[Table]:
    chance = random.Random(2026)
    for month in range(MONTHS):
        people = [Member(f"p{month}-{i}", f"p{month}-{i}") for i in range(denominator)]
        excluded = {who for who in people if chance.random() < 0.05}
        met = {who for who in people if who not in excluded and chance.random() < rate}
        where = dict(
            zip(people, chance.choices(range(4), (40, 30, 20, 10), k=len(people)), strict=True)
        )
        parts: dict[str, set[Member]] = {"total": set(people)}
        if strata:
            parts |= {f"s{i}": {who for who in people if where[who] == i} for i in range(4)}
        groups = tuple(
            Group(
                name,
                {
                    "initial-population": frozenset(part),
                    "denominator": frozenset(part),
                    "denominator-exclusion": frozenset(part & excluded),
                    "numerator": frozenset(part & met),
                },
            )
            for name, part in parts.items()
        )
        first = date(2024 + month // 12, month % 12 + 1, 1)
        yield Table("urn:bench", "1", (first, first.replace(day=28)), groups)


if __name__ == "__main__":
    main()
