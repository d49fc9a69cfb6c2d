"""Delivery through a bad day: nothing is lost, nothing is doubled, nothing is called sent too soon.

The network is the real one, on a real port; only the wire in front of it is tampered with.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from service.errors import StoreError
from service.fhir.patience import Patience
from service.gateway import config as gateway_config
from service.gateway.sending import GIVE_UP_AFTER
from service.network.config import NetworkConfig
from service.site.config import FhirConfig, SiteConfig
from service.site.database import open_database
from service.site.keys import SiteKeys, site_keys
from service.site.outbox import Dispatch, Outbox, Status
from service.site.push import PushSummary, push
from tests.faults.receiver import Receiver, run_receiver
from tests.releases import DREAMING, MEASURES, READMISSION, release
from tests.sampling import sampled

ONCE = Patience(attempts=1)
QUICK = Patience(attempts=4, first=0.01, longest=0.02)
QUARTERS = [f"{year}-Q{n}" for year in (2024, 2025) for n in (1, 2, 3, 4)]


@dataclass
class Site:
    """A site with its keys and outbox, and the network it sends to."""

    keys: SiteKeys
    outbox: Outbox
    folder: Path
    receiver: Receiver

    def enqueue(self, *periods: str, counts: tuple[int, int, int] = (90, 15, 20)) -> list[str]:
        for period in periods:
            one = release(period, counts)
            current = self.outbox.current(one.measure, one.period)
            self.outbox.enqueue(release(period, counts, replaces=current))
        return [dispatch.key for dispatch in self.outbox.queued()]

    def push(self, patience: Patience = ONCE, url: str | None = None) -> PushSummary:
        config = site_config(self.folder, url or self.receiver.url)
        return push(config, self.outbox, self.keys, patience)

    def arrived(self) -> list[str]:
        return [submission.release_key for submission in self.receiver.submissions()]


def site_config(folder: Path, url: str, site: str = "north") -> SiteConfig:
    """A site whose data are in the folder; its EHR is nowhere."""
    return SiteConfig(
        site=site,
        measures=(Path("/nowhere"),),
        policy_file=Path("/nowhere"),
        data_dir=folder,
        fhir=FhirConfig(
            base_url="https://ehr.example/fhir", client_id="weir", key_file=Path("/nowhere")
        ),
        network=gateway_config.NetworkConfig(url=url),
    )


def network_config(folder: Path, **keys: SiteKeys) -> NetworkConfig:
    sites = [
        {
            "id": name,
            "name": name,
            "kid": key.kid,
            "jwk": {k: key.public_jwk[k] for k in ("kty", "crv", "x")},
            "measures": [READMISSION, DREAMING],
        }
        for name, key in keys.items()
    ]
    measures: list[dict[str, Any]] = [
        {"url": READMISSION, "title": "Readmission", "window": "quarter", "direction": "decrease"},
        {"url": DREAMING, "title": "DrEaMing"},
    ]
    database = f"sqlite:///{folder / 'network.db'}"
    return NetworkConfig.model_validate(
        {
            "title": "Test",
            "database": database,
            "keys": folder / "network-keys",
            "site": sites,
            "measure": measures,
        }
    )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    keys = site_keys(tmp_path)
    with run_receiver(network_config(tmp_path, north=keys)) as receiver:
        yield Site(keys, Outbox(open_database(tmp_path)), tmp_path, receiver)


def test_releases_arrive_in_order_byte_for_byte_with_receipts(site: Site) -> None:
    keys = site.enqueue(*QUARTERS)
    summary = site.push()
    assert (summary.sent, summary.complete) == (8, True)
    assert site.arrived() == keys
    for dispatch, submission in zip(site.outbox.sent(), site.receiver.submissions(), strict=True):
        assert dispatch.body == submission.body
        assert dispatch.note == submission.receipt


def test_a_rerun_sends_nothing(site: Site) -> None:
    site.enqueue(*QUARTERS)
    site.push()
    with site.receiver.spoiled(lambda key: None):
        assert site.enqueue(*QUARTERS) == []
        assert site.push().sent == 0
        assert site.receiver.asked == []


@pytest.mark.full
def test_a_network_that_answers_500_for_an_hour_loses_nothing(site: Site) -> None:
    """Every attempt fails; the releases wait in the outbox, and the next run delivers them."""
    keys = site.enqueue(*QUARTERS)
    with site.receiver.spoiled(lambda key: 500):
        for _ in range(5):
            summary = site.push(QUICK)
            assert (summary.sent, len(summary.waiting), summary.refused) == (0, 8, ())
    assert {each.note for each in site.outbox.queued()} == {"HTTP 500", ""}
    assert site.push().complete
    assert site.arrived() == keys


def test_one_push_waits_for_a_network_that_comes_back(site: Site) -> None:
    keys = site.enqueue(*QUARTERS)
    failures = iter([503] * 5)
    with site.receiver.spoiled(lambda key: next(failures, None)):
        assert site.push(QUICK).complete
    assert sorted(site.arrived()) == sorted(keys)


def test_a_network_that_is_not_there_loses_nothing(site: Site) -> None:
    keys = site.enqueue("2024-Q1", "2024-Q2")
    with socket.socket() as nobody:  # bound, and never listening
        nobody.bind(("127.0.0.1", 0))
        summary = site.push(QUICK, f"http://127.0.0.1:{nobody.getsockname()[1]}")
    assert [each.note for each in summary.waiting] == ["no answer"] * 2
    assert site.push().complete
    assert site.arrived() == keys


def test_a_network_that_is_not_well_is_left_alone(site: Site) -> None:
    site.enqueue(*QUARTERS)
    with site.receiver.spoiled(lambda key: 503):
        site.push(ONCE)
        assert len(site.receiver.asked) == GIVE_UP_AFTER


def test_a_lost_answer_doubles_nothing(site: Site) -> None:
    """The network stored every report, and the site never heard of it."""
    keys = site.enqueue(*QUARTERS[:3])
    with site.receiver.spoiled(lambda key: "lose"):
        assert site.push().sent == 0
    assert site.arrived() == keys
    receipts = [submission.receipt for submission in site.receiver.submissions()]
    assert site.push().complete
    assert site.arrived() == keys
    assert [dispatch.note for dispatch in site.outbox.sent()] == receipts


@pytest.mark.parametrize("status", sampled([408, 425, 429, 500, 502, 503, 504, 307], 3))
def test_not_now_is_not_never(site: Site, status: int) -> None:
    site.enqueue("2024-Q1")
    with site.receiver.spoiled(lambda key: status, {"Location": "http://elsewhere.example/"}):
        summary = site.push()
    assert [each.status for each in summary.waiting] == [Status.QUEUED]
    assert site.push().complete


def test_a_network_that_asks_for_a_long_pause_is_left_to_the_next_run(site: Site) -> None:
    site.enqueue("2024-Q1")
    with site.receiver.spoiled(lambda key: 429, {"Retry-After": "600"}):
        assert not site.push(Patience(attempts=5, first=0.01, longest=1)).complete
        assert len(site.receiver.asked) == 1


@pytest.mark.parametrize("status", sampled([400, 401, 403, 404, 409, 413, 415, 422], 3))
def test_a_refusal_is_final_for_this_run_and_shown(site: Site, status: int) -> None:
    site.enqueue("2024-Q1", "2024-Q2")
    outcome = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}'
    with site.receiver.spoiled(lambda key: status, {}, outcome):
        summary = site.push(QUICK)
        assert len(site.receiver.asked) == 2
    assert not summary.complete
    assert [each.note for each in summary.refused] == [f"HTTP {status}, invalid"] * 2
    assert [each.note for each in site.outbox.refused()] == [f"HTTP {status}, invalid"] * 2


def test_a_site_that_is_enrolled_late_delivers_with_its_next_run(
    site: Site, tmp_path: Path
) -> None:
    stranger = site_keys(tmp_path / "stranger")
    site.enqueue("2024-Q1")
    config = site_config(site.folder, site.receiver.url)
    summary = push(config, site.outbox, stranger, ONCE)
    assert [each.note for each in summary.refused] == ["HTTP 401, security"]
    site.enqueue("2024-Q1")
    assert site.push().complete


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Please sign in to the hospital's wireless network</html>",
        b"{}",
        b"[]",
        b'{"receipt": "1", "sha256": "0000"}',
        b'{"receipt": "", "sha256": null}',
    ],
)
def test_only_a_receipt_of_the_body_makes_it_sent(site: Site, body: bytes) -> None:
    """A captive portal answers 200 to everything."""
    site.enqueue("2024-Q1")
    with site.receiver.spoiled(lambda key: 200, {"Content-Type": "application/json"}, body):
        summary = site.push()
    assert summary.sent == 0
    assert "not a receipt" in summary.waiting[0].note
    assert site.push().complete


def test_a_newer_number_does_not_overtake_an_older_one(site: Site) -> None:
    site.enqueue("2024-Q1")
    keys = site.enqueue("2024-Q1", counts=(90, 15, 40))
    assert len(keys) == 2
    answers = iter([500])
    with site.receiver.spoiled(lambda key: next(answers, None)):
        assert site.push(ONCE).sent == 0
        assert site.receiver.asked == keys[:1]
    site.push()
    assert site.arrived() == keys


def test_a_report_that_the_network_chokes_on_does_not_stop_the_others(site: Site) -> None:
    keys = site.enqueue(*QUARTERS)
    with site.receiver.spoiled(lambda key: 500 if key == keys[2] else None):
        summary = site.push(QUICK)
    assert [each.key for each in summary.waiting] == [keys[2]]
    assert summary.sent == 7


@pytest.mark.parametrize("count", [b"93", b"7", b"null"])
def test_what_was_tampered_with_in_the_outbox_does_not_leave(site: Site, count: bytes) -> None:
    site.enqueue("2024-Q1")
    engine = open_database(site.folder)
    with Session(engine) as session, session.begin():
        row = session.get_one(Dispatch, 1)
        row.body = row.body.replace(b'"count":90', b'"count":' + count)
        session.add(row)
    with pytest.raises(StoreError, match="not what was protected"):
        site.push()
    assert site.receiver.submissions() == []


@pytest.mark.full
def test_what_waited_is_delivered_by_a_command_without_a_pull(site: Site) -> None:
    """The EHR need not be there: its address leads nowhere."""
    site.enqueue("2024-Q1", "2024-Q2")
    config = site.folder / "site.toml"
    config.write_text(
        f"""
        measures = ["{MEASURES / "readmission"}"]
        policy_file = "policy.toml"
        data_dir = "."
        [fhir]
        base_url = "http://127.0.0.1:9/fhir"
        client_id = "north"
        key_file = "ehr.pem"
        [network]
        url = "{site.receiver.url}"
        """
    )
    command = [Path(sys.executable).with_name("weir"), "site", "push", "--config", config]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 reports delivered" in done.stdout
    assert len(site.arrived()) == 2
