"""What the site's people must look at: codes that nobody mapped, and months with nothing."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from service.cql.record import PatientRecord
from service.measure.completeness import Reason
from service.measure.package import load_package
from service.site.mapping import NO_MAPPING
from service.site.needs import Lookup, Needs, needs_of
from service.site.survey import LocalCode, Survey
from service.site.verdict import REASONS
from tests.releases import MEASURES
from tests.spec.site.test_mapping import concept, mapping, record

SNOMED = "http://snomed.info/sct"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
STAYS = Needs(
    measure="urn:stays",
    elements={"Encounter": frozenset({"type", "class", "hospitalization"})},
    coded={"Encounter": frozenset({"type", "class", "hospitalization.dischargeDisposition"})},
    systems=frozenset({SNOMED}),
    lookups=(Lookup("Encounter"),),
)
PULSE = Lookup("Observation", "code", frozenset({("urn:measure", "drink")}), "Drank fluids")
DRINKS = Needs(
    measure="urn:drinks",
    elements={"Observation": frozenset({"code", "value", "effective"})},
    coded={"Observation": frozenset({"code", "value"})},
    systems=frozenset({"urn:measure"}),
    lookups=(PULSE,),
    codes=frozenset({("urn:measure", "drink")}),
)


def survey(folder: Path, *records: PatientRecord) -> Survey:
    """What is seen in some patients by two measures."""
    seen = Survey(mapping(folder), [STAYS, DRINKS])
    for one in records:
        seen.add(seen.of(one))
    return seen


def observation(code: Any, **elements: Any) -> PatientRecord:
    """A patient with one Observation."""
    told = {"resourceType": "Observation", "id": "o", "code": code, **elements}
    return PatientRecord("1", {"Observation": [told]})


# Codes that nothing maps


def test_codes_that_nobody_looked_at_are_counted_with_their_display(tmp_path: Path) -> None:
    new = {"coding": [{"system": "urn:local", "code": "NEW", "display": "New thing"}]}
    seen = survey(tmp_path, record(type=[new, new, {"text": "in words only"}, concept("MOB")]))
    assert seen.unmapped == {
        LocalCode("Encounter.type", "urn:local", "NEW", "New thing"): 2,
        LocalCode("Encounter.type", "", "", "in words only"): 1,
    }
    [finding] = seen.findings(STAYS)
    assert (finding.where, finding.count, finding.type) == ("Encounter.type", 3, "Encounter")
    assert REASONS[finding.fault] is Reason.UNMAPPED_CODE


@pytest.mark.parametrize(
    "code", ["Drink", "drink ", "\u200bdrink", "drink\u00a0", "ｄｒｉｎｋ", "", " "]
)
def test_a_code_of_the_measures_own_that_is_misspelt_is_not_understood(
    tmp_path: Path, code: str
) -> None:
    """It is none of its codes, so that the record would count for nothing."""
    seen = survey(tmp_path, observation({"coding": [{"system": "urn:measure", "code": code}]}))
    [finding] = seen.findings(DRINKS)
    assert (finding.where, finding.count) == ("Observation.code", 1)
    fine = survey(
        tmp_path, *(observation(concept(one, system="urn:measure")) for one in ("drink", "eat"))
    )
    assert fine.findings(DRINKS) == []


def test_the_codes_that_logic_compares_with_are_its_own() -> None:
    needs = needs_of(load_package(MEASURES / "readmission"))
    assert needs.understands(ACT, "IMP") and needs.understands(ACT, "AMB")
    assert not needs.understands(ACT, "imp")


@pytest.mark.parametrize(
    "understood",
    [
        concept("MOB"),
        concept("HAIR"),  # looked at, and not relevant
        concept("K1234", system="urn:lab"),  # so is every code of the laboratory
        concept("1", system=SNOMED),  # the measure's own system
        {"coding": [*concept("NEW")["coding"], *concept("MOB")["coding"]]},
    ],
    ids=str,
)
def test_a_concept_is_understood_when_one_of_its_codings_is(
    tmp_path: Path, understood: Any
) -> None:
    assert survey(tmp_path, record(type=[understood])).findings(STAYS) == []


def test_a_code_matters_to_the_measures_that_read_it_there(tmp_path: Path) -> None:
    seen = survey(tmp_path, record(type=[concept("NEW")]), observation(concept("ODD")))
    assert [finding.where for finding in seen.findings(STAYS)] == ["Encounter.type"]
    assert [finding.where for finding in seen.findings(DRINKS)] == ["Observation.code"]


def test_a_system_of_one_measure_is_not_another_ones(tmp_path: Path) -> None:
    seen = survey(tmp_path, observation(concept("1", system=SNOMED)))
    assert seen.findings(DRINKS)


def test_only_what_measures_read_is_looked_at(tmp_path: Path) -> None:
    assert not survey(tmp_path, record(priority=concept("NEW"))).unmapped


def test_codes_inside_a_part_are_looked_at_too(tmp_path: Path) -> None:
    part = {"dischargeDisposition": concept("NEW"), "admitSource": concept("UNREAD")}
    seen = survey(tmp_path, record(hospitalization=part))
    assert [code.code for code in seen.unmapped] == ["NEW"]
    assert [code.path for code in seen.unmapped] == [
        "Encounter.hospitalization.dischargeDisposition"
    ]


def test_a_bare_coding_and_a_coded_choice_are_codes_as_any(tmp_path: Path) -> None:
    stay = record(**{"class": {"system": "urn:local", "code": "NEW"}})
    answer = observation(concept("DRK"), valueCodeableConcept=concept("NEW"))
    quantity = observation(concept("DRK"), valueQuantity={"value": 1})
    seen = survey(tmp_path, stay, answer, quantity)
    assert {code.path for code in seen.unmapped} == {"Encounter.class", "Observation.value"}


def test_other_codes_of_a_record_matter_only_when_its_own_is_looked_for(tmp_path: Path) -> None:
    """A laboratory result with a local answer is not the business of a measure of drinks."""
    result = observation(concept("K1", system="urn:lab"), valueCodeableConcept=concept("NEW"))
    assert not survey(tmp_path, result).findings(DRINKS)


def test_a_code_that_only_a_row_for_all_settles_is_listed_and_no_finding(tmp_path: Path) -> None:
    seen = survey(tmp_path, observation(concept("K1234", system="urn:lab")))
    assert seen.findings(DRINKS) == []
    assert not seen.unmapped
    assert seen.unreviewed == {LocalCode("Observation.code", "urn:lab", "K1234", ""): 1}


def test_the_lists_are_for_the_sites_own_eyes_most_frequent_first(tmp_path: Path) -> None:
    seen = survey(tmp_path, record(type=[concept("A"), concept("B"), concept("B")]))
    seen.write(tmp_path)
    path = tmp_path / "unmapped-codes.csv"
    assert path.read_text().splitlines() == [
        "path,system,code,display,count",
        "Encounter.type,urn:local,B,,2",
        "Encounter.type,urn:local,A,,1",
    ]
    for name in ("unmapped-codes.csv", "unreviewed-codes.csv"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


# Months in which nothing came


def months(counts: dict[str, int], code: str = "DRK") -> Iterable[PatientRecord]:
    """A patient for each of so many drinks a month."""
    for month, count in counts.items():
        for _ in range(count):
            yield observation(concept(code), effectiveDateTime=f"{month}-05T10:00:00Z")


def lost(folder: Path, counts: dict[str, int], *asked: str) -> list[tuple[str, int]]:
    """Where and how much was there before, of the gaps in some months."""
    found = survey(folder, *months(counts)).gaps(DRINKS, asked)
    assert all(REASONS[gap.fault] is Reason.MISSING_DATA for gap in found)
    return [(gap.where, gap.count) for gap in found]


def test_a_month_of_nothing_after_a_month_of_much_is_a_gap(tmp_path: Path) -> None:
    asked = ("2026-01", "2026-02", "2026-03")
    assert lost(tmp_path, {"2026-01": 12, "2026-03": 12}, *asked) == [
        ("Observation (Drank fluids) in 2026-02", 12)
    ]


def test_a_gap_that_goes_on_stays_one(tmp_path: Path) -> None:
    gaps = lost(tmp_path, {"2026-01": 12}, "2026-02", "2026-03", "2026-12", "2027-02")
    assert [where[-7:] for where, _ in gaps] == ["2026-02", "2026-03", "2026-12"]


def test_what_is_rare_may_be_absent(tmp_path: Path) -> None:
    assert lost(tmp_path, {"2026-01": 9}, "2026-02") == []


def test_before_the_first_record_nothing_is_missed(tmp_path: Path) -> None:
    assert lost(tmp_path, {"2026-03": 30}, "2026-01", "2026-02") == []


def test_a_code_that_was_replaced_by_an_unmapped_one_is_a_gap(tmp_path: Path) -> None:
    """The records go on, under a code that a row for all of its system settles."""
    seen = survey(tmp_path, *months({"2026-01": 20}))
    for n in range(20):
        told = observation(
            concept(f"K{n}", system="urn:lab"), effectiveDateTime="2026-02-05T10:00:00Z"
        )
        seen.add(seen.of(told))
    assert len(seen.gaps(DRINKS, ["2026-02"])) == 1


def test_a_site_without_a_mapping_can_be_surveyed() -> None:
    seen = Survey(NO_MAPPING, [STAYS])
    seen.add(seen.of(record(type=[concept("1", system=SNOMED)])))
    assert not seen.unmapped
