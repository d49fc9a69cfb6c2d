"""An EHR that misbehaves: the result is the truth, or it is not called complete.

A proxy spoils one thing between the site and a real server. Nothing of a patient may show in a log,
on the terminal or in an error, and a pull that failed leaves no file behind.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from service.cql.record import PatientRecord
from service.demo.ehr import free_port
from service.errors import (
    AuthorizationError,
    ConfigError,
    EhrError,
    ExpiredError,
    ExportError,
    UnavailableError,
    WeirError,
)
from service.measure.completeness import COMPLETE, Reason
from service.site.acquire import acquire
from service.site.building import build_store
from service.site.config import SiteConfig
from service.site.store import Store, open_store
from tests.ehr import GROUP, PLAN, QUICK, SmallEhr, assert_doubted, assert_no_canary
from tests.faults.proxy import Answer, Fault, alter, alter_json, answer, break_off, trickle, zip_up
from tests.sampling import sampled

CANARY_OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "pat-zyzzyva", "diagnostics": "Quetzalcoatlus"}],
}
Records = list[PatientRecord]


def run(config: SiteConfig) -> Store:
    """Steps 1 and 2 of a run."""
    acquisition = acquire(config, PLAN, QUICK)
    try:
        return build_store(acquisition, PLAN, config.data_dir)
    finally:
        acquisition.discard()


@pytest.fixture(scope="module")
def true_store(ehr: SmallEhr, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of a pull without any fault."""
    store = run(ehr.config(tmp_path_factory.mktemp("truth")))
    assert store.completeness() == COMPLETE
    return store


@pytest.fixture(scope="module")
def truth(true_store: Store) -> Records:
    """What a pull without any fault gives."""
    return list(true_store.patients())


