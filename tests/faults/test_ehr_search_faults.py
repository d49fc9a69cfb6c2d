"""An EHR that misbehaves when it is searched: the truth, or it is not called complete.

The same real server as for exports, behind the same proxy. Pages are small, so that there are many.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.cql.record import PatientRecord
from service.errors import AuthorizationError, ConfigError, EhrError, UnavailableError, WeirError
from service.measure.completeness import COMPLETE, Reason, Verdict
from service.site.acquire import acquire
from service.site.building import build_store
from service.site.config import SiteConfig
from service.site.store import Store
from tests.ehr import (
    GROUP,
    PLAN,
    QUICK,
    SmallEhr,
    assert_doubted,
    assert_no_canary,
    searching,
    with_fhir,
)
from tests.faults.proxy import Answer, Fault, alter, alter_json, answer, break_off, trickle, zip_up
from tests.faults.test_ehr_faults import CANARY_OUTCOME
from tests.sampling import sampled

Records = list[PatientRecord]
OBSERVATIONS = r"/fhir/Observation(\?|/_search)"


def run(config: SiteConfig) -> Store:
    """Steps 1 and 2 of a run."""
    acquisition = acquire(config, PLAN, QUICK)
    assert acquisition.way == "search"
    try:
        return build_store(acquisition, PLAN, config.data_dir)
    finally:
        acquisition.discard()


@pytest.fixture(scope="module")
def truth(ehr: SmallEhr, tmp_path_factory: pytest.TempPathFactory) -> Records:
    """What an export without any fault gives."""
    folder = tmp_path_factory.mktemp("truth")
    acquisition = acquire(ehr.config(folder), PLAN)
    assert acquisition.way == "export"
    return list(build_store(acquisition, PLAN, folder).patients())


@pytest.fixture(autouse=True)
def silence(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Whatever is logged or written, at any level, holds nothing of a patient."""
    caplog.set_level(logging.DEBUG)
    yield
    written = capfd.readouterr()
    assert_no_canary(caplog.text, written.out, written.err)


def as_bundle(change: Callable[[dict[str, Any]], Any]) -> Callable[[Any], Any]:
    """Change only what is a Bundle."""
    return lambda body: change(body) if body.get("resourceType") == "Bundle" else body


def pages(change: Callable[[dict[str, Any]], Any], of: str = OBSERVATIONS, **how: Any) -> Fault:
    """Change the pages of searches."""
    return alter_json(of, as_bundle(change), **how)


def relinked(page: dict[str, Any], relation: str, url: str | None) -> dict[str, Any]:
    """The page with a link to elsewhere, or to nowhere."""
    links = [link for link in page.get("link", ()) if link["relation"] != relation]
    return {**page, "link": [*links, *([{"relation": relation, "url": url}] if url else [])]}


def self_of(page: dict[str, Any]) -> str:
    """The address of a page."""
    [found] = [link["url"] for link in page["link"] if link["relation"] == "self"]
    return str(found)


def without_first(page: dict[str, Any]) -> dict[str, Any]:
    """A page that lost an entry."""
    return {**page, "entry": page.get("entry", [])[1:]}


def inner_links(page: dict[str, Any]) -> dict[str, Any]:
    """Links as a server behind a gateway writes them."""
    links = [{**one, "url": inner(one["url"])} for one in page.get("link", ())]
    return {**page, "link": links}


def inner(url: str) -> str:
    return f"http://inner.hospital:8080/hapi{url.split('/fhir', 1)[1]}"


def with_entry(page: dict[str, Any], resource: Any, mode: str) -> dict[str, Any]:
    """A page with one more entry."""
    entry = {"resource": resource, "search": {"mode": mode}}
    return {**page, "entry": [*page.get("entry", []), entry]}


