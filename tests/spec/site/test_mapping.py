"""Local codes become the measures' codes by reviewed tables; the local code always stays."""

from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.conceptmap import ConceptMap

from service.cql.record import PatientRecord
from service.errors import ConfigError
from service.site.mapping import LOCAL_CODING, NO_MAPPING, CodeMapping, load_mapping

HEADER = (
    "source_system,source_code,source_display,target_system,target_code,target_display,"
    "relationship,reviewed_by,reviewed_on"
)
REVIEWED = "Dr Mapper,2026-03-01"
ROWS = f"""\
urn:local,MOB,Mobilised,http://snomed.info/sct,413121008,Walking,narrower,{REVIEWED}
urn:local,DRK,Drank,urn:measure,drink,Drank fluids,equivalent,{REVIEWED}
urn:local,DRK,Drank,http://snomed.info/sct,226354008,,equivalent,{REVIEWED}
urn:local,LUN,Lunch in bed,urn:measure,eat,Ate,narrower,{REVIEWED}
urn:local,LUN,Lunch in bed,urn:measure,drink,Drank fluids,narrower,{REVIEWED}
urn:local,IP,Inpatient,http://hl7.org/act,IMP,inpatient,equivalent,{REVIEWED}
urn:local,HAIR,Hair washed,,,,not-relevant,{REVIEWED}
urn:lab,*,,,,,not-relevant,{REVIEWED}
,X1,No system,urn:measure,drink,,equivalent,{REVIEWED}
"""


def mapping(folder: Path, rows: str = ROWS, header: str = HEADER) -> CodeMapping:
    """A mapping of one table."""
    (folder / "codes.csv").write_text(f"{header}\n{rows}")
    return load_mapping(folder)


def record(**elements: Any) -> PatientRecord:
    """A patient with one Encounter."""
    encounter = {"resourceType": "Encounter", "id": "e", "status": "finished", **elements}
    return PatientRecord("1", {"Encounter": [encounter]})


def concept(*codes: str, system: str = "urn:local") -> dict[str, Any]:
    """A CodeableConcept of local codes."""
    return {"coding": [{"system": system, "code": code} for code in codes], "text": "as said"}


def codes(folder: Path, given: Any) -> list[str]:
    """The codes of a concept when it is mapped, as system|code."""
    mapped = mapping(folder).apply(record(type=[given])).resources["Encounter"][0]["type"][0]
    return [f"{coding.get('system', '')}|{coding.get('code')}" for coding in mapped["coding"]]


# Applying


def test_the_measures_coding_is_put_beside_the_local_one(tmp_path: Path) -> None:
    assert codes(tmp_path, concept("MOB")) == ["urn:local|MOB", "http://snomed.info/sct|413121008"]


def test_one_code_can_have_a_target_in_each_of_several_systems(tmp_path: Path) -> None:
    assert codes(tmp_path, concept("DRK"))[1:] == [
        "urn:measure|drink",
        "http://snomed.info/sct|226354008",
    ]


def test_one_code_can_be_narrower_than_two(tmp_path: Path) -> None:
    assert codes(tmp_path, concept("LUN"))[1:] == ["urn:measure|eat", "urn:measure|drink"]


def test_a_target_is_not_put_twice(tmp_path: Path) -> None:
    both = {"coding": [*concept("DRK")["coding"], {"system": "urn:measure", "code": "drink"}]}
    assert codes(tmp_path, both).count("urn:measure|drink") == 1
    assert codes(tmp_path, concept("DRK", "LUN")).count("urn:measure|drink") == 1


def test_system_and_code_must_both_fit(tmp_path: Path) -> None:
    assert codes(tmp_path, concept("MOB", system="urn:other")) == ["urn:other|MOB"]
    assert codes(tmp_path, {"coding": [{"code": "MOB"}]}) == ["|MOB"]
    assert codes(tmp_path, {"coding": [{"code": "X1"}]}) == ["|X1", "urn:measure|drink"]


