"""Composite measures: one score from the component measures "a" and "b".

An encounter or patient is in the denominator of "a" by the type "denominator" and met by
"numerator"; of "b" by "measure-population" and "measure-population-exclusion" (the names are of no
meaning here).
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from service.errors import MeasureError
from service.measure.evaluator import Evaluator
from service.measure.package import MeasurePackage, compile_package
from service.measure.report import Reporter
from service.measure.tally import Tally
from tests.fhir_models import check_r4
from tests.spec.measure.tiny import (
    CQFM,
    PERIOD,
    concept,
    content,
    criteria,
    extension,
    group_json,
    patient,
    population,
)

Json = dict[str, Any]
A, A_MET = "initial-population denominator", "numerator"
B, B_MET = "initial-population measure-population", "measure-population-exclusion"


def component(name: str, basis: str = "boolean", scoring: str = "proportion") -> Json:
    group = group_json(scoring, basis)
    if name == "b":
        prefix = "patient " if basis == "boolean" else ""
        renamed = {"denominator": "measure-population", "numerator": B_MET}
        group["population"] = [
            population(code, basis) | {"criteria": criteria(prefix + renamed.get(code, code))}
            for code in ("initial-population", "denominator", "numerator")
        ]
    return dict(content(group).measure) | {"id": name, "url": f"urn:test:{name}"}


def composite(method: str, *parts: Json, weights: tuple[float, float] = (1, 1)) -> MeasurePackage:
    artifacts = [
        {
            "type": "composed-of",
            "resource": f"{part['url']}|1",
            "extension": [{"url": f"{CQFM}weight", "valueDecimal": weight}],
        }
        for part, weight in zip(parts, weights, strict=True)
    ]
    measure = {
        "resourceType": "Measure",
        "id": "both",
        "url": "urn:test:both",
        "version": "1",
        "status": "active",
        "scoring": concept("urn:test", "composite"),
        "extension": [extension("compositeScoring", method)],
        "relatedArtifact": artifacts,
    }
    whole = content(parts[0]["group"][0])
    return compile_package(replace(whole, measure=measure, main="", parts=parts), "composite")


def scored(package: MeasurePackage, *patients: tuple[str, ...]) -> Decimal | None:
    assert package.composite
    return package.composite.score(tally(package, *patients).groups)


def tally(package: MeasurePackage, *patients: tuple[str, ...]) -> Tally:
    evaluator = Evaluator(package, PERIOD)
    found = Tally(package.groups)
    for encounters in patients:
        found.add(evaluator.evaluate(patient(*encounters)))
    return found


# Two patients have both, one met; one has "a" alone and met it; one has nothing to meet.
PATIENTS = (
    (f"{A} {A_MET}", f"{B} {B_MET}"),
    (f"{A} {A_MET}", B),
    (f"{A} {A_MET}",),
    ("initial-population",),
)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("opportunity", Decimal(4) / 5),
        ("all-or-nothing", Decimal(2) / 3),
        ("linear", (1 + Decimal(1) / 2 + 1) / 3),
        ("weighted", (3 * Decimal(1) + 1 * Decimal(1) / 2) / 4),
    ],
)
def test_components_are_combined_by(method: str, expected: Decimal) -> None:
    package = composite(method, component("a"), component("b"), weights=(3, 1))
    assert scored(package, *PATIENTS) == expected


def test_encounters_are_opportunities_each() -> None:
    package = composite("opportunity", component("a", "Encounter"), component("b", "Encounter"))
    assert scored(package, (f"{A} {A_MET}", A, A, f"{B} {B_MET}")) == Decimal(2) / 4


def test_a_patient_with_one_encounter_unmet_has_not_met_all() -> None:
    package = composite("all-or-nothing", component("a", "Encounter"), component("b"))
    assert scored(package, (f"{A} {A_MET}", A), (f"{A} {A_MET}",)) == Decimal(1) / 2


@pytest.mark.parametrize("method", ["opportunity", "all-or-nothing", "linear", "weighted"])
def test_nobody_has_no_score(method: str) -> None:
    package = composite(method, component("a"), component("b"))
    assert scored(package, ("initial-population",)) is None


def test_the_report_has_the_components_groups_beside_its_own() -> None:
    package = composite("all-or-nothing", component("a"), component("b"))
    report = Reporter(Evaluator(package, PERIOD)).summary(tally(package, *PATIENTS))
    check_r4(report)
    assert [group["id"] for group in report["group"]] == ["composite", "a.g", "b.g"]
    own, *_ = report["group"]
    assert {one["id"]: one["count"] for one in own["population"]} == {
        "initial-population": 3,
        "denominator": 3,
        "numerator": 2,
    }


def test_its_requirements_are_those_of_all_components() -> None:
    package = composite("opportunity", component("a"), component("b"))
    assert package.requirements.types == {"Patient", "Encounter"}


def test_a_missing_component_is_refused() -> None:
    package = composite("opportunity", component("a"), component("b"))
    with pytest.raises(MeasureError, match=r"urn:test:b\|1 is missing"):
        compile_package(replace(package.content, parts=package.content.parts[:1]), "composite")


def test_a_method_that_is_not_known_is_refused() -> None:
    with pytest.raises(MeasureError, match="Unknown composite scoring 'best-of'"):
        composite("best-of", component("a"), component("b"))


def test_only_weights_combine_what_is_no_proportion() -> None:
    cohort = component("a", scoring="cohort")
    with pytest.raises(MeasureError, match="made of proportions"):
        composite("opportunity", cohort, component("b"))