def harmless(code: str, severity: str = "information") -> dict[str, Any]:
    """An OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}


SURVIVED: dict[str, Callable[[], Fault]] = {
    "no fault": lambda: answer(500, "nowhere"),
    "500 at /metadata": lambda: answer(500, "/metadata", times=2),
    "503 at discovery": lambda: answer(503, "smart-configuration", times=2),
    "502 for a token": lambda: answer(502, "/auth/token", times=2),
    "500 for the group": lambda: answer(500, "/Group/", times=2),
    "500 for patients": lambda: answer(500, r"/Patient(\?|/_search)", times=2),
    "500 for a page": lambda: answer(500, "_offset", times=2),
    "429 storm": lambda: answer(429, "fhir", times=2, Retry_After="0"),
    "504 for a read": lambda: answer(504, "GET .*/Location/", times=2),
    "expired token": lambda: answer(401, OBSERVATIONS, times=1),
    "expired token at a page": lambda: answer(401, "_offset", times=1),
    "wants wider scopes": lambda: answer(403, OBSERVATIONS, times=1),
    "broken off in a page": lambda: break_off(OBSERVATIONS, after=200, times=2),
    "broken off before a page": lambda: break_off("_offset", after=0, times=1),
    "a page cut short, once": lambda: alter(OBSERVATIONS, lambda body: body[:-90], times=1),
    "a trickle": lambda: trickle(OBSERVATIONS),
    "gzip": lambda: zip_up("/fhir/[A-Z]"),
    "an outcome for a page, once": lambda: answer(200, OBSERVATIONS, times=1, body=CANARY_OUTCOME),
    "nothing for a page, once": lambda: answer(200, "_offset", times=1),
    "no totals": lambda: pages(lambda p: {k: v for k, v in p.items() if k != "total"}),
    "an entry lost, once": lambda: pages(without_first, times=1),
    "an entry lost of unknown many, once": lambda: pages(
        lambda p: {k: v for k, v in without_first(p).items() if k != "total"}, times=1
    ),
    "a wrong total, once": lambda: pages(lambda p: {**p, "total": 99}, times=1),
    "a page that leads to itself, once": lambda: pages(
        lambda p: relinked(p, "next", self_of(p)), times=1
    ),
    "every entry twice": lambda: pages(lambda p: {**p, "entry": p.get("entry", []) * 2}),
    "a page that ends early, once": lambda: pages(lambda p: relinked(p, "next", None), times=1),
    "entries without a mode": lambda: pages(
        lambda p: {**p, "entry": [{"resource": e["resource"]} for e in p.get("entry", [])]}
    ),
    "a harmless message": lambda: pages(
        lambda p: with_entry(p, harmless("informational"), "outcome")
    ),
    "links with an inner address": lambda: pages(inner_links),
    "links without the server's name": lambda: pages(
        lambda p: {
            **p,
            "link": [{**one, "url": f"/fhir{one['url'].split('/fhir')[1]}"} for one in p["link"]],
        }
    ),
    "written over many lines": lambda: alter(
        "/fhir/[A-Z]", lambda body: json.dumps(json.loads(body), indent=2).encode()
    ),
    "too many patients at once": lambda: answer(400, r"Observation\?.*patient=[^&]*(,|%2C)"),
    # Each patient's records fit on one page:
    "pages that end early": lambda: pages(lambda p: relinked(p, "next", None)),
    "pages that lead to themselves": lambda: pages(lambda p: relinked(p, "next", self_of(p))),
    "a last page that leads to itself": lambda: pages(
        lambda p: relinked(p, "next", self_of(p)), "_offset=[1-9]"
    ),
    "a page that has expired": lambda: answer(410, "Observation.*_offset"),
    "many at once come short": lambda: pages(without_first, r"Observation\?.*patient=[^&]*(,|%2C)"),
}


@pytest.mark.full
@pytest.mark.parametrize("name", SURVIVED)
def test_what_passes_is_survived(ehr: SmallEhr, tmp_path: Path, truth: Records, name: str) -> None:
    with ehr.proxy.fault(SURVIVED[name]()):
        store = run(searching(ehr.config(tmp_path)))
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth


# Those that do not look into addresses
BY_POST = (
    *("429 storm", "500 for patients", "an entry lost, once", "an outcome for a page, once"),
    *("broken off in a page", "expired token", "wants wider scopes", "every entry twice"),
    *("a page that leads to itself, once", "pages that lead to themselves"),
    *("links with an inner address", "links without the server's name"),
)


@pytest.mark.full
@pytest.mark.parametrize("name", BY_POST)
def test_by_post_it_is_survived_too(
    ehr: SmallEhr, tmp_path: Path, truth: Records, name: str
) -> None:
    with ehr.proxy.fault(SURVIVED[name]()):
        store = run(searching(ehr.config(tmp_path), method='"post"'))
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth
    assert not [path for _, path in ehr.proxy.seen if "pat-" in path]


REFUSED: dict[str, tuple[Callable[[], Fault], type[WeirError], str]] = {
    "500 for ever": (lambda: answer(500, OBSERVATIONS), UnavailableError, "HTTP 500"),
    "429 for ever": (
        lambda: answer(429, "_offset", Retry_After="0"),
        UnavailableError,
        "HTTP 429",
    ),
    "pages broken off for ever": (
        lambda: break_off(OBSERVATIONS, after=100),
        UnavailableError,
        "cannot be reached",
    ),
    "outcomes for ever": (
        lambda: answer(200, OBSERVATIONS, body=CANARY_OUTCOME),
        UnavailableError,
        "does not answer a search",
    ),
    "no JSON for ever": (
        lambda: alter(OBSERVATIONS, lambda body: b"<html>pat-zyzzyva-1</html>"),
        UnavailableError,
        "does not answer a search",
    ),
    "pages at another host": (
        lambda: pages(lambda p: relinked(p, "next", "https://x.example/fhir?page=2")),
        EhrError,
        "another server",
    ),
    "pages at another port": (
        lambda: pages(lambda p: relinked(p, "next", "http://127.0.0.1:9/fhir?page=2")),
        EhrError,
        "another server",
    ),
    "a token endpoint elsewhere": (
        lambda: alter_json(
            "smart-configuration", lambda c: {**c, "token_endpoint": "https://x.example/token"}
        ),
        ConfigError,
        "fhir.hosts",
    ),
    "no group": (lambda: answer(404, "/Group/"), EhrError, "fhir.group"),
    "a group that is forbidden": (lambda: answer(403, "/Group/"), AuthorizationError, "fhir.group"),
    "an outcome for the group": (
        lambda: answer(200, "/Group/", body=CANARY_OUTCOME),
        EhrError,
        "fhir.group",
    ),
}


@pytest.mark.full
@pytest.mark.parametrize("name", REFUSED)
def test_what_stays_is_a_clear_error(
    ehr: SmallEhr, tmp_path: Path, truth: Records, name: str
) -> None:
    fault, kind, told = REFUSED[name]
    config = searching(ehr.config(tmp_path))
    with ehr.proxy.fault(fault()), pytest.raises(WeirError) as error:
        run(config)
    assert type(error.value) is kind
    assert told in str(error.value)
    assert_no_canary(str(error.value), repr(error.value.__cause__))
    assert list(run(config).patients()) == truth  # and goes on from there, the next time


def first_entry(change: Callable[[dict[str, Any]], Any]) -> Callable[[Any], Any]:
    """Change the first resource of a page."""

    def changed(page: dict[str, Any]) -> dict[str, Any]:
        if not page.get("entry"):
            return page
        first, *rest = page["entry"]
        return {**page, "entry": [{**first, "resource": change(first["resource"])}, *rest]}

    return changed


def strange_records(method: str, path: str, given: Answer) -> Answer:
    """The filter by patient is ignored: a stranger's record comes with each answer."""
    if method != "GET" or not path.startswith("/fhir/Observation?"):
        return given
    page = json.loads(given.body)
    if page.get("resourceType") != "Bundle":
        return given
    stranger = {
        "resourceType": "Observation",
        "id": "of-a-stranger",
        "status": "final",
        "code": {"text": "pulse"},
        "subject": {"reference": "Patient/pat-zyzzyva-9"},
    }
    page = {**with_entry(page, stranger, "match"), "total": page["total"] + 1}
    return replace(given, body=json.dumps(page).encode())


