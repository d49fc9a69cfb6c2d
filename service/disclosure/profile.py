"""The shipped profiles: sets of rules that are known to hold together, each with its source.

A policy names one and can be stricter than it, in any parameter, and never laxer.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from service.disclosure.rounding import Method, Reading

Zeros = Literal["show", "hide"]


@dataclass(frozen=True)
class Profile:
    """What a policy may not be laxer than.

    ``threshold`` and ``k_delta`` count distinct patients; ``candidates`` is how many values a small
    quantity must keep for a reader who has everything, 0 where nothing is audited; ``min_interval``
    counts days; ``refused`` says why a profile that is defined cannot be used.
    """

    name: str
    meaning: str
    source: str
    threshold: int
    rounding: int
    method: Method
    candidates: int
    k_delta: int
    max_share: Fraction
    zeros: Zeros
    max_versions: int
    min_interval: int = 0
    refused: str | None = None

    @property
    def reading(self) -> Reading:
        """How a reader takes its numbers."""
        return Reading(self.threshold, self.rounding, self.method)


_DEFAULT = Profile(
    name="default",
    meaning="No count of 1 to 10 patients is shown. The others are rounded to a multiple of 3 by "
    "a secret of the site, and withdrawn where adding and subtracting all that was ever released "
    "would leave fewer than 5 possible values of a count of 1 to 10.",
    source="CMS cell size policy (ResDAC, 2024); rounding after Stats NZ's random rounding base 3; "
    "audit after tau-Argus",
    threshold=11,
    rounding=3,
    method="keyed",
    candidates=5,
    k_delta=11,
    max_share=Fraction(1, 2),
    zeros="show",
    max_versions=2,
)
_STRICT = Profile(
    name="strict",
    meaning="As default with 20 patients, rounding to 5 and 7 possible values; zeros are hidden "
    "like small counts. For sensitive subjects and small communities.",
    source="The upper end of thresholds in use (5 to 20); ACRO/SACRO treats zeros as disclosive",
    threshold=20,
    rounding=5,
    method="keyed",
    candidates=7,
    k_delta=20,
    max_share=Fraction(1, 3),
    zeros="hide",
    max_versions=2,
)
_NHS = Profile(
    name="nhs",
    meaning="Counts of 1 to 7 are hidden, the others rounded to the nearest 5; zeros are shown. "
    "What can be had by subtraction is not weighed: rounding alone has to do.",
    source="NHS Digital sub-national rule since 2018 (HES, ECDS, NCMP publications)",
    threshold=8,
    rounding=5,
    method="nearest",
    candidates=0,
    k_delta=8,
    max_share=Fraction(1, 2),
    zeros="show",
    max_versions=2,
)
_DENOMINATOR = Profile(
    name="denominator-only",
    meaning="Counts of 1 to 10 are hidden and the others rounded to a multiple of 3, but how many "
    "did not get the care, or were excluded, can be had by subtraction where the denominator is "
    "large enough. Weaker than the default, and to be chosen knowingly.",
    source="Public quality reporting (Care Compare): the denominator must be large enough; "
    "numerator and complement are published",
    threshold=11,
    rounding=3,
    method="keyed",
    candidates=0,
    k_delta=11,
    max_share=Fraction(1, 2),
    zeros="show",
    max_versions=2,
)
_TRUSTED = Profile(
    name="trusted-coordinator",
    meaning="Full counts under an agreement; the network hides small ones where it shows them.",
    source="Data use agreements for limited data sets, 45 CFR 164.514(e)",
    threshold=1,
    rounding=1,
    method="nearest",
    candidates=0,
    k_delta=1,
    max_share=Fraction(1),
    zeros="show",
    max_versions=1000,
    refused="the network cannot protect what it displays yet; use another profile",
)
PROFILES = {each.name: each for each in (_DEFAULT, _STRICT, _NHS, _DENOMINATOR, _TRUSTED)}
