"""Nothing of a record is found where it must not be, whatever goes wrong.

The real engine and the real gateway, each in a process of its own, on a hospital in which every
string, identifier and date is a canary. All that they write and say is searched, but for the
engine's own folder, which is where patients' data belong.
"""

import base64
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from service.demo.centers import NORTH
from service.demo.demo import SEED
from service.demo.folder import ROOT, make_site
from service.demo.records import records
from service.demo.story import Plan, tell
from service.measure.summary import parse
from service.site.config import load_config
from service.site.keys import site_keys
from service.site.store import open_store
from tests.faults.canaries import (
    Canaries,
    Hospital,
    found_in,
    resource_types,
    run_hospital,
    storable_types,
)
from tests.faults.receiver import Receiver, run_receiver
from tests.faults.test_push import network_config

FIRST, LAST = date(2025, 1, 1), date(2025, 3, 1)
GATEWAY_TOML = """
site = "north"
data_dir = "gateway-data"
spool = "../spool"
reports_key = "reports.jwk.json"
catalogue = "catalogue.json"
[network]
url = "{url}"
"""
DEBUG = "import logging; logging.basicConfig(level=logging.DEBUG); "
MAIN = "import sys; from service.cli import main; sys.argv[0] = 'weir'; main()"


@dataclass
class Ward:
    """The two programs' folders, the hospital and the network, and all that was said so far."""

    folder: Path
    hospital: Hospital
    receiver: Receiver
    canaries: Canaries
    said: list[tuple[str, bytes]]

    @property
    def engine(self) -> Path:
        return self.folder / "engine" / "north"

    def weir(self, *arguments: str, before: str = "") -> int:
        """Run a command with its own folder for temporary files; its exit code."""
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", before + MAIN, *arguments],
            capture_output=True,
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)},
        )
        self.said += [(" ".join(arguments[:2]), done.stdout + done.stderr)]
        return done.returncode

    def run(self, before: str = "") -> int:
        return self.weir("site", "run", "--config", str(self.engine / "site.toml"), before=before)

    def push(self, before: str = "") -> int:
        config = self.folder / "gateway" / "gateway.toml"
        return self.weir("gateway", "run", "--config", str(config), before=before)

    def assert_all_types_were_read(self) -> None:
        """One patient's record has every type that can be stored; the logic took all of it."""
        someone = self.hospital.files["Patient"][0]["id"]
        record = open_store(self.engine / "data").patient(someone)
        assert record is not None
        assert sorted(record.resources) == storable_types()
        assert b"could not be determined" not in self.said[-1][1]

    def assert_silent(self) -> None:
        """No canary outside the engine's folder, nor in what was said; names included."""
        paths = [path for path in self.folder.rglob("*") if self.engine not in path.parents]
        contents = [(str(path), path.read_bytes()) for path in paths if path.is_file()]
        contents += [("a name", str(path).encode()) for path in paths]
        assert found_in(self.canaries.told, [*contents, *self.said]) == []


def _patients(canaries: Canaries) -> list[dict[str, Any]]:
    """A quarter of made-up patients who count, renamed by canaries."""
    plan = Plan(NORTH.zone, SEED, FIRST, LAST, NORTH.change)
    told = json.dumps(list(records(NORTH, tell(plan))))
    made = json.loads(told)
    names = {f"{each['resourceType']}/{each['id']}": canaries.token() for each in made}
    renamed: list[dict[str, Any]] = _renamed(made, names)
    for each, before in zip(renamed, made, strict=True):
        each["id"] = names[f"{before['resourceType']}/{before['id']}"]
        each["text"] = {"status": "generated", "div": f"<div>{canaries.token()}</div>"}
        if each["resourceType"] == "Patient":
            each["name"] = [{"family": canaries.token(), "given": [canaries.token()]}]
            each["identifier"] = [{"system": "urn:mrn", "value": canaries.token()}]
            each["birthDate"] = canaries.moment("date")
    return renamed


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _renamed(each, names) for name, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if isinstance(value, str) and value in names:
        return f"{value.partition('/')[0]}/{names[value]}"
    return value


