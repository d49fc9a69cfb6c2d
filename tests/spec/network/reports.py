"""Reports as sites make them, and the configuration of a network that takes them."""

import re
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from fastapi.testclient import TestClient
from joserfc.jwk import OKPKey

from service.fhir import signature
from service.measure.completeness import COMPLETE
from service.measure.period import Period
from service.measure.summary import (
    Count,
    Provenance,
    Summary,
    SummaryGroup,
    parse,
    render,
    sha256,
)
from service.network.config import NetworkConfig
from service.network.receiving import Letter

SECRETS = TemporaryDirectory(prefix="weir-keys-")  # of the networks under test
LOCAL = "http://127.0.0.1"
DRINKING = "https://example.org/Measure/Drinking"
RETURNS = "https://example.org/Measure/Returns"
KEYS = {site: OKPKey.generate_key("Ed25519") for site in ("north", "south", "stranger")}

PROVENANCE = Provenance(
    package=sha256(b"package 1"),
    mapping="none",
    engine="0.1.0",
    policy=sha256(b"policy 1"),
    timezone="UTC",
)


def summary_of(
    site: str = "north",
    period: str = "2025-01",
    *,
    numerator: Count = 21,
    denominator: Count = 60,
    measure: str = DRINKING,
    **changes: Any,
) -> Summary:
    """What a site says: one group with a denominator and a numerator, unless changed."""
    populations = {"initial-population": denominator, "denominator": denominator}
    content = Summary(
        site=site,
        measure=measure,
        version="1.0.0",
        period=Period.parse(period),
        scoring="proportion",
        improvement="increase",
        provenance=PROVENANCE,
        completeness=COMPLETE,
        rounding=3,
        groups=(SummaryGroup("all-three", {**populations, "numerator": numerator}),),
    )
    return replace(content, **changes)


def body_of(summary: Summary) -> bytes:
    """The bytes that a site sends; the same content always has the same key."""
    return render(summary, summary.hash, "2026-01")


def signed_letter(summary: Summary) -> Letter:
    """What a site hands in, without any HTTP between."""
    body, site = body_of(summary), summary.site
    return Letter(body, signature.sign(body, KEYS[site], f"{site}-1"), key_of(body))


class Sender:
    """A site's side of the connection: signs and posts, and tells what came back."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def send(
        self, body: bytes, *, site: str = "north", kid: str | None = None, **headers: str
    ) -> httpx.Response:
        """Post the exact bytes, signed by the site's key."""
        signed = signature.sign(body, KEYS[site], kid or f"{site}-1")
        return self.post(
            body, {signature.HEADER: signed, "Idempotency-Key": key_of(body), **headers}
        )

    def post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """Post bytes with headers as they are."""
        sent = {"Content-Type": "application/fhir+json", **headers}
        return self.client.post("/fhir/MeasureReport", content=body, headers=sent)

    def fill(self, path: str, fields: dict[str, Any], page: str = "") -> httpx.Response:
        """Fill in a form as a browser does: from the page that shows it."""
        shown = self.client.get(page or path).text
        token = re.search(r'name="form" value="([^"]+)"', shown)
        data = {"form": token.group(1) if token else "", **fields}
        return self.client.post(path, data=data, follow_redirects=False)

    def report(self, summary: Summary) -> httpx.Response:
        """Send what a site says, as that site."""
        return self.send(body_of(summary), site=summary.site)


def key_of(body: bytes) -> str:
    try:
        return parse(body).key
    except Exception:
        return "none"  # the tests of refusals send what is no report


def network_config(database: str, **changes: Any) -> NetworkConfig:
    """Two sites and two measures; the stranger has a key that nobody enrolled."""
    return NetworkConfig.model_validate(
        {
            "title": "Two Rivers Collaborative",
            "database": database,
            "keys": SECRETS.name,
            "access": "open",
            "site": [_site("north", "North Hospital"), _site("south", "South Hospital")],
            "measure": [
                {
                    "url": DRINKING,
                    "title": "Drinking, eating and mobilising",
                    "target": 0.8,
                    "headline": "all-three",
                },
                {
                    "url": RETURNS,
                    "title": "Returns within 30 days",
                    "window": "quarter",
                    "direction": "decrease",
                },
            ],
            **changes,
        }
    )


def _site(site: str, name: str) -> dict[str, Any]:
    jwk = KEYS[site].as_dict(private=False)
    # South may not report the second measure.
    measures = [DRINKING, RETURNS] if site == "north" else [DRINKING]
    return {"id": site, "name": name, "kid": f"{site}-1", "jwk": jwk, "measures": measures}