JUDGED: dict[str, tuple[Callable[[], Fault], set[Reason]]] = {
    "a wrong total": (lambda: pages(lambda p: {**p, "total": 99}), {Reason.COUNT_MISMATCH}),
    "a total that is too small": (
        lambda: pages(lambda p: {**p, "total": 0}),
        {Reason.COUNT_MISMATCH},
    ),
    "an entry lost from each page": (lambda: pages(without_first), {Reason.COUNT_MISMATCH}),
    "pages that end early": (
        lambda: pages(lambda p: relinked(p, "next", None)),
        {Reason.COUNT_MISMATCH},
    ),
    "pages that lead to themselves": (
        lambda: pages(lambda p: relinked(p, "next", self_of(p))),
        {Reason.COUNT_MISMATCH},
    ),
    "empty pages for ever": (
        lambda: pages(
            lambda p: {
                **relinked(p, "next", f"{self_of(p)}&again={len(self_of(p))}"),
                "entry": [],
            }
        ),
        {Reason.COUNT_MISMATCH},
    ),
    "a type that is refused": (lambda: answer(403, OBSERVATIONS), {Reason.TYPE_REFUSED}),
    "a type that is not there": (
        lambda: answer(404, OBSERVATIONS, body=CANARY_OUTCOME),
        {Reason.TYPE_REFUSED},
    ),
    "a search that is refused": (lambda: answer(400, OBSERVATIONS), {Reason.TYPE_REFUSED}),
    "a page that has expired": (lambda: answer(410, "Observation.*_offset"), {Reason.TYPE_REFUSED}),
    "an error among the matches": (
        lambda: pages(lambda p: with_entry(p, CANARY_OUTCOME, "outcome")),
        {Reason.PAGE_OUTCOME},
    ),
    "a warning among the matches": (
        lambda: pages(lambda p: with_entry(p, harmless("suppressed", "warning"), "outcome")),
        {Reason.PAGE_OUTCOME},
    ),
    "an outcome for a match": (
        lambda: pages(first_entry(lambda r: CANARY_OUTCOME)),
        {Reason.PAGE_OUTCOME, Reason.COUNT_MISMATCH},
    ),
    "a parameter that is not supported, in passing": (
        lambda: pages(lambda p: with_entry(p, harmless("not-supported"), "outcome")),
        {Reason.PAGE_OUTCOME},
    ),
    "an unknown parameter": (
        lambda: pages(lambda p: with_entry(p, harmless("not-supported", "warning"), "outcome")),
        {Reason.PAGE_OUTCOME},
    ),
    "a filter that is ignored": (lambda: strange_records, {Reason.MISSING_DATA}),
    "another encoding": (
        lambda: alter(OBSERVATIONS, lambda body: body.replace(b"final", b"\xe9")),
        {Reason.UNREADABLE_RECORD},
    ),
    "an unknown type": (
        lambda: pages(first_entry(lambda r: {**r, "resourceType": "Quetzal"})),
        {Reason.UNREADABLE_RECORD},
    ),
    "a status that is no code": (
        lambda: pages(first_entry(lambda r: {**r, "status": "Final"})),
        {Reason.UNREADABLE_RECORD},
    ),
    "no id": (
        lambda: pages(first_entry(lambda r: {k: v for k, v in r.items() if k != "id"})),
        {Reason.UNREADABLE_RECORD},
    ),
    "nothing where a record should be": (
        lambda: pages(first_entry(lambda r: "Quetzalcoatlus")),
        {Reason.UNREADABLE_RECORD},
    ),
    "a patient who is not there": (
        lambda: pages(without_first, r"Patient\?.*_id"),
        {Reason.COUNT_MISMATCH, Reason.MISSING_DATA},
    ),
    "a patient who is hidden": (
        lambda: pages(
            lambda p: {**without_first(p), "total": max(p["total"] - 1, 0)}, r"Patient\?.*_id"
        ),
        {Reason.MISSING_DATA},
    ),
    "no patient at all": (
        lambda: pages(lambda p: {**p, "entry": [], "total": 0}, r"/Patient\?"),
        {Reason.MISSING_DATA},
    ),
    "members that are no patients": (
        lambda: alter_json(
            "/Group/", lambda g: {**g, "member": [*g["member"], {"entity": {"display": "x"}}]}
        ),
        {Reason.MISSING_DATA},
    ),
    "a place that is gone": (
        lambda: answer(404, "GET .*/Location/ward", body=CANARY_OUTCOME),
        {Reason.UNRESOLVED_REFERENCE},
    ),
    "an encounter that did not come": (
        lambda: pages(lambda p: {**p, "entry": [], "total": 0}, r"/Encounter\?"),
        {Reason.UNRESOLVED_REFERENCE},
    ),
}


