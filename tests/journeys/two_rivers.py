"""Two years of reports from two centers, with everything that a page must be able to show.

North changes its care in January 2025 and recovers more patients within a day; South does not.
South has a suppressed month, one that never came and one that could not be computed; North restates
a month, and its newest month is provisional.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from service.measure.completeness import COMPLETE, Completeness, Reason, Verdict
from service.measure.summary import Absent, Count, Summary, SummaryGroup
from service.network.config import NetworkConfig
from service.network.window import span
from tests.spec.network.reports import KEYS, SECRETS, summary_of

DREAMING, READMISSION = "urn:weir:measure:dreaming", "urn:weir:measure:readmission"
MONTHS = span("2024-01", "2025-12", "month")
QUARTERS = span("2024-Q1", "2025-Q4", "quarter")
PARTS = ("drinking", "eating", "mobilising")
PROVISIONAL = Completeness(Verdict.PROVISIONAL, frozenset({Reason.WINDOW_OPEN}))
FAILED = Completeness(Verdict.NOT_COMPUTABLE, frozenset({Reason.TYPE_REFUSED}))


def config(database: str, **changes: Any) -> NetworkConfig:
    """The network's configuration."""
    return NetworkConfig.model_validate(
        {
            "title": "Two Rivers Recovery Collaborative",
            "database": database,
            "keys": SECRETS.name,
            "access": "open",
            **changes,
            "site": [_site("north", "North Hospital"), _site("south", "South Hospital")],
            "measure": [_DREAMING, _READMISSION],
            "annotation": [
                {
                    "site": "north",
                    "measure": DREAMING,
                    "month": "2025-01",
                    "text": "Drinks trolley and chairs on the ward",
                    "baseline": True,
                }
            ],
        }
    )


def reports() -> Iterator[Summary]:
    """Every report, in the order in which the centers send them."""
    chance = random.Random(2026)
    for site in ("north", "south"):
        for month in MONTHS:
            yield from _month(chance, site, month)
        for quarter in QUARTERS:
            yield _quarter(chance, site, quarter)
    yield replace(_recovery(random.Random(1), "north", "2025-06"), completeness=COMPLETE)


def _site(site: str, name: str) -> dict[str, Any]:
    jwk = KEYS[site].as_dict(private=False)
    measures = [DREAMING, READMISSION]
    return {"id": site, "name": name, "kid": f"{site}-1", "jwk": jwk, "measures": measures}


_STAYS = "Stays with major surgery, less exclusions"
_DREAMING = {
    "url": DREAMING,
    "name": "DrEaMing",
    "title": "Drinking, eating and mobilising within 24 hours of surgery",
    "description": "Adult inpatient stays with major surgery. All three within a day is the goal; "
    "each of the three is shown below.",
    "target": 0.8,
    "headline": "composite",
    "groups": [
        {"id": "composite", "title": "All three", "numerator": "All three", "denominator": _STAYS},
        {"id": "drinking", "title": "Drinking", "numerator": "Drank", "denominator": _STAYS},
        {"id": "eating", "title": "Eating", "numerator": "Ate", "denominator": _STAYS},
        {"id": "mobilising", "title": "Mobilising", "numerator": "Got up", "denominator": _STAYS},
    ],
}
_READMISSION = {
    "url": READMISSION,
    "name": "Readmission",
    "title": "Unplanned readmission within 30 days",
    "description": "Adult inpatient discharges. Only readmissions to the same center are seen.",
    "window": "quarter",
    "direction": "decrease",
    "groups": [
        {
            "id": "readmission",
            "title": "Readmission, all causes",
            "numerator": "Readmitted",
            "denominator": "Discharges, less exclusions",
        }
    ],
}


def _month(chance: random.Random, site: str, month: str) -> Iterator[Summary]:
    report = _recovery(chance, site, month)
    if (site, month) == ("south", "2024-08"):
        return
    if (site, month) == ("south", "2024-05"):
        report = replace(report, groups=tuple(_suppressed(group) for group in report.groups))
    if (site, month) == ("south", "2025-03"):
        report = replace(report, completeness=FAILED)
        report = replace(report, groups=tuple(_in_error(group) for group in report.groups))
    if (site, month) == ("north", "2025-12"):
        report = replace(report, completeness=PROVISIONAL)
    yield report


def _recovery(chance: random.Random, site: str, month: str) -> Summary:
    improved = site == "north" and month >= "2025-01"
    stays, excluded = _rounded(chance.randint(69, 81)), _rounded(chance.randint(13, 17))
    share = 0.65 if improved else 0.35
    groups = [_group("composite", stays, excluded, _drawn(chance, stays - excluded, share))]
    for part, more in zip(PARTS, (0.22, 0.15, 0.07), strict=True):
        met = _drawn(chance, stays - excluded, min(share + more, 0.95))
        groups.append(_group(part, stays, excluded, met))
    return summary_of(site, month, measure=DREAMING, groups=tuple(groups))


def _quarter(chance: random.Random, site: str, quarter: str) -> Summary:
    stays, excluded = _rounded(chance.randint(430, 465)), _rounded(chance.randint(18, 30))
    met = _drawn(chance, stays - excluded, 0.15)
    group = _group("readmission", stays, excluded, met)
    changes = {"groups": (group,), "improvement": "decrease"}
    return summary_of(site, quarter, measure=READMISSION, **changes)


def _group(name: str, stays: int, excluded: int, met: int) -> SummaryGroup:
    counts: dict[Any, Count] = {
        "initial-population": stays,
        "denominator": stays,
        "denominator-exclusion": excluded,
        "numerator": met,
    }
    return SummaryGroup(name, counts)


def _suppressed(group: SummaryGroup) -> SummaryGroup:
    return SummaryGroup(group.id, {**group.populations, "numerator": Absent.SUPPRESSED})


def _in_error(group: SummaryGroup) -> SummaryGroup:
    return SummaryGroup(group.id, dict.fromkeys(group.populations, Absent.NOT_COMPUTABLE))


def _drawn(chance: random.Random, of: int, share: float) -> int:
    return _rounded(sum(chance.random() < share for _ in range(of)))


def _rounded(count: int) -> int:
    return max(12, round(count / 3) * 3)
