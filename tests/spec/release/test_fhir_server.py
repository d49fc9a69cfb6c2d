"""The same outbox to a plain FHIR server: each release is created once, whatever the server can do.

`sekmet-fhir` does not know identifiers of MeasureReports, so releases are looked for first. What a
server does that supports conditional creates is played by a few lines here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.demo.ehr import EhrClient, run_ehr
from service.errors import ConfigError
from service.fhir.http import open_client
from service.fhir.keys import read_signing_key
from service.fhir.patience import Patience
from service.fhir.smart import BackendService, discover
from service.gateway.config import NetworkConfig
from service.gateway.fhir_server import FhirServer, sign_in_at
from service.gateway.gateway import open_gateway
from service.gateway.sending import deliver_all
from service.gateway.spool import Spool
from service.gateway.way_out import WayOut
from service.site.database import open_database
from service.site.keys import site_keys
from service.site.outbox import Outbox
from service.site.push import PushSummary, collect, gateway_of, push
from tests.ehr import write_keys
from tests.faults.test_push import site_config
from tests.releases import release

QUARTERS = ("2024-Q1", "2024-Q2", "2024-Q3")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, httpx.Client]]:
    """A real FHIR server, and a client that has its leave to write."""
    folder = tmp_path_factory.mktemp("server")
    key = read_signing_key(write_keys(folder)["ec"], "ec")
    with run_ehr(folder, [EhrClient("weir", key.jwks())]) as ehr, open_client() as client:
        service = BackendService(client, discover(client, ehr.base_url), "weir", key, ["*"])
        client.headers["Authorization"] = f"Bearer {service.token()}"
        yield ehr.base_url, client


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(open_database(tmp_path))


def send(outbox: Outbox, client: httpx.Client, url: str, site: str = "north") -> PushSummary:
    """What a push does, with a client of the test's own."""
    folder = Path(str(outbox._engine.url.database)).parent
    keys, config = site_keys(folder), site_config(folder, "https://server.example/fhir", site)
    assert config.network is not None
    spool, before = Spool(folder / "spool"), len(outbox.sent())
    for each in outbox.queued():
        assert each.id is not None
        spool.put(each.id, each.body, keys.sign(each.body))
    with open_gateway(gateway_of(config, config.network, keys)) as gateway:
        gateway.take_in()
        deliver_all(gateway, FhirServer(WayOut(client, url)), Patience(attempts=1))
        gateway.tell_engine()
    collect(outbox, spool)
    sent = len(outbox.sent()) - before
    return PushSummary(sent, tuple(outbox.queued()), tuple(outbox.refused()))


def stored(client: httpx.Client, url: str, site: str) -> list[dict[str, Any]]:
    """The reports of a site at the server, as they were sent."""
    bundle = client.get(f"{url}/MeasureReport?_count=500").json()
    reports = [entry["resource"] for entry in bundle.get("entry", [])]
    for report in reports:
        del report["id"], report["meta"]["versionId"], report["meta"]["lastUpdated"]
    return [each for each in reports if each["reporter"]["identifier"]["value"] == site]


def test_every_release_becomes_a_measure_report(
    server: tuple[str, httpx.Client], outbox: Outbox
) -> None:
    url, client = server
    for quarter in QUARTERS:
        outbox.enqueue(release(quarter, site="first"))
    assert send(outbox, client, url, "first").complete
    assert stored(client, url, "first") == [json.loads(each.body) for each in outbox.sent()]
    for dispatch in outbox.sent():
        report = client.get(f"{url}/{dispatch.note}").json()
        assert report["identifier"][0]["value"] == dispatch.key


def test_a_release_whose_receipt_was_lost_is_not_created_again(
    server: tuple[str, httpx.Client], outbox: Outbox, tmp_path: Path
) -> None:
    """The site died between the server's answer and writing it down."""
    url, client = server
    for quarter in QUARTERS:
        outbox.enqueue(release(quarter, site="second"))
    again = Outbox(open_database(tmp_path / "as-it-was"))
    for quarter in QUARTERS:
        again.enqueue(release(quarter, site="second"))
    assert send(outbox, client, url, "second").complete
    assert send(again, client, url, "second").complete
    assert len(stored(client, url, "second")) == 3
    assert [each.note for each in again.sent()] == [each.note for each in outbox.sent()]