def test_what_is_not_relevant_or_not_known_stays_as_it_is(tmp_path: Path) -> None:
    for code in ("HAIR", "UNHEARD-OF"):
        assert codes(tmp_path, concept(code)) == [f"urn:local|{code}"]


def test_concepts_are_found_at_any_depth_and_nothing_else_is_touched(tmp_path: Path) -> None:
    given = record(
        hospitalization={"dischargeDisposition": concept("DRK")},
        length={"value": 3, "system": "urn:local", "code": "MOB"},  # a Quantity, not a Coding
    )
    [encounter] = mapping(tmp_path).apply(given).resources["Encounter"]
    assert len(encounter["hospitalization"]["dischargeDisposition"]["coding"]) == 3
    assert encounter["hospitalization"]["dischargeDisposition"]["text"] == "as said"
    assert encounter["length"] == given.resources["Encounter"][0]["length"]
    assert given.resources["Encounter"][0]["hospitalization"] == {
        "dischargeDisposition": concept("DRK")
    }


def test_where_only_one_coding_can_stand_the_local_one_moves_into_it(tmp_path: Path) -> None:
    local = {"system": "urn:local", "code": "IP", "display": "In"}
    given = record(**{"class": local})
    [encounter] = mapping(tmp_path).apply(given).resources["Encounter"]
    assert encounter["class"] == {
        "system": "http://hl7.org/act",
        "code": "IMP",
        "display": "inpatient",
        "extension": [{"url": LOCAL_CODING, "valueCoding": local}],
    }


def test_a_site_without_a_mapping_changes_nothing() -> None:
    given = record(type=[concept("MOB")])
    assert load_mapping(None) is NO_MAPPING
    assert NO_MAPPING.apply(given) is given


# What a mapping is


def test_the_hash_is_of_what_decides_results(tmp_path: Path) -> None:
    before = mapping(tmp_path).hash
    shuffled = "".join(sorted(ROWS.splitlines(keepends=True)))
    assert mapping(tmp_path, shuffled.replace("Dr Mapper", "Dr Who")).hash == before
    assert mapping(tmp_path, ROWS.replace("413121008", "129006008")).hash != before
    assert mapping(tmp_path, ROWS.replace("HAIR", "NAIL")).hash != before


def test_it_can_be_told_as_a_concept_map(tmp_path: Path) -> None:
    told = ConceptMap.model_validate(mapping(tmp_path).to_concept_map())
    equivalences = {
        (element.code, target.code): target.equivalence
        for group in told.group
        for element in group.element
        for target in element.target
    }
    assert equivalences["DRK", "drink"] == "equivalent"
    assert equivalences["LUN", "eat"] == "wider"  # what the target is to the source
    assert equivalences["HAIR", None] == "unmatched"


# Mistakes


def row(**changed: str) -> str:
    """A good row with some columns changed."""
    good = dict(zip(HEADER.split(","), ROWS.splitlines()[0].split(","), strict=True))
    return ",".join({**good, **changed}.values())


MISTAKES = {
    "not reviewed": (row(reviewed_by=" "), "reviewed_by"),
    "no date of review": (row(reviewed_on="soon"), "reviewed_on"),
    "no code": (row(source_code=""), "source_code"),
    "no target": (row(target_code=""), "target_code"),
    "a target that is not relevant": (row(relationship="not-relevant"), "has no target"),
    "a code that means more": (row(relationship="broader"), "relationship"),
    "every other code mapped": (row(source_code="*"), "not-relevant"),
    "too few columns": ("urn:local,MOB", "columns"),
    "too many columns": (f"{row()},more", "columns"),
}


@pytest.mark.parametrize(("bad", "complaint"), MISTAKES.values(), ids=MISTAKES)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, bad: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        mapping(tmp_path, f"{ROWS}{bad}\n")
    assert complaint in str(error.value)
    assert f"codes.csv row {len(ROWS.splitlines()) + 2}" in str(error.value)