@pytest.mark.parametrize("name", sampled(JUDGED, 3))
def test_what_is_missing_or_spoiled_is_never_called_complete(
    ehr: SmallEhr, tmp_path: Path, truth: Records, name: str
) -> None:
    fault, reasons = JUDGED[name]
    with ehr.proxy.fault(fault()):
        store = run(searching(ehr.config(tmp_path), page_size="1"))
    assert_doubted(store, reasons)
    assert len(list(store.patients())) == store.facts.patients <= len(truth)


def silent(page: dict[str, Any]) -> dict[str, Any]:
    """A page of a server that knows neither totals nor links: it cuts an answer off, and that is
    all of it."""
    return {name: page[name] for name in page if name not in ("total", "link")}


@pytest.mark.parametrize("counted", ["true", "false"])
def test_a_page_that_is_full_and_leads_nowhere_is_not_taken_for_all(
    ehr: SmallEhr, tmp_path: Path, truth: Records, counted: str
) -> None:
    """Two records a patient and one on a page: half of them never come."""
    config = searching(ehr.config(tmp_path), totals=counted, page_size="1")
    with ehr.proxy.fault(pages(silent)):
        store = run(config)
    assert store.facts.resources["Observation"] < sum(
        len(record.resources["Observation"]) for record in truth
    )
    assert store.completeness().verdict is not Verdict.COMPLETE
    assert store.completeness().reasons == {Reason.MISSING_DATA}


