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
from service.site.quantities import UCUM
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


def test_a_record_without_any_code_is_none_that_a_measure_understands(tmp_path: Path) -> None:
    """FHIR lets a Procedure have none: it may be any."""
    done = Lookup("Procedure", "code", frozenset({("urn:measure", "cut")}))
    needs = Needs(
        "urn:m",
        {"Procedure": frozenset({"code"})},
        {"Procedure": frozenset({"code", "category"})},
        frozenset({"urn:measure"}),
        (done,),
    )
    for told, strange in (({}, 1), ({"code": concept("cut", system="urn:measure")}, 0)):
        seen = Survey(mapping(tmp_path), [needs])
        procedure = {"resourceType": "Procedure", "id": "p", "status": "completed", **told}
        seen.add(seen.of(PatientRecord("1", {"Procedure": [procedure]})))
        assert [finding.count for finding in seen.findings(needs)] == [strange] * strange


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


# Records that do not say when


def dated(folder: Path, type_name: str = "Observation", **elements: Any) -> list[str]:
    """What is said of a record of a type, for a measure that reads its time."""
    told = {"resourceType": type_name, "id": "x", **elements}
    reads = frozenset({"status", "period", "performed", "effective"})
    needs = Needs("urn:m", {type_name: reads}, {}, frozenset(), (Lookup(type_name),))
    seen = Survey(mapping(folder), [needs])
    seen.add(seen.of(PatientRecord("1", {type_name: [told]})))
    return [str(finding) for finding in seen.undated(needs, "2025-01", "2026-02")]


NEVER = ["{}: 1 records of what is over do not say when it was"]


@pytest.mark.parametrize(
    ("type_name", "status", "when"),
    [
        ("Encounter", "finished", {}),
        ("Encounter", "finished", {"period": {"start": "2026-01-31T10:00:00Z"}}),
        ("Encounter", "finished", {"period": {"end": "2026-01-31T10:00:00Z"}}),
        ("Encounter", "finished", {"period": {"start": "2026-01", "end": "2026-01-31"}}),
        ("Procedure", "completed", {}),
        ("Procedure", "completed", {"performedString": "one day in spring"}),
        ("Procedure", "completed", {"performedDateTime": "2026"}),
        ("Procedure", "completed", {"_performedDateTime": {"extension": []}}),
        ("Observation", "final", {"effectiveDateTime": None}),
        ("Observation", "final", {"effectiveDateTime": "2025"}),
        ("Encounter", "finished", {"period": {"start": "2024-05-01T10:00:00Z"}}),
        ("Encounter", "finished", {"period": {"end": "2026-03-05T10:00:00Z"}}),
        ("Encounter", "finished", {"period": {"start": "2024", "end": "2026-04"}}),
    ],
)
def test_what_is_over_and_does_not_say_when_is_counted_in_no_month(
    tmp_path: Path, type_name: str, status: str, when: dict[str, Any]
) -> None:
    """So a number without it is not complete."""
    said = [each.format(type_name) for each in NEVER]
    assert dated(tmp_path, type_name, status=status, **when) == said


@pytest.mark.parametrize(
    ("type_name", "status", "when"),
    [
        ("Encounter", "finished", {"period": {"start": "2026-01-31", "end": "2026-02-01"}}),
        ("Encounter", "in-progress", {"period": {"start": "2026-01-31"}}),
        ("Encounter", "planned", {}),
        ("Procedure", "completed", {"performedDateTime": "2026-01-31"}),
        ("Procedure", "not-done", {}),
        ("Observation", "final", {"effectiveTiming": {"event": ["2026-01-31"]}}),
        ("Observation", "cancelled", {}),
        ("Condition", "active", {}),
    ],
)
def test_what_goes_on_is_planned_or_has_a_day_is_as_it_should_be(
    tmp_path: Path, type_name: str, status: str, when: dict[str, Any]
) -> None:
    assert dated(tmp_path, type_name, status=status, **when) == []


@pytest.mark.parametrize(
    "when",
    [
        {"performedDateTime": "2010"},
        {"performedDateTime": "2010-05"},
        {"performedPeriod": {"start": "2010-05-03"}},
        {"performedPeriod": {"end": "2027-05-03"}},
    ],
)
def test_what_was_surely_long_ago_does_not_matter_now(tmp_path: Path, when: dict[str, Any]) -> None:
    """As a patient's history, told by the year."""
    assert dated(tmp_path, "Procedure", status="completed", **when) == []


def test_a_measure_that_does_not_ask_when_does_not_mind(tmp_path: Path) -> None:
    lying = {"resourceType": "Encounter", "id": "x", "status": "finished"}
    seen = survey(tmp_path, PatientRecord("1", {"Encounter": [lying]}))
    assert seen.undated(STAYS, "2026-01", "2026-01") == []


@pytest.mark.parametrize(("code", "doubted"), [("AMB", 0), ("IMP", 1), ("LIN", 1)])
def test_a_visit_without_an_end_does_not_matter_to_a_measure_of_stays(
    tmp_path: Path, code: str, doubted: int
) -> None:
    """As clinics have many: that it is none is told by its class, mapped where that is local."""
    reads = {"Encounter": frozenset({"class", "period"})}
    inpatient = Lookup("Encounter", "class", frozenset({("urn:act", "IMP")}))
    stays = Needs("urn:m", reads, {"Encounter": frozenset({"class"})}, frozenset(), (inpatient,))
    rows = "urn:local,LIN,,urn:act,IMP,,equivalent,Dr Mapper,2026-03-01\n"
    seen = Survey(mapping(tmp_path, rows), [stays])
    system = "urn:local" if code == "LIN" else "urn:act"
    visit = record(
        **{"class": {"system": system, "code": code}},
        status="finished",
        period={"start": "2026-01-31T10:00:00Z"},
    )
    seen.add(seen.of(visit))
    assert len(seen.undated(stays, "2026-01", "2026-01")) == doubted


