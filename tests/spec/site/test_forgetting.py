"""What a site forgets is nowhere on its disk any more."""

import shutil
import stat
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from service.cli import app
from service.errors import StoreError
from service.site.acquisition import Acquisition
from service.site.expectation import read_expected
from service.site.forgetting import Forgotten, forget_all, forget_old, forget_patient
from service.site.layering import lay_over
from service.site.placing import place_index
from service.site.quarantine import Entry
from service.site.store import open_store, require_index
from service.site.survey import UNMAPPED_FILE
from service.site.verdict import Fault
from service.site.verdict_list import VerdictList, write_verdicts
from tests.spec.site.test_store import PLAN, built, observation, patient, place, pulled, stay
from tests.spec.site_api.conftest import write_site

GONE = "zyzzyva-1"
MINE = [patient(GONE), observation("o1", GONE), stay("e1", GONE, "bed")]


def old(of: str) -> dict[str, Any]:
    """A patient who was merged into another."""
    link = {"other": {"reference": f"Patient/{of}"}, "type": "replaced-by"}
    return {**patient("zyzzyva-old"), "link": [link]}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that holds a patient in every kind of file."""
    folder = tmp_path / "data"
    built(
        folder,
        [patient(GONE), patient("p2"), old(GONE)],
        [observation("o1", GONE), observation("o2", "p2"), observation("o3", "zyzzyva-old")],
        ['{"resourceType": "Observation", "subject": {"reference": "Patient/zyzzyva-1"', "{other"],
        [stay("e1", GONE, "bed"), stay("e2", "p2", "bed")],
        [place("bed")],
    )
    changes = pulled(folder / "night", [observation("o9", GONE), observation("o8", "p2")])
    since = "2026-06-01T00:00:00+00:00"
    args = (changes.folder, changes.base_url, since, changes.files, ())
    few = [patient(f"q{n}") for n in range(20)]
    built(folder, [patient(GONE), patient("p2"), old(GONE), *few], [observation("o2", "p2")])
    assert lay_over(Acquisition(*args, since=since), PLAN, folder) is not None
    (folder / "night").rename(folder / "pull" / "night")
    quarantined = (
        f'{{"id": "{GONE}"}}',
        GONE.replace("1", r"\u0031").join(('{"id": "', '"}')),
        '{"id": "other"}',
        '{"note": "cut off before anybody is nam',
        None,
    )
    entries = (Entry("Observation.ndjson", 1, Fault.UNREADABLE, each) for each in quarantined)
    lines = [msgspec.json.encode(entry).decode() for entry in entries]
    (folder / "quarantine.ndjson").write_text("\n".join(lines) + "\n")
    for name in ("outcomes.ndjson", "ehr-errors-0001.ndjson", UNMAPPED_FILE):
        (folder / name).write_text(GONE)
    (folder / "building").mkdir()
    (folder / "building" / "record-0.0.tsv").write_text(GONE)
    write_verdicts(folder, VerdictList("2026-06-01", 1, {}, [], []))
    return folder


def traces(folder: Path) -> list[str]:
    """The files that name the patient, those that are compressed too."""
    named = [path.name for path in folder.rglob("*") if path.is_file() and _names(path)]
    try:
        store = open_store(folder)
    except StoreError:
        return named
    stored = [mark for mark in store.fingerprints() if "zyzzyva" in mark[0]]
    return named + ["store"] * bool(stored)


def _names(path: Path) -> bool:
    if path.suffix != ".parquet":
        return b"zyzzyva" in path.read_bytes()
    query = "SELECT count(*) FROM read_parquet(?) AS t WHERE contains(t::VARCHAR, 'zyzzyva')"
    return bool(duckdb.execute(query, [str(path)]).fetchall()[0][0])


def test_nothing_remains_of_a_patient_who_is_forgotten(site: Path) -> None:
    assert len(traces(site)) > 5
    assert forget_patient(site, GONE).found
    assert traces(site) == []


def test_of_the_others_everything_remains(site: Path) -> None:
    before = open_store(site)
    forget_patient(site, GONE)
    after = open_store(site)
    assert list(after.patients()) == [one for one in before.patients() if one.id != GONE]
    assert after.facts.patients == before.facts.patients - 1
    assert after.facts.expected.patients == after.facts.patients
    assert len(after.facts.members) == after.facts.patients
    assert after.facts.expected.most == after.facts.months == after.facts.expected.months
    assert "other" in (site / "quarantine.ndjson").read_text()


def test_of_what_was_set_aside_nothing_remains_of_which_nobody_can_tell_whose_it_was(
    site: Path,
) -> None:
    forget_patient(site, GONE)
    lines = (site / "quarantine.ndjson").read_bytes().splitlines()
    kept = [msgspec.json.decode(line) for line in lines]
    assert [entry.get("record") for entry in kept] == ['{"id": "other"}', None]


def test_the_next_pull_is_of_everything(site: Path) -> None:
    """Changes would bring back what is new of the patient, without what was forgotten."""
    source = "sha256:here"
    index = require_index(site)
    place_index(replace(index, facts=replace(index.facts, source=source)), site)
    forget_patient(site, GONE)
    assert require_index(site).facts.source != source


def test_a_patient_of_whom_there_are_records_alone_is_forgotten_too(tmp_path: Path) -> None:
    built(tmp_path, [patient("p2")], [observation("o1", GONE)])
    assert GONE in (tmp_path / "store.json").read_text()
    assert forget_patient(tmp_path, GONE).found
    assert traces(tmp_path) == []


def test_merged_patients_are_one_person_whichever_id_is_given(site: Path) -> None:
    """Records that came under the old id are stored under the other one."""
    with (site / "quarantine.ndjson").open("ab") as lines:
        entry = Entry("Observation.ndjson", 9, Fault.UNREADABLE, '{"id": "zyzzyva-old"}')
        lines.write(msgspec.json.encode(entry) + b"\n")
    assert forget_patient(site, "zyzzyva-old") == Forgotten(found=True, others=(GONE,))
    assert traces(site) == []
    assert open_store(site).facts.patients == len(list(open_store(site).patients())) == 21


def test_who_was_replaced_by_somebody_who_is_not_there_is_the_same_person(tmp_path: Path) -> None:
    built(tmp_path, [patient("p2"), old(GONE)], [observation("o1", "zyzzyva-old")])
    assert forget_patient(tmp_path, GONE) == Forgotten(found=True, others=("zyzzyva-old",))
    assert traces(tmp_path) == []


def test_another_patients_link_to_the_one_who_is_forgotten_is_taken_out(tmp_path: Path) -> None:
    def link(id: str) -> dict[str, Any]:
        return {"other": {"reference": f"Patient/{id}"}, "type": "seealso"}

    place = {"url": "http://x/latitude", "valueDecimal": 1.50}
    twin = patient("twin") | {"extension": [place]}
    linked = twin | {"link": [link(GONE), link("p2")]}
    built(tmp_path, [patient(GONE), patient("p2"), linked, patient("p3") | {"link": [link(GONE)]}])
    (tmp_path / "pull").rename(tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "elsewhere")
    assert forget_patient(tmp_path, GONE).found
    assert traces(tmp_path) == []
    after = open_store(tmp_path).fingerprints()
    again = tmp_path / "again"
    store = built(again, [patient("p2"), twin | {"link": [link("p2")]}, patient("p3")])
    assert after == store.fingerprints()


def at_home(id: str, of: str) -> dict[str, Any]:
    """A stay at a place that is no record of its own."""
    return stay(id, of, "x") | {
        "contained": [{"resourceType": "Location", "id": "here", "status": "active"}],
        "location": [{"location": {"reference": "#here"}}],
    }


def test_what_a_patients_records_contained_is_forgotten_with_them(tmp_path: Path) -> None:
    """It is kept with the places, under an id that is made of the stay's."""
    stays = [at_home("zyzzyva-stay", GONE), at_home("e2", "p2")]
    before = built(tmp_path, [patient(GONE), patient("p2")], stays)
    assert before.facts.resources["Location"] == 2
    assert forget_patient(tmp_path, GONE).found
    assert traces(tmp_path) == []
    after = open_store(tmp_path)
    assert after.facts.resources["Location"] == 1
    assert [each.resources["Location"] for each in after.patients()] == [
        each.resources["Location"] for each in before.patients() if each.id == "p2"
    ]