def test_what_fits_on_a_page_needs_neither_totals_nor_links(
    ehr: SmallEhr, tmp_path: Path, truth: Records
) -> None:
    config = searching(ehr.config(tmp_path), totals="false", page_size="50")
    with ehr.proxy.fault(pages(silent, "/fhir/[A-Z][A-Za-z]+[?]")):
        store = run(config)
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth


def test_the_groups_name_stands_in_no_finding(ehr: SmallEhr, tmp_path: Path) -> None:
    with ehr.proxy.fault(answer(403, OBSERVATIONS)):
        store = run(searching(ehr.config(tmp_path)))
    assert GROUP not in "".join(str(finding) for finding in store.facts.findings)


def uncounted(page: dict[str, Any]) -> dict[str, Any]:
    """A page of a server that knows no totals."""
    return {name: page[name] for name in page if name != "total"}


def without_addresses(page: dict[str, Any]) -> dict[str, Any]:
    """A page with a link to the next one, which has no address."""
    links = [link for link in page.get("link", ()) if link["relation"] != "next"]
    return {**page, "link": [*links, {"relation": "next", "url": ""}]}


@pytest.mark.parametrize("size", ["1", "50"])
def test_a_next_page_without_an_address_is_doubted_unless_nothing_is_left_to_come(
    ehr: SmallEhr, tmp_path: Path, truth: Records, size: str
) -> None:
    config = searching(ehr.config(tmp_path / size), page_size=size)
    with ehr.proxy.fault(pages(without_addresses), pages(uncounted)):
        assert_doubted(run(config), {Reason.MISSING_DATA})
    with ehr.proxy.fault(pages(without_addresses)):
        store = run(searching(ehr.config(tmp_path / "counted"), page_size="50"))
    assert (store.completeness(), list(store.patients())) == (COMPLETE, truth)


def repeated() -> Fault:
    """The second page of a search has what its first had, as where the order is never the same."""
    first: dict[str, Any] = {}

    def fault(method: str, path: str, given: Answer) -> Answer:
        asked = parse_qs(urlsplit(path).query)
        page = json.loads(given.body) if "/fhir/Observation" in path else {}
        if page.get("resourceType") != "Bundle" or "patient" not in asked:
            return given
        [patients] = asked["patient"]
        at = asked.get("_offset", ["0"])
        if at == ["0"]:
            first[patients] = page.get("entry", [])
        elif at == asked["_count"]:
            page["entry"] = first[patients]
        return replace(given, body=json.dumps(page).encode())

    return fault


@pytest.mark.parametrize("counted", ["true", "false"])
def test_a_page_that_repeats_an_earlier_one_stands_in_the_place_of_others(
    ehr: SmallEhr, tmp_path: Path, counted: str
) -> None:
    """That page is the last as well, and full."""
    config = searching(ehr.config(tmp_path), totals=counted, page_size="1")
    with ehr.proxy.fault(repeated(), pages(uncounted)):
        assert_doubted(run(config), {Reason.COUNT_MISMATCH, Reason.MISSING_DATA})


