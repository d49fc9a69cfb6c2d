"""Strata leave as the policy lists them, protected with their totals; no other value is told."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.cql.record import PatientRecord
from service.disclosure import Policy, parse_policy
from service.errors import ConfigError
from service.gateway.catalogue import Catalogue
from service.measure.completeness import COMPLETE, Completeness, Reason, Verdict
from service.measure.package import MeasurePackage
from service.measure.summary import Absent, SummaryGroup, parse
from service.site.cataloguing import catalogue_of
from service.site.config import SiteConfig
from service.site.database import open_database
from service.site.evaluation import evaluate
from service.site.history import History, Remembered
from service.site.protect import Outcome, Release, Result, protect, withdrawal
from service.site.resubmission import Held
from tests.properties.attacker import PARTS, Attacker, Rounded
from tests.releases import origin
from tests.spec.measure import tiny

POLICY = """
network = "test"
version = "1"
legal_basis = "made-up patients"
[[release]]
measure = "urn:test:tiny"
window = "year"
from = "2026-01"
to = "2026-12"
"""
LISTED = """
[[strata]]
measure = "urn:test:tiny"
stratifier = "sex"
values = {}
"""
MET, GAP = ("initial-population denominator numerator", "initial-population denominator")


@cache
def measure() -> MeasurePackage:
    improves = tiny.extension("improvementNotation", "increase")
    plain = tiny.group_json("proportion", "Encounter")
    return tiny.measure(
        "proportion",
        "Encounter",
        stratifier=[{"id": "sex", "criteria": tiny.criteria("Gender")}],
        extension=[*plain["extension"], improves],
        population=plain["population"][:5],  # no numerator exclusion
    )


def policy(*values: str) -> Policy:
    return parse_policy((POLICY + (LISTED.format(list(values)) if values else "")).encode())


def people(sex: str | None, met: int, gap: int) -> Iterator[PatientRecord]:
    """Patients with an encounter each."""
    for number, words in enumerate([MET] * met + [GAP] * gap):
        given = {"gender": sex} if sex else {}
        record = tiny.patient(words, id=f"{sex}-{number}", **given)
        yield PatientRecord(f"{sex}-{number}", record.resources)


def everybody(others: int = 6) -> list[PatientRecord]:
    return [
        *people("female", 40, 20),
        *people("male", 30, 15),
        *people("other", others, 0),
        *people(None, 0, others // 2),
    ]


def told(
    records: Sequence[PatientRecord],
    under: Policy,
    history: Sequence[Remembered] = (),
    package: MeasurePackage | None = None,
    completeness: Completeness = COMPLETE,
) -> Outcome:
    """What becomes of the measure's result, from records to bytes."""
    as_of = datetime(2027, 6, 1, tzinfo=UTC)
    zone = ZoneInfo("UTC")
    (exact,) = evaluate(records, [package or measure()], under, zone, as_of)
    result = Result(exact.package, exact.table, completeness)
    (outcome,) = protect([result], origin(policy=under), history)
    return outcome


def released(*given: Any, **more: Any) -> Release:
    release = told(*given, **more).release
    assert release is not None
    return release


def groups(release: Release) -> Mapping[str, SummaryGroup]:
    return {group.id: group for group in parse(release.body).summary.groups}


def test_the_listed_values_are_told_in_the_order_of_the_policy() -> None:
    found = groups(released(everybody(), policy("male", "female")))
    assert list(found) == ["g", "g/sex/male", "g/sex/female"]
    assert 58 <= int(found["g/sex/female"].populations["denominator"]) <= 62
    assert 28 <= int(found["g/sex/male"].populations["numerator"]) <= 32
    assert found["g/sex/male"].eligible is not None


def test_no_other_value_is_told_or_added_to_one_that_is() -> None:
    release = released(everybody(60), policy("female"))
    assert list(groups(release)) == ["g", "g/sex/female"]
    assert 58 <= int(groups(release)["g/sex/female"].populations["denominator"]) <= 62
    assert not any(word in release.body for word in (b"male ", b"other", b"unknown", b'"male"'))


