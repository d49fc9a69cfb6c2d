"""A large network: 150 sites, 60 measures, 60 months, on PostgreSQL. Prints figures.

    python -m tests.load.network [--sites 150 --measures 60 --months 60]

Fills a new database with history (5 million cells at full size), then receives one more month of
every measure from every site through `weir network serve`, signatures checked: as Bundles, one by
one, and one by one while the server is killed in the middle; it fails if anything acknowledged is
lost or anything is there twice. Times of pages are of first and of second views.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import sqlalchemy
from joserfc.jwk import OKPKey
from sqlmodel import Session

from service.fhir import signature
from service.measure.summary import SummaryGroup
from service.network import receiving, roster
from service.network.archive import COLUMNS, number_of
from service.network.config import NetworkConfig, load
from service.network.database import open_database
from service.network.delivery import single
from service.network.table import instant
from service.network.window import span
from tests.spec.network.conftest import SERVER
from tests.spec.network.reports import body_of, key_of, summary_of

GROUPS = ("all", "older", "younger")  # a measure and two strata, three counts each
SENDERS = 16  # sites that send at once


def main() -> None:
    """Run it all and print what it took."""
    parser = argparse.ArgumentParser()
    for name, size in (("sites", 150), ("measures", 60), ("months", 60)):
        parser.add_argument(f"--{name}", type=int, default=size)
    size = parser.parse_args()
    server = sqlalchemy.create_engine(SERVER, isolation_level="AUTOCOMMIT")
    name = f"weir_load_{uuid.uuid4().hex[:8]}"
    with server.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name} TEMPLATE template0"))
    url = sqlalchemy.make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    try:
        with TemporaryDirectory() as folder:
            _run(Path(folder), url, size)
    finally:
        with server.connect() as connection:
            connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))


def _run(folder: Path, url: str, size: argparse.Namespace) -> None:
    keys = {f"site-{n}": OKPKey.generate_key("Ed25519") for n in range(size.sites)}
    measures = [f"urn:measure:m{n}" for n in range(size.measures)]
    path = _configure(folder, url, keys, measures)
    months = span("2021-01", "2027-12", "month")[: size.months + 1]
    _tell("history", lambda: _fill(load(path), list(keys), measures, months[:-1]))
    with _Serving(path) as server:
        _pages(server.address, "first view of")
        _settle(server.address)
        _pages(server.address, "second view of")
        for what, way in (("in Bundles", _bundles), ("one by one", _singles)):
            month = months[-1] if way is _bundles else "2020-12"
            bodies = _tell(f"making reports {what}", lambda m=month: _bodies(keys, measures, m))
            before = server.spent
            _tell(
                f"{len(keys) * len(measures)} reports received {what}",
                lambda w=way, b=bodies: w(server.address, keys, b),
            )
            print(  # noqa: T201
                f"of which the server computed {server.spent - before:.1f} s; "
                f"load of the machine {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        _pages(server.address, "after new reports, first view of")
        _settle(server.address)
        _pages(server.address, "after new reports, second view of")
    _tell("a kill and what came after", lambda: _killed(path, keys, measures))


def _settle(address: str) -> None:
    """Wait until nothing is left to be worked out behind the readers' backs."""

    def wait() -> None:
        while "are being worked in" in httpx.get(address, trust_env=False, timeout=900).text:
            time.sleep(2)
        httpx.get(f"{address}/calendar", trust_env=False, timeout=900)

    _tell("until all measures are worked out", wait)