def test_what_came_once_and_not_again_is_not_taken_for_gone(
    ehr: SmallEhr, tmp_path: Path, truth: Records
) -> None:
    """A search of which pages repeat each other is made again, and that ends earlier: the patients
    are searched one by one."""
    first: dict[str, list[Any]] = {}
    read = Counter[str]()

    def shorter_each_time(page: dict[str, Any]) -> dict[str, Any]:
        asked = parse_qs(urlsplit(self_of(page)).query)
        [patients], entries = asked["patient"], page.get("entry", [])
        if asked.get("_offset", ["0"]) != ["0"]:
            return {**page, "entry": [*first[patients], *entries]}
        read[patients] += 1
        first[patients] = entries[:1]
        return page if read[patients] == 1 else {**page, "entry": first[patients], "link": []}

    config = searching(ehr.config(tmp_path), totals="false", patients_at_once="50", page_size="5")
    with ehr.proxy.fault(pages(shorter_each_time)):
        store = run(with_fhir(config, check_patients=0))
    assert max(read.values()) == 2
    assert (store.completeness(), list(store.patients())) == (COMPLETE, truth)


def test_what_a_page_repeats_besides_its_own_is_no_loss_where_all_are_counted(
    ehr: SmallEhr, tmp_path: Path, truth: Records
) -> None:
    one: list[Any] = []

    def with_one_from_before(page: dict[str, Any]) -> dict[str, Any]:
        one[:] = one or page.get("entry", [])[:1]
        return {**page, "entry": [*page.get("entry", []), *one]}

    config = searching(ehr.config(tmp_path), patients_at_once="50")
    with ehr.proxy.fault(pages(with_one_from_before, r"/Observation\?patient")):
        store = run(config)
    assert (store.completeness(), list(store.patients())) == (COMPLETE, truth)


def test_empty_pages_are_not_taken_for_the_end(ehr: SmallEhr, tmp_path: Path) -> None:
    """As where a cursor has expired, and the server says so with an empty Bundle."""
    config = searching(ehr.config(tmp_path), totals="false")
    expired = pages(lambda p: {"resourceType": "Bundle"}, "/Observation.*_offset=[1-9]")
    with ehr.proxy.fault(expired):
        assert_doubted(run(config), {Reason.MISSING_DATA})


@pytest.mark.parametrize("size", ["2", "50"])
def test_a_server_that_ends_with_an_empty_page_is_searched_in_smaller_pages(
    ehr: SmallEhr, tmp_path: Path, truth: Records, size: str
) -> None:
    """It knows no totals: that the same comes in other pages shows that it was all."""

    def leading_on(page: dict[str, Any]) -> dict[str, Any]:
        if not page.get("entry") or any(link["relation"] == "next" for link in page["link"]):
            return page
        here, _, asked = self_of(page).partition("?")
        kept = [f"{name}={value[0]}" for name, value in parse_qs(asked).items()]
        after = [each for each in kept if not each.startswith("_offset")]
        return relinked(page, "next", f"{here}?{'&'.join([*after, '_offset=1000'])}")

    config = searching(ehr.config(tmp_path), totals="false", page_size=size)
    with ehr.proxy.fault(pages(leading_on), pages(uncounted)):
        store = run(config)
    assert "_offset=1000" in str(ehr.proxy.seen)
    assert (store.completeness(), list(store.patients())) == (COMPLETE, truth)


def cut_short(page: dict[str, Any]) -> dict[str, Any]:
    """An answer of a server that sends one match, whatever `_count` says, and counts what it sends;
    asked to count and nothing else it counts all."""
    if not page.get("entry"):
        return page
    return {**relinked(page, "next", None), "entry": page["entry"][:1], "total": 1}


@pytest.mark.parametrize("at_once", ["1", "50"])
def test_a_server_that_counts_what_it_sends_is_asked_for_a_count_alone(
    ehr: SmallEhr, tmp_path: Path, at_once: str
) -> None:
    config = searching(ehr.config(tmp_path), page_size="50", patients_at_once=at_once)
    with ehr.proxy.fault(pages(cut_short)):
        assert_doubted(run(config), {Reason.COUNT_MISMATCH})


def test_where_it_counts_one_patient_alone_each_is_counted(ehr: SmallEhr, tmp_path: Path) -> None:
    config = searching(ehr.config(tmp_path), page_size="50")
    together = answer(400, r"/Observation\?patient=[^&]*(,|%2C)")
    with ehr.proxy.fault(pages(cut_short), together):
        assert_doubted(run(config), {Reason.COUNT_MISMATCH})