def test_without_a_list_no_stratum_leaves() -> None:
    release = released(everybody(), policy())
    assert list(groups(release)) == ["g"]
    assert b"strat" not in release.body


def test_a_value_that_nobody_has_is_zero_and_not_left_out() -> None:
    found = groups(released(everybody(), policy("female", "male", "another")))
    assert set(found["g/sex/another"].populations.values()) == {0}


def test_a_small_stratum_is_suppressed() -> None:
    records = [*people("female", 40, 20), *people("male", 6, 1)]
    found = groups(released(records, policy("female", "male")))
    assert found["g/sex/male"].populations["denominator"] is Absent.SUPPRESSED


@pytest.mark.parametrize("others", [1, 3, 6])
def test_who_is_in_no_stratum_cannot_be_had_by_subtraction(others: int) -> None:
    """A reader knows that the strata and the rest add up; the rest keeps five values or more."""
    records = [*people("female", 40, 20), *people("male", 30, 15), *people("other", others, 0)]
    attacker = Attacker()
    attacker.read(released(records, policy("female", "male")).body, (), Rounded(11, 3))
    strata = ["g/sex/female", "g/sex/male", "rest"]
    attacker.adds_up(("g",), [(name,) for name in strata])
    for chosen in (("met",), ("met", "gap"), PARTS):
        low, high = attacker.bounds({("rest", part): 1 for part in chosen})
        assert low <= others <= high and high - low + 1 >= 5


def test_strata_are_told_later_only_if_the_totals_stay_as_they_were() -> None:
    first = released(everybody(), policy())
    listed = policy("female", "male")
    again = released(everybody(), listed, [first.memory])
    assert list(groups(again)) == ["g", "g/sex/female", "g/sex/male"]
    assert groups(again)["g"] == groups(first)["g"]
    changed = [*everybody(), *(renamed(each) for each in people("male", 0, 3))]
    outcome = told(changed, listed, [first.memory])
    assert outcome.held is Held.FEW_CHANGED
    assert outcome.release is not None and outcome.release.body == first.body


def renamed(record: PatientRecord) -> PatientRecord:
    return PatientRecord(f"new-{record.id}", record.resources)


def test_who_moves_from_one_stratum_to_another_is_a_change_of_few() -> None:
    listed = policy("female", "male")
    first = released(everybody(), listed)
    outcome = told(moved(), listed, [first.memory])
    assert outcome.held is Held.FEW_CHANGED
    assert outcome.release is not None and outcome.release.body == first.body


def test_it_is_one_too_where_strata_were_not_told_for_a_while() -> None:
    """By one policy and the next but one a reader would see what two patients did."""
    listed = policy("female", "male")
    first = released(everybody(), listed)
    second = released(everybody(), policy(), [first.memory])
    assert list(groups(second)) == ["g"]
    outcome = told(moved(), listed, [first.memory, second.memory])
    assert outcome.held is Held.FEW_CHANGED
    assert outcome.release is not None and outcome.release.body == second.body
    third = released(everybody(), listed, [first.memory, second.memory])
    assert groups(third) == groups(first)


def moved() -> list[PatientRecord]:
    """Everybody, but two who were in one stratum are in the other."""
    female = next(people("female", 1, 0)).resources
    return [
        PatientRecord(each.id, female) if each.id in ("male-1", "male-2") else each
        for each in everybody()
    ]


def test_the_same_is_told_again_to_the_byte() -> None:
    listed = policy("female", "male")
    first = released(everybody(), listed)
    again = released(everybody(), listed, [first.memory])
    assert (again.key, again.body) == (first.key, first.body)