def _killed(path: Path, keys: dict[str, OKPKey], measures: list[str]) -> None:
    """SIGKILL when half of a month has been acknowledged; then every site sends again."""
    bodies = _bodies(keys, measures, "2020-11")
    total = len(keys) * len(measures)
    with _Serving(path) as server:
        before = _singles(server.address, keys, bodies, lambda n: n == total // 2 and server.kill())
    with _Serving(path) as server:
        after = _singles(server.address, keys, bodies)
        found = httpx.get(f"{server.address}/fhir/MeasureReport?_count=1", trust_env=False)
    lost = [key for key, receipt in before.items() if after[key] != receipt]
    print(  # noqa: T201
        f"killed after {len(before)} receipts of {total}; {len(lost)} of them lost; "
        f"{len(set(after.values()))} reports of that month, {found.json()['total']} in all",
        flush=True,
    )
    if lost or len(set(after.values())) != total:
        raise SystemExit("what was acknowledged is not there, or is there twice")


def _tell(what: str, work: Any) -> Any:
    began = time.perf_counter()
    result = work()
    print(f"{what}: {time.perf_counter() - began:.1f} s", flush=True)  # noqa: T201
    return result


def _configure(folder: Path, url: str, keys: dict[str, OKPKey], measures: list[str]) -> Path:
    tables = [f'title = "Load"\naccess = "open"\ndatabase = "{url}"']
    for site, key in keys.items():
        x = key.as_dict(private=False)["x"]
        tables.append(
            f'[[site]]\nid = "{site}"\nname = "{site}"\nkid = "{site}"\n'
            f'jwk = {{ kty = "OKP", crv = "Ed25519", x = "{x}" }}\n'
            f"measures = {json.dumps(measures)}"
        )
    tables += [f'[[measure]]\nurl = "{url}"\ntitle = "{url}"\ntarget = 0.8' for url in measures]
    (folder / "network.toml").write_text("\n\n".join(tables))
    return folder / "network.toml"


def _report(site: str, measure: str, month: str, at: int) -> bytes:
    counts = {"initial-population": 90, "denominator": 90, "numerator": 30 + at % 15 * 3}
    groups = tuple(SummaryGroup(name, counts) for name in GROUPS)
    return body_of(replace(summary_of(site, month, measure=measure), groups=groups))


def _fill(config: NetworkConfig, sites: list[str], measures: list[str], months: list[str]) -> None:
    """History put straight into the tables, as receiving would leave it."""
    engine = open_database(config.database)
    with Session(engine) as session:
        roster.seed(session, config)
    number = 0
    for measure in measures:
        rows, counts = [], []
        sample = {site: _row(_report(site, measure, months[0], 0)) for site in sites}
        for at, month in enumerate(months):
            for place, site in enumerate(sites):
                number += 1
                own = {"id": number, "period": month, "release_key": number, "receipt": number}
                rows.append(sample[site] | own)
                counts += _counts(number, at * 7 + place * 3)
        with engine.begin() as connection:
            _copy(connection, "submission", rows)
            _copy(connection, "group_counts", counts)
    with engine.begin() as connection:
        statement = "SELECT setval(pg_get_serial_sequence('submission', 'id'), :n)"
        connection.execute(sqlalchemy.text(statement), {"n": number})
        connection.execute(sqlalchemy.text("ANALYZE"))
    cells = number * len(GROUPS) * 3
    print(f"{number} reports, {cells} cells", flush=True)  # noqa: T201
    engine.dispose()


def _row(body: bytes) -> dict[str, Any]:
    row = single(body)
    made = receiving._submission(row, "", row.report.summary.site, "")
    told = {"received": instant(), "revision": 1, "reason": "first report", "body": r"\x7b7d"}
    return made.model_dump() | told


def _counts(number: int, at: int) -> list[dict[str, Any]]:
    populations = {"initial-population": 90, "denominator": 90, "numerator": 30 + at % 15 * 3}
    told = {COLUMNS[code]: number_of(count) for code, count in populations.items()}
    return [
        {"submission": number, "position": position, "name": name, **told}
        for position, name in enumerate(GROUPS)
    ]


def _copy(connection: sqlalchemy.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    text = StringIO()
    for row in rows:
        text.write(
            ",".join("NULL" if each is None else f'"{each}"' for each in row.values()) + "\n"
        )
    text.seek(0)
    copy = f"COPY {table} ({', '.join(rows[0])}) FROM STDIN WITH (FORMAT csv, NULL 'NULL')"
    connection.connection.cursor().execute(copy, stream=text)


class _Serving:
    """`weir network serve` in a process of its own."""

    def __init__(self, config: Path) -> None:
        self._config = config

    def __enter__(self) -> "_Serving":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-c", "from service.cli import main; main()", "network", "serve"]
        command += ["--config", str(self._config), "--port", str(port)]
        log = (self._config.parent / "log").open("wb")
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self.address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(f"{self.address}/health", trust_env=False).raise_for_status()
                return self
            except httpx.TransportError:
                time.sleep(0.1)
        raise SystemExit(self._config.with_name("log").read_text())

    @property
    def spent(self) -> float:
        """Seconds of processor time that the server has used (Linux)."""
        told = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """As a power cut does: SIGKILL."""
        self._process.kill()
        self._process.wait()

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()


def _pages(address: str, when: str) -> None:
    with httpx.Client(timeout=900, trust_env=False) as client:
        for path in ("/measures/m0", "/measures/m1.json", "/sites/site-0", "/calendar", "/"):
            began = time.perf_counter()
            size = len(client.get(address + path).raise_for_status().content)
            took = (time.perf_counter() - began) * 1000
            print(f"{when} {path}: {took:.0f} ms, {size // 1024} kB", flush=True)  # noqa: T201


def _bodies(keys: dict[str, OKPKey], measures: list[str], month: str) -> dict[str, list[bytes]]:
    return {
        site: [_report(site, measure, month, at) for at, measure in enumerate(measures)]
        for site in keys
    }


def _post(
    client: httpx.Client, url: str, key: OKPKey, kid: str, body: bytes, **more: str
) -> httpx.Response:
    signed = signature.sign(body, key, kid)
    headers = {"Content-Type": "application/fhir+json", signature.HEADER: signed, **more}
    return client.post(url, content=body, headers=headers).raise_for_status()


def _bundles(address: str, keys: dict[str, OKPKey], bodies: dict[str, list[bytes]]) -> None:
    """Each site sends its month as one transaction."""
    request = b',"request":{"method":"POST","url":"MeasureReport"}}'

    def deliver(site: str) -> None:
        entries = b",".join(b'{"resource":' + body + request for body in bodies[site])
        frame = b'{"resourceType":"Bundle","type":"transaction","entry":[' + entries + b"]}"
        _post(client, f"{address}/fhir", keys[site], site, frame)

    with httpx.Client(timeout=300, trust_env=False) as client, ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(deliver, bodies))


def _singles(
    address: str,
    keys: dict[str, OKPKey],
    bodies: dict[str, list[bytes]],
    watch: Callable[[int], object] = bool,
) -> dict[str, str]:
    """Each site sends its reports one by one; the receipts by key, until the server dies."""
    receipts: dict[str, str] = {}

    def deliver(site: str) -> None:
        for body in bodies[site]:
            more = {"Idempotency-Key": key_of(body)}
            try:
                answer = _post(
                    client, f"{address}/fhir/MeasureReport", keys[site], site, body, **more
                )
            except httpx.TransportError:
                return
            receipts[key_of(body)] = answer.json()["receipt"]
            watch(len(receipts))

    with httpx.Client(timeout=300, trust_env=False) as client, ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(deliver, bodies))
    return receipts


if __name__ == "__main__":
    main()