def test_a_server_that_wants_sign_in_refuses_and_nothing_is_lost(
    server: tuple[str, httpx.Client], outbox: Outbox
) -> None:
    url, client = server
    outbox.enqueue(release(site="third"))
    with open_client() as stranger:
        summary = send(outbox, stranger, url, "third")
    assert [each.note.split(",")[0] for each in summary.refused] == ["HTTP 401"]
    outbox.enqueue(release(site="third"))
    assert send(outbox, client, url, "third").complete


def conditional(store: dict[str, str]) -> httpx.MockTransport:
    """A server that creates unless what If-None-Exist asks for is there."""

    def answer(request: httpx.Request) -> httpx.Response:
        condition = request.headers["If-None-Exist"]
        known = condition in store
        address = store.setdefault(condition, f"MeasureReport/{len(store) + 1}")
        location = f"http://server.example/fhir/{address}/_history/1"
        return httpx.Response(200 if known else 201, headers={"Location": location})

    return httpx.MockTransport(answer)


def test_a_conditional_create_stores_it_once(outbox: Outbox, tmp_path: Path) -> None:
    store: dict[str, str] = {}
    one = release()
    outbox.enqueue(one)
    again = Outbox(open_database(tmp_path / "as-it-was"))
    again.enqueue(one)
    with httpx.Client(transport=conditional(store)) as client:
        for each in (outbox, again):
            assert send(each, client, "http://server.example/fhir").complete
            assert [dispatch.note for dispatch in each.sent()] == ["MeasureReport/1"]
    assert store == {f"identifier=urn:weir:release|{one.key}": "MeasureReport/1"}


NOT_SUPPORTED = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "not-supported"}],
}


@pytest.mark.parametrize(
    "page",
    [
        httpx.Response(500),
        httpx.Response(200, html="<html>Please sign in</html>"),
        httpx.Response(200, json={"resourceType": "Bundle", "entry": [1]}),
    ],
)
def test_without_knowing_what_is_there_nothing_is_created(
    outbox: Outbox, page: httpx.Response
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return page
        assert "If-None-Exist" in request.headers, "a create without looking"
        return httpx.Response(400, json=NOT_SUPPORTED)

    outbox.enqueue(release())
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        summary = send(outbox, client, "http://server.example/fhir")
    assert len(summary.waiting) == 1


def test_a_search_does_not_lead_us_elsewhere(outbox: Outbox) -> None:
    """A page's next link is followed at the server itself only."""
    elsewhere = {"relation": "next", "url": "https://elsewhere.example/MeasureReport?page=2"}
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        if request.method == "GET":
            return httpx.Response(200, json={"resourceType": "Bundle", "link": [elsewhere]})
        if "If-None-Exist" in request.headers:
            return httpx.Response(400, json=NOT_SUPPORTED)
        return httpx.Response(201, headers={"Location": "MeasureReport/1"})

    outbox.enqueue(release())
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        assert send(outbox, client, "http://server.example/fhir").complete
    assert set(hosts) == {"server.example"}


@pytest.mark.full
def test_it_signs_in_as_a_backend_service(tmp_path: Path) -> None:
    """The whole gateway, against a server that lets in whom it knows only."""
    path = write_keys(tmp_path)["ec"]
    key = read_signing_key(path, "ec")
    scopes = "system/MeasureReport.read system/MeasureReport.write"
    scopes += " system/MeasureReport.crs"
    with run_ehr(tmp_path, [EhrClient("weir", key.jwks(), scopes)]) as ehr:
        config = site_config(tmp_path / "data", ehr.base_url)
        network = {"url": ehr.base_url, "kind": "fhir", "client_id": "weir"}
        network |= {"key_file": path, "kid": "ec"}
        config = config.model_copy(update={"network": NetworkConfig.model_validate(network)})
        outbox, keys = Outbox(open_database(tmp_path / "data")), site_keys(tmp_path / "data")
        outbox.enqueue(release())
        assert push(config, outbox, keys, Patience(attempts=1)).complete
        assert [each.note.split("/")[0] for each in outbox.sent()] == ["MeasureReport"]


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ü"])
def test_a_token_file_that_holds_no_token_is_refused(tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text(token)
    network = NetworkConfig(
        url="https://server.example", kind="fhir", token_file=tmp_path / "token"
    )
    with httpx.Client() as client, pytest.raises(ConfigError, match="token cannot be read"):
        sign_in_at(network, client)()


def test_a_bearer_token_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    network = NetworkConfig(url="https://server.example", kind="fhir", token_file=path)
    with httpx.Client() as client:
        sign_in = sign_in_at(network, client)
        for token in ("first", "second"):
            path.write_text(token + "\n")
            assert sign_in() == {"Authorization": f"Bearer {token}"}