def test_a_class_with_two_meanings_has_none(tmp_path: Path) -> None:
    """Encounter.class has room for one code: with two rows of the mapping neither could stand."""
    both = {"system": "urn:local", "code": "LUN"}
    [finding] = survey(tmp_path, record(**{"class": both})).findings(STAYS)
    assert (finding.where, finding.count) == ("Encounter.class", 1)
    assert survey(tmp_path, record(type=[{"coding": [both]}])).findings(STAYS) == []


# Units


PRESSURE = Needs(
    measure="urn:pressure",
    elements={"Observation": frozenset({"code", "value", "component"})},
    coded={"Observation": frozenset({"code"})},
    systems=frozenset({"urn:measure"}),
    lookups=(Lookup("Observation", "code", frozenset({("urn:measure", "bp")})),),
    units=frozenset({"mm[Hg]"}),
)
UNITS = f"""\
,mmHg,,{UCUM},mm[Hg],,equivalent,Dr Mapper,2026-03-01
urn:lab:mapped,mm[Hg],,{UCUM},mm[Hg],,equivalent,Dr Mapper,2026-03-01
,torr,,{UCUM},kg,,equivalent,Dr Mapper,2026-03-01
,level,,,,,not-relevant,Dr Mapper,2026-03-01
,twice,,{UCUM},mm[Hg],,narrower,Dr Mapper,2026-03-01
,twice,,{UCUM},kPa,,narrower,Dr Mapper,2026-03-01
,misled,,https://unitsofmeasure.org,mm[Hg],,equivalent,Dr Mapper,2026-03-01
,*,,,,,not-relevant,Dr Mapper,2026-03-01
"""


def measured(folder: Path, what: str = "bp", **quantity: Any) -> list[tuple[str, int]]:
    """Where a measure that compares with mm[Hg] does not understand the unit of a pressure."""
    told = {
        "valueQuantity": quantity,
        "component": [{"valueQuantity": quantity}, {"valueString": "x"}],
    }
    seen = Survey(mapping(folder, UNITS), [PRESSURE, DRINKS])
    seen.add(seen.of(observation(concept(what, system="urn:measure"), **told)))
    assert seen.findings(DRINKS) == []
    return [(finding.where, finding.count) for finding in seen.findings(PRESSURE)]


STRANGE = [("Observation.component.value.unit", 1), ("Observation.value.unit", 1)]


@pytest.mark.parametrize(
    "unit",
    [
        {},
        {"unit": ""},
        {"unit": "mm Hg"},
        {"unit": "mmHg", "code": "MMHG", "system": UCUM},
        {"unit": "kg", "code": "kg", "system": UCUM},
        {"code": "mm[Hg]", "system": "urn:lab:units"},  # no code of UCUM's
        {"unit": "torr"},  # whose row has a unit that does not convert either
        {"unit": "twice"},  # whose rows contradict each other
        {"unit": "misled"},  # whose row has no unit of UCUM
    ],
)
def test_a_quantity_that_cannot_be_compared_is_not_understood(
    tmp_path: Path, unit: dict[str, str]
) -> None:
    """It would count for nothing: without a unit, too, for CQL takes it for a plain number."""
    assert measured(tmp_path, value=140, **unit) == STRANGE


@pytest.mark.parametrize(
    "unit",
    [
        {"unit": "mmHg"},
        {"unit": "kPa"},
        {"unit": "x", "code": "cm[H2O]"},
        {"code": "mm[Hg]", "system": "urn:lab:mapped"},
    ],
)
def test_a_unit_that_is_mapped_or_converts_is_understood(
    tmp_path: Path, unit: dict[str, str]
) -> None:
    assert measured(tmp_path, value=140, **unit) == []


@pytest.mark.parametrize(
    ("words", "strange"), [("140", 1), (" >= 140 mmHg", 1), ("-3", 1), ("refused", 0), ("", 0)]
)
def test_a_number_in_words_cannot_be_compared_either(
    tmp_path: Path, words: str, strange: int
) -> None:
    seen = Survey(mapping(tmp_path, UNITS), [PRESSURE])
    seen.add(seen.of(observation(concept("bp", system="urn:measure"), valueString=words)))
    assert len(seen.findings(PRESSURE)) == strange
    assert words not in {code.code for code in seen.unmapped}, "what it says is in no list"


def test_what_is_not_compared_needs_no_unit(tmp_path: Path) -> None:
    assert measured(tmp_path, value=140, unit="level") == [], "somebody looked at it"
    assert measured(tmp_path, "other", value=140) == [], "the measure does not take it"
    assert measured(tmp_path, unit="mm Hg") == [], "it has no value"
    odd = Survey(mapping(tmp_path, UNITS), [PRESSURE])
    odd.add(odd.of(observation(concept("bp", system="urn:measure"), component=5)))
    assert odd.findings(PRESSURE) == []
