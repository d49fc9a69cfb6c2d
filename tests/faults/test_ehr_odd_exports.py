"""Exports as no standard has them and some server writes them: the truth, or not called complete.

The same real server as in `test_ehr_faults`; what is odd here is how things are written and listed.
"""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from service.cql.record import PatientRecord
from service.errors import AuthorizationError, EhrError, ExpiredError, UnavailableError, WeirError
from service.measure.completeness import COMPLETE, Reason
from service.site.verdict import Fault as SiteFault
from tests.ehr import WARD, SmallEhr, assert_doubted, assert_no_canary
from tests.faults.proxy import Answer, Fault, alter, alter_json, answer
from tests.faults.test_ehr_faults import CANARY_OUTCOME, run, silence, without_counts

__all__ = ["silence"]
pytestmark = pytest.mark.full
Records = list[PatientRecord]
Faults = Callable[[], tuple[Fault, ...]]
ELSEWHERE = b"https://other.example/fhir/Location/bed-7"


@pytest.fixture(scope="module")
def truth(ehr: SmallEhr, tmp_path_factory: pytest.TempPathFactory) -> Records:
    """What a pull without any fault gives."""
    return list(run(ehr.config(tmp_path_factory.mktemp("truth"))).patients())


def manifest(change: Callable[[Any], Any]) -> Fault:
    """The manifest with a change, and without counts: then only the files themselves tell."""
    return alter_json("GET .*bulk-status", lambda m: change(without_counts(m)))


def uncounted() -> Fault:
    return manifest(lambda m: m)


def in_members(body: bytes) -> bytes:
    """Packed as two files of gzip, one behind the other."""
    half = body.index(b"\n") + 1
    return gzip.compress(body[:half]) + gzip.compress(body[half:])


def packed(pack: Callable[[bytes], bytes]) -> Fault:
    """Files that are packed in this way."""

    def fault(method: str, path: str, given: Answer) -> Answer:
        matching = given.status == 200 and "bulk-files" in path
        return replace(given, body=pack(given.body)) if matching else given

    return fault


def escaped(body: bytes) -> bytes:
    """With slashes written as PHP writes them."""
    return body.replace(b"/", b"\\/")


def as_latin_1(status: int, pattern: str) -> Fault:
    """An outcome in an encoding that JSON does not have."""
    told = {**CANARY_OUTCOME, "text": {"div": "<div>d\xe9sol\xe9</div>"}}

    def fault(method: str, path: str, given: Answer) -> Answer:
        if pattern not in path:
            return given
        return Answer(status, {}, json.dumps(told, ensure_ascii=False).encode("latin-1"))

    return fault


def tokens(**changes: Any) -> Fault:
    return alter_json("/auth/token", lambda token: {**token, **changes})


SURVIVED: dict[str, Faults] = {
    "several files of gzip in one": lambda: (uncounted(), packed(in_members)),
    "zeros behind gzip": lambda: (uncounted(), packed(lambda b: gzip.compress(b) + b"\0" * 40)),
    "escaped slashes": lambda: (alter("bulk-files", escaped),),
    "escaped slashes, and places to be read": lambda: (
        answer(400, r"\$export.*Location"),
        alter("bulk-files|/Location/", escaped),
    ),
    "null for what is not there": lambda: (
        manifest(lambda m: {**m, "error": None, "deleted": None, "link": None}),
    ),
    "half of a character": lambda: (
        alter(
            "bulk-files.*(Patient|Observation)",
            lambda body: body.replace(b'"resourceType"', rb'"x":"\ud83d","resourceType"'),
        ),
    ),
    "an outcome too deep to be read": lambda: (
        lambda method, path, given: (
            Answer(400, {}, b'{"issue":' + b"[" * 100_000) if "$export" in path else given
        ),
    ),
}


@pytest.mark.parametrize("name", SURVIVED)
def test_what_is_only_written_oddly_is_survived(
    ehr: SmallEhr, tmp_path: Path, truth: Records, name: str
) -> None:
    with ehr.proxy.fault(*SURVIVED[name]()):
        store = run(ehr.config(tmp_path))
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth


