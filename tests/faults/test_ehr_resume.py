"""A pull that was broken off goes on where it stopped: nothing that is whole is fetched twice."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.cql.record import PatientRecord
from service.errors import EhrError, ExportError, StoppedError, StoreError, UnavailableError
from service.measure.completeness import COMPLETE, Reason, Verdict
from service.site.acquire import STOP, acquire
from service.site.building import build_store
from service.site.config import SiteConfig
from service.site.refreshing import refresh
from service.site.store import Store, open_store
from tests.ehr import PATIENTS, PLAN, QUICK, SmallEhr, profiled, searching, with_fhir
from tests.faults.killed_pull import killed_at, processes
from tests.faults.proxy import Answer, Fault, alter, alter_json, answer

__all__ = ["processes"]  # the fixture

full = pytest.mark.full
FILES = r"GET .*bulk-files"
SEARCHES = r"GET /fhir/(Encounter|Observation|MedicationRequest|Patient)\?"


def pulled(config: SiteConfig) -> Store:
    """The store of a pull."""
    acquisition = acquire(config, PLAN, QUICK)
    store = build_store(acquisition, PLAN, config.data_dir)
    acquisition.discard()
    return store


@pytest.fixture(scope="module")
def truth(ehr: SmallEhr, tmp_path_factory: pytest.TempPathFactory) -> list[PatientRecord]:
    """What an undisturbed run gives."""
    return list(pulled(ehr.config(tmp_path_factory.mktemp("truth"))).patients())


def logged(config: SiteConfig) -> bytes:
    """What a pull that was killed has written down."""
    return (config.data_dir / "pull" / "log.ndjson").read_bytes()


def requests(ehr: SmallEhr, pattern: str) -> list[str]:
    """The requests of the last pull."""
    seen = [f"{method} {path}" for method, path in ehr.proxy.seen]
    return [each for each in seen if re.search(pattern, each)]


@pytest.mark.parametrize(
    "step",
    [
        FILES,
        pytest.param("GET .*bulk-status", marks=full),
        pytest.param("GET .*/Location/ward", marks=full),
        pytest.param("DELETE", marks=full),
    ],
)
def test_an_export_goes_on_after_a_kill(
    ehr: SmallEhr,
    tmp_path: Path,
    truth: list[PatientRecord],
    processes: list[subprocess.Popen[bytes]],
    step: str,
) -> None:
    config = ehr.config(tmp_path)
    killed_at(ehr, tmp_path, step, processes)
    whole = set(re.findall(rb'"file":"([^"]+)"', logged(config)))
    with ehr.proxy.fault():
        store = pulled(config)
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth
    assert requests(ehr, r"\$export") == []  # its status address is known: it is asked there
    assert len(requests(ehr, FILES)) == 4 - len([name for name in whole if b"read" not in name])
    if step == "DELETE":  # all was there
        assert requests(ehr, "bulk") == []


@pytest.mark.parametrize(
    "step",
    [
        r"/Observation\?",
        pytest.param(r"/Patient\?", marks=full),
        pytest.param("_offset", marks=full),
        pytest.param("GET .*/Location/ward", marks=full),
    ],
)
def test_a_search_goes_on_after_a_kill(
    ehr: SmallEhr,
    tmp_path: Path,
    truth: list[PatientRecord],
    processes: list[subprocess.Popen[bytes]],
    step: str,
) -> None:
    config = searching(ehr.config(tmp_path / "data"))
    killed_at(ehr, config.data_dir, step, processes, "", config.fhir.vendor)
    whole = set(re.findall(rb'"key":"([A-Z][A-Za-z]+:[^"]+)"', logged(config)))
    with ehr.proxy.fault():
        store = pulled(config)
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth
    begun = [each for each in requests(ehr, SEARCHES) if not re.search("_offset|_summary", each)]
    assert len(begun) == 8 - len(whole)  # four types, of three patients and of one


@full
def test_an_export_that_is_gone_meanwhile_is_started_again(
    ehr: SmallEhr,
    tmp_path: Path,
    truth: list[PatientRecord],
    processes: list[subprocess.Popen[bytes]],
) -> None:
    config = ehr.config(tmp_path)
    killed_at(ehr, tmp_path, FILES, processes)
    with ehr.proxy.fault(answer(404, "bulk-(status|files)/(?!.*again)", times=1)):
        store = pulled(config)
    assert list(store.patients()) == truth
    assert len(requests(ehr, r"\$export")) == 1


def test_a_search_that_was_broken_off_goes_on_as_a_search(
    ehr: SmallEhr, tmp_path: Path, truth: list[PatientRecord]
) -> None:
    """Though the EHR exports again: what both bring is of two times, and must not be mixed."""
    config = profiled(ehr.config(tmp_path / "data"), method='"get"', patients_at_once="1")
    faults = answer(501, r"\$export"), answer(503, rf"/Observation\?.*{PATIENTS[3]}")
    with ehr.proxy.fault(*faults), pytest.raises(UnavailableError):
        pulled(config)
    with ehr.proxy.fault(answer(500, "nowhere")):
        store = pulled(config)
    assert (list(store.patients()), store.completeness()) == (truth, COMPLETE)
    assert not requests(ehr, "export") and len(requests(ehr, SEARCHES)) < 12


def test_a_type_that_was_refused_is_not_forgotten_when_the_pull_goes_on(
    ehr: SmallEhr, tmp_path: Path, truth: list[PatientRecord]
) -> None:
    """The export that was begun without it has none of it."""

    def narrow(token: Any) -> Any:
        if "access_token" not in token:
            return token
        types = sorted(PLAN.types - {"Observation"} | {"Group"})
        return {**token, "scope": " ".join(f"system/{name}.read" for name in types)}

    config = with_fhir(ehr.config(tmp_path), check_patients=0)
    refused = alter_json("POST .*token", narrow), answer(503, FILES)
    with ehr.proxy.fault(*refused), pytest.raises(UnavailableError):
        pulled(config)
    store = pulled(config)
    assert (list(store.patients()), store.completeness()) == (truth, COMPLETE)


@pytest.mark.full
def test_a_file_that_is_only_half_there_is_fetched_again(
    ehr: SmallEhr,
    tmp_path: Path,
    truth: list[PatientRecord],
    processes: list[subprocess.Popen[bytes]],
) -> None:
    """A disk may have lost what it said it had written."""
    config = ehr.config(tmp_path)
    killed_at(ehr, tmp_path, "DELETE", processes)
    [half] = (tmp_path / "pull").glob("*-Observation.ndjson")
    half.write_bytes(half.read_bytes()[:-100])
    with ehr.proxy.fault():
        store = pulled(config)
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth
    assert len(requests(ehr, FILES)) > 0


@full
def test_what_a_killed_search_wrote_in_half_is_cut_off(
    ehr: SmallEhr,
    tmp_path: Path,
    truth: list[PatientRecord],
    processes: list[subprocess.Popen[bytes]],
) -> None:
    config = searching(ehr.config(tmp_path / "data"))
    killed_at(ehr, config.data_dir, "GET .*/Location/ward", processes, "", config.fhir.vendor)
    pull = tmp_path / "data" / "pull"
    with (pull / "Observation.ndjson").open("ab") as file:
        file.write(b'{"resourceType":"Observation","id":"half')
    with (pull / "log.ndjson").open("ab") as file:
        file.write(b'{"what":"fetched","key":"Obs')
    with ehr.proxy.fault():
        store = pulled(config)
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth
    assert requests(ehr, SEARCHES) == []


@full
def test_a_pull_of_other_things_starts_anew(
    ehr: SmallEhr, tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    config = ehr.config(tmp_path)
    killed_at(ehr, tmp_path, "DELETE", processes)
    with ehr.proxy.fault():
        acquire(config, PLAN.without(["Observation"]), QUICK).discard()
    assert len(requests(ehr, r"\$export")) == 1


@full
def test_a_pull_of_another_day_starts_anew(
    ehr: SmallEhr, tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    config = ehr.config(tmp_path)
    killed_at(ehr, tmp_path, "DELETE", processes)
    log = tmp_path / "pull" / "log.ndjson"
    first, rest = log.read_bytes().split(b"\n", 1)
    begun = re.sub(rb'"at":\d+', b'"at":%d' % (time.time() - 25 * 3600), first)
    log.write_bytes(begun + b"\n" + rest)
    with ehr.proxy.fault():
        acquire(config, PLAN, QUICK).discard()
    assert len(requests(ehr, r"\$export")) == 1


# A line of 100 MB

MEGABYTES = 100
MOST_MEMORY = 6 * MEGABYTES * 2**20  # bytes, of the whole process


def with_note(line: bytes) -> bytes:
    """The record with a note that no measure reads."""
    return line.replace(b"{", b'{"note":[{"text":"%b"}],' % (b"x" * MEGABYTES * 2**20), 1)


def unending(line: bytes) -> bytes:
    """The record, never closed."""
    return with_note(line)[:-1]


@full
@pytest.mark.parametrize("spoil", [with_note, unending])
def test_a_line_of_a_hundred_megabytes_is_read_in_bounded_memory(
    ehr: SmallEhr,
    tmp_path: Path,
    truth: list[PatientRecord],
    spoil: Callable[[bytes], bytes],
) -> None:
    def first_line(body: bytes) -> bytes:
        line, rest = body.split(b"\n", 1)
        record = re.sub(rb'"note":\[.*?\],?', b"", line)
        return spoil(record) + b"\n" + rest

    config = ehr.config(tmp_path)
    command = [sys.executable, "-m", "tests.faults.pull", str(tmp_path), ehr.base_url]
    with ehr.proxy.fault(alter("bulk-files.*Observation", first_line)):
        command.append(str(ehr.keys["ec"]))
        pulled = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
    assert int(pulled.stdout) < MOST_MEMORY
    store = open_store(config.data_dir)
    if spoil is with_note:
        assert store.completeness() == COMPLETE
        assert list(store.patients()) == truth
    else:
        assert store.completeness().verdict is not Verdict.COMPLETE


# The switch


def test_while_the_switch_is_set_nothing_is_asked(ehr: SmallEhr, tmp_path: Path) -> None:
    (tmp_path / STOP).touch()
    with ehr.proxy.fault(), pytest.raises(StoppedError, match="weir site stop --off"):
        acquire(ehr.config(tmp_path), PLAN, QUICK)
    assert ehr.proxy.seen == []


def test_the_switch_wakes_a_pull_that_waits(
    ehr: SmallEhr, tmp_path: Path, truth: list[PatientRecord]
) -> None:
    """The EHR asks to be left alone for an hour; the pull ends at once, and goes on later."""
    config = ehr.config(tmp_path)

    def busy(method: str, path: str, given: Answer) -> Answer:
        if "bulk-status" not in path:
            return given
        (tmp_path / STOP).touch()
        return Answer(202, {"Retry-After": "3600"}, b"")

    with ehr.proxy.fault(busy), pytest.raises(StoppedError):
        acquire(config, PLAN, QUICK)
    (tmp_path / STOP).unlink()
    with ehr.proxy.fault():
        assert list(pulled(config).patients()) == truth
    assert requests(ehr, r"\$export") == []


def test_the_switch_ends_a_download_that_hangs(
    ehr: SmallEhr, tmp_path: Path, truth: list[PatientRecord]
) -> None:
    config = ehr.config(tmp_path)
    let_go = threading.Event()

    def hanging(method: str, path: str, given: Answer) -> Answer:
        if "bulk-files" in path:
            (tmp_path / STOP).touch()
            return Answer(200, given.headers, given.body, hold=let_go)
        return given

    try:
        with ehr.proxy.fault(hanging), pytest.raises(StoppedError):
            acquire(config, PLAN, QUICK)
        assert not let_go.is_set()  # the server had not sent the rest
    finally:
        let_go.set()
    (tmp_path / STOP).unlink()
    assert list(pulled(config).patients()) == truth


def test_a_pull_that_is_stopped_while_it_is_compared_is_compared_the_next_time(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    """What the export left out is not overlooked because the search for it was broken off."""
    config = with_fhir(ehr.config(tmp_path), check_patients=20)
    lost = alter_json(
        "GET .*bulk-status",
        lambda m: {**m, "output": [f for f in m["output"] if f["type"] != "Observation"]},
    )

    def stopping(method: str, path: str, given: Answer) -> Answer:
        if "_search" in path:
            (tmp_path / STOP).touch()
            time.sleep(1.5)  # until the site has seen it
        return given

    with ehr.proxy.fault(lost, stopping), pytest.raises(StoppedError):
        acquire(config, PLAN, QUICK)
    (tmp_path / STOP).unlink()
    with ehr.proxy.fault():
        store = pulled(config)
    assert requests(ehr, r"\$export") == []
    assert store.completeness().reasons == {Reason.MISSING_DATA}


def test_without_an_answer_the_pull_is_kept(
    ehr: SmallEhr, tmp_path: Path, truth: list[PatientRecord]
) -> None:
    config = ehr.config(tmp_path)
    with (
        ehr.proxy.fault(one_file_only()),
        pytest.raises(UnavailableError),
    ):
        acquire(config, PLAN, QUICK)
    with ehr.proxy.fault():
        assert list(pulled(config).patients()) == truth
    assert len(requests(ehr, FILES)) == 1


def one_file_only() -> Fault:
    """All files come but one."""
    return answer(503, "bulk-files.*Observation")


def test_a_pull_that_could_not_be_stored_is_stored_by_the_next_run(
    ehr: SmallEhr, tmp_path: Path, truth: list[PatientRecord]
) -> None:
    """Nothing of it is fetched twice when there is room to build again."""
    config = ehr.config(tmp_path / "data")
    config.data_dir.mkdir()
    in_the_way = config.data_dir / "building"
    in_the_way.touch()
    with pytest.raises(StoreError, match="cannot be built"):
        refresh(config, PLAN)
    in_the_way.unlink()
    with ehr.proxy.fault():
        store = refresh(config, PLAN)
    assert list(store.patients()) == truth
    assert requests(ehr, r"\$export|bulk") == []
    assert not (config.data_dir / "pull").exists()


OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "exception"}],
}
BUSY = {**OUTCOME, "issue": [{"severity": "error", "code": "transient"}]}


@pytest.mark.parametrize(
    ("failing", "error", "exports"),
    [
        pytest.param(answer(500, "GET .*bulk-status", body=OUTCOME), ExportError, 1, id="for good"),
        pytest.param(
            answer(500, "GET .*bulk-status", body=BUSY), UnavailableError, 0, id="for now"
        ),
        pytest.param(
            answer(503, "GET .*bulk-status", body=OUTCOME), UnavailableError, 0, id="busy"
        ),
        pytest.param(answer(500, "GET .*bulk-status"), UnavailableError, 0, id="nobody knows why"),
    ],
)
def test_an_export_that_has_failed_for_good_is_started_again_by_the_next_run(
    ehr: SmallEhr,
    tmp_path: Path,
    truth: list[PatientRecord],
    failing: Fault,
    error: type[EhrError],
    exports: int,
) -> None:
    """The EHR says so at its status address, and would at every poll for a day."""
    config = ehr.config(tmp_path)
    with ehr.proxy.fault(failing):
        with pytest.raises(error) as told:
            acquire(config, PLAN, QUICK)
        assert type(told.value) is error
        assert len(requests(ehr, "DELETE")) == exports
    with ehr.proxy.fault():
        assert list(pulled(config).patients()) == truth
        assert len(requests(ehr, r"\$export")) == exports