def test_strata_without_counts_are_in_error_with_their_totals() -> None:
    failed = Completeness(Verdict.NOT_COMPUTABLE, frozenset({Reason.TYPE_REFUSED}))
    listed = policy("female", "male")
    release = told(everybody(), listed, completeness=failed).release
    assert release is not None
    assert list(groups(release)) == ["g", "g/sex/female", "g/sex/male"]
    assert {state for group in groups(release).values() for state in states(group)} == {
        Absent.NOT_COMPUTABLE
    }


def test_strata_are_taken_back_with_their_totals() -> None:
    first = released(everybody(), policy("female", "male"))
    taken_back = withdrawal(first.memory, "2026-12")
    assert list(groups(taken_back)) == list(groups(first))
    assert {state for group in groups(taken_back).values() for state in states(group)} == {
        Absent.NOT_COMPUTABLE
    }


def states(group: SummaryGroup) -> set[object]:
    return {group.eligible, *group.populations.values()}


def test_history_keeps_strata_and_who_is_in_none(tmp_path: Path) -> None:
    listed = policy("female", "male")
    first = released(everybody(), listed)
    history = History(open_database(tmp_path))
    history.append(first.memory)
    (kept,) = history.all()
    assert kept == first.memory
    assert {name for name, _ in kept.published.members} == {
        "g",
        "g/sex/female",
        "g/sex/male",
        "g/sex/",
    }
    again = released(everybody(), listed, [kept])
    assert again.body == first.body


def test_a_site_can_tell_fewer_strata_and_no_others() -> None:
    listed = policy("female", "male")
    assert list(groups(released(everybody(), listed.tightened(strata=[])))) == ["g"]
    assert listed.tightened(strata=["sex", "age"]) is listed
    assert listed.tightened(strata=[]).hash != listed.hash


def test_a_stratifier_that_the_measure_does_not_have_stops_the_run() -> None:
    listed = parse_policy((POLICY + LISTED.format(["x"])).replace('"sex"', '"age"').encode())
    with pytest.raises(ConfigError, match="stratifier that the measure does not have"):
        told(everybody(), listed)


def test_a_stratifier_of_some_populations_only_is_not_told() -> None:
    url = "http://hl7.org/fhir/us/cqfmeasures/StructureDefinition/cqfm-appliesTo"
    applies = {"url": url, "valueCodeableConcept": tiny.concept(tiny.SYSTEM, "numerator")}
    sex = {"id": "sex", "criteria": tiny.criteria("Gender"), "extension": [applies]}
    package = tiny.measure("proportion", "Encounter", stratifier=[sex])
    with pytest.raises(ConfigError, match="parts all populations"):
        told(everybody(), policy("female"), package=package)


class TestAtTheGateway:
    """The catalogue lists the policy's strata, and nothing else passes."""

    def catalogue(self, under: Policy) -> Catalogue:
        config = SiteConfig.model_construct(site="north", timezone="UTC")
        return catalogue_of(config, [measure()], under)

    def test_what_the_policy_lists_passes(self) -> None:
        listed = policy("female", "male")
        assert self.catalogue(listed).measures[0].strata == {"g": {"sex": ("female", "male")}}
        assert self.catalogue(listed).lists(parse(released(everybody(), listed).body).summary)

    def test_another_value_or_stratifier_does_not(self) -> None:
        listed = policy("female", "male")
        body = released(everybody(), listed).body
        for old, new in ((b'"female"', b'"Smith"'), (b'"sex"', b'"age"')):
            assert not self.catalogue(listed).lists(parse(body.replace(old, new)).summary)

    def test_a_catalogue_of_before_takes_no_strata(self) -> None:
        listed = policy("female", "male")
        before = json.loads(self.catalogue(listed).model_dump_json())
        del before["measures"][0]["strata"]
        summary = parse(released(everybody(), listed).body).summary
        old = Catalogue.model_validate_json(json.dumps(before))
        assert not old.lists(summary)
        totals = tuple(group for group in summary.groups if group.id == "g")
        assert old.lists(replace(summary, groups=totals))
