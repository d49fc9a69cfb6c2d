"""The network's endpoints: FHIR search, errors in the language of the path, and headers."""

from dataclasses import replace

import pytest

from service.network.config import NetworkConfig
from tests.spec.network.reports import DRINKING, RETURNS, Sender, body_of, summary_of


@pytest.fixture
def filled(sender: Sender) -> Sender:
    """Four reports that count, one of them restated."""
    for site in ("north", "south"):
        for month in ("2025-01", "2025-02"):
            sender.report(summary_of(site, month))
    sender.report(summary_of("north", "2025-01", numerator=30))
    sender.report(summary_of("north", "2025-Q1", measure=RETURNS, version="2.0.0"))
    return sender


class TestSearch:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", 5),
            (f"?measure={DRINKING}", 4),
            (f"?measure={DRINKING}|1.0.0", 4),
            (f"?measure={DRINKING}|1.0.1", 0),
            ("?reporter=north", 3),
            ("?reporter:identifier=urn:weir:site|south", 2),
            (f"?measure={RETURNS}|2.0.0&reporter=north", 1),
            ("?reporter=nobody", 0),
        ],
    )
    def test_finds_what_counts_now(self, filled: Sender, query: str, found: int) -> None:
        bundle = filled.client.get(f"/fhir/MeasureReport{query}").json()
        assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
        assert (bundle["total"], len(bundle["entry"])) == (found, found)

    def test_gives_the_exact_resources(self, filled: Sender) -> None:
        answer = filled.client.get("/fhir/MeasureReport?reporter=north")
        assert body_of(summary_of("north", "2025-01", numerator=30)) in answer.content
        assert body_of(summary_of("north", "2025-01")) not in answer.content
        assert answer.headers["content-type"] == "application/fhir+json"

    def test_goes_page_by_page(self, filled: Sender) -> None:
        url, seen = "/fhir/MeasureReport?_count=2", []
        while url:
            bundle = filled.client.get(url).json()
            assert bundle["total"] == 5
            seen += [entry["fullUrl"] for entry in bundle["entry"]]
            links = {link["relation"]: link["url"] for link in bundle["link"]}
            url = links.get("next", "")
        assert len(seen) == len(set(seen)) == 5

    @pytest.mark.parametrize(
        "query", ["?patient=1", "?_count=0", "?_count=x", "?reporter:identifier=other|north"]
    )
    def test_refuses_what_it_does_not_know(self, filled: Sender, query: str) -> None:
        answer = filled.client.get(f"/fhir/MeasureReport{query}")
        assert answer.status_code == 400
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_every_version_stays_readable(filled: Sender) -> None:
    first = filled.report(summary_of("north", "2025-01"))  # again: the same receipt
    answer = filled.client.get(f"/fhir/MeasureReport/{first.json()['receipt']}")
    assert answer.content == body_of(summary_of("north", "2025-01"))
    assert answer.headers["etag"] == f'"{first.json()["sha256"]}"'


def test_metadata_is_a_capability_statement(sender: Sender) -> None:
    statement = sender.client.get("/fhir/metadata").json()
    assert statement["resourceType"] == "CapabilityStatement"
    assert statement["fhirVersion"] == "4.0.1"


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/fhir/Patient", 404, "application/fhir+json"),
        ("/fhir/MeasureReport/none", 404, "application/fhir+json"),
        ("/measures/none.json", 404, "application/json"),
        ("/measures/none.csv", 404, "application/json"),
        ("/measures/none", 404, "text/html"),
        ("/measures/Drinking/charts/none.svg", 404, "text/html"),
        ("/nowhere", 404, "text/html"),
    ],
)
def test_errors_speak_the_language_of_the_path(
    sender: Sender, path: str, status: int, kind: str
) -> None:
    answer = sender.client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(kind)


def test_an_unforeseen_error_tells_nothing_but_where_the_log_has_it(
    sender: Sender, config: NetworkConfig, caplog: pytest.LogCaptureFixture
) -> None:
    sender.report(summary_of())
    sender.client.app.state.network.engine.dispose()  # type: ignore[attr-defined]
    sender.client.app.state.network = "not a network"  # type: ignore[attr-defined]
    answer = sender.client.get("/measures/Drinking")
    assert answer.status_code == 500
    (issue,) = answer.json()["issue"]
    reference = issue["diagnostics"].split()[-1]
    assert reference in caplog.text and "AssertionError" in caplog.text


@pytest.mark.parametrize("path", ["/", "/measures/Drinking", "/health", "/fhir/metadata", "/docs"])
def test_nothing_is_loaded_from_elsewhere(sender: Sender, path: str) -> None:
    answer = sender.client.get(path)
    assert answer.status_code == 200
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    for part in ('src="http', 'src="//', 'href="http'):
        assert part not in answer.text


def test_openapi_describes_what_is_there(sender: Sender) -> None:
    document = sender.client.get("/openapi.json").json()
    assert {
        *("/fhir/MeasureReport", "/measures/{measure_id}.json", "/arrivals.csv", "/health")
    } <= set(document["paths"])
    post = document["paths"]["/fhir/MeasureReport"]["post"]
    assert {header["name"] for header in post["parameters"]} == {
        *("idempotency-key", "weir-ledger", "weir-signature")
    }
    assert "application/fhir+json" in post["requestBody"]["content"]
    assert {"200", "201", "401", "403", "409", "422"} <= set(post["responses"])


def test_texts_of_the_configuration_cannot_break_out_of_the_page(
    sender: Sender, config: NetworkConfig
) -> None:
    served = sender.client.app.state.network  # type: ignore[attr-defined]
    evil = "<script>alert(1)</script>"
    sites = tuple(site.model_copy(update={"name": evil}) for site in config.sites)
    note = {"month": "2025-01", "text": evil}
    changed = type(config).model_validate(
        {
            **config.model_dump(by_alias=True),
            "site": [site.model_dump() for site in sites],
            "annotation": [note],
        }
    )
    sender.client.app.state.network = replace(served, config=changed)  # type: ignore[attr-defined]
    sender.report(summary_of())
    page = sender.client.get("/measures/Drinking").text
    assert "<script" not in page
    assert "&lt;script&gt;" in page
