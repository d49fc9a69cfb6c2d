"""Where Weir and the deck's expected reports differ, and why the report is believed wrong.

Strict: a patient who is listed and does not differ fails the test, as one who differs and is not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """All differences of ``patients`` patients of a measure begin with one of ``beginnings``."""

    measure: str
    patients: int
    beginnings: tuple[str, ...]
    why: str


AGE_STRATA = (
    "Strata by age cannot overlap, and the expected report puts each patient into all of them (or, "
    "where it was never filled in, into none). Quality Measure IG, stratification: a stratifier is "
    "evaluated like any population criteria, and the definitions here are disjoint intervals of "
    "AgeInYearsAt."
)

KNOWN = (
    Known(
        "CMS0334FHIRPCCesareanBirth",
        1,
        ("Group_1 denominator: 0, expected 1", "Group_1 denominator-exclusion: 0, expected 1"),
        "The reference engines agree with Weir (../shared/data/cms-deck.md).",
    ),
    Known(
        "CMS1017FHIRHHFI",
        2,
        ("Group_1 MeasureObservation_1_1: [2.0], expected [4]",),
        "The expected observation of 4 days is that of the stay that the denominator exclusion "
        "takes out; the stay that is left lasted 2 days. Quality Measure IG, ratio measures: the "
        "observations are of the members of the population that are left after exclusions.",
    ),
    Known("CMS130FHIRColorectalCancerScrn", 57, ("Group_1 Stratification_1_",), AGE_STRATA),
    Known(
        "CMS137FHIRSUDTxInitEngagement",
        40,
        ("Group_1 Stratification_1_2", "Group_2 Stratification_2_"),
        AGE_STRATA,
    ),
    Known(
        "CMS155FHIRWgtAssessCounseling",
        2,
        ("Group_1 Stratification_1_", "Group_2 Stratification_2_", "Group_3 Stratification_3_"),
        AGE_STRATA,
    ),
    Known("CMS159FHIRDepRemissionat12Months", 60, ("Group_1 Stratification_1_",), AGE_STRATA),
)