REFUSED: dict[str, tuple[Faults, type[WeirError], str]] = {
    "an error in another encoding": (
        lambda: (as_latin_1(404, "bulk-files"),),
        ExpiredError,
        "HTTP 404",
    ),
    "something behind gzip": (
        lambda: (packed(lambda body: gzip.compress(body) + b"Quetzalcoatlus"),),
        UnavailableError,
        "not whole",
    ),
    "an address that is none": (
        lambda: (
            manifest(lambda m: {**m, "output": [{**f, "url": "/a\0b"} for f in m["output"]]}),
        ),
        EhrError,
        "address that is none",
    ),
    "metadata too deep to be read": (
        lambda: (alter("/metadata", lambda body: b'{"rest":' + b"[" * 100_000),),
        EhrError,
        "fhir.base_url",
    ),
    "no token, in another encoding": (
        lambda: (as_latin_1(400, "/auth/token"),),
        AuthorizationError,
        "gave no token",
    ),
    "a token of letters that no header has": (
        lambda: (tokens(access_token="d\xe9sol\xe9"),),
        AuthorizationError,
        "gave no token",
    ),
    "a token with a header in it": (
        lambda: (tokens(access_token="a\r\nX-Other: b"),),
        AuthorizationError,
        "gave no token",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_a_clear_error(ehr: SmallEhr, tmp_path: Path, name: str) -> None:
    faults, kind, told = REFUSED[name]
    with ehr.proxy.fault(*faults()), pytest.raises(WeirError) as error:
        run(ehr.config(tmp_path))
    assert type(error.value) is kind
    assert told in str(error.value)
    assert_no_canary(str(error.value), repr(error.value.__cause__))


def url_of(manifest: Any, type_name: str) -> str:
    """Where a type's file is."""
    return next(str(f["url"]) for f in manifest["output"] if f["type"] == type_name)


def listed_as(manifest: Any, type_name: str, other: str) -> Any:
    """The manifest with another type's file in the place of one type's."""
    output = [
        {**file, "url": url_of(manifest, other)} if file["type"] == type_name else file
        for file in manifest["output"]
    ]
    return {**manifest, "output": output}


def in_a_bundle(body: bytes) -> bytes:
    """All resources of a file in one Bundle."""
    entries = [{"resource": json.loads(line)} for line in body.splitlines()]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def with_outcomes(manifest: Any, *, among: str, **file: Any) -> Any:
    """The manifest with a file of OperationOutcomes, which is the encounters' here."""
    told = {"type": "OperationOutcome", "url": url_of(manifest, "Encounter"), **file}
    return {**manifest, among: [*manifest.get(among, ()), told]}


def instead_of_the_first(told: Any) -> Fault:
    """Sent once in the place of the encounters' file: the last time it is fetched."""
    body = json.dumps(told).encode()
    fetched: list[int] = []

    def fault(method: str, path: str, given: Answer) -> Answer:
        if not ("bulk-files" in path and "Encounter" in path):
            return given
        fetched.append(1)
        return replace(given, body=body) if len(fetched) > 1 else given

    return fault


SUPPRESSED = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "information", "code": "suppressed", "diagnostics": "Quetzalcoatlus"}],
}
HARMLESS = (
    b'{"resourceType":"OperationOutcome",'
    b'"issue":[{"severity":"information","code":"informational"}]}\n'
)


def counted(manifest: Any, type_name: str, count: int) -> Any:
    """The manifest with another count for one type's file."""
    output = [
        {**file, "count": count} if file["type"] == type_name else file
        for file in manifest["output"]
    ]
    return {**manifest, "output": output}


