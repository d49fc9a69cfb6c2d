"""The page of verdicts: counts in plain words, for people who have signed in at the site."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.measure.completeness import Verdict
from service.site.app import create_app
from service.site.completeness_page import REASONS
from service.site.mapped_store import MappedStore
from service.site.mapping import load_mapping
from service.site.needs import needs_of
from service.site.tokens import make_token
from service.site.verdict import QUARANTINED, Fault, Finding
from service.site.verdict_list import MeasureVerdict, VerdictList, write_verdicts
from tests.spec.site_api.conftest import signed_in, write_site
from tests.spec.site_api.hospital import CHART, event, fill_store

LOCAL = (
    "source_system,source_code,source_display,target_system,target_code,target_display,"
    "relationship,reviewed_by,reviewed_on\n"
    "urn:local,*,,,,,not-relevant,A. Reviewer,2026-05-01\n"
)
FINDINGS = [
    Finding(Fault.UNREADABLE, "0001-Observation.ndjson", 3, "Observation"),
    Finding(Fault.UNREADABLE, "0002-Observation.ndjson", 4, "Observation"),
    Finding(Fault.TYPE_REFUSED, "Procedure", 1, "Procedure"),
]


def coded(system: str, code: str) -> dict[str, object]:
    return event("canary-anna", f"{code}-1", "01-06T15:00") | {
        "code": {"coding": [{"system": system, "code": code, "display": f"<b>{code}</b>"}]}
    }


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[FastAPI]:
    config = write_site(folder, LOCAL)
    chart = [*CHART, coded("urn:elsewhere", "NEW"), coded("urn:local", "K12")]
    store = fill_store(config, chart)
    program = create_app(config)
    packages = program.state.site.packages
    mapped = MappedStore(store, load_mapping(config.mapping), [needs_of(one) for one in packages])
    list(mapped.patients())
    mapped.survey.write(config.data_dir)
    verdicts = [
        MeasureVerdict("urn:a", "DrEaMing", f"2026-{month}-01/2026-{month}-28", verdict, found)
        for month, verdict, found in [
            ("01", Verdict.COMPLETE, []),
            ("02", Verdict.NOT_COMPUTABLE, FINDINGS),
        ]
    ]
    told = VerdictList("2026-06-01T00:00:00Z", 5, store.facts.resources, FINDINGS, verdicts)
    write_verdicts(config.data_dir, told)
    yield program


def read(program: FastAPI) -> str:
    with TestClient(program, headers=signed_in(program)) as client:
        answer = client.get("/completeness")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    return re.sub(r"\s+", " ", answer.text)


def test_each_measure_and_period_has_its_verdict_in_plain_words(program: FastAPI) -> None:
    page = read(program)
    assert "2026-01-01 to 2026-01-28</th><td>Complete" in page
    assert "2026-02-01 to 2026-02-28</th><td>Not computable" in page
    assert "Nothing was found to be missing" in page
    for finding in FINDINGS:
        assert html.escape(str(finding)) in page


def test_records_that_were_set_aside_stand_by_reason(program: FastAPI) -> None:
    page = read(program)
    assert 'Lines that are no FHIR resource</th><td class="number">7' in page
    assert "0001-Observation.ndjson: 3, 0002-Observation.ndjson: 4" in page


def test_codes_stand_in_the_list_of_what_became_of_them(program: FastAPI) -> None:
    unmapped, unreviewed = read(program).split("Codes that only a row")
    assert "NEW" in unmapped.partition("Codes that nobody")[2]
    assert "K12" not in unmapped and "K12" in unreviewed
    assert "<b>" not in unmapped + unreviewed  # the EHR's words are no markup of ours


def test_nobody_sees_it_without_signing_in(program: FastAPI) -> None:
    with TestClient(program) as client:
        refused = client.get("/completeness")
        wrong = client.get("/completeness", auth=("me", "weir_00000000_guess"))
    assert (refused.status_code, wrong.status_code) == (401, 401)
    assert refused.headers["www-authenticate"] == 'Basic realm="weir site"'
    assert "canary" not in refused.text and "DrEaMing" not in refused.text


def test_a_browser_gives_the_token_as_a_password_and_the_log_has_it(program: FastAPI) -> None:
    site = program.state.site
    token = make_token(site.engine, "QI", timedelta(days=1), datetime.now(UTC))
    with TestClient(program) as client:
        assert client.get("/completeness", auth=("anyone", token)).status_code == 200
    last = site.audit.entries()[-1]
    assert (last.action, last.outcome, last.label) == ("read-completeness", "done", "QI")


def test_before_the_first_run_it_says_so(tmp_path: Path) -> None:
    assert "no run yet" in read(create_app(write_site(tmp_path)))


def test_every_kind_of_quarantined_record_has_words() -> None:
    assert set(REASONS) == QUARANTINED
