"""What holds for every patient: populations nest, results add up, strata part what they part."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.cql import translator
from service.fhir.folder import Folder
from service.measure.evaluator import Evaluator
from service.measure.result import GroupResult
from service.measure.tally import Tally
from tests.spec.measure.tiny import CODES, PERIOD, criteria, measure, patient

pytestmark = pytest.mark.skipif(translator.missing() is not None, reason=str(translator.missing()))

ENCOUNTER = st.sets(st.sampled_from(CODES[:6])).map(sorted).map(" ".join)
ENCOUNTERS = st.lists(ENCOUNTER, max_size=6)
LENGTHS = st.lists(st.none() | st.integers(0, 12), min_size=6, max_size=6)
BASIS = st.sampled_from(["boolean", "Encounter"])


def result(
    basis: str, encounters: list[str], lengths: list[int | None] | None = None
) -> GroupResult:
    stratifier = [{"id": "s", "criteria": criteria("Is Old" if basis == "boolean" else "Long")}]
    package = measure("proportion", basis, stratifier=stratifier)
    record = patient(*encounters, lengths=lengths or ())
    return Evaluator(package, PERIOD).evaluate(record).groups["g"]


@settings(deadline=None)
@given(BASIS, ENCOUNTERS)
@pytest.mark.full
def test_populations_of_a_proportion_nest(basis: str, encounters: list[str]) -> None:
    found = {code: set(units) for code, units in result(basis, encounters).populations.items()}
    eligible = found["denominator"] - found["denominator-exclusion"]
    assert found["denominator"] <= found["initial-population"]
    assert found["denominator-exclusion"] <= found["denominator"]
    assert found["numerator"] | found["denominator-exception"] <= eligible
    assert not found["numerator"] & found["denominator-exception"]
    assert found["numerator-exclusion"] <= found["numerator"]


@settings(deadline=None)
@given(BASIS, ENCOUNTERS, LENGTHS)
@pytest.mark.full
def test_strata_part_every_population(
    basis: str, encounters: list[str], lengths: list[int | None]
) -> None:
    found = result(basis, encounters, lengths)
    parted: dict[str, Counter[str]] = {name: Counter() for name in found.by_id}
    for members in found.strata["s"].values():
        for name, units in members.items():
            parted[name].update(units)
    assert parted == {name: Counter(units) for name, units in found.by_id.items()}


@settings(deadline=None)
@given(BASIS, st.lists(ENCOUNTERS, max_size=4), st.integers(0, 4))
def test_sums_do_not_depend_on_how_patients_are_dealt_out(
    basis: str, patients: list[list[str]], cut: int
) -> None:
    """Two sites' counts add up to those of one that had all patients."""
    package = measure("proportion", basis)
    evaluator = Evaluator(package, PERIOD)

    def counted(some: list[list[str]]) -> Counter[str]:
        tally = Tally(package.groups)
        for encounters in some:
            tally.add(evaluator.evaluate(patient(*encounters)))
        return tally.groups["g"].counts

    assert counted(patients[:cut]) + counted(patients[cut:]) == +counted(patients)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_the_order_of_lines_in_an_export_is_of_no_matter(data: st.DataObject) -> None:
    records = [
        {
            "resourceType": "Encounter",
            "id": f"e{number}",
            "subject": {"reference": f"Patient/{who}"},
        }
        for number, who in enumerate(data.draw(st.lists(st.sampled_from("abc"), max_size=8)))
    ]
    patients = [{"resourceType": "Patient", "id": who} for who in "abc"]
    with TemporaryDirectory() as name:
        for kind, lines in (("Patient", patients), ("Encounter", records)):
            shuffled = data.draw(st.permutations(lines))
            text = b"".join(msgspec.json.encode(line) + b"\n" for line in shuffled)
            (Path(name) / f"{kind}.ndjson").write_bytes(text)
        with Folder(Path(name)) as folder:
            folder.gather()
            found = {
                one.record.id: {e["id"] for e in one.record.resources.get("Encounter", ())}
                for one in folder.patients()
            }
    assert found == {
        who: {one["id"] for one in records if one["subject"]["reference"] == f"Patient/{who}"}
        for who in "abc"
    }
