"""Searches answered as no standard has it and some server does: the truth, or not called complete.

The same real server as in `test_ehr_search_faults`; what is odd here is how Bundles are written.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.measure.completeness import COMPLETE, Reason
from tests.ehr import SmallEhr, assert_doubted, searching, with_fhir
from tests.faults.proxy import Answer, Fault, alter
from tests.faults.test_ehr_search_faults import (
    OBSERVATIONS,
    Records,
    pages,
    run,
    silence,
    truth,
    with_entry,
)

__all__ = ["silence", "truth"]
pytestmark = pytest.mark.full
Change = Callable[[dict[str, Any]], dict[str, Any]]


def of_observations(*changes: Change) -> Fault:
    """The pages of the observations, with changes."""

    def changed(page: dict[str, Any]) -> dict[str, Any]:
        for change in changes:
            page = change(page)
        return page

    return pages(changed, OBSERVATIONS)


def uncounted(page: dict[str, Any]) -> dict[str, Any]:
    return {name: page[name] for name in page if name != "total"}


def with_links(page: dict[str, Any], written: Callable[[str], str]) -> dict[str, Any]:
    """A page whose links are named otherwise."""
    links = [{**link, "relation": written(link["relation"])} for link in page["link"]]
    return {**page, "link": links}


def entries(page: dict[str, Any], change: Change) -> dict[str, Any]:
    """A page with a change to each entry."""
    return {**page, "entry": [change(entry) for entry in page.get("entry", ())]}


def included(page: dict[str, Any]) -> dict[str, Any]:
    return entries(page, lambda entry: {**entry, "search": {"mode": "include"}})


def emptied(page: dict[str, Any]) -> dict[str, Any]:
    """Each entry says how it went, as in the answer to a batch, and there is no resource."""
    return entries(page, lambda entry: {"response": {"status": "404", "outcome": None}})


def with_type(page: dict[str, Any], type_name: str) -> dict[str, Any]:
    """A page whose resources are of another type."""
    return entries(
        page, lambda entry: {**entry, "resource": {**entry["resource"], "resourceType": type_name}}
    )


def alone(page: dict[str, Any]) -> dict[str, Any]:
    """A page that counts itself for all there is, and leads nowhere."""
    links = [link for link in page["link"] if link["relation"] != "next"]
    return {**page, "link": links, "total": len(page.get("entry", ()))}


def with_suppressed(page: dict[str, Any]) -> dict[str, Any]:
    issue = {"severity": "information", "code": "suppressed", "diagnostics": "Quetzalcoatlus"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return with_entry(page, outcome, "outcome")


def escaped(method: str, path: str, given: Answer) -> Answer:
    """Slashes as PHP writes them."""
    return replace(given, body=given.body.replace(b"/", b"\\/")) if "/fhir/" in path else given


def cut_in_mid_character(page: dict[str, Any]) -> dict[str, Any]:
    """Records with a text of which the last character is half there."""
    return entries(
        page,
        lambda entry: {**entry, "resource": {**entry["resource"], "note": [{"text": "\ud83d"}]}},
    )


SURVIVED: dict[str, Callable[[], Fault]] = {
    "relations in capitals": lambda: of_observations(
        uncounted, lambda page: with_links(page, str.upper)
    ),
    "matches that are called included": lambda: of_observations(uncounted, included),
    "byte order marks": lambda: alter(OBSERVATIONS, lambda body: b"\xef\xbb\xbf" + body),
    "escaped slashes": lambda: escaped,
    "half of a character": lambda: of_observations(cut_in_mid_character),
}


@pytest.mark.parametrize("name", SURVIVED)
def test_what_is_only_written_oddly_is_survived(
    ehr: SmallEhr, tmp_path: Path, truth: Records, name: str
) -> None:
    with ehr.proxy.fault(SURVIVED[name]()):
        store = run(searching(ehr.config(tmp_path)))
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth


JUDGED: dict[str, tuple[Callable[[], Fault], set[Reason]]] = {
    "entries of nothing": (
        lambda: of_observations(uncounted, emptied),
        {Reason.UNREADABLE_RECORD},
    ),
    "records of another type": (
        lambda: of_observations(lambda page: with_type(page, "Condition")),
        {Reason.UNREADABLE_RECORD},
    ),
    "a total of the page alone": (lambda: of_observations(alone), {Reason.COUNT_MISMATCH}),
    "suppressed, and called mere information": (
        lambda: of_observations(with_suppressed),
        {Reason.PAGE_OUTCOME},
    ),
    "a place on another server": (
        lambda: alter(
            r"/fhir/Encounter\?",
            lambda body: body.replace(b"Location/bed-7", b"https://x.example/Location/bed-7"),
        ),
        {Reason.UNRESOLVED_REFERENCE},
    ),
}


@pytest.mark.parametrize("name", JUDGED)
def test_what_is_not_as_it_should_be_is_never_called_complete(
    ehr: SmallEhr, tmp_path: Path, name: str
) -> None:
    fault, reasons = JUDGED[name]
    with ehr.proxy.fault(fault()):
        store = run(searching(ehr.config(tmp_path), page_size="2"))
    assert_doubted(store, reasons)


# Several patients in one search


def taken_for(some: slice) -> Fault:
    """Of the patients in a search for several the server looks at some, and says nothing of it."""

    def fault(method: str, path: str, given: Answer) -> Answer:
        named = parse_qs(urlsplit(path).query).get("patient", [""])[0].split(",")
        if len(named) == 1 or given.status != 200:
            return given
        meant = {f"Patient/{id}" for id in named[some]}
        page = json.loads(given.body)
        found = [
            entry
            for entry in page.get("entry", ())
            if entry["resource"]["subject"]["reference"] in meant
        ]
        return replace(
            given, body=json.dumps({**page, "entry": found, "total": len(found)}).encode()
        )

    return fault


@pytest.mark.parametrize("some", [slice(1), slice(0), slice(2)], ids=["one", "none", "two"])
def test_a_server_that_looks_at_some_of_several_patients_is_asked_for_one_at_a_time(
    ehr: SmallEhr, tmp_path: Path, truth: Records, some: slice, capfd: pytest.CaptureFixture[str]
) -> None:
    config = with_fhir(searching(ehr.config(tmp_path), page_size="50"), check_patients=20)
    with ehr.proxy.fault(taken_for(some)):
        store = run(config)
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth
    assert "searched one by one" in capfd.readouterr().err


def test_a_server_that_looks_at_all_is_not(
    ehr: SmallEhr, tmp_path: Path, truth: Records, capfd: pytest.CaptureFixture[str]
) -> None:
    store = run(with_fhir(searching(ehr.config(tmp_path)), check_patients=20))
    assert (list(store.patients()), store.completeness()) == (truth, COMPLETE)
    assert "one by one" not in capfd.readouterr().err
