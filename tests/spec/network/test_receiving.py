"""What the network takes in, what it refuses, and what it says about it."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from service.fhir import signature
from service.measure.period import Period
from service.network.app import create_app
from service.network.config import NetworkConfig
from tests.spec.network.reports import DRINKING, KEYS, RETURNS, Sender, body_of, key_of, summary_of

SECRET = "Wilhelmina-Quackenbush-1931"  # stands for anything of a patient


def stored(config: NetworkConfig) -> list[tuple[Any, ...]]:
    engine = create_engine(config.database)
    try:
        with engine.connect() as connection:
            found = connection.execute(
                text("SELECT site, period, body FROM submission ORDER BY id")
            )
            return [tuple(row) for row in found]
    finally:
        engine.dispose()


def refused(response: httpx.Response, status: int) -> str:
    """The words of an OperationOutcome, which must not repeat anything of a patient."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/fhir+json")
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert SECRET not in response.text
    return " ".join(issue["diagnostics"] for issue in outcome["issue"])


def changed(**elements: Any) -> bytes:
    """A report with elements that do not belong there, or with others in their place."""
    return json.dumps({**json.loads(body_of(summary_of())), **elements}).encode()


class TestAccepted:
    def test_a_report_gets_a_receipt(self, sender: Sender) -> None:
        response = sender.report(summary_of())
        assert response.status_code == 201
        assert set(response.json()) == {
            *("receipt", "sha256", "received", "site", "release", "signed")
        }

    def test_the_exact_bytes_are_kept(self, sender: Sender, config: NetworkConfig) -> None:
        # Other white space and order than ours, signed as they are.
        body = json.dumps(json.loads(body_of(summary_of())), indent=3).encode()
        response = sender.send(body)
        assert response.status_code == 201
        assert stored(config) == [("north", "2025-01", body)]
        again = sender.client.get(response.headers["Location"])
        assert again.content == body
        signature.verify(body, again.headers[signature.HEADER], lambda kid: KEYS["north"])

    def test_the_same_report_again_has_the_same_receipt(
        self, sender: Sender, config: NetworkConfig
    ) -> None:
        first, second = sender.report(summary_of()), sender.report(summary_of())
        assert (first.status_code, second.status_code) == (201, 200)
        assert first.json() == second.json()
        assert len(stored(config)) == 1

    def test_duplicates_at_the_same_moment_are_one_report(
        self, sender: Sender, config: NetworkConfig
    ) -> None:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: sender.report(summary_of()), range(16)))
        assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
        assert len({answer.json()["receipt"] for answer in answers}) == 1
        assert len(stored(config)) == 1

    def test_a_changed_report_is_a_new_version_and_the_old_one_stays(
        self, sender: Sender, config: NetworkConfig
    ) -> None:
        for numerator in (21, 24):
            assert sender.report(summary_of(numerator=numerator)).status_code == 201
        assert len(stored(config)) == 2

    def test_what_was_received_can_be_neither_changed_nor_deleted(
        self, sender: Sender, config: NetworkConfig
    ) -> None:
        sender.report(summary_of())
        engine = create_engine(config.database)
        for statement in ("UPDATE submission SET site = 'south'", "DELETE FROM submission"):
            with pytest.raises(DBAPIError, match="never changed"), engine.begin() as connection:
                connection.execute(text(statement))
        engine.dispose()
        assert [site for site, _, _ in stored(config)] == ["north"]


class TestSignature:
    def test_no_signature(self, sender: Sender, config: NetworkConfig) -> None:
        body = body_of(summary_of())
        told = refused(sender.post(body, {"Idempotency-Key": key_of(body)}), 401)
        assert "not signed" in told
        assert stored(config) == []

    def test_a_signature_over_other_bytes(self, sender: Sender, config: NetworkConfig) -> None:
        signed = signature.sign(body_of(summary_of(numerator=30)), KEYS["north"], "north-1")
        body = body_of(summary_of())
        headers = {"Idempotency-Key": key_of(body), signature.HEADER: signed}
        assert "does not fit" in refused(sender.post(body, headers), 401)
        assert stored(config) == []

    def test_one_changed_byte(self, sender: Sender) -> None:
        body = body_of(summary_of())
        signed = signature.sign(body, KEYS["north"], "north-1")
        headers = {"Idempotency-Key": key_of(body), signature.HEADER: signed}
        refused(sender.post(body.replace(b'"count":21', b'"count":24'), headers), 401)

    def test_a_key_that_is_not_enrolled(self, sender: Sender) -> None:
        assert "not enrolled" in refused(
            sender.send(body_of(summary_of()), site="stranger", kid="stranger-1"), 401
        )

    def test_another_key_under_a_site_s_key_id(self, sender: Sender) -> None:
        refused(sender.send(body_of(summary_of()), site="stranger", kid="north-1"), 401)

    @pytest.mark.parametrize("value", ["", "a", "..", "a..b", "a.b.c", "😀..x", "e30..AA"])
    def test_what_is_no_signature(self, sender: Sender, value: str) -> None:
        body = body_of(summary_of())
        headers = {"Idempotency-Key": key_of(body), signature.HEADER: value}
        encoded = {name: text.encode() for name, text in headers.items()}
        refused(sender.post(body, encoded), 401)  # type: ignore[arg-type]

    def test_nothing_is_read_before_the_signature_is_right(self, sender: Sender) -> None:
        told = refused(sender.post(b"{" + SECRET.encode(), {}), 401)
        assert "not signed" in told