@pytest.fixture(scope="module")
def files() -> tuple[Canaries, dict[str, list[dict[str, Any]]]]:
    """The hospital's records by type: patients who count, and records of every type of R4.

    One of the patients has them all, by what refers to a patient or to what is nobody's own.
    """
    canaries = Canaries()
    found: dict[str, list[dict[str, Any]]] = {}
    for each in _patients(canaries):
        found.setdefault(each["resourceType"], []).append(each)
    someone = found["Patient"][0]["id"]
    for name in resource_types():
        made = canaries.resources(name, someone)
        found.setdefault(name, []).extend(made if name in storable_types() else made[:1])
    found["Observation"][-1]["focus"] = [
        {"reference": f"{name}/{found[name][-1]['id']}"} for name in storable_types()
    ]
    return canaries, found


def _reading_everything(folder: Path) -> Path:
    """A measure whose logic reads all elements of every type that the store accepts."""
    shutil.copytree(ROOT / "measures" / "dreaming", folder, ignore=shutil.ignore_patterns("tests"))
    path = folder / "elm" / "Dreaming.json"
    elm = json.loads(path.read_text())
    (counted,) = (
        each for each in elm["library"]["statements"]["def"] if each["name"] == "Initial Population"
    )
    read = {"type": "List", "element": [_count_of_parts(name) for name in storable_types()]}
    counted["expression"] = {
        "type": "If",
        "condition": {"type": "Greater", "operand": [_sum(read), _whole_number(0)]},
        "then": counted["expression"],
        "else": {"type": "Null"},
    }
    path.write_text(json.dumps(elm))
    return folder


def _count_of_parts(type_name: str) -> dict[str, Any]:
    """How many values stand in a patient's records of a type: each element is read for it."""
    records = {"type": "Retrieve", "dataType": f"{{http://hl7.org/fhir}}{type_name}"}
    parts = {"type": "Descendents", "source": {"type": "AliasRef", "name": "Record"}}
    counts = {
        "type": "Query",
        "source": [{"alias": "Record", "expression": records}],
        "relationship": [],
        "return": {"distinct": False, "expression": {"type": "Count", "source": parts}},
    }
    return {"type": "Coalesce", "operand": [_sum(counts), _whole_number(0)]}


