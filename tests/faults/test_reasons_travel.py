"""A fault of the EHR, and what becomes of it on the whole way: from the pull to the network's page.

A real server behind the proxy, a run of the site with its real measure and mapping, the gateway
that judges the report from its bytes, and the network that keeps them. What the network has says
why it is no final number, in words from the fixed list; the site's own page says it in a sentence.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from joserfc.jwk import OKPKey

from service.demo.centers import NORTH
from service.demo.demo import SEED
from service.demo.ehr import EhrClient, free_port, run_ehr
from service.demo.folder import CLIENT, DREAMING, SiteFolder, make_network, make_site
from service.demo.load import load
from service.demo.records import records
from service.demo.story import Plan, tell
from service.fhir.http import open_client
from service.fhir.signature import sign
from service.gateway.config import load_gateway_config
from service.gateway.delivery import deliver
from service.measure.completeness import COMPLETE, Completeness, Reason, Verdict
from service.measure.package import load_package
from service.measure.summary import Absent, Summary, parse
from service.network.config import load as load_network_config
from service.site.app import create_app
from service.site.cataloguing import catalogue_of
from service.site.config import load_config
from service.site.keys import ROUNDING, site_keys
from service.site.pipeline import run
from service.site.signed_policy import site_policy
from service.site.verdict_list import read_verdicts
from tests.ehr import ADMINISTRATOR
from tests.faults.proxy import Fault, FaultProxy, alter, alter_json, answer, run_proxy
from tests.faults.receiver import run_receiver
from tests.faults.test_ehr_faults import lose_a_line, with_counts, with_error
from tests.spec.site_api.conftest import signed_in

MONTH = date(2025, 2, 1)
GATEWAY_TOML = """
site = "north"
data_dir = "gateway-data"
spool = "spool"
reports_key = "reports.jwk.json"
catalogue = "catalogue.json"
[network]
url = "{url}"
"""
full = pytest.mark.full


@dataclass(frozen=True)
class Ehr:
    """North's records in a server behind a proxy, and the key that it knows the site by."""

    proxy: FaultProxy
    key_file: Path


@dataclass(frozen=True)
class Arrived:
    """What the network received and shows, and what the site shows to its own people."""

    summary: Summary
    network_page: str
    site_page: str
    sentences: list[str]


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ehr]:
    folder = tmp_path_factory.mktemp("north")
    front, back = free_port(), free_port()
    site = make_site(folder, NORTH, (MONTH, MONTH), front, "https://network.example")
    clients = [EhrClient(CLIENT, site.key().jwks()), ADMINISTRATOR]
    told = records(NORTH, tell(Plan(NORTH.zone, SEED, MONTH, MONTH, NORTH.change)))
    with (
        run_proxy(front, f"http://127.0.0.1:{back}") as proxy,
        run_ehr(site.ehr, clients, base_url=site.ehr_url, port=back, validate=False),
        open_client() as client,
    ):
        load(client, f"http://127.0.0.1:{back}/fhir", ADMINISTRATOR, told, lambda n: None)
        yield Ehr(proxy, site.path / "ehr-key.pem")


def configured(folder: Path, ehr: Ehr, way: str, month: date = MONTH) -> SiteFolder:
    """North, with the drinking, eating and mobilising measure alone and a gateway beside it."""
    site = make_site(folder, NORTH, (month, month), ehr.proxy.port, "https://network.example")
    shutil.copy(ehr.key_file, site.path / "ehr-key.pem")
    _sign(site)
    head, _, fhir = site.config.read_text().partition("[fhir]")
    lines = [line for line in head.splitlines() if not line.startswith("measures")]
    lines += [f"measures = [{json.dumps(str(_package()))}]", f'spool = "{folder / "spool"}"']
    profile = "default" if way == "export" else str(_searched(folder))
    fhir = f'[fhir]\nvendor = "{profile}"\n' + fhir.partition("[network]")[0]
    site.config.write_text("\n".join([*lines, fhir]))
    return site


def _sign(site: SiteFolder) -> None:
    """The policy without the other measure, signed anew."""
    policy = (site.path / "policy.toml").read_text().rpartition("[[release]]")[0]
    key = OKPKey.generate_key("Ed25519")
    (site.path / "policy.toml").write_text(policy)
    (site.path / "policy.toml.sig").write_text(sign(policy.encode(), key, key.thumbprint()))
    (site.path / "policy.jwk.json").write_text(json.dumps(key.as_dict(private=False)))


def _package() -> Path:
    return Path(__file__).parents[2] / "measures" / "dreaming"


def _searched(folder: Path) -> Path:
    """HAPI's profile, which searches many patients at once, told to search from the start."""
    shipped = Path(__file__).parents[2] / "service" / "site" / "vendors" / "hapi.toml"
    path = folder / "searched.toml"
    text = shipped.read_text().replace('way = "export"', 'way = "search"')
    path.write_text(text.replace("patients_at_once = 50", "patients_at_once = 400"))
    return path


def travelled(ehr: Ehr, folder: Path, way: str, *faults: Fault) -> Arrived:
    """The whole way, with faults of the EHR: one run of the site, one of the gateway."""
    site = configured(folder, ehr, way)
    config = load_config(site.config)
    (config.data_dir / "keys").mkdir(parents=True)
    (config.data_dir / "keys" / ROUNDING).write_bytes(b"r" * 32)  # so that all round alike
    keys = site_keys(config.data_dir)
    (folder / "reports.jwk.json").write_bytes(keys.public_json)
    listed = catalogue_of(config, [load_package(_package())], site_policy(config))
    (folder / "catalogue.json").write_text(listed.model_dump_json())
    network = make_network(folder, {NORTH: keys.public_json.decode()})
    with run_receiver(load_network_config(network)) as receiver:
        (folder / "gateway.toml").write_text(GATEWAY_TOML.format(url=receiver.url))
        with ehr.proxy.fault(*faults):
            run(config)
        assert deliver(load_gateway_config(folder / "gateway.toml")).sent == 1
        (submission,) = receiver.submissions()
        page = httpx.get(f"{receiver.url}/measures/dreaming", timeout=60).raise_for_status().text
    program = create_app(config)
    with TestClient(program, headers=signed_in(program)) as client:
        own = client.get("/completeness").text
    told = read_verdicts(config.data_dir)
    assert told is not None
    sentences = [str(finding) for each in told.verdicts for finding in each.findings]
    return Arrived(parse(submission.body).summary, page, own, sentences)