@pytest.mark.parametrize(
    "second",
    [
        row(),  # the same again
        row(target_code="999"),  # narrower than one, and ...
        row(relationship="not-relevant", target_system="", target_code=""),
    ],
)
def test_two_rows_at_odds_are_both_named(tmp_path: Path, second: str) -> None:
    first = row(relationship="equivalent") if "999" in second else row()
    with pytest.raises(ConfigError, match="codes.csv row 2") as error:
        mapping(tmp_path, f"{first}\n{second}\n")
    assert "codes.csv row 3" in str(error.value)


def test_rows_at_odds_are_found_across_tables(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text(f"{HEADER}\n{row(relationship='equivalent')}\n")
    with pytest.raises(ConfigError, match="codes.csv row 2"):
        mapping(tmp_path)


@pytest.mark.parametrize("header", ["", "source,target", HEADER + ",comment"])
def test_a_table_with_other_columns_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(ConfigError, match="codes.csv"):
        mapping(tmp_path, header=header)


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no table"):
        load_mapping(tmp_path)


def test_a_table_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_bytes(HEADER.encode() + b"\nurn:local,\xff,,,,,,,\n")
    with pytest.raises(ConfigError, match="codes.csv"):
        load_mapping(tmp_path)


def test_a_byte_order_mark_from_a_spreadsheet_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{row()}\r\n".encode())
    assert len(load_mapping(tmp_path).rows) == 1


# Units


def test_a_local_word_for_a_unit_becomes_ucums(tmp_path: Path) -> None:
    rows = f",mmHg,,http://unitsofmeasure.org,mm[Hg],,equivalent,{REVIEWED}\n"
    pressure = {"value": 140, "unit": "mmHg"}
    given = {
        "resourceType": "Observation",
        "component": [{"valueQuantity": pressure}, {"valueQuantity": {"value": 1, "unit": "kg"}}],
    }
    told = mapping(tmp_path, rows).apply(PatientRecord("1", {"Observation": [given]}))
    first, second = told.resources["Observation"][0]["component"]
    assert first["valueQuantity"] == {
        "value": 140,
        "system": "http://unitsofmeasure.org",
        "code": "mm[Hg]",
        "unit": "mm[Hg]",
        "extension": [{"url": LOCAL_CODING, "valueCoding": {"system": "", "code": "mmHg"}}],
    }
    assert second == given["component"][1]


def test_a_unit_of_a_local_system_becomes_ucums_though_it_is_written_the_same(
    tmp_path: Path,
) -> None:
    ucum = "http://unitsofmeasure.org"
    rows = f"urn:lab,mg/dL,,{ucum},mg/dL,,equivalent,{REVIEWED}\n"
    rows += "".join(f"urn:lab,x,,{ucum},{unit},,narrower,{REVIEWED}\n" for unit in ("mg", "g"))
    of_two = {"value": 1, "system": "urn:lab", "code": "x"}
    for quantity, system in (({**of_two, "code": "mg/dL"}, ucum), (of_two, "urn:lab")):
        given = {"resourceType": "Observation", "valueQuantity": quantity}
        told = mapping(tmp_path, rows).apply(PatientRecord("1", {"Observation": [given]}))
        [result] = told.resources["Observation"]
        assert result["valueQuantity"]["system"] == system


@pytest.mark.parametrize("code", ["(no unit)", "(a number in words)"])
def test_what_has_no_unit_can_be_given_none(tmp_path: Path, code: str) -> None:
    """It would be that of every score and every weight of the site."""
    with pytest.raises(ConfigError, match="not-relevant"):
        mapping(tmp_path, f",{code},,http://unitsofmeasure.org,kg,,equivalent,{REVIEWED}\n")
    assert mapping(tmp_path, f",{code},,,,,not-relevant,{REVIEWED}\n").lists("", code)
