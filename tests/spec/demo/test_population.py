"""What the demo's two centers hold: the rates that are planted, in codes that differ.

Every rate here is counted by hand from the resources, never with the measure engine.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import pytest
from fhir.resources.R4B import get_fhir_model_class

from service.demo import months
from service.demo.centers import CENTERS, NORTH, SOUTH, Center
from service.demo.records import records
from service.demo.story import Plan, tell
from tests.by_hand import ByHand

FIRST, LAST = date(2024, 1, 1), date(2025, 12, 1)
YEARS = [(date(2024, 1, 1), date(2024, 12, 31)), (date(2025, 1, 1), date(2025, 12, 31))]
SEED = 1


def plan(center: Center, seed: int = SEED) -> Plan:
    return Plan(center.zone, seed, FIRST, LAST, center.change)


@dataclass(frozen=True)
class Population:
    center: Center
    resources: list[dict[str, Any]]
    by_hand: ByHand

    def of_type(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.resources if each["resourceType"] == name]


@pytest.fixture(scope="module", params=CENTERS, ids=lambda center: center.id)
def population(request: pytest.FixtureRequest) -> Population:
    center = request.param
    resources = list(records(center, tell(plan(center))))
    return Population(center, resources, ByHand(center, resources))


def rate(populations: dict[str, Any]) -> float:
    counted = populations["denominator"] - populations["denominator-exclusion"]
    return len(populations["numerator"] & counted) / len(counted)


def month_ends() -> Iterator[tuple[date, date]]:
    for month in months.between(FIRST, LAST):
        yield month, date.fromordinal(months.after(month).toordinal() - 1)


# A rate among n stays is within 3.5 standard errors of the planted one: 0.06 for a year's 700.


def test_the_composite_rises_from_35_to_65_percent_at_north_and_stays_at_south(
    population: Population,
) -> None:
    expected = {"north": [0.35, 0.65], "south": [0.35, 0.35]}[population.center.id]
    rates = [rate(population.by_hand.dreaming(*year)["composite"]) for year in YEARS]
    assert rates == pytest.approx(expected, abs=0.06)


def test_of_the_three_drinking_comes_first_and_mobilising_last(population: Population) -> None:
    both_years = population.by_hand.dreaming(YEARS[0][0], YEARS[1][1])
    names = ("drinking", "eating", "mobilising", "composite")
    rates = [rate(both_years[name]) for name in names]
    assert rates == sorted(rates, reverse=True) and len(set(rates)) == len(rates)


def test_an_unplanned_readmission_follows_15_percent_of_the_discharges(
    population: Population,
) -> None:
    for year in YEARS:
        rates = rate(population.by_hand.readmission(*year)["readmission"])
        assert rates == pytest.approx(0.15, abs=0.03)


def test_a_month_has_about_150_discharges_of_which_60_surgical(population: Population) -> None:
    discharges, surgical = [], []
    for month in month_ends():
        discharges.append(len(population.by_hand.readmission(*month)["readmission"]["denominator"]))
        composite = population.by_hand.dreaming(*month)["composite"]
        surgical.append(len(composite["denominator"] - composite["denominator-exclusion"]))
    assert sum(discharges) / 24 == pytest.approx(150, abs=8)
    assert sum(surgical) / 24 == pytest.approx(60, abs=3)
    assert min(surgical) > 45


def test_followup_is_whole_for_the_last_discharges(population: Population) -> None:
    """Readmissions of December are in the records of January, at no lower a rate."""
    december = population.by_hand.readmission(date(2025, 12, 1), date(2025, 12, 31))["readmission"]
    assert rate(december) > 0.08
    admitted = {each["period"]["start"][:7] for each in population.of_type("Encounter")}
    assert max(admitted) == "2026-01"


def test_each_reason_to_leave_a_discharge_out_occurs(population: Population) -> None:
    vocabulary = population.center.vocabulary
    codes = Counter(
        coding["code"]
        for each in population.of_type("Encounter")
        for coding in each.get("hospitalization", {}).get("dischargeDisposition", {"coding": []})[
            "coding"
        ]
    )
    for thing in ("died", "transfer", "against-advice", "home", "nursing"):
        assert any(codes[code] for code, _ in vocabulary.codes["disposition"][thing]), thing
    statuses = Counter(each["status"] for each in population.of_type("Encounter"))
    assert statuses["cancelled"] > 5 and statuses["in-progress"] > 5


def test_some_stays_are_a_day_without_a_night_and_some_patients_are_children(
    population: Population,
) -> None:
    stays = population.of_type("Encounter")
    days = [
        each
        for each in stays
        if each["class"]["display"].lower().startswith("inpatient")
        and each["period"]["start"][:10] == each["period"].get("end", "")[:10]
    ]
    assert len(days) > 20
    assert sum(each["birthDate"] > "2009" for each in population.of_type("Patient")) > 20


def test_every_reference_is_to_a_resource_that_comes_before(population: Population) -> None:
    known: set[str] = set()
    for each in population.resources:
        for reference in _references(each):
            assert reference in known, reference
        known.add(f"{each['resourceType']}/{each['id']}")
    assert len(known) == len(population.resources)


def test_the_group_holds_every_patient(population: Population) -> None:
    (group,) = population.of_type("Group")
    members = {member["entity"]["reference"] for member in group["member"]}
    assert members == {f"Patient/{each['id']}" for each in population.of_type("Patient")}


def test_records_are_valid_r4(population: Population) -> None:
    for each in population.resources[::41]:
        get_fhir_model_class(each["resourceType"]).model_validate(each)


@pytest.mark.full
def test_a_seed_always_tells_the_same_story() -> None:
    first, again, other = (
        msgspec.json.encode(list(records(NORTH, tell(plan(NORTH, seed))))) for seed in (3, 3, 4)
    )
    assert first == again != other


def test_the_centers_share_no_code() -> None:
    assert not _codings(NORTH) & _codings(SOUTH)
    assert NORTH.vocabulary.codes.keys() == SOUTH.vocabulary.codes.keys()
    for kind, things in NORTH.vocabulary.codes.items():
        assert things.keys() == SOUTH.vocabulary.codes[kind].keys()


def _codings(center: Center) -> set[tuple[str, str]]:
    return {
        (center.vocabulary.systems[kind], code)
        for kind, things in center.vocabulary.codes.items()
        for codes in things.values()
        for code, _ in codes
    }


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