def without_observations(token: dict[str, Any]) -> dict[str, Any]:
    """A token for all types that were asked for but one."""
    types = ("Encounter", "Group", "Location", "Patient", "Procedure")
    return {**token, "scope": " ".join(f"system/{name}.rs" for name in types)}


def spoiled(body: bytes) -> bytes:
    """Every tenth line is broken."""
    lines = body.splitlines(keepends=True)
    return b"".join(line if n % 10 else b"{" + line for n, line in enumerate(lines))


def told_off(page: Any) -> Any:
    """A page of a search with a message of trouble among the matches."""
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "exception"}],
    }
    if page.get("resourceType") != "Bundle":
        return page
    entry = {"resource": outcome, "search": {"mode": "outcome"}}
    return {**page, "entry": [*page.get("entry", []), entry]}


def said(verdict: Verdict, *reasons: Reason) -> Completeness:
    return Completeness(verdict, frozenset(reasons))


PROVISIONAL, NOT_COMPUTABLE = Verdict.PROVISIONAL, Verdict.NOT_COMPUTABLE
FAULTS: dict[str, tuple[str, Callable[[], Fault], Completeness]] = {
    "a type is refused by scope": (
        "export",
        lambda: alter_json("/auth/token", without_observations),
        said(NOT_COMPUTABLE, Reason.TYPE_REFUSED),
    ),
    "the manifest has errors": (
        "export",
        lambda: alter_json("GET .*bulk-status", with_error),
        said(PROVISIONAL, Reason.MANIFEST_ERROR),
    ),
    "counts do not add up": (
        "export",
        lambda: alter_json("GET .*bulk-status", lambda m: with_counts(m, 1)),
        said(PROVISIONAL, Reason.COUNT_MISMATCH),
    ),
    "a patient is not in the export": (
        "export",
        lambda: alter("bulk-files.*Patient", lose_a_line),
        said(PROVISIONAL, Reason.COUNT_MISMATCH, Reason.MISSING_DATA),
    ),
    "too many records cannot be read": (
        "export",
        lambda: alter("bulk-files.*(Observation|Procedure)", spoiled),
        said(NOT_COMPUTABLE, Reason.UNREADABLE_RECORD, Reason.MISSING_DATA),
    ),
    "an outcome stands among the matches": (
        "search",
        lambda: alter_json("/Procedure/_search", told_off),
        said(PROVISIONAL, Reason.PAGE_OUTCOME),
    ),
    "a search is refused": (
        "search",
        lambda: answer(403, "/Procedure/_search"),
        said(NOT_COMPUTABLE, Reason.TYPE_REFUSED),
    ),
}
OFTEN = ("a type is refused by scope",)


def test_without_a_fault_the_number_is_final(ehr: Ehr, tmp_path: Path) -> None:
    """Else what follows would show nothing."""
    arrived = travelled(ehr, tmp_path, "export")
    assert arrived.summary.completeness == COMPLETE
    assert all(isinstance(count, int) for count in _numerators(arrived))
    assert re.search(r"February 2025 \d+% \d+ \d+ complete", _shown(arrived))
    assert "Nothing was found to be missing" in arrived.site_page


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=() if each in OFTEN else full) for each in FAULTS]
)
def test_a_fault_of_the_ehr_is_told_at_the_network_with_its_reason(
    ehr: Ehr, tmp_path: Path, name: str
) -> None:
    way, fault, completeness = FAULTS[name]
    arrived = travelled(ehr, tmp_path, way, fault())
    assert arrived.summary.completeness == completeness
    if completeness.verdict is NOT_COMPUTABLE:
        assert {*_numerators(arrived)} == {Absent.NOT_COMPUTABLE}
    assert completeness.verdict.value.replace("-", " ") in _shown(arrived)
    for reason in completeness.reasons:
        assert reason.value.replace("-", " ") in _shown(arrived)
    assert arrived.sentences
    assert all(escape(each) in arrived.site_page for each in arrived.sentences)


@pytest.mark.full
def test_of_a_month_that_is_not_over_nothing_is_said_and_a_fault_of_the_pull_is(
    ehr: Ehr, tmp_path: Path
) -> None:
    config = load_config(configured(tmp_path, ehr, "export", date(2099, 2, 1)).config)
    whole = run(config)
    [measure] = whole.measures
    assert (measure.periods, measure.verdict, whole.complete) == (0, None, True)
    with ehr.proxy.fault(alter_json("GET .*bulk-status", with_error)):
        broken = run(config)
    assert broken.findings and not broken.complete


def _numerators(arrived: Arrived) -> list[object]:
    assert arrived.summary.measure == DREAMING
    return [group.populations["numerator"] for group in arrived.summary.groups]


def _shown(arrived: Arrived) -> str:
    """The center's numbers as the network's page tells them in words."""
    region = f'aria-label="Numbers of {NORTH.title}, All three"'
    (table,) = re.findall(f"{region}.*?</table>", arrived.network_page, re.DOTALL)
    return re.sub(r"\s+", " ", re.sub("<.*?>", " ", table))