JUDGED: dict[str, tuple[Faults, set[Reason]]] = {
    "a type's file is another type's": (
        lambda: (manifest(lambda m: listed_as(m, "Observation", "Encounter")),),
        {Reason.UNREADABLE_RECORD},
    ),
    "a file with nothing in it": (
        lambda: (uncounted(), alter("bulk-files.*Observation", lambda body: b"")),
        {Reason.COUNT_MISMATCH},
    ),
    "a harmless outcome in the place of records": (
        lambda: (uncounted(), alter("bulk-files.*Observation", lambda body: HARMLESS)),
        {Reason.COUNT_MISMATCH},
    ),
    "a harmless outcome in the place of the one record that was counted": (
        lambda: (
            alter_json("GET .*bulk-status", lambda m: counted(m, "Observation", 1)),
            alter("bulk-files.*Observation", lambda body: HARMLESS),
        ),
        {Reason.COUNT_MISMATCH},
    ),
    "a Bundle in the place of records": (
        lambda: (uncounted(), alter("bulk-files.*Observation", in_a_bundle)),
        {Reason.UNREADABLE_RECORD},
    ),
    "a place on another server": (
        lambda: (
            alter("bulk-files.*Encounter", lambda b: b.replace(b"Location/bed-7", ELSEWHERE)),
        ),
        {Reason.UNRESOLVED_REFERENCE},
    ),
    "a number of 5,000 digits": (
        lambda: (
            alter(
                "bulk-files.*Observation",
                lambda b: b.replace(b'"final"', b'"final","valueInteger":' + b"1" * 5000, 1),
            ),
        ),
        {Reason.UNREADABLE_RECORD},
    ),
    "a record of many levels": (
        lambda: (
            alter(
                "bulk-files.*Observation",
                lambda b: b.replace(
                    b'"final"', b'"final","valueString":' + b"[" * 900 + b"]" * 900, 1
                ),
            ),
        ),
        {Reason.UNREADABLE_RECORD},
    ),
    "UTF-16": (
        lambda: (alter("bulk-files.*Observation", lambda b: b.decode().encode("utf-16")),),
        {Reason.UNREADABLE_RECORD, Reason.COUNT_MISMATCH},
    ),
    "outcomes listed among the records": (
        lambda: (
            manifest(lambda m: with_outcomes(m, among="output")),
            instead_of_the_first(CANARY_OUTCOME),
        ),
        {Reason.MANIFEST_ERROR},
    ),
    "a type that is not exported, said in passing": (
        lambda: (
            manifest(lambda m: with_outcomes(m, among="error")),
            instead_of_the_first(
                {**SUPPRESSED, "issue": [{"severity": "information", "code": "not-supported"}]}
            ),
        ),
        {Reason.MANIFEST_ERROR},
    ),
    "suppressed, and called mere information": (
        lambda: (
            manifest(lambda m: with_outcomes(m, among="error")),
            instead_of_the_first(SUPPRESSED),
        ),
        {Reason.MANIFEST_ERROR},
    ),
    "errors that are counted and not there": (
        lambda: (
            manifest(lambda m: with_outcomes(m, among="error", count=3)),
            instead_of_the_first({**SUPPRESSED, "issue": [{"severity": "information"}]}),
        ),
        {Reason.MANIFEST_ERROR},
    ),
}


@pytest.mark.parametrize("name", JUDGED)
def test_what_is_not_as_it_should_be_is_never_called_complete(
    ehr: SmallEhr, tmp_path: Path, name: str
) -> None:
    faults, reasons = JUDGED[name]
    with ehr.proxy.fault(*faults()):
        store = run(ehr.config(tmp_path))
    assert_doubted(store, reasons)
    assert len(list(store.patients())) == store.facts.patients


# A server that tells neither how long a file is nor how many lines it has


@contextmanager
def hanging_up(body: bytes) -> Iterator[str]:
    """The address of a server of its own, which sends this and closes the connection."""

    class Once(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Once)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/Location"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("count", [None, 2])
def test_what_ends_with_the_connection_is_all_only_if_it_was_counted(
    ehr: SmallEhr, tmp_path: Path, truth: Records, count: int | None
) -> None:
    with hanging_up(b"".join(json.dumps(each).encode() + b"\n" for each in WARD[:2])) as url:
        told = {"type": "Location", "url": url, "count": count}
        elsewhere = manifest(
            lambda m: {**m, "requiresAccessToken": None, "output": [*m["output"], told]}
        )
        with ehr.proxy.fault(elsewhere):
            store = run(ehr.config(tmp_path))
    assert list(store.patients()) == truth
    found = {finding.fault for finding in store.facts.findings}
    assert found == (set() if count else {SiteFault.UNFRAMED})