def test_no_day_remains_on_which_there_was_nobody_else(tmp_path: Path) -> None:
    """As the one before days on which nothing came."""

    def on(day: date, of: str) -> list[dict[str, Any]]:
        when = {"effectiveDateTime": f"{day}T10:00:00Z"}
        return [observation(f"{of}-{day}-{n}", of) | when for n in range(2)]

    days = (date(2026, 3, 1) + timedelta(days=n) for n in range(60))
    regular = [each for day in days for each in on(day, "p2")]
    built(tmp_path, [patient(GONE), patient("p2")], [*regular, *on(date(2026, 5, 20), GONE)])
    before = require_index(tmp_path).facts.expected.holes["Observation"]
    assert [day for day, _ in before] == ["2026-04-29", "2026-05-20"]
    forget_patient(tmp_path, GONE)
    after = require_index(tmp_path).facts.expected.holes["Observation"]
    assert [day for day, _ in after] == ["2026-04-29"]


def test_who_is_not_there_is_not_forgotten(site: Path) -> None:
    assert forget_patient(site, "nobody") == Forgotten(found=False)


def test_files_that_a_killed_process_left_are_forgotten_with_the_patient(site: Path) -> None:
    """A process was killed after it had replaced store.json: the parts before it are still there,
    and no index names them."""
    before = [path.rename(site / path.name) for path in (site / "store").iterdir()]
    for path in before:
        shutil.copy(path, site / "store")
    assert forget_patient(site, GONE).found
    for path in before:
        path.rename(site / "store" / path.name)
    (site / "store.json.part").write_text(GONE)
    assert forget_patient(site, GONE) == Forgotten(found=False, strays=True)
    assert traces(site) == []