@pytest.fixture(autouse=True)
def silence(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Whatever is logged or written, at any level, holds nothing of a patient."""
    caplog.set_level(logging.DEBUG)
    yield
    written = capfd.readouterr()
    assert_no_canary(caplog.text, written.out, written.err)


# Survived: the truth, and complete


def later(seconds: float) -> str:
    """An HTTP date."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def without_counts(manifest: Any) -> Any:
    """Counts are optional in a manifest."""
    output = [{k: v for k, v in file.items() if k != "count"} for file in manifest["output"]]
    return {**manifest, "output": output}


SURVIVED: dict[str, Callable[[], Fault]] = {
    "500 at /metadata": lambda: answer(500, "/metadata", times=2),
    "503 at discovery": lambda: answer(503, "smart-configuration", times=2),
    "502 for a token": lambda: answer(502, "/auth/token", times=2),
    "500 at the kick-off": lambda: answer(500, r"\$export", times=2),
    "429 at the kick-off": lambda: answer(429, r"\$export", times=2, Retry_After="0"),
    "504 at the status": lambda: answer(504, "GET .*bulk-status", times=2),
    "still at work": lambda: answer(202, "GET .*bulk-status", times=1, Retry_After="0"),
    "at work until a date": lambda: answer(202, "bulk-status", times=1, Retry_After=later(0)),
    "429 for a file": lambda: answer(429, "bulk-files", times=2, Retry_After="0"),
    "500 for a read": lambda: answer(500, "GET .*/Location/", times=2),
    "500 for the DELETE": lambda: answer(500, "DELETE", times=9),
    "broken off in a file": lambda: break_off("bulk-files.*Observation", after=500, times=2),
    "broken off before the body": lambda: break_off("bulk-files", after=0, times=1),
    "expired in mid-download": lambda: answer(401, "bulk-files.*Observation", times=1),
    "expired at the status": lambda: answer(401, "GET .*bulk-status", times=1),
    "expired at a read": lambda: answer(401, "GET .*/Medication/", times=1),
    "a token that was never good": lambda: alter_json(
        "/auth/token", lambda token: {**token, "access_token": "not.a.token"}, times=1
    ),
    "wants wider scopes": lambda: answer(403, "bulk-status", times=1),
    "a trickle": lambda: trickle("bulk-files"),
    "gzip": lambda: zip_up("bulk-files"),
    "no counts": lambda: alter_json("GET .*bulk-status", without_counts),
    "cut at a line, once": lambda: alter(
        "bulk-files.*Observation", lambda body: body[: body.index(b"\n") + 1], times=1
    ),
    "no last line break": lambda: alter("bulk-files", bytes.rstrip),
    "blank lines and CRLF": lambda: alter(
        "bulk-files", lambda body: body.replace(b"\n", b"\r\n\r\n  \r\n")
    ),
    "every file twice": lambda: alter_json(
        "GET .*bulk-status", lambda m: {**m, "output": m["output"] * 2}
    ),
    "relative status address": lambda: relative_status,
    "not told whether a token is needed": lambda: alter_json(
        "GET .*bulk-status", lambda m: {k: v for k, v in m.items() if k != "requiresAccessToken"}
    ),
    "408 for a file": lambda: answer(408, "bulk-files", times=2),
    "425 at the status": lambda: answer(425, "bulk-status", times=1),
    "a 429 storm": lambda: answer(429, "fhir", times=2, Retry_After="0"),
    "expired at the status, once": lambda: answer(410, "GET .*bulk-status", times=1),
    "a file that expired, once": lambda: answer(404, "bulk-files.*Observation", times=1),
    "no types that are nobody's": lambda: answer(400, r"\$export.*Location"),
    "a manifest with more than we know": lambda: alter_json(
        "GET .*bulk-status", lambda m: {**m, "extension": {"x": 1}, "outputOrganizedBy": "x"}
    ),
    "an export of more types": lambda: alter_json(
        "GET .*bulk-status",
        lambda m: {**m, "output": [*m["output"], {"type": "Device", "url": "gone"}]},
    ),
    "byte order marks": lambda: alter("bulk-files", lambda body: b"\xef\xbb\xbf" + body),
}


# Declined: the EHR is searched instead, and it is said

DECLINED: dict[str, Callable[[], Fault]] = {
    "forbidden": lambda: answer(403, r"\$export", body=CANARY_OUTCOME),
    "never let in": lambda: answer(401, r"\$export"),
    "not there": lambda: answer(404, r"\$export", body=CANARY_OUTCOME),
    "not allowed": lambda: answer(405, r"\$export"),
    "not implemented": lambda: answer(501, r"\$export"),
    "bad request": lambda: answer(400, r"\$export"),
    "without a status address": lambda: answer(202, r"\$export"),
    "200 with an outcome": lambda: answer(200, r"\$export", body=CANARY_OUTCOME),
}


@pytest.mark.full
@pytest.mark.parametrize("name", DECLINED)
def test_an_ehr_that_does_not_export_is_searched_and_it_is_said(
    ehr: SmallEhr, tmp_path: Path, truth: Records, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with ehr.proxy.fault(DECLINED[name]()):
        acquisition = acquire(ehr.config(tmp_path), PLAN, QUICK)
    assert acquisition.way == "search"
    assert "searched instead" in capfd.readouterr().err
    store = build_store(acquisition, PLAN, tmp_path)
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth


def relative_status(method: str, path: str, given: Any) -> Any:
    """Content-Location without the server's name."""
    location = given.headers.get("content-location", "")
    if location:
        given.headers["content-location"] = f"/fhir/{location.split('/fhir/')[1]}"
    return given


@pytest.mark.full
@pytest.mark.parametrize("name", SURVIVED)
def test_what_passes_is_survived(ehr: SmallEhr, tmp_path: Path, truth: Records, name: str) -> None:
    with ehr.proxy.fault(SURVIVED[name]()):
        store = run(ehr.config(tmp_path))
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth


# Refused: an error that says what to do, and nothing left behind

REFUSED: dict[str, tuple[Callable[[], Fault], type[WeirError], str]] = {
    "500 at /metadata": (lambda: answer(500, "/metadata"), UnavailableError, "HTTP 500"),
    "no FHIR here": (lambda: answer(200, "/metadata", body={}), EhrError, "fhir.base_url"),
    "another FHIR": (
        lambda: alter_json("/metadata", lambda s: {**s, "fhirVersion": "3.0.2"}),
        EhrError,
        "R4",
    ),
    "moved": (
        lambda: answer(301, "/metadata", Location="https://x.example"),
        EhrError,
        "redirects",
    ),
    "no token": (lambda: answer(500, "/auth/token"), UnavailableError, "HTTP 500"),
    "client unknown": (
        lambda: answer(401, "/auth/token", body={"error": "invalid_client"}),
        AuthorizationError,
        "fhir.kid",
    ),
    "patients refused": (
        lambda: alter_json("/auth/token", lambda t: {**t, "scope": "system/Encounter.read"}),
        AuthorizationError,
        "does not let this client read patients",
    ),
    "busy for ever": (
        lambda: answer(429, r"\$export", Retry_After="0"),
        UnavailableError,
        "HTTP 429",
    ),
    "export failed": (
        lambda: answer(500, "GET .*bulk-status", body=CANARY_OUTCOME),
        ExportError,
        "HTTP 500",
    ),
    "export expired": (lambda: answer(404, "GET .*bulk-status"), ExpiredError, "HTTP 404"),
    "outcome for a manifest": (
        lambda: answer(200, "GET .*bulk-status", body=CANARY_OUTCOME),
        ExportError,
        "manifest",
    ),
    "no manifest at all": (lambda: answer(200, "GET .*bulk-status"), ExportError, "manifest"),
    "a manifest that goes on nowhere": (
        lambda: alter_json("GET .*bulk-status", lambda m: with_next(m, "x")),
        ExpiredError,
        "HTTP 404",
    ),
    "a manifest that goes on elsewhere": (
        lambda: alter_json("GET .*bulk-status", lambda m: with_next(m, "https://x.example/m")),
        ConfigError,
        "x.example",
    ),
    "a manifest without end": (lambda: endless_manifest, ExportError, "leads back to itself"),
    "files at another host": (
        lambda: alter_json("GET .*bulk-status", lambda m: with_url(m, "https://x.example/a")),
        ConfigError,
        "fhir.hosts",
    ),
    "no time of the data": (
        lambda: alter_json("GET .*bulk-status", lambda m: {**m, "transactionTime": "today"}),
        ExportError,
        "manifest",
    ),
    "file expired": (
        lambda: answer(404, "bulk-files.*Patient", body=CANARY_OUTCOME),
        ExpiredError,
        "Patient.ndjson",
    ),
    "file breaks off for ever": (
        lambda: break_off("bulk-files.*Patient"),
        UnavailableError,
        "cannot be reached",
    ),
    "gzip breaks off for ever": (
        lambda: zip_up("bulk-files", lose=9),
        UnavailableError,
        "broke off",
    ),
    "gzip is spoiled": (
        lambda: alter("bulk-files", lambda body: b"\x1f\x8b\x08" + body),
        UnavailableError,
        "not whole",
    ),
    "a file at no address": (
        lambda: alter_json("GET .*bulk-status", lambda m: with_url(m, "ftp://x.example/a")),
        ConfigError,
        "x.example",
    ),
    "500 for a read": (lambda: answer(500, "GET .*/Location/"), UnavailableError, "HTTP 500"),
}


def with_next(manifest: Any, url: str) -> Any:
    """The manifest as if it went on there."""
    return {**manifest, "link": [{"relation": "next", "url": url}]}


def endless_manifest(method: str, path: str, given: Answer) -> Answer:
    """Each manifest goes on with itself."""
    if method != "GET" or "bulk-status" not in path or given.status != 200:
        return given
    return alter_json("bulk-status", lambda m: with_next(m, path))(method, path, given)


def with_url(manifest: Any, url: str) -> Any:
    """The manifest with all its files at this address."""
    return {**manifest, "output": [{**file, "url": url} for file in manifest["output"]]}


BEFORE_ANYTHING = ("500 at /metadata", "no token")


@pytest.mark.full
@pytest.mark.parametrize("name", REFUSED)
def test_what_stays_is_a_clear_error_and_the_last_store_is_kept(
    ehr: SmallEhr, tmp_path: Path, true_store: Store, truth: Records, name: str
) -> None:
    shutil.copytree(true_store.path.parent, tmp_path, dirs_exist_ok=True)
    fault, kind, told = REFUSED[name]
    with ehr.proxy.fault(fault()), pytest.raises(WeirError) as error:
        run(ehr.config(tmp_path))
    assert type(error.value) is kind
    assert told in str(error.value)
    assert_no_canary(str(error.value), repr(error.value.__cause__))
    # What was begun and only broken off goes on where it stopped, the next time.
    broken_off = kind is UnavailableError and name not in BEFORE_ANYTHING
    assert (tmp_path / "pull" / "log.ndjson").exists() is broken_off
    assert list(open_store(tmp_path).patients()) == truth
    assert list(run(ehr.config(tmp_path)).patients()) == truth


def test_an_ehr_that_is_not_there_is_said_to_be_out_of_reach(ehr: SmallEhr, tmp_path: Path) -> None:
    config = ehr.config(tmp_path)
    fhir = config.fhir.model_copy(update={"base_url": f"http://127.0.0.1:{free_port()}/fhir"})
    with pytest.raises(UnavailableError, match="Check the address, the firewall"):
        run(config.model_copy(update={"fhir": fhir}))


def test_a_key_that_the_ehr_does_not_know_is_refused(ehr: SmallEhr, tmp_path: Path) -> None:
    with pytest.raises(AuthorizationError, match="fhir.key_file"):
        run(ehr.config(tmp_path, key="stranger"))


def test_a_group_that_is_not_there_is_refused_by_the_real_server(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    config = ehr.config(tmp_path)
    fhir = config.fhir.model_copy(update={"group": "nobody"})
    with pytest.raises(EhrError, match="fhir.group"):
        run(config.model_copy(update={"fhir": fhir}))


# Judged: a store, and a verdict that says what is wrong with it


def first_line(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """Change the first resource of a file."""

    def changed(body: bytes) -> bytes:
        first, rest = body.split(b"\n", 1)
        return json.dumps(change(json.loads(first))).encode() + b"\n" + rest

    return changed


def with_counts(manifest: Any, more: int) -> Any:
    """The manifest with other counts."""
    output = [{**file, "count": file["count"] + more} for file in manifest["output"]]
    return {**manifest, "output": output}


def without_file(manifest: Any, type_name: str) -> Any:
    """The manifest without a type's file."""
    return {**manifest, "output": [f for f in manifest["output"] if f["type"] != type_name]}


def with_error(manifest: Any) -> Any:
    """The manifest with a file of errors, which is a file of records here."""
    return {
        **manifest,
        "error": [{"type": "OperationOutcome", "url": manifest["output"][0]["url"]}],
    }


def lose_a_line(body: bytes) -> bytes:
    """Without its first line."""
    return body.split(b"\n", 1)[1]


JUDGED: dict[str, tuple[Callable[[], Fault], set[Reason]]] = {
    "more announced than sent": (
        lambda: alter_json("GET .*bulk-status", lambda m: with_counts(m, 1)),
        {Reason.COUNT_MISMATCH},
    ),
    "more sent than announced": (
        lambda: alter_json("GET .*bulk-status", lambda m: with_counts(m, -1)),
        {Reason.COUNT_MISMATCH},
    ),
    "a lost line": (
        lambda: alter("bulk-files.*Observation", lose_a_line),
        {Reason.COUNT_MISMATCH},
    ),
    "a broken line": (
        lambda: alter("bulk-files.*Observation", lambda body: body.replace(b'"id"', b'"id', 1)),
        {Reason.UNREADABLE_RECORD},
    ),
    "another encoding": (
        lambda: alter("bulk-files.*Observation", lambda body: body.replace(b"final", b"\xe9", 1)),
        {Reason.UNREADABLE_RECORD},
    ),
    "a file that ends in mid-line": (
        lambda: alter("bulk-files.*Observation", lambda body: body[:-50]),
        {Reason.UNREADABLE_RECORD},
    ),
    "an unknown type": (
        lambda: alter(
            "bulk-files.*Observation", first_line(lambda r: {**r, "resourceType": "Quetzal"})
        ),
        {Reason.UNREADABLE_RECORD},
    ),
    "an unknown type of file": (
        lambda: alter_json(
            "GET .*bulk-status",
            lambda m: {**m, "output": [*m["output"], {"type": "Quetzal", "url": "x"}]},
        ),
        {Reason.UNREADABLE_RECORD},
    ),
    "no birth date": (
        lambda: alter("bulk-files.*Patient", first_line(lambda r: {**r, "birthDate": None})),
        {Reason.UNREADABLE_RECORD},
    ),
    "no status": (
        lambda: alter(
            "bulk-files.*Observation",
            first_line(lambda r: {k: v for k, v in r.items() if k != "status"}),
        ),
        {Reason.UNREADABLE_RECORD},
    ),
    "an empty code": (
        lambda: alter("bulk-files.*Observation", first_line(lambda r: {**r, "code": {}})),
        {Reason.UNREADABLE_RECORD},
    ),
    "a record of a stranger": (
        lambda: alter(
            "bulk-files.*Observation",
            first_line(lambda r: {**r, "subject": {"reference": "Patient/pat-zyzzyva-9"}}),
        ),
        {Reason.MISSING_DATA},
    ),
    "a record of nobody": (
        lambda: alter("bulk-files.*Observation", first_line(lambda r: {**r, "subject": None})),
        {Reason.MISSING_DATA},
    ),
    "a patient who did not come": (
        lambda: alter("bulk-files.*Patient", lose_a_line),
        {Reason.COUNT_MISMATCH, Reason.MISSING_DATA},
    ),
    "no patient at all": (
        lambda: alter_json("GET .*bulk-status", lambda m: without_file(m, "Patient")),
        {Reason.MISSING_DATA},
    ),
    "an outcome among the records": (
        lambda: alter("bulk-files.*Observation", first_line(lambda r: CANARY_OUTCOME)),
        {Reason.PAGE_OUTCOME},
    ),
    "a place that is gone": (
        lambda: answer(404, "GET .*/Location/ward", body=CANARY_OUTCOME),
        {Reason.UNRESOLVED_REFERENCE},
    ),
    "a place that is forbidden": (
        lambda: answer(403, "GET .*/Location/ward"),
        {Reason.UNRESOLVED_REFERENCE},
    ),
    "a place that is no resource": (
        lambda: answer(200, "GET .*/Location/ward", body=["Quetzalcoatlus"]),
        {Reason.UNREADABLE_RECORD, Reason.UNRESOLVED_REFERENCE},
    ),
    "an encounter that did not come": (
        lambda: alter_json("GET .*bulk-status", lambda m: without_file(m, "Encounter")),
        {Reason.UNRESOLVED_REFERENCE},
    ),
    "errors in the manifest": (
        lambda: alter_json("GET .*bulk-status", with_error),
        {Reason.MANIFEST_ERROR},
    ),
    "a file of errors that is gone": (
        lambda: alter_json(
            "GET .*bulk-status", lambda m: {**m, "error": [{"type": "O", "url": "gone"}]}
        ),
        {Reason.MANIFEST_ERROR},
    ),
}


@pytest.mark.parametrize("name", sampled(JUDGED, 3))
def test_what_is_missing_or_spoiled_is_never_called_complete(
    ehr: SmallEhr, tmp_path: Path, truth: Records, name: str
) -> None:
    fault, reasons = JUDGED[name]
    with ehr.proxy.fault(fault()):
        store = run(ehr.config(tmp_path))
    assert_doubted(store, reasons)
    assert len(list(store.patients())) == store.facts.patients <= len(truth)


def test_nothing_that_was_set_aside_is_lost(ehr: SmallEhr, tmp_path: Path) -> None:
    """Every line of the export is in the store or in the quarantine."""
    spoil = alter("bulk-files.*Observation", lambda body: body.replace(b'"id"', b'"id', 1))
    strange = alter("bulk-files.*Encounter", first_line(lambda r: {**r, "resourceType": "Quetzal"}))
    with ehr.proxy.fault(spoil, strange):
        store = run(ehr.config(tmp_path))
    aside = (tmp_path / "quarantine.ndjson").read_text().splitlines()
    assert len(aside) == 2
    assert sum(store.facts.resources.values()) + len(aside) == store.facts.lines
    assert GROUP not in "".join(aside)