@pytest.mark.parametrize(
    ("cohort", "cut", "reason"),
    [
        (None, r"/Patient\?", Reason.COUNT_MISMATCH),
        ("Encounter?class=IMP", r"/Encounter\?class", Reason.MISSING_DATA),
    ],
)
def test_so_it_is_when_patients_are_searched(
    ehr: SmallEhr, tmp_path: Path, cohort: str | None, cut: str, reason: Reason
) -> None:
    config = searching(ehr.config(tmp_path), page_size="50")
    config = with_fhir(config, group=None, patient_search=cohort)
    with ehr.proxy.fault(pages(cut_short, cut)):
        assert_doubted(run(config), {reason})


def test_a_server_that_does_not_count_is_believed(
    ehr: SmallEhr, tmp_path: Path, truth: Records
) -> None:
    config = searching(ehr.config(tmp_path), page_size="50")
    with ehr.proxy.fault(answer(400, "_summary=count")):
        store = run(config)
    assert (store.completeness(), list(store.patients())) == (COMPLETE, truth)


def test_a_record_that_came_after_the_search_is_not_missed(
    ehr: SmallEhr, tmp_path: Path, truth: Records
) -> None:
    """The count has it, and so has the same search by then."""
    counted: list[str] = []

    def growing(method: str, path: str, given: Answer) -> Answer:
        if not path.startswith("/fhir/Observation?"):
            return given
        counted.extend([path] if "_summary=count" in path else [])
        page = json.loads(given.body)
        if not counted or page.get("resourceType") != "Bundle":
            return given
        new = {"resourceType": "Observation", "id": "new", "status": "final"}
        page["total"] += 1
        if page.get("entry"):
            page = with_entry(page, new, "match")
        return replace(given, body=json.dumps(page).encode())

    with ehr.proxy.fault(growing):
        store = run(searching(ehr.config(tmp_path), page_size="50"))
    assert len(counted) == 1
    assert (store.completeness(), list(store.patients())) == (COMPLETE, truth)


def test_a_page_is_full_with_as_many_as_the_server_says(ehr: SmallEhr, tmp_path: Path) -> None:
    """Asked for 50 it gives one, and says in `self` that one was asked for."""

    def capped(page: dict[str, Any]) -> dict[str, Any]:
        itself = self_of(page).replace("_count=50", "_count=1")
        return uncounted(relinked(cut_short(page), "self", itself))

    config = searching(ehr.config(tmp_path), totals="false", page_size="50")
    with ehr.proxy.fault(pages(capped)):
        assert_doubted(run(config), {Reason.MISSING_DATA})


def in_two_versions(first: str, second: str) -> Callable[[dict[str, Any]], Any]:
    """A page with its records twice: as they were, and amended."""

    def changed(page: dict[str, Any]) -> dict[str, Any]:
        records = [entry["resource"] for entry in page.get("entry", [])]
        before = [{**one, "meta": {"lastUpdated": first}} for one in records]
        amended = [{**one, "meta": {"lastUpdated": second}, "status": "amended"} for one in records]
        return {**page, "entry": [{"resource": one} for one in (*before, *amended)]}

    return changed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2026-01-07T00:00:00Z", "2026-01-07T00:00:00.500Z"),
        ("2026-01-07T10:00:00+02:00", "2026-01-07T09:00:00Z"),
    ],
)
def test_of_two_versions_the_one_that_changed_later_stands(
    ehr: SmallEhr, tmp_path: Path, before: str, after: str
) -> None:
    """By the instant, however it is written."""
    with ehr.proxy.fault(pages(in_two_versions(before, after))):
        store = run(searching(ehr.config(tmp_path)))
    assert store.completeness() == COMPLETE
    observations = [one for record in store.patients() for one in record.resources["Observation"]]
    assert {one["status"] for one in observations} == {"amended"}


def test_versions_that_nothing_tells_apart_are_doubted(ehr: SmallEhr, tmp_path: Path) -> None:
    """As in an export."""
    same = "2026-01-07T00:00:00Z"
    with ehr.proxy.fault(pages(in_two_versions(same, same))):
        assert_doubted(run(searching(ehr.config(tmp_path))), {Reason.UNREADABLE_RECORD})