def _sum(numbers: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sum", "source": numbers}


def _whole_number(value: int) -> dict[str, Any]:
    return {
        "type": "Literal",
        "valueType": "{urn:hl7-org:elm-types:r1}Integer",
        "value": str(value),
    }


@pytest.fixture
def ward(tmp_path: Path, files: tuple[Canaries, dict[str, list[dict[str, Any]]]]) -> Iterator[Ward]:
    canaries, of_type = files
    hospital = Hospital({name: list(of) for name, of in of_type.items()})
    engine, gateway = tmp_path / "engine", tmp_path / "gateway"
    engine.mkdir()
    gateway.mkdir()
    with run_hospital(hospital):
        port = int(hospital.url.rpartition(":")[2])
        site = make_site(engine, NORTH, (FIRST, LAST), port, "https://network.example")
        told = site.config.read_text()
        spool = f'spool = "{tmp_path / "spool"}"\n'
        measure = str(_reading_everything(engine / "dreaming"))
        told = told.replace(str(ROOT / "measures" / "dreaming"), measure)
        site.config.write_text(spool + told[: told.index("[network]")])
        keys = site_keys(load_config(site.config).data_dir)
        (gateway / "reports.jwk.json").write_bytes(keys.public_json)
        with run_receiver(network_config(tmp_path, north=keys)) as receiver:
            (gateway / "gateway.toml").write_text(GATEWAY_TOML.format(url=receiver.url))
            made = Ward(tmp_path, hospital, receiver, canaries, [])
            assert made.weir("site", "catalogue", "--config", str(site.config)) == 0
            (gateway / "catalogue.json").write_bytes(made.said[-1][1])
            yield made


def test_a_canary_is_found_in_whatever_dress() -> None:
    """The search itself: without this the other tests would show nothing."""
    canary = "zq0123456789abcdef01"
    for dress in (
        canary.upper().encode(),
        b"x" + base64.b64encode(b"ab" + canary.encode() + b"c"),
        canary.encode().hex().upper().encode(),
        canary.encode("utf-16-le"),
        canary[::-1].encode(),
    ):
        assert found_in({canary}, [("there", b"<" + dress + b">")]), dress
    assert not found_in({canary}, [("there", b"zq0123456789abcdef00")])


@pytest.mark.full
@pytest.mark.parametrize("before", ["", DEBUG], ids=["as usual", "debug logging"])
def test_when_all_goes_well(ward: Ward, before: str) -> None:
    assert ward.run(before) in (0, 3), ward.said[-1][1].decode()
    ward.assert_all_types_were_read()
    letters = list((ward.folder / "spool" / "out").iterdir())
    assert letters, "there is something to be found in"
    ward.assert_silent()
    assert ward.push(before) == 0, ward.said[-1][1].decode()
    assert [parse(each.body).summary.site for each in ward.receiver.submissions()]
    assert ward.run(before) in (0, 3)
    ward.assert_silent()


@pytest.mark.full
def test_when_the_ehr_echoes_records_in_its_errors(ward: Ward) -> None:
    echo = json.dumps(
        {
            "resourceType": "OperationOutcome",
            "issue": [
                {
                    "severity": "error",
                    "code": "exception",
                    "diagnostics": json.dumps(ward.hospital.files["Patient"][:2]),
                }
            ],
        }
    )
    for part in ("/files/", "$export", "/status", "/token", "/metadata"):
        for status in (400, 422):
            ward.hospital.spoil = lambda path, p=part, s=status: (  # type: ignore[misc]
                (s, echo.encode()) if p in path else None
            )
            ward.run()
    ward.assert_silent()


@pytest.mark.full
def test_when_the_ehr_sends_what_is_no_record(ward: Ward) -> None:
    """Lines cut short, records without a type, of a patient who is not there, too deep."""
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in ward.hospital.files["Encounter"])
    spoiled = lines.replace(b'"resourceType"', b'"resourcetype"', 3)[:-40]
    ward.hospital.spoil = lambda path: (200, spoiled) if path.endswith("/Encounter") else None
    ward.run()
    ward.assert_silent()


@pytest.mark.full
def test_when_tls_fails(ward: Ward) -> None:
    """Both the EHR's address and the network's, where nobody speaks TLS."""
    assert ward.run() in (0, 3)
    for path in (ward.engine / "site.toml", ward.folder / "gateway" / "gateway.toml"):
        path.write_text(path.read_text().replace("http://127", "https://127"))
    assert ward.run() == 1
    assert ward.push() == 1
    ward.assert_silent()


@pytest.mark.full
def test_when_the_network_refuses_and_quotes(ward: Ward) -> None:
    assert ward.run() in (0, 3)
    quoted = json.dumps(ward.hospital.files["Patient"][0]).encode()
    for status in (422, 500, 200):
        with ward.receiver.spoiled(lambda key, s=status: s, {}, quoted):  # type: ignore[misc]
            assert ward.push() == 1
    ward.assert_silent()


@pytest.mark.full
def test_when_the_logic_is_bad(ward: Ward) -> None:
    for path in ward.folder.rglob("engine/dreaming/elm/*.json"):
        path.write_text(re.sub('"type": ?"', r"\g<0>Un", path.read_text()))
    assert ward.run() == 1
    ward.assert_silent()


CRASH = """
from service.site import pipeline
def crash(*given):
    raise RuntimeError(f"a record: {CANARY}")
pipeline._weigh = crash
"""


@pytest.mark.full
def test_when_it_crashes_on_a_record(ward: Ward) -> None:
    """The error's text quotes the record: it is in a file of the engine's own, and nowhere else."""
    canary = ward.hospital.files["Patient"][0]["id"]
    assert ward.run(f"CANARY = {canary!r}\n{CRASH}\n") == 1
    ward.assert_silent()
    (kept,) = (ward.engine / "data" / "tracebacks").iterdir()
    assert canary in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "something unforeseen happened (RuntimeError at" in ward.said[-1][1].decode()