class TestMayNot:
    def test_report_as_another_site(self, sender: Sender, config: NetworkConfig) -> None:
        told = refused(sender.send(body_of(summary_of("south")), site="north"), 403)
        assert "not the site that signed" in told
        assert stored(config) == []

    def test_report_a_measure_that_it_is_not_permitted(self, sender: Sender) -> None:
        told = refused(sender.report(summary_of("south", "2025-Q1", measure=RETURNS)), 403)
        assert "may not report this measure" in told

    def test_report_a_measure_that_nobody_knows(self, sender: Sender) -> None:
        refused(sender.report(summary_of(measure="https://example.org/Measure/Other")), 403)

    @pytest.mark.parametrize(
        ("measure", "period"),
        [
            (DRINKING, Period.parse("2025-01-01/2025-01-30")),
            (DRINKING, Period.parse("2025-01-02/2025-01-31")),
            (DRINKING, Period.parse("2025-Q1")),
            (DRINKING, Period.parse("2025")),
            (RETURNS, Period.parse("2025-01")),
            (RETURNS, Period.parse("2025-02/2025-04")),
        ],
        ids=str,
    )
    def test_report_by_another_window(self, sender: Sender, measure: str, period: Period) -> None:
        told = refused(sender.report(summary_of(measure=measure, period=str(period))), 422)
        assert "not one calendar" in told

    def test_use_a_key_for_two_reports(self, sender: Sender, config: NetworkConfig) -> None:
        body = body_of(summary_of())
        assert sender.send(body).status_code == 201
        told = refused(sender.send(json.dumps(json.loads(body)).encode()), 409)
        assert "other content" in told
        assert len(stored(config)) == 1

    def test_name_another_key_than_the_report_s(self, sender: Sender) -> None:
        body = body_of(summary_of())
        refused(sender.send(body, **{"Idempotency-Key": f"sha256:{'0' * 64}"}), 400)


PATIENT = {
    "resourceType": "Patient",
    "id": SECRET,
    "name": [{"family": SECRET}],
    "birthDate": "1931-02-03",
}
NOT_AGGREGATES = {
    "a patient": json.dumps(PATIENT).encode(),
    "a bundle of patients": json.dumps(
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": PATIENT}]}
    ).encode(),
    "an individual report": changed(type="individual", subject={"reference": f"Patient/{SECRET}"}),
    "a list of subjects": changed(type="subject-list"),
    "a subject": changed(subject={"reference": f"Patient/{SECRET}"}),
    "evaluated resources": changed(evaluatedResource=[{"reference": f"Patient/{SECRET}"}]),
    "a contained patient": changed(contained=[PATIENT]),
    "a narrative": changed(text={"status": "generated", "div": f"<div>{SECRET}</div>"}),
    "an unknown element": changed(**{SECRET: SECRET}),
    "an unknown extension": changed(extension=[{"url": SECRET, "valueString": SECRET}]),
    "a name for a hash": changed(identifier=[{"system": "urn:weir:release", "value": SECRET}]),
    "a day": changed(date="2025-01-15"),
    "a site with a text": changed(reporter={"display": SECRET}),
    "a small count": body_of(summary_of()).replace(b'"count":21', b'"count":6'),
    "broken JSON": body_of(summary_of())[:-20] + SECRET.encode(),
    "twice the same name": body_of(summary_of()).replace(b"{", b'{"type":"individual",', 1),
    "nothing": b"",
    "no object": b"[]",
    "not text": b"\xff\xfe\x00",
    "deep nesting": b"[" * 100_000,
}


class TestRefusedContent:
    @pytest.mark.parametrize("body", NOT_AGGREGATES.values(), ids=NOT_AGGREGATES)
    def test_is_not_stored_and_not_repeated(
        self,
        sender: Sender,
        config: NetworkConfig,
        caplog: pytest.LogCaptureFixture,
        body: bytes,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        refused(sender.send(body), 422)
        assert stored(config) == []
        assert SECRET not in caplog.text

    def test_larger_than_any_report(self, sender: Sender) -> None:
        told = refused(sender.send(b" " * (signature.BODY_BYTES + 1)), 413)
        assert "at most" in told

    def test_another_kind_of_content(self, sender: Sender) -> None:
        told = refused(sender.send(body_of(summary_of()), **{"Content-Type": "text/csv"}), 415)
        assert "application/fhir+json" in told


def test_a_revoked_key_signs_nothing_more(sender: Sender, config: NetworkConfig) -> None:
    assert sender.report(summary_of()).status_code == 201
    sites = [site.model_copy(update={"revoked": site.id == "north"}) for site in config.sites]
    again = create_app(config.model_copy(update={"sites": tuple(sites)}))  # network.toml says so
    again.state.network.engine.dispose()
    refused(sender.report(summary_of(numerator=30)), 401)
    assert sender.client.get("/measures/Drinking").status_code == 200


def test_logs_name_routes_and_sites_only(sender: Sender, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "weir")
    sender.report(summary_of())
    sender.client.get(f"/fhir/MeasureReport?reporter={SECRET}")
    sender.client.get(f"/{SECRET}")
    sender.client.get(f"/fhir/MeasureReport/{SECRET}?name={SECRET}")
    told = [record.getMessage() for record in caplog.records]
    assert any("GET /fhir/MeasureReport/{receipt} 404" in line for line in told)
    assert any("site north" in line for line in told)
    assert not any(SECRET in line for line in told)
