"""Only `protect` makes what can be sent, and only what the policy releases."""

import copy
import dataclasses

import pytest

from service.disclosure import Policy, parse_policy
from service.errors import DisclosureError, MeasureError
from service.measure.completeness import COMPLETE, Completeness, Reason, Verdict
from service.measure.package import MeasurePackage, compile_package
from service.measure.summary import Absent, parse
from service.site.protect import Release, Result, protect, releasable
from tests.releases import POLICY, origin, package, release, table

NOT_COMPUTABLE = Completeness(Verdict.NOT_COMPUTABLE, frozenset({Reason.TYPE_REFUSED}))


def counts(one: Release) -> dict[str, object]:
    (group,) = parse(one.body).summary.groups
    return {"eligible": group.eligible} | dict(group.populations)


def test_a_release_is_the_bytes_of_a_protected_report() -> None:
    one = release(counts=(90, 5, 60))
    assert counts(one) == {
        "eligible": 84,
        "initial-population": 90,
        "denominator": 90,
        "denominator-exclusion": Absent.SUPPRESSED,
        "numerator": 60,
    }
    report = parse(one.body)
    assert (report.key, report.month) == (one.key, "2026-11")
    assert report.summary.provenance.package == package().hash
    assert report.summary.provenance.policy == POLICY.hash


def test_nobody_else_makes_one() -> None:
    one = release()
    fields = {field.name: getattr(one, field.name) for field in dataclasses.fields(one)}
    with pytest.raises(DisclosureError):
        Release(**fields, seal=object())
    with pytest.raises(TypeError):
        Release(**fields)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="seal"):
        dataclasses.replace(one, body=b"exact counts")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.body = b"exact counts"  # type: ignore[misc]
    assert copy.copy(one) == one


def test_a_period_that_the_policy_does_not_list_is_not_released() -> None:
    with pytest.raises(DisclosureError, match="does not release this measure in this period"):
        release("2026-Q1")
    with pytest.raises(DisclosureError, match="does not release"):
        release("2024-01")


def test_a_measure_that_the_policy_does_not_list_is_not_released() -> None:
    other = dataclasses.replace(table(), measure="urn:weir:measure:other")
    with pytest.raises(DisclosureError, match="does not release"):
        protect([Result(package(), other, COMPLETE)], origin())


def test_a_report_that_is_not_computable_has_no_count() -> None:
    one = release(completeness=NOT_COMPUTABLE)
    assert set(counts(one).values()) == {Absent.NOT_COMPUTABLE}
    assert not any(character in one.body for character in (b'"count"', b"90"))


def test_a_provisional_report_has_counts_and_reasons() -> None:
    completeness = Completeness(Verdict.PROVISIONAL, frozenset({Reason.WINDOW_OPEN}))
    one = release(completeness=completeness)
    assert parse(one.body).summary.completeness == completeness
    assert counts(one)["denominator"] == 90


def test_the_policys_own_threshold_and_rounding_are_used() -> None:
    text = """
        network = "strict"
        version = "1"
        legal_basis = "test"
        threshold = 25
        rounding = 10
        [[release]]
        measure = "urn:weir:measure:readmission"
        window = "quarter"
        from = "2024-01"
        to = "2024-12"
    """
    strict: Policy = parse_policy(text.encode())
    one = release(policy=strict)
    assert counts(one) == {
        "eligible": 70,
        "initial-population": 90,
        "denominator": 90,
        "denominator-exclusion": Absent.SUPPRESSED,
        "numerator": Absent.SUPPRESSED,
    }
    assert parse(one.body).summary.rounding == 10


def test_the_same_data_give_the_same_bytes() -> None:
    assert release() == release()


def test_the_key_follows_the_content_and_what_it_replaces() -> None:
    keys = [
        release().key,
        release(counts=(90, 15, 40)).key,
        release("2024-Q2").key,
        release(site="south").key,
        release(month="2026-12").key,
        release(replaces=release(counts=(90, 15, 40)).key).key,
    ]
    assert len(set(keys)) == len(keys)


def test_the_content_does_not_depend_on_when_it_is_made() -> None:
    assert release().content == release(month="2026-12").content
    assert release().content != release(counts=(90, 15, 40)).content


def test_no_id_of_a_patient_or_a_stay_is_in_the_bytes() -> None:
    one = release()
    assert b"patient-" not in one.body and b"stay-" not in one.body


def test_nothing_is_printed_and_no_key_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert repr(b"r" * 32) not in repr(origin())
    release()
    assert capsys.readouterr() == ("", "")


def other(**changes: object) -> MeasurePackage:
    """The readmission measure with something else in its Measure."""
    content = package().content
    return compile_package(
        dataclasses.replace(content, measure={**content.measure, **changes}), "test"
    )


def test_a_measure_that_a_report_cannot_tell_is_found_before_anything_is_computed() -> None:
    assert releasable(package()) == ("proportion", "decrease")
    with pytest.raises(MeasureError, match="which direction is better"):
        releasable(other(improvementNotation=None))