UNREAD: dict[str, Callable[[Path], object]] = {
    "of another version of Weir": lambda site: (site / "store.json").write_bytes(
        (site / "store.json").read_bytes().replace(b'"format":5', b'"format":4')
    ),
    "of the first format": lambda site: [
        (site / "store.json").unlink(),
        next((site / "store").iterdir()).rename(site / "store.parquet"),
        shutil.rmtree(site / "store"),
    ],
    "damaged": lambda site: (site / "store.json").write_text("{"),
    "without its index": lambda site: (site / "store.json").unlink(),
    "with a damaged part": lambda site: min((site / "store").iterdir()).write_text("{"),
}


@pytest.mark.parametrize("damage", UNREAD.values(), ids=UNREAD)
def test_a_store_that_nobody_can_look_through_is_forgotten_whole(
    site: Path, damage: Callable[[Path], object]
) -> None:
    damage(site)
    assert forget_patient(site, GONE) == Forgotten(found=False, unread=True)
    assert traces(site) == []
    assert read_expected(site).patients == 22


def forget(site: Path, *options: str, id: str = GONE) -> str:
    """What `weir site forget` tells."""
    write_site(site.parent)
    command = ["site", "forget", "--config", str(site.parent / "site.toml"), *options]
    done = CliRunner().invoke(app, command, input=f"{id}\n")
    assert done.exit_code == 0, done.stderr
    return done.stderr


def test_the_command_says_what_it_forgot(site: Path) -> None:
    told = forget(site, "--patient")
    assert told.startswith("forgotten\n") and told.endswith("same person's: zyzzyva-old\n")
    assert traces(site) == []
    assert forget(site, "--patient") == "there was nothing to forget\n"
    shutil.copy(max((site / "store").iterdir()), site / "store" / "000000-000.parquet")
    assert "when it was killed was removed" in forget(site, "--patient")
    assert forget(site, "--everything") == "forgotten\n"
    assert not (site / "store").exists()


def test_the_command_says_that_a_store_was_not_read(site: Path) -> None:
    (site / "store.json").write_text("{")
    assert "All of it was removed" in forget(site, "--patient")
    assert traces(site) == []
    assert forget(site, "--patient") == "there was nothing to forget\n"


def test_everything_can_be_forgotten(site: Path) -> None:
    (site / "keys").mkdir()
    (site / "site.db").write_text("what was released")
    forget_all(site)
    left = sorted(path.name for path in site.iterdir())
    assert left == ["expected.json", "keys", "site.db"]
    few = read_expected(site)
    assert few.patients == 22 and not {*few.resources.values(), 0} - {0, 22}, "only what is many"


def test_what_no_pull_renews_is_forgotten_in_time(site: Path) -> None:
    pulled_at = datetime(2026, 6, 1, tzinfo=UTC)
    assert not forget_old(site, 30, pulled_at + timedelta(days=29))
    assert forget_old(site, 30, pulled_at + timedelta(days=31))
    assert traces(site) == []


def test_every_file_stays_its_owners_alone(site: Path) -> None:
    forget_patient(site, GONE)
    kept = [site / "store.json", site / "quarantine.ndjson", *(site / "store").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
