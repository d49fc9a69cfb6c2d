"""Transactions: all reports of a Bundle or none, errors that name the row, signed receipts."""

import json
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from service.fhir import signature
from service.network.fhir import RECEIPT
from service.network.window import span
from tests.spec.network.reports import KEYS, RETURNS, Sender, body_of, summary_of

MONTHS = span("2025-01", "2025-04", "month")
SECRET = "Wilhelmina-Quackenbush-1931"


def bundle(*bodies: bytes, **changes: Any) -> bytes:
    entries = [
        b'{"resource":' + body + b',"request":{"method":"POST","url":"MeasureReport"}}'
        for body in bodies
    ]
    frame = b'{"resourceType":"Bundle","type":"transaction","entry":[' + b",".join(entries) + b"]}"
    return json.dumps(json.loads(frame) | changes).encode() if changes else frame


def send(sender: Sender, body: bytes, site: str = "north") -> httpx.Response:
    headers = {
        "Content-Type": "application/fhir+json",
        signature.HEADER: signature.sign(body, KEYS[site], f"{site}-1"),
    }
    return sender.client.post("/fhir", content=body, headers=headers)


def stored(sender: Sender) -> int:
    return int(sender.client.get("/fhir/MeasureReport").json()["total"])


def reports() -> list[bytes]:
    return [body_of(summary_of(period=month)) for month in MONTHS]


def test_all_reports_are_kept_byte_for_byte_with_a_receipt_each(sender: Sender) -> None:
    bodies = reports()
    answer = send(sender, bundle(*bodies))
    assert answer.status_code == 200
    entries = [entry["response"] for entry in answer.json()["entry"]]
    assert [entry["status"] for entry in entries] == ["201 Created"] * 4
    for entry, body in zip(entries, bodies, strict=True):
        assert sender.client.get(entry["location"]).content == body


def test_the_same_again_has_the_same_receipts(sender: Sender) -> None:
    body = bundle(*reports())
    first, second = send(sender, body).json(), send(sender, body).json()
    for one, two in zip(first["entry"], second["entry"], strict=True):
        assert two["response"]["status"] == "200 OK"
        assert one["response"]["extension"] == two["response"]["extension"]
    assert stored(sender) == 4


def test_one_alone_and_in_a_bundle_is_one_report(sender: Sender) -> None:
    alone = sender.send(reports()[0]).json()["receipt"]
    (entry, *_) = send(sender, bundle(*reports())).json()["entry"]
    assert entry["response"]["location"].endswith(alone)
    assert stored(sender) == 4


def test_receipts_are_signed_by_the_network(sender: Sender) -> None:
    keys = KeySet.import_key_set(sender.client.get("/.well-known/jwks.json").json())
    single = sender.send(reports()[0]).json()
    (entry, *_) = send(sender, bundle(*reports())).json()["entry"]
    (extension,) = entry["response"]["extension"]
    assert extension["url"] == RECEIPT
    for signed in (single["signed"], extension["valueString"]):
        registry = jws.JWSRegistry(algorithms=["EdDSA"])
        with pytest.warns():  # the library would rather call the algorithm Ed25519
            told = jws.deserialize_compact(signed, keys, registry=registry)
        assert json.loads(told.payload) == {
            name: single[name] for name in ("receipt", "sha256", "received", "site", "release")
        }


@pytest.mark.parametrize(
    ("spoilt", "status", "where"),
    [
        (body_of(summary_of(period="2025-03")).replace(b'"count":21', b'"count":6'), 422, "count"),
        (body_of(summary_of("south", "2025-03")), 403, "reporter"),
        (body_of(summary_of(period="2025-Q1")), 422, "period"),
        (body_of(summary_of(period="2025-03", numerator=90, denominator=60)), 422, "group[0]"),
        (b'{"resourceType":"Patient","id":"' + SECRET.encode() + b'"}', 422, ""),
        (b'{"resourceType":"MeasureReport","subject":"' + SECRET.encode() + b'"}', 422, "subject"),
    ],
    ids=["small", "of another site", "another window", "impossible", "a patient", "a subject"],
)
def test_one_that_cannot_be_taken_spoils_all_and_is_named(
    sender: Sender, spoilt: bytes, status: int, where: str
) -> None:
    bodies = reports()
    bodies[2] = spoilt
    answer = send(sender, bundle(*bodies))
    assert answer.status_code == status
    (issue,) = answer.json()["issue"]
    assert "Bundle.entry[2].resource" in issue["diagnostics"] and where in issue["diagnostics"]
    assert SECRET not in answer.text
    assert stored(sender) == 0


def test_the_frame_is_closed(sender: Sender) -> None:
    good = reports()[0]
    twice = bundle(good).replace(b'"entry":[', b'"entry":[{"resource":{"a":1}}],"entry":[', 1)
    spoilt = [
        *(bundle(good, note=SECRET), bundle(good, type="batch"), bundle(), bundle(good, good)),
        *(bundle(good).replace(b'"POST"', b'"PUT"'), twice),
        bundle(good).replace(b'"url":"MeasureReport"', b'"url":"Patient"'),
    ]
    for body in spoilt:
        answer = send(sender, body)
        assert answer.status_code == 422
        assert SECRET not in answer.text
    assert stored(sender) == 0


def test_a_bundle_is_signed_as_a_whole(sender: Sender) -> None:
    assert send(sender, bundle(*reports()), "stranger").status_code == 401


def test_what_a_site_may_not_report_is_named(sender: Sender) -> None:
    bodies = [
        body_of(summary_of("south", "2025-01")),
        body_of(summary_of("south", "2025-Q1", measure=RETURNS)),
    ]
    answer = send(sender, bundle(*bodies), "south")
    assert answer.status_code == 403
    assert "Bundle.entry[1].resource.measure" in answer.text
